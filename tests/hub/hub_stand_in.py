"""A small Hugging Face Hub on the loopback: repositories with commits, private and gated ones, large files by LFS.

It answers the requests that huggingface_hub makes to publish and fetch a model, as the documented HTTP interface of the
Hub does, and keeps everything in memory.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

import yaml

TOKEN = "hf_" + "a" * 34


@dataclass
class Commit:
    """One version of a repository."""

    sha: str
    files: dict[str, bytes]


@dataclass
class Repository:
    """A model's repository; ``gated`` means that only those whose conditions were accepted, nobody here, may read."""

    private: bool = False
    gated: bool = False
    commits: list[Commit] = field(default_factory=lambda: [Commit("0" * 40, {})])
    tags: dict[str, str] = field(default_factory=dict)

    def at(self, revision: str) -> Commit | None:
        wanted = self.commits[-1].sha if revision == "main" else self.tags.get(revision, revision)
        return next((commit for commit in self.commits if commit.sha == wanted), None)

    def commit(self, changed: dict[str, bytes]) -> Commit:
        files = {**self.commits[-1].files, **changed}
        sha = hashlib.sha1(b"".join(name.encode() + data for name, data in sorted(files.items()))).hexdigest()
        self.commits.append(Commit(sha, files))
        return self.commits[-1]


