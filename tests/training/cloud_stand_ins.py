"""Stand-ins on the loopback: a metadata service of EC2 (IMDSv2), and a store that refuses."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

TOKEN = "secret-token"


@contextmanager
def serving(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    """Serve on a free port of 127.0.0.1 as long as the block runs; yields the address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


class _Quiet(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"  # clients of S3 wait for its "100 Continue" before they send a file

    def log_message(self, *_: object) -> None:
        pass

    def answer(self, status: int, text: str) -> None:
        content = text.encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


def metadata(answers: dict[str, str], *, hangs: bool = False) -> type[BaseHTTPRequestHandler]:
    """A service that gives ``answers`` by path below /latest/meta-data to whoever has asked for a token before."""

    class Handler(_Quiet):
        def do_PUT(self) -> None:
            if hangs:
                time.sleep(30)
            asked = self.path == "/latest/api/token" and self.headers["X-aws-ec2-metadata-token-ttl-seconds"]
            self.answer(*((200, TOKEN) if asked else (404, "")))

        def do_GET(self) -> None:
            if self.headers["X-aws-ec2-metadata-token"] != TOKEN:
                self.answer(401, "")
            else:
                text = answers.get(self.path.removeprefix("/latest/meta-data/"))
                self.answer(*((404, "") if text is None else (200, text)))

    return Handler


class WrongRegion(_Quiet):
    """A store that answers as S3 does to a request that was signed for another region."""

    def do_PUT(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.answer(
            400,
            "<Error><Code>AuthorizationHeaderMalformed</Code><Message>The authorization header is malformed; the "
            "region 'us-east-1' is wrong; expecting 'eu-west-1'</Message></Error>",
        )

    def do_HEAD(self) -> None:
        self.send_response(400)
        self.send_header("Content-Length", "0")
        self.end_headers()
