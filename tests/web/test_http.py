"""The HTTP interface, as programs use it: the documented curl commands, and two clients beside each other."""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
import time
from base64 import b64decode
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image

from reage.photo.files import read_photo, read_provenance

ROOT = Path(__file__).parent.parent.parent
OTHER = ROOT / "examples" / "senate_angus-king.jpg"


@pytest.fixture
def connect(address: str, tmp_path: Path) -> Iterator[Callable[[], Client]]:
    """Makes clients, each with a session of its own."""
    clients: list[Client] = []

    def one_more() -> Client:
        clients.append(Client(address, verbose=False, download_files=tmp_path / str(len(clients))))
        return clients[-1]

    yield one_more
    for client in clients:
        client.close()


@pytest.fixture
def client(connect: Callable[[], Client]) -> Client:
    return connect()


def test_the_documented_curl_commands_work_as_they_stand(
    address: str, portrait: Path, tmp_path: Path
) -> None:
    if not shutil.which("curl"):
        pytest.skip("curl is not installed")
    blocks = re.findall(r"```sh\n(.*?)```", (ROOT / "docs" / "http.md").read_text(), flags=re.DOTALL)
    script = "set -euo pipefail\n" + "".join(blocks).replace("http://127.0.0.1:7860", address.rstrip("/"))
    shutil.copy(portrait, tmp_path / "me.jpg")
    subprocess.run(["bash", "-c", script], cwd=tmp_path, check=True, timeout=500)

    def answer(name: str) -> Any:
        return json.loads((tmp_path / f"{name}.json").read_text())

    (opened,) = answer("opened")
    assert (opened["name"], opened["width"], len(opened["faces"])) == ("me.jpg", 512, 1)
    assert answer("aged")[1][0]["apparent_after"] > opened["faces"][0]["apparent_age"] + 5
    assert answer("strip")[0]["orig_name"] == "me-strip.jpg"
    assert answer("film")[0]["orig_name"] == "me-film.gif"
    assert "not open" in answer("refused")["error"]
    assert answer("models")[0][0]["family"] == "delta"
    mark = read_provenance(tmp_path / "me-70.jpg")
    assert mark is not None
    assert mark["edits"] == ["strength 1.2"]
    assert read_photo(tmp_path / "me-70.jpg").pixels.shape == (512, 512, 3)


def test_two_people_at_once_never_see_each_others_faces(
    connect: Callable[[], Client], portrait: Path
) -> None:
    client, other = connect(), connect()
    mine = client.submit(handle_file(portrait), api_name="/open")
    theirs = other.submit(handle_file(OTHER), api_name="/open")
    tokens = [mine.result()["token"], theirs.result()["token"]]
    jobs = [
        asker.submit(token, 70, api_name="/download")
        for asker, token in zip((client, other), tokens, strict=True)
    ]
    shapes = [read_photo(job.result()).pixels.shape for job in jobs]
    assert shapes == [read_photo(path).pixels.shape for path in (portrait, OTHER)]
    assert shapes[0] != shapes[1]
    for guess in ("", tokens[1][:-2], "../" + tokens[1], "0"):
        with pytest.raises(AppError, match=r"is (not )?open"):
            client.predict(guess, 70, api_name="/age")
    client.predict(tokens[0], api_name="/close")
    assert other.predict(tokens[1], 30, api_name="/age")[1][0]["target_age"] == 30


def test_files_are_served_to_who_knows_them_and_gone_when_closed(
    address: str, client: Client, portrait: Path
) -> None:
    client.output_dir, client.download_files = "", False  # addresses, not copies
    photo = client.predict(handle_file(portrait), api_name="/open")
    picture = client.predict(photo["token"], 70, api_name="/age")[0]
    assert httpx.get(picture["url"]).content[:2] == b"\xff\xd8"
    assert photo["token"] not in picture["url"]
    _, changes = client.predict(photo["token"], None, direction="old2young", api_name="/age")
    assert changes[0]["target_age"] <= min(25, changes[0]["apparent_before"])
    folder = Path(picture["path"]).parent
    for path in (folder, folder.parent, folder.parent.parent, "/etc/passwd", "http://127.0.0.1:1/a.jpg"):
        assert httpx.get(f"{address}gradio_api/file={path}").status_code == 403
    client.predict(photo["token"], api_name="/close")
    assert httpx.get(picture["url"]).status_code == 403


