"""What a Hugging Face Space needs: the requirements, and an app that starts."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import httpx
from packaging.requirements import Requirement

from reage.bundle import open_bundle, write_bundle

ROOT = Path(__file__).parent.parent.parent


def quoted(text: str) -> list[str]:
    return re.findall(r'^ {4}"([^"]+)"', text, flags=re.MULTILINE)


def test_requirements_are_those_of_the_project_at_one_version_each() -> None:
    project = (ROOT / "pyproject.toml").read_text()
    runtime = project.split("\ndependencies = [")[1].split("\n]")[0]
    web = project.split("\nweb = [")[1].split("\n]")[0]
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    pins = [line.split("==") for line in lines if not line.startswith("#")]
    asked = [Requirement(text) for text in (*quoted(runtime), *quoted(web))]
    assert [name for name, _ in pins] == [one.name for one in asked]
    for (name, version), one in zip(pins, asked, strict=True):
        assert one.specifier.contains(version), name
    assert f"sdk_version: {dict(pins)['gradio']}\n" in (ROOT / "space" / "README.md").read_text()


def test_the_app_starts_on_a_space_and_leaves_no_file(tmp_path: Path) -> None:
    port = 17860 + os.getpid() % 1000
    space = {"SPACE_ID": "me/reage", "SPACE_HOST": "me-reage.hf.space"}
    environment = {**os.environ, **space, "PORT": str(port), "TMPDIR": str(tmp_path)}
    page = f"http://127.0.0.1:{port}/"
    own = {
        "Host": "me-reage.hf.space",
        "Origin": "https://me-reage.hf.space",
        "Sec-Fetch-Site": "same-origin",
    }
    with subprocess.Popen([sys.executable, ROOT / "app.py"], env=environment, cwd=tmp_path) as process:
        try:
            for _ in range(240):
                try:
                    answer = httpx.get(page, headers={"Host": "any.name.of.the.network"}, timeout=30)
                    break
                except httpx.TransportError:
                    assert process.poll() is None, "the app ended"
                    time.sleep(0.5)
            assert answer.status_code == 200
            assert (
                "frame-ancestors 'self' https://huggingface.co" in answer.headers["Content-Security-Policy"]
            )
            assert "X-Frame-Options" not in answer.headers
            call = f"{page}gradio_api/call/v2/models"
            assert httpx.post(call, json={}, headers=own).status_code == 200
            assert (
                httpx.post(call, json={}, headers={**own, "Origin": "https://evil.example"}).status_code
                == 403
            )
        finally:
            process.terminate()
        assert process.wait(60) == 0
    assert list(tmp_path.glob("reage-web-*")) == []


def test_the_app_says_in_one_line_what_it_cannot_do() -> None:
    environment = {**os.environ, "REAGE_AUTH": "no colon"}
    ended = subprocess.run([sys.executable, ROOT / "app.py"], env=environment, capture_output=True, text=True)
    assert ended.returncode == 2
    assert ended.stderr == "Error: a password for the page is said as user:password\n"


def test_elsewhere_the_app_serves_the_named_model_to_this_machine_alone(tmp_path: Path) -> None:
    port = 18860 + os.getpid() % 1000
    whole, bundle = open_bundle(), tmp_path / "mine"
    contents = {name: content for name, content in whole.files().items() if name in whole.manifest.files}
    write_bundle(bundle, replace(whole.manifest, name="mine"), contents)
    environment = {**os.environ, "PORT": str(port), "TMPDIR": str(tmp_path), "REAGE_MODEL": str(bundle)}
    with subprocess.Popen(
        [sys.executable, ROOT / "app.py"], env=environment, cwd=tmp_path, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline().strip() == f"http://127.0.0.1:{port}/"
            call = f"http://127.0.0.1:{port}/gradio_api/call/v2/models"
            event = httpx.post(call, json={}, timeout=30).json()["event_id"]
            assert '"title": "mine' in httpx.get(f"{call}/{event}", timeout=60).text.split("},")[0]
        finally:
            process.terminate()
        assert process.wait(60) == 0


def test_a_model_that_is_not_there_is_told_in_one_line(tmp_path: Path) -> None:
    environment = {**os.environ, "REAGE_MODEL": str(tmp_path / "nowhere")}
    ended = subprocess.run([sys.executable, ROOT / "app.py"], env=environment, capture_output=True, text=True)
    assert ended.returncode == 2
    assert len(ended.stderr.splitlines()) == 1
    assert "nowhere" in ended.stderr
