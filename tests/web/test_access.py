"""Who may use the page: its own visitors, and no other web site through a visitor's browser."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from reage.errors import ReageError
from reage.web.access import Access

ROOT = Path(__file__).parent.parent.parent


def status(address: str, method: str = "GET", path: str = "", **headers: str) -> int:
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.request(
        method, address + path, headers=sent, json={} if method == "POST" else None
    ).status_code


@pytest.fixture
def port(address: str) -> str:
    return address.rstrip("/").rpartition(":")[2]


def test_the_page_answers_to_its_own_names_only(address: str, port: str) -> None:
    for name in (f"localhost:{port}", f"127.0.0.1:{port}", f"[::1]:{port}", "192.168.1.5", "LOCALHOST"):
        assert status(address, Host=name) == 200
    refused = httpx.get(address, headers={"Host": f"rebound.example:{port}"})
    assert refused.status_code == 403
    assert refused.text.startswith("this page does not answer to the name 'rebound.example'")
    for name in ("rebound.example", "localhost.rebound.example", "127.0.0.1.rebound.example", ""):
        assert status(address, "POST", "gradio_api/call/v2/models", Host=name) == 403


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://localhost:3000", "http://[", ""])
def test_other_web_sites_may_neither_ask_nor_read(address: str, origin: str) -> None:
    files = {"files": ("me.jpg", b"photo")}
    preflight = {"Access-Control-Request-Method": "POST"}
    answers = [
        httpx.get(address + "config", headers={"Origin": origin}),
        httpx.post(address + "gradio_api/upload", headers={"Origin": origin}, files=files),
        httpx.options(address + "gradio_api/call/v2/models", headers={"Origin": origin, **preflight}),
    ]
    for answer in answers:
        assert (answer.status_code, answer.text) == (
            403,
            "other web sites may not use this page; open it itself",
        )
        assert not [name for name in answer.headers if name.startswith("access-control")]


def test_the_page_itself_may_ask(address: str) -> None:
    own = {"Origin": address.rstrip("/"), "Sec_Fetch_Site": "same-origin"}
    assert status(address, "POST", "gradio_api/call/v2/models", **own) == 200
    assert status(address, "POST", "gradio_api/call/v2/models") == 200  # no browser


def test_links_from_elsewhere_lead_to_the_page_and_nowhere_else(address: str) -> None:
    followed = {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "navigate"}
    assert status(address, **followed) == 200
    assert status(address, path="config", **followed) == 403
    assert status(address, "POST", "gradio_api/call/v2/models", **followed) == 403
    assert status(address, path="theme.css", Sec_Fetch_Site="cross-site", Sec_Fetch_Mode="no-cors") == 403


def test_no_site_may_show_the_page_in_a_frame(address: str) -> None:
    headers = httpx.get(address).headers
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert headers["X-Frame-Options"] == "DENY"


@pytest.fixture(scope="module")
def private_address() -> Iterator[str]:
    """A page with a password, reached as faces.example and framed by one site."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = one.getsockname()[1]
    allowed = {"REAGE_ALLOW_HOST": "Faces.example", "REAGE_ALLOW_FRAME": "https://huggingface.co"}
    environment = {**os.environ, **allowed, "REAGE_AUTH": "anna:pässword:1", "PORT": str(port)}
    with subprocess.Popen(
        [sys.executable, "-u", ROOT / "app.py"], env=environment, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
        process.terminate()
        assert process.wait(60) == 0


def test_a_password_is_wanted_for_everything(private_address: str) -> None:
    for path in ("", "config", "gradio_api/info", "gradio_api/file=/etc/passwd", "assets/x.js"):
        refused = httpx.get(private_address + path)
        assert refused.status_code == 401
        assert refused.headers["WWW-Authenticate"].startswith("Basic ")
        assert refused.text == "this page needs a user name and a password"
    for wrong in ("anna:password", "anna:", "bert:pässword:1", ""):
        user, _, password = wrong.partition(":")
        assert httpx.get(private_address, auth=(user, password)).status_code == 401
    assert httpx.get(private_address, auth=("anna", "pässword:1")).status_code == 200


def test_listed_names_and_frames_are_allowed(private_address: str) -> None:
    auth = ("anna", "pässword:1")
    call = private_address + "gradio_api/call/v2/models"
    behind_a_proxy = {"Host": "127.0.0.1:7860", "Origin": "https://faces.example"}
    assert httpx.post(call, json={}, auth=auth, headers=behind_a_proxy).status_code == 200
    foreign = {"Host": "faces.example", "Origin": "https://evil.example"}
    assert httpx.post(call, json={}, auth=auth, headers=foreign).status_code == 403
    answer = httpx.get(private_address, auth=auth, headers={"Host": "faces.example:443"})
    assert answer.status_code == 200
    assert "frame-ancestors 'self' https://huggingface.co" in answer.headers["Content-Security-Policy"]
    assert "X-Frame-Options" not in answer.headers


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"hosts": ("https://faces.example",)}, "not the name of a host"),
        ({"hosts": ("",)}, "not the name of a host"),
        ({"frames": ("*",)}, "not a web site"),
        ({"frames": ("https://a.example; script-src *",)}, "not a web site"),
        ({"auth": "anna"}, "user:password"),
        ({"auth": ":secret"}, "user:password"),
    ],
)
def test_what_cannot_be_meant_is_refused(wrong: dict[str, object], sentence: str) -> None:
    with pytest.raises(ReageError, match=sentence):
        Access(**wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("host", "auth", "warned"),
    [
        ("127.0.0.1", None, False),
        ("::1", None, False),
        ("localhost", None, False),
        ("0.0.0.0", None, True),
        ("0.0.0.0", "anna:secret", False),
        ("192.168.1.5", None, True),
        ("faces.example", None, True),
    ],
)
def test_serving_others_without_a_password_is_said(host: str, auth: str | None, warned: bool) -> None:
    warning = Access(auth=auth).warning(host)
    assert bool(warning) == warned
    assert not warned or "no accounts" in str(warning)
