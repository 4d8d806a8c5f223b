"""Archives and machines that end themselves, against moto's S3 and EC2 and a metadata service on the loopback."""

from __future__ import annotations

import json
import logging
import os
import re
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from fsspec.implementations.memory import MemoryFileSystem

from reage.cli.main import main
from reage.errors import ArchiveError, ConfigError
from reage.training.checkpoint import checkpoints
from reage.training.cloud.archive import Archive
from reage.training.cloud.run_archive import Synchroniser, fetch_run, open_run_archive
from reage.training.config import TrainSettings
from reage.training.trainer import Trainer

from .cloud_stand_ins import WrongRegion, metadata, serving
from .test_trainer import assert_same_run
from .tiny import age_settings, at_step

pytest.importorskip("moto")
pytest.importorskip("s3fs")

import boto3
from moto.server import ThreadedMotoServer

REGION = "eu-west-1"
PREFIX = "s3://faces/runs"
NOBODY = "http://127.0.0.1:9"  # where nothing listens


@pytest.fixture(scope="module")
def aws_address() -> Iterator[str]:
    """Address of a stand-in for S3 and EC2."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    for service in ("s3", "ec2"):
        client(service).close()
    client.cache_clear()
    server.stop()


@pytest.fixture
def aws(aws_address: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The environment of a user of it, with an empty bucket called faces."""
    for name, value in {
        "AWS_ACCESS_KEY_ID": "id",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ENDPOINT_URL": aws_address,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": "/nonexistent",
        "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent",
    }.items():
        monkeypatch.setenv(name, value)
    forget_connections()
    client("s3").create_bucket(Bucket="faces", CreateBucketConfiguration={"LocationConstraint": REGION})
    yield aws_address
    monkeypatch.setenv("AWS_ENDPOINT_URL", aws_address)
    delete_bucket()


def forget_connections() -> None:
    """As in a new process: fsspec keeps a connection with the settings that it was made with."""
    import s3fs

    s3fs.S3FileSystem.clear_instance_cache()


@cache
def client(service: str) -> Any:
    """Of the stand-in; made once, since that reads what the service can do from large files."""
    return boto3.client(
        service,
        aws_access_key_id="id",
        aws_secret_access_key="secret",
        region_name=REGION,
        endpoint_url=os.environ["AWS_ENDPOINT_URL"],
    )


def delete_bucket() -> None:
    s3 = client("s3")
    for each in s3.list_buckets()["Buckets"]:
        for found in s3.list_objects_v2(Bucket=each["Name"]).get("Contents", []):
            s3.delete_object(Bucket=each["Name"], Key=found["Key"])
        s3.delete_bucket(Bucket=each["Name"])


def stored() -> set[str]:
    return {found["Key"] for found in client("s3").list_objects_v2(Bucket="faces").get("Contents", [])}


def url_of(run: Path) -> str:
    return str(json.loads((run / "archive.json").read_text())["url"])


def command(settings: TrainSettings, folder: Path, *more: str) -> Result:
    recipe = folder.parent / "recipe.yaml"
    recipe.write_text(settings.model_dump_json())  # JSON is YAML
    return CliRunner().invoke(main, ["train", str(recipe), "-o", str(folder), *more])


def fail(settings: TrainSettings, folder: Path) -> str:
    """The one line in which a run ends that does not start, and leaves nothing."""
    ran = command(settings, folder)
    assert ran.exit_code == 2, ran.output
    assert len(ran.output.splitlines()) == 1
    assert not folder.exists()
    return ran.output


# -- a run and its archive --