class Hub(ThreadingHTTPServer):
    """The server; ``repositories`` may be looked at and changed by a test, ``requests`` are the paths asked for."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answers)
        self.repositories: dict[str, Repository] = {}
        self.large: dict[str, bytes] = {}
        self.requests: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


@contextmanager
def running_hub() -> Iterator[Hub]:
    """A hub that answers until the block ends."""
    with Hub() as hub:
        thread = threading.Thread(target=hub.serve_forever, daemon=True)
        thread.start()
        try:
            yield hub
        finally:
            hub.shutdown()
            thread.join()


class _Answers(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Hub

    def log_message(self, *_: Any) -> None:
        pass

    def do_GET(self) -> None:
        self._route()

    do_HEAD = do_POST = do_PUT = do_GET  # noqa: N815

    def _route(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        self.body = self.rfile.read(length)
        parts = unquote(urlsplit(self.path).path).strip("/").split("/")
        self.server.requests.append(f"{self.command} {self.path}")
        if self.path == "/api/repos/create":
            self._create()
        elif self.path == "/api/validate-yaml":
            self._validate()
        elif parts[:2] == ["api", "models"]:
            self._model(
                "/".join(parts[2:4]), parts[4] if len(parts) > 4 else "", "/".join(parts[5:]) or "main"
            )
        elif parts[0] == "lfs":
            self.server.large[parts[1]] = self.body
            self._answer(200, {})
        elif parts[2:5] == ["info", "lfs", "objects"]:
            self._batch()
        elif parts[2:3] == ["resolve"]:
            self._file("/".join(parts[:2]), parts[3], "/".join(parts[4:]))
        else:
            self._refuse(404, "EntryNotFound", "Entry not found")

    def _create(self) -> None:
        if not self._is_known():
            self._refuse(401, "", "Invalid username or password.")
            return
        asked = json.loads(self.body)
        name = "/".join(filter(None, (asked.get("organization"), asked["name"])))
        if name in self.server.repositories:
            self._answer(
                409, {"error": "You already created this model repo", "url": f"{self.server.url}/{name}"}
            )
            return
        private = bool(asked.get("private")) or asked.get("visibility") == "private"
        self.server.repositories[name] = Repository(private=private)
        self._answer(200, {"url": f"{self.server.url}/{name}", "name": name, "id": name})

    def _validate(self) -> None:
        """Whether the head of a card is YAML whose licence and results have the fields that the Hub asks for."""
        _, head, _ = json.loads(self.body)["content"].split("---\n", 2)
        card = yaml.safe_load(head)
        wrong = []
        if card["license"] == "other" and not re.fullmatch(r"[a-z0-9][a-z0-9.-]*", card["license_name"]):
            wrong.append("license_name must be an id")
        for result in (result for model in card.get("model-index", []) for result in model["results"]):
            if not {"task", "dataset", "metrics"} <= set(result):
                wrong.append("a result needs task, dataset and metrics")
        status = 400 if wrong else 200
        self._answer(status, {"errors": [{"message": text} for text in wrong], "warnings": []})

    def _model(self, name: str, what: str, revision: str) -> None:
        repository = self._readable(name)
        if repository is None:
            return
        if what in ("preupload", "commit") and not self._is_known():
            self._refuse(401, "", "Invalid username or password.")
        elif what == "preupload":
            files = json.loads(self.body)["files"]
            modes = [
                {
                    "path": file["path"],
                    "uploadMode": "lfs" if file["path"].endswith(".onnx") else "regular",
                    "shouldIgnore": False,
                    "oid": None,
                }
                for file in files
            ]
            self._answer(200, {"files": modes})
        elif what == "commit":
            changed = {}
            for line in self.body.splitlines():
                entry = json.loads(line)
                if entry["key"] == "file":
                    changed[entry["value"]["path"]] = base64.b64decode(entry["value"]["content"])
                elif entry["key"] == "lfsFile":
                    changed[entry["value"]["path"]] = self.server.large[entry["value"]["oid"]]
            made = repository.commit(changed)
            url = f"{self.server.url}/{name}/commit/{made.sha}"
            self._answer(200, {"commitUrl": url, "commitOid": made.sha, "success": True, "hookOutput": ""})
        else:
            self._describe(repository, name, what, revision)

    def _describe(self, repository: Repository, name: str, what: str, revision: str) -> None:
        commit = repository.at(revision.split("/")[0])
        if commit is None:
            self._refuse(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        elif what == "tree":
            tree = [
                {"type": "file", "path": path, "size": len(data), "oid": hashlib.sha1(data).hexdigest()}
                for path, data in commit.files.items()
            ]
            self._answer(200, tree)
        else:
            siblings = [{"rfilename": path} for path in commit.files]
            about = {"id": name, "modelId": name, "sha": commit.sha, "siblings": siblings}
            self._answer(200, {**about, "private": repository.private, "gated": repository.gated, "tags": []})

    def _batch(self) -> None:
        objects = [
            {
                "oid": each["oid"],
                "size": each["size"],
                "actions": {"upload": {"href": f"{self.server.url}/lfs/{each['oid']}", "header": {}}},
            }
            for each in json.loads(self.body)["objects"]
        ]
        self._answer(200, {"transfer": "basic", "objects": objects})

    def _file(self, name: str, revision: str, path: str) -> None:
        repository = self._readable(name)
        if repository is None:
            return
        commit = repository.at(revision)
        if repository.gated:
            self._refuse(403, "GatedRepo", f"Access to model {name} is restricted.")
        elif commit is None:
            self._refuse(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        elif path not in commit.files:
            self._refuse(404, "EntryNotFound", "Entry not found")
        else:
            data = commit.files[path]
            etag = f'"{hashlib.sha1(data).hexdigest()}"'
            self._send(200, data, {"ETag": etag, "X-Repo-Commit": commit.sha})

    def _is_known(self) -> bool:
        return self.headers.get("Authorization") == f"Bearer {TOKEN}"

    def _readable(self, name: str) -> Repository | None:
        """The repository, if it is there for whoever asks; else the refusal is sent."""
        repository = self.server.repositories.get(name)
        if repository is None or (repository.private and not self._is_known()):
            self._refuse(401 if not self._is_known() else 404, "RepoNotFound", "Repository not found")
            return None
        return repository

    def _refuse(self, status: int, code: str, message: str) -> None:
        headers = {"X-Error-Message": message, **({"X-Error-Code": code} if code else {})}
        self._send(status, json.dumps({"error": message}).encode(), headers)

    def _answer(self, status: int, content: Any) -> None:
        self._send(status, json.dumps(content).encode(), {"Content-Type": "application/json"})

    def _send(self, status: int, data: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for key, value in headers.items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)
