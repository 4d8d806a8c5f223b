"""Real Ray with two cores, and a real S3 protocol on the loopback, started once for the tests of batches."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

DEADLY = '''
"""A store of files that ends the process which reads one called deadly.jpg, as one that takes all memory would."""
import os
from fsspec import AbstractFileSystem
from fsspec.implementations.local import LocalFileSystem

LOCAL = LocalFileSystem()

class Deadly(AbstractFileSystem):
    protocol = "deadly"

    def ls(self, path, detail=True, **options):
        return LOCAL.ls(path, detail=detail)

    def info(self, path, **options):
        return LOCAL.info(path)

    def cat_file(self, path, **options):
        if path.endswith("deadly.jpg"):
            os._exit(9)
        return LOCAL.cat_file(path)
'''


@pytest.fixture(scope="session")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keys for S3, and the store ``deadly://`` as a package that is installed for this and all child processes."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    packages = tmp_path_factory.mktemp("packages")
    (packages / "deadly.py").write_text(DEADLY)
    (packages / "deadly-1.dist-info").mkdir()
    (packages / "deadly-1.dist-info" / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: deadly\nVersion: 1\n"
    )
    (packages / "deadly-1.dist-info" / "entry_points.txt").write_text(
        "[fsspec.specs]\ndeadly = deadly:Deadly\n"
    )
    source = str(Path(__file__).parents[2] / "src")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        patch.setenv("AWS_ACCESS_KEY_ID", "test")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "test")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("PYTHONPATH", os.pathsep.join([str(packages), source]))
        patch.syspath_prepend(packages)
        import fsspec

        fsspec.register_implementation("deadly", "deadly.Deadly", clobber=True)
        yield
    server.stop()


@pytest.fixture(scope="session")
def cluster(environment: None) -> Iterator[None]:
    """Ray on this machine, which `run_batch` finds and uses."""
    import ray

    ray.init(address="local", num_cpus=2, log_to_driver=False)
    yield
    ray.shutdown()


@pytest.fixture
def bucket(environment: None) -> str:
    """An empty bucket."""
    import s3fs

    name = f"archive-{os.urandom(4).hex()}"
    s3fs.S3FileSystem().mkdir(name)
    return name


@pytest.fixture
def closed_port() -> int:
    """A port of the loopback on which nobody listens."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