def test_uploads_of_open_photos_keep_nobody_out(address: str, client: Client, portrait: Path) -> None:
    padding = bytes((2 << 20) - portrait.stat().st_size - 1)
    for number in range(9):  # of 2 MB each: more than eight may not lie about
        data = portrait.read_bytes() + padding + bytes([number])
        answer = httpx.post(f"{address}gradio_api/upload", files={"files": ("me.jpg", data)})
        assert answer.status_code == 200
        (upload,) = map(Path, answer.json())
        file = {"photo": {"path": str(upload), "meta": {"_type": "gradio.FileData"}}}
        event = httpx.post(f"{address}gradio_api/call/v2/open", json=file).json()["event_id"]
        told = httpx.get(f"{address}gradio_api/call/v2/open/{event}", timeout=300).text
        client.predict(json.loads(told.rsplit("data: ", 1)[1])[0]["token"], 70, api_name="/age")
        assert not upload.exists()


def test_what_is_asked_wrongly_ends_in_one_sentence(client: Client, portrait: Path, tmp_path: Path) -> None:
    text, large = tmp_path / "text.jpg", tmp_path / "large.png"
    text.write_text("no picture")
    Image.new("RGB", (2100, 2100)).save(large)
    for path, sentence in {text: "text.jpg is not an image", large: "4.41 megapixels"}.items():
        with pytest.raises(AppError, match=sentence):
            client.predict(handle_file(path), api_name="/open")
    token = client.predict(handle_file(portrait), api_name="/open")["token"]
    wrong: list[tuple[str, dict[str, Any], str]] = [
        ("/age", {"age": 130}, "outside 0 to 116"),
        ("/age", {"age": "old"}, "a number"),
        ("/age", {"age": 50, "faces": "7"}, "no face 7"),
        ("/age", {"age": 50, "strength": 9}, "outside 0 to 1.5"),
        ("/age", {"age": 50, "gender": "none"}, "female, male"),
        ("/age", {"age": 50, "regions": {"ears": 1}}, "unknown region"),
        ("/age", {"age": 50, "direction": "young2old"}, "say an age, or as direction"),
        ("/age", {"age": None, "direction": "up"}, "young2old or old2young"),
        ("/strip", {"ages": [None]}, "a number"),
        ("/film", {"kind": "avi"}, "not 'avi'"),
        ("/film", {"seconds": 9999}, "1 to 12 seconds"),
    ]
    for name, arguments, sentence in wrong:
        with pytest.raises(AppError, match=f"(?i){sentence}"):
            client.predict(token, **arguments, api_name=name)


@pytest.mark.parametrize(
    ("name", "content", "status", "sentence"),
    [
        ("v2/open", b"{}", 422, "open takes photo, model; photo is missing"),
        ("v2/age", b'{"token": "", "age": 5, "nose": 1}', 422, "source, regions, direction, not 'nose'"),
        ("v2/open", b"[]", 422, "not a JSON object"),
        ("v2/open", b"{", 400, "not JSON"),
        ("v2/nothing", b"{}", 404, "no endpoint 'nothing' here, only open, age, "),
        ("age", b'{"data": [""]}', 422, "all of them, in a list"),
        ("age", b"{}", 422, "all of them, in a list"),
    ],
)
def test_calls_that_do_not_fit_an_endpoint_are_refused_with_a_sentence(
    address: str, name: str, content: bytes, status: int, sentence: str
) -> None:
    answer = httpx.post(f"{address}gradio_api/call/{name}", content=content)
    assert answer.status_code == status
    assert sentence in answer.text