def test_the_archive_has_the_whole_run(aws: str, cache: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    ran = command(age_settings(cache, archive=PREFIX), run)
    assert ran.exit_code == 0, ran.output
    assert re.fullmatch(r"s3://faces/runs/run-[0-9a-f]{8}", url_of(run))
    assert f"archive: the run is in {url_of(run)}\n" in ran.output
    name = url_of(run).removeprefix("s3://faces/")
    ours = {f"{name}/{path.relative_to(run).as_posix()}" for path in run.rglob("*") if path.is_file()}
    assert stored() == ours
    for key in ours:
        content = client("s3").get_object(Bucket="faces", Key=key)["Body"].read()
        assert content == (run / key.removeprefix(f"{name}/")).read_bytes()


def test_epochs_arrive_while_the_run_goes_on(aws: str, cache: Path, tmp_path: Path) -> None:
    trainer = Trainer(age_settings(cache, archive=PREFIX), tmp_path / "run")
    seen: list[set[str]] = []

    def wait_for_epoch() -> None:
        for _ in range(200):
            seen.append({key.split("/", 2)[2] for key in stored()})
            if "checkpoints/step00000003.safetensors" in seen[-1]:
                break
            time.sleep(0.05)

    at_step(trainer, 4, wait_for_epoch).run()
    assert {"best.safetensors", "weights.safetensors", "settings.json", "log.jsonl"} <= seen[-1]
    assert "metrics/test_metrics.json" not in seen[-1]
    assert any(key.endswith("metrics/test_metrics.json") for key in stored())


def test_a_run_goes_on_from_its_url_on_another_machine(
    aws: str, cache: Path, age_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = Trainer(age_settings(cache, archive=PREFIX), tmp_path / "first")
    at_step(first, 2, lambda: first.stop(signal.SIGTERM)).run()
    url = url_of(tmp_path / "first")
    shutil.rmtree(tmp_path / "first")  # and with it everything on that machine
    monkeypatch.chdir(tmp_path)
    ran = CliRunner().invoke(main, ["train", url])
    assert ran.exit_code == 2
    assert "add --resume" in ran.output
    ran = CliRunner().invoke(main, ["train", url, "--resume"])
    assert ran.exit_code == 0, ran.output
    run = Path("runs") / url.rpartition("/")[2]
    assert f"{run}: step 6 of 6" in ran.output
    assert_same_run(age_run, run)
    assert url_of(run) == url
    assert {key.split("/")[1] for key in stored()} == {url.rpartition("/")[2]}


def test_a_run_that_goes_on_here_goes_on_in_the_same_place(aws: str, cache: Path, tmp_path: Path) -> None:
    settings, run = age_settings(cache, archive=PREFIX), tmp_path / "run"
    first = Trainer(settings, run)
    at_step(first, 2, lambda: first.stop(signal.SIGTERM)).run()
    url = url_of(run)
    Trainer(settings, run, resume=True).run()
    assert url_of(run) == url
    other = settings.model_copy(update={"archive": "s3://faces/elsewhere"})
    Trainer(other, run, resume=True).run()
    assert url_of(run).startswith("s3://faces/elsewhere/run-")


def test_what_is_here_already_is_not_replaced_by_something_older(
    aws: str, cache: Path, tmp_path: Path
) -> None:
    settings, run = age_settings(cache, archive=PREFIX), tmp_path / "run"
    first = Trainer(settings, run)
    at_step(first, 2, lambda: first.stop(signal.SIGTERM)).run()
    fetch_run(url_of(run), tmp_path / "copy")
    Trainer(settings.model_copy(update={"archive": None}), tmp_path / "copy", resume=True).run()
    fetch_run(url_of(run), tmp_path / "copy")
    assert checkpoints(tmp_path / "copy")[-1].name == "step00000006.safetensors"
    Trainer(age_settings(cache, steps=1), tmp_path / "other").run()
    with pytest.raises(ConfigError, match="contains another run"):
        fetch_run(url_of(run), tmp_path / "other")
    with pytest.raises(ArchiveError, match="no checkpoint to resume from"):
        fetch_run("s3://faces/runs/run-00000000", tmp_path / "nothing")


def test_a_folder_on_a_disk_is_an_archive_too(cache: Path, tmp_path: Path) -> None:
    Trainer(age_settings(cache, archive=f"file://{tmp_path}/disk", steps=1), tmp_path / "run").run()
    fetch_run(url_of(tmp_path / "run"), tmp_path / "copy")
    assert_same_run(tmp_path / "run", tmp_path / "copy")


# -- an archive that fails while a run goes on --


class Moody(MemoryFileSystem):  # type: ignore[misc]
    """Refuses the next ``refusals`` files."""

    protocol = "moody"
    refusals = 0

    def put_file(self, lpath: str, rpath: str, **more: Any) -> None:
        if Moody.refusals:
            Moody.refusals -= 1
            raise TimeoutError("no answer")
        super().put_file(lpath, rpath, **more)


@pytest.fixture
def moody() -> Iterator[Archive]:
    import fsspec

    fsspec.register_implementation("moody", Moody, clobber=True)
    yield Archive("moody://runs/run-1")
    Moody.store.clear()
    Moody.refusals = 0


def test_what_failed_is_tried_again(moody: Archive, tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        (tmp_path / name).write_text(name)
    warnings: list[str] = []
    synchroniser = Synchroniser(tmp_path, moody, pauses=(0.0, 0.0), warn=warnings.append)
    Moody.refusals = 2
    assert synchroniser.finish() is None
    assert moody.names() == ["a", "b", "c"]
    assert warnings == []


def test_what_still_fails_is_told_and_tried_the_next_time(moody: Archive, tmp_path: Path) -> None:
    (tmp_path / "a").write_text("a")
    warned: list[str] = []
    synchroniser = Synchroniser(tmp_path, moody, pauses=(0.0,), warn=warned.append)
    Moody.refusals = 2
    synchroniser.request()
    while not warned:
        time.sleep(0.01)
    assert "moody://runs/run-1 cannot be written: no answer" in warned[0]
    assert moody.names() == []
    assert synchroniser.finish() is None
    assert moody.names() == ["a"]


def test_a_failing_archive_never_ends_the_training(
    aws: str, cache: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reage.training.cloud.run_archive.PAUSES", (0.01,))
    trainer = Trainer(age_settings(cache, archive=PREFIX), tmp_path / "run")
    at_step(trainer, 1, delete_bucket).run()
    told = capsys.readouterr().err
    assert trainer.step == 6
    assert (tmp_path / "run" / "metrics" / "test_metrics.json").exists()
    assert f"archive: some files are in {tmp_path / 'run'} only: the archive s3://faces/runs/run-" in told
    assert "bucket does not exist" in told


def test_a_name_that_leads_out_of_the_folder_is_refused(moody: Archive, tmp_path: Path) -> None:
    moody.write("checkpoints/step00000001.safetensors", b"")
    ((path, content),) = Moody.store.items()
    Moody.store[path.replace("checkpoints", "../../evil")] = content
    with pytest.raises(ArchiveError, match="points outside the archive"):
        fetch_run("moody://runs/run-1", tmp_path / "run")
    assert list(tmp_path.iterdir()) == []


# -- archives that cannot be --


def test_an_archive_that_is_not_there_is_told_before_the_training(
    aws: str, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = fail(age_settings(cache, archive="s3://nowhere/runs"), tmp_path / "run")
    assert re.search(
        r"the archive s3://nowhere/runs/run-\w+ cannot be written: .*bucket does not exist", told
    )
    monkeypatch.setenv("AWS_ENDPOINT_URL", NOBODY)
    forget_connections()
    told = fail(age_settings(cache, archive=PREFIX), tmp_path / "run")
    assert "Could not connect" in told
    assert "check the network and AWS_DEFAULT_REGION" in told


def test_missing_credentials_are_told(
    aws: str, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    forget_connections()
    told = fail(age_settings(cache, archive=PREFIX), tmp_path / "run")
    assert "there are no credentials: give the machine a role, or set AWS_ACCESS_KEY_ID" in told


@pytest.mark.parametrize("how", ["not one", "refused"])
def test_a_wrong_region_is_told(
    how: str, aws: str, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(WrongRegion) as address:
        if how == "refused":
            monkeypatch.setenv("AWS_ENDPOINT_URL", address)
        else:
            monkeypatch.setenv("AWS_DEFAULT_REGION", "not a region")
        forget_connections()
        told = fail(age_settings(cache, archive=PREFIX), tmp_path / "run")
    assert "region" in told
    assert "set AWS_DEFAULT_REGION to the region of the bucket" in told


def test_missing_packages_are_told(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "s3fs", None)
    told = fail(age_settings(cache, archive="s3a://faces/runs"), tmp_path / "run")  # s3:// is known by now
    assert "pip install 'reage[cloud]'" in told
    assert "fsspec does not support 'nope://'" in fail(
        age_settings(cache, archive="nope://a/b"), tmp_path / "run"
    )


def test_a_password_in_the_url_would_be_written_down_and_is_refused(cache: Path, tmp_path: Path) -> None:
    told = fail(age_settings(cache, archive="sftp://me:secret@host/runs"), tmp_path / "run")
    assert "must not contain a password" in told
    assert "secret" not in told


# -- the machine --


@cache
def image() -> str:
    """The id of what an instance may be started from."""
    return str(client("ec2").describe_images()["Images"][0]["ImageId"])


@pytest.fixture
def machine(aws: str) -> str:
    """The id of an instance that runs."""
    started = client("ec2").run_instances(ImageId=image(), MinCount=1, MaxCount=1)
    return str(started["Instances"][0]["InstanceId"])


def state(machine: str) -> str:
    found = client("ec2").describe_instances(InstanceIds=[machine])
    return str(found["Reservations"][0]["Instances"][0]["State"]["Name"])


@pytest.fixture
def metadata_service(machine: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What the machine asks about itself."""
    with serving(metadata({"instance-id": machine, "placement/region": REGION})) as address:
        monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", address)
        yield


def ending(cache: Path, **changes: Any) -> TrainSettings:
    return age_settings(cache, **{"archive": PREFIX, "terminate_instance": True, **changes})


@pytest.mark.usefixtures("metadata_service")
def test_a_machine_ends_after_a_complete_run(machine: str, cache: Path, tmp_path: Path) -> None:
    ran = command(ending(cache), tmp_path / "run")
    assert ran.exit_code == 0, ran.output
    assert f"terminate_instance: {machine} in {REGION} is being terminated" in ran.output
    assert state(machine) in ("shutting-down", "terminated")
    assert any(key.endswith("metrics/test_metrics.json") for key in stored())


@pytest.mark.usefixtures("metadata_service")
@pytest.mark.parametrize("when", [True, "always"])
def test_a_machine_outlives_a_run_that_was_stopped(
    when: bool | str, machine: str, cache: Path, tmp_path: Path
) -> None:
    trainer = Trainer(ending(cache, terminate_instance=when), tmp_path / "run")
    at_step(trainer, 2, lambda: trainer.stop(signal.SIGTERM)).run()
    assert state(machine) == "running"
    assert any(key.endswith("step00000003.safetensors") for key in stored())


@pytest.mark.usefixtures("metadata_service")
@pytest.mark.parametrize(("when", "expected"), [(True, "running"), ("always", "terminated")])
def test_a_machine_outlives_a_run_that_failed_unless_told_otherwise(
    when: bool | str, expected: str, machine: str, cache: Path, tmp_path: Path
) -> None:
    settings = ending(
        cache, terminate_instance=when, options={"learning_rate": 1e30}, warmup=0, steps=21, sample_every=1
    )
    with pytest.raises(ConfigError, match=r"became (nan|inf)"):
        Trainer(settings, tmp_path / "run").run()
    assert state(machine) == expected
    assert any(key.endswith("settings.json") for key in stored())


@pytest.mark.usefixtures("metadata_service")
def test_a_machine_outlives_an_archive_that_misses_something(
    machine: str,
    cache: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("reage.training.cloud.run_archive.PAUSES", (0.01,))
    trainer = Trainer(ending(cache, terminate_instance="always"), tmp_path / "run")
    at_step(trainer, 1, delete_bucket).run()
    assert state(machine) == "running"
    assert "is left running, since the archive does not have everything" in capsys.readouterr().err


@pytest.mark.parametrize("how", ["hangs", "refuses", "nonsense", "nobody"])
def test_a_machine_that_cannot_say_which_it_is_is_told_before_the_training(
    how: str, aws: str, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = {"instance-id": "a laptop", "placement/region": "home"} if how == "nonsense" else {}
    with serving(metadata(answers, hangs=how == "hangs")) as address:
        where = NOBODY if how == "nobody" else address
        monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", where)
        told = fail(ending(cache), tmp_path / "run")
    expected = {"hangs": "timed out", "refuses": "404", "nonsense": "'a laptop'", "nobody": "refused"}
    assert "terminate_instance: " in told
    assert where in told
    assert expected[how] in told


def test_a_machine_that_may_not_end_itself_is_told_before_the_training(
    metadata_service: None, machine: str, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_EC2", NOBODY)
    told = fail(ending(cache), tmp_path / "run")
    assert f"terminate_instance: {machine} in {REGION} cannot be terminated: Could not connect" in told


def test_a_machine_that_cannot_be_ended_loses_nothing(
    machine: str, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(metadata({"instance-id": machine, "placement/region": "us-west-2"})) as address:
        monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", address)
        ran = command(ending(cache, steps=1), tmp_path / "run")
    assert ran.exit_code == 0
    assert f"warning: terminate_instance: {machine} in us-west-2 cannot be terminated" in ran.output
    assert state(machine) == "running"


def test_a_machine_does_not_end_without_an_archive_or_boto3(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "needs an archive" in fail(ending(cache, archive=None), tmp_path / "run")
    monkeypatch.setattr("reage.training.cloud.instance.find_spec", lambda name: None)
    told = fail(ending(cache, archive=f"file://{tmp_path}"), tmp_path / "run")
    assert "needs boto3: pip install 'reage[cloud]'" in told


def test_the_place_of_a_run_is_found_again(moody: Archive, tmp_path: Path) -> None:
    first = open_run_archive("moody://runs/", tmp_path)
    assert open_run_archive("moody://runs", tmp_path).url == first.url
    assert open_run_archive("moody://others", tmp_path).url.startswith("moody://others/run-")