@pytest.mark.parametrize(
    ("photo", "sentence"),
    [
        ({"path": str(ROOT / "docs" / "web.jpg"), "meta": {"_type": "gradio.FileData"}}, "upload it first"),
        ({"path": "/etc/passwd", "meta": {"_type": "gradio.FileData"}}, "upload it first"),
        ({"meta": {"_type": "gradio.FileData"}}, "named as"),
        ("me.jpg", "named as"),
        (None, "No photo was sent"),
    ],
)
def test_no_file_is_opened_but_an_upload(address: str, photo: object, sentence: str) -> None:
    event = httpx.post(f"{address}gradio_api/call/v2/open", json={"photo": photo}).json()["event_id"]
    answer = httpx.get(f"{address}gradio_api/call/v2/open/{event}").text
    assert sentence in json.loads(answer.split("event: error\ndata: ")[1])["error"]


@pytest.fixture
def move(address: str, client: Client, portrait: Path) -> Callable[..., httpx.Response]:
    """Asks what the page's sliders ask, of an open photo."""
    token = client.predict(handle_file(portrait), api_name="/open")["token"]
    asked = {
        "token": token,
        "face": 0,
        "everybody": False,
        "view": "the whole photo",
        "age": 70,
        "strength": 1,
        "gender": "as the face looks",
        "source": None,
        "regions": {"eyes": 0.5},
    }
    return lambda headers=None, **other: httpx.post(
        f"{address}move", json={**asked, **other}, headers=headers or {}, timeout=60
    )


def test_a_move_of_the_slider_is_answered_with_a_marked_picture(
    move: Callable[..., httpx.Response], tmp_path: Path
) -> None:
    moved = move().json()
    kind, _, picture = moved["picture"].partition("base64,")
    assert kind == "data:image/jpeg;"
    (tmp_path / "moved.jpg").write_bytes(b64decode(picture))
    mark = read_provenance(tmp_path / "moved.jpg")
    assert mark is not None
    assert mark["faces"][0]["target_age"] == 70
    assert "asked for 70" in moved["told"]
    assert (moved["undo"], moved["redo"]) == (True, False)
    assert move(age=30).json()["picture"] != moved["picture"]
    baby = b64decode(move(source=0).json()["picture"].partition("base64,")[2])
    assert (read_provenance(baby) or {})["faces"][0]["source_age"] == 0  # which is an age


def test_no_move_but_of_one_s_own_photo_and_for_what_can_be_is_answered(
    move: Callable[..., httpx.Response],
) -> None:
    wrong = [
        ({"token": "a guess"}, "This photo is not open"),
        ({"token": ""}, "No photo is open; open one first."),
        ({"token": ["a guess"]}, "No photo is open"),
        ({"face": 1}, "There is no face '1'"),
        ({"face": None}, "There is no face"),
        ({"age": None}, "An age is a number"),
        ({"age": 10**400}, "An age is a number"),
        ({"gender": ["male"]}, "Gender is female, male or empty"),
        ({"strength": "much"}, "Strength is a number"),
        ({"regions": {"ears": 1}}, "Unknown region"),
    ]
    for other, sentence in wrong:
        answer = move(**other)
        assert answer.status_code == 422
        assert answer.json()["detail"].startswith(sentence)
    elsewhere = {"Origin": "https://elsewhere.example"}
    assert move(elsewhere).status_code == 403
    assert move({"Sec-Fetch-Site": "cross-site"}).status_code == 403
    assert move({"Host": "rebound.example"}).status_code == 403


def test_an_upload_without_a_file_is_told(address: str) -> None:
    answer = httpx.post(
        f"{address}gradio_api/upload",
        content=b'--a\r\nContent-Disposition: form-data; name="files"\r\n\r\ntext\r\n--a--\r\n',
        headers={"Content-Type": "multipart/form-data; boundary=a"},
    )
    assert (answer.status_code, answer.text) == (
        422,
        "a file is uploaded as multipart/form-data, in the field files",
    )


@pytest.mark.parametrize("meta", ["text", [], None])
def test_a_file_without_its_kind_is_told(address: str, meta: object) -> None:
    call = {"photo": {"path": "/tmp/me.jpg", "meta": meta}}
    answer = httpx.post(f"{address}gradio_api/call/v2/open", json=call)
    assert answer.status_code == 422
    assert "gradio.FileData" in answer.text


def test_a_request_to_the_queue_without_values_is_told(address: str, server_log: Path) -> None:
    asked = {"data": [], "fn_index": 0, "session_hash": "mine"}
    httpx.post(f"{address}gradio_api/queue/join", json=asked)
    with httpx.stream("GET", f"{address}gradio_api/queue/data?session_hash=mine", timeout=60) as answer:
        told = next(line for line in answer.iter_lines() if "process_completed" in line)
    assert "fewer values than it needs" in told
    assert "Traceback" not in server_log.read_text()


def test_an_event_that_does_not_exist_is_said_not_to(address: str) -> None:
    answer = httpx.get(f"{address}gradio_api/call/v2/age/unknown").text
    assert "There is no such event" in json.loads(answer.split("event: error\ndata: ")[1])["error"]


@pytest.mark.parametrize("path", ["upload", "call/v2/models", "queue/join"])
def test_a_client_that_goes_away_leaves_one_line_in_the_log(
    address: str, server_log: Path, path: str
) -> None:
    before = server_log.read_text()
    host, port = address.removeprefix("http://").rstrip("/").split(":")
    with socket.create_connection((host, int(port))) as client:
        head = f"POST /gradio_api/{path} HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Length: 1000\r\n"
        client.sendall(f"{head}Content-Type: multipart/form-data; boundary=x\r\n\r\n--x".encode())
    for _ in range(600):
        logged = server_log.read_text().removeprefix(before)
        if logged.endswith("\n"):
            break
        time.sleep(0.1)
    assert logged == f"a client went away during POST '/gradio_api/{path}'\n"


def test_requests_that_are_too_large_or_name_an_address_are_refused(address: str) -> None:
    def post(path: str, body: bytes, kind: str = "application/json") -> int:
        headers = {"Content-Type": kind}
        return httpx.post(f"{address}gradio_api/{path}", content=body, headers=headers).status_code

    assert post("upload", bytes(3 << 20), "multipart/form-data; boundary=x") == 413
    assert post("call/models", bytes(2 << 20)) == 413
    asked = (
        '{"data": [{"path": "\\u0068ttp://127.0.0.1:1/me.jpg", "meta": {"_type": "gradio.FileData"}}, ""]}'
    )
    assert post("call/open", asked.encode()) == 403
    assert post("call/models", b'{"data": []}') == 200
    assert post("run/models", b'{"data": []}') == 404  # no way round the queue


def test_a_request_without_a_length_is_refused_before_it_is_read(address: str) -> None:
    endless = (b"{}" for _ in range(1))  # sent in chunks
    assert httpx.post(f"{address}gradio_api/call/v2/models", content=endless).status_code == 411


@pytest.mark.parametrize(
    "path",
    [
        "process_recording",
        "component_server/",
        "run/predict",
        "api/models",
        "stream/0",
        "vibe-code",
        "call/models/upload",
        "../login",
    ],
)
def test_nothing_else_of_gradio_can_be_posted_to(address: str, path: str) -> None:
    film = {"video": ("a.mp4", b"film", "video/mp4")}
    answer = httpx.post(f"{address}gradio_api/{path}", files=film)
    assert (answer.status_code, answer.text) == (404, "there is nothing of that name here")


def test_no_link_to_what_is_chosen_is_stored(address: str) -> None:
    asked = httpx.get(f"{address}gradio_api/deep_link", params={"session_hash": "mine"})
    assert asked.status_code == 404


def test_clients_can_cancel(address: str) -> None:
    asked = {"session_hash": "mine", "fn_index": 0, "event_id": "0"}
    for path in ("cancel", "reset"):
        assert httpx.post(f"{address}gradio_api/{path}", json=asked).json() == {"success": True}


def test_the_page_says_what_it_is_and_may_fetch_from_no_other_host(address: str, client: Client) -> None:
    assert "do not use it to identify" in client.predict(api_name="/about").lower()
    assert "default-src 'self'" in httpx.get(address).headers["Content-Security-Policy"]


def test_the_page_itself_needs_no_file_that_is_swept_away(address: str) -> None:
    config = httpx.get(f"{address}config").text
    assert "reage-web-" not in config
    assert httpx.get(f"{address}gradio_api/file={OTHER}").status_code == 200
