"""Starts the page: one private folder, no word with other hosts, everything bounded."""

from __future__ import annotations

import ctypes
import logging
import os
import shutil
import signal
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

# Before Gradio is imported, which would otherwise ask the network for its newest version.
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"

import gradio as gr
import uvicorn
from fastapi import FastAPI
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Mount

from reage.assets import portraits
from reage.errors import ReageError
from reage.web import texts
from reage.web.access import Access
from reage.web.endpoints import Endpoints
from reage.web.guard import MOVE, NO_FILE, Calls, Guard, is_no_upload
from reage.web.looks import CSS, ON_LOAD, THEME
from reage.web.moves import Moves
from reage.web.page import Page
from reage.web.sentences import UNEXPECTED, Blocks
from reage.web.service import Limits, Service
from reage.web.store import Store

_SESSIONS = 300
"""Sessions that Gradio remembers at a time, each about 180 KB: what matters is in `OpenPhoto`."""
_FAREWELL = 2
"""Seconds that requests have to end in when the page is closed."""


def serve(
    host: str,
    port: int,
    *,
    model: Path | str | None = None,
    models: Path | None = None,
    limits: Limits | None = None,
    access: Access | None = None,
    on_ready: Callable[[str], object] = print,
) -> None:
    """Serve the page until the process is interrupted or terminated.

    Args:
        host: Address to listen on; ``0.0.0.0`` is every address of this machine.
        port: Port to listen on; 0 is any free one.
        model: The bundle that photos are edited with unless another is chosen, a path or a name on the Hub; by default
            the embedded one.
        models: A folder of further model bundles to choose from.
        limits: What a visitor may ask of the machine.
        access: Who may use the page.
        on_ready: Called with the address of the page once it answers.

    Raises:
        ReageError: The port is taken or not allowed.
        BundleError: ``model`` cannot be opened, or ``models`` is no folder.
    """
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    with running(host, port, model=model, models=models, limits=limits, access=access) as address:
        on_ready(address)
        ended.wait()


@contextmanager
def running(
    host: str = "127.0.0.1",
    port: int = 0,
    *,
    model: Path | str | None = None,
    models: Path | None = None,
    limits: Limits | None = None,
    access: Access | None = None,
) -> Iterator[str]:
    """The page, served as long as the block runs; yields its address. One at a time in a process.

    Arguments and errors are those of `serve`.
    """
    folder = Path(tempfile.mkdtemp(prefix="reage-web-"))  # mkdtemp lets only its owner read it
    before = os.environ.get("GRADIO_TEMP_DIR")
    os.environ["GRADIO_TEMP_DIR"] = str(folder)  # the only way to tell Gradio where uploads belong
    stop = threading.Event()
    try:
        service = Service(folder, model=model, models=models, limits=limits)
        sweeper = threading.Thread(target=sweep_regularly, args=(service.store, stop), daemon=True)
        with _serving(service, access or Access(), host, port) as address:
            sweeper.start()
            try:
                yield address
            finally:
                stop.set()
                sweeper.join()
    finally:
        if before is None:
            del os.environ["GRADIO_TEMP_DIR"]
        else:
            os.environ["GRADIO_TEMP_DIR"] = before
        shutil.rmtree(folder, ignore_errors=True)


def build(service: Service) -> tuple[Blocks, Moves]:
    """The page and the HTTP interface of ``service``, not yet served, and what answers to the page's sliders."""
    gr.set_static_paths(list(portraits()))  # served where they are: copies in the folder would be swept away
    blocks = Blocks(title=texts.TITLE, analytics_enabled=False)
    blocks.state_session_capacity = _SESSIONS
    with blocks:
        page = Page(service)
        blocks.unload(page.handlers.leave)
        with gr.Column(visible=False):
            Endpoints(service)
    # Closed: no request goes round the queue.
    # How many may wait is the guard's to say, which has a sentence for the others.
    blocks.queue(api_open=False)
    return blocks, Moves(page.handlers.display, service.limits.queue)


@contextmanager
def _serving(service: Service, access: Access, host: str, port: int) -> Iterator[str]:
    """Serve the page in a thread as long as the block runs; yields its address.

    Gradio's own `launch` is not used, since whatever stands before the page would come after Gradio's answers to
    other web sites (CORS), and since environment variables can make it open further ports.
    """
    blocks, moves = build(service)
    listener = _listen(host, port)
    # CORS with no origins: Gradio leaves it to the application around it, and no other site may read an answer.
    around = FastAPI(openapi_url=None, middleware=[Middleware(CORSMiddleware)])
    around.add_api_route(MOVE, moves.answer, methods=["POST"])
    gr.mount_gradio_app(
        around,
        blocks,
        path="/",
        server_name=host,
        server_port=listener.getsockname()[1],
        root_path=os.environ.get("GRADIO_ROOT_PATH"),  # where a Hugging Face Space says what path it is under
        show_error=False,
        ssr_mode=False,
        pwa=False,
        mcp_server=False,
        enable_monitoring=False,
        run_history=False,  # which would keep visitors' pictures in their browsers
        footer_links=[],
        max_file_size=service.limits.max_upload,
        app_kwargs={"exception_handlers": {Exception: _unexpected}},
        theme=THEME,
        css=CSS,
        js=ON_LOAD,
    )
    blocks.has_launched = True  # only then does Gradio check that the files named in a request were uploaded
    guarded = Guard(
        around,
        access=access,
        calls=calls(blocks),
        store=service.store,
        max_upload=service.limits.max_upload,
        is_full=lambda: len(blocks._queue) >= service.limits.queue,
    )
    server = uvicorn.Server(
        uvicorn.Config(
            guarded, log_level="warning", server_header=False, timeout_graceful_shutdown=_FAREWELL, ws="none"
        )
    )
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    try:
        while not server.started:
            if not thread.is_alive():
                raise ReageError("the page did not start; the lines above say why")
            time.sleep(0.01)
        shown = "127.0.0.1" if host == "0.0.0.0" else f"[{host}]" if ":" in host else host
        yield f"http://{shown}:{listener.getsockname()[1]}/"
    finally:
        blocks.is_running = False  # ends answers that wait for further events
        for route in around.routes:
            if isinstance(route, Mount) and isinstance(route.app, gr.routes.App):
                route.app.stop_event.set()  # ends the connections of pages that are open
        server.should_exit = True
        thread.join()
        listener.close()


def calls(blocks: Blocks) -> Calls:
    """The endpoints of the HTTP interface, with their arguments and whether each must be given."""
    endpoints = blocks.get_api_info()["named_endpoints"]
    return {
        name.removeprefix("/"): {
            parameter["parameter_name"]: not parameter["parameter_has_default"]
            for parameter in endpoint["parameters"]
        }
        for name, endpoint in endpoints.items()
    }


async def _unexpected(request: Request, error: Exception) -> PlainTextResponse:
    if is_no_upload(request.url.path, error):
        return PlainTextResponse(NO_FILE, 422)
    return PlainTextResponse(UNEXPECTED, 500)


def _listen(host: str, port: int) -> socket.socket:
    """A socket that listens; raises `ReageError` where that is not possible."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=128)
    except OSError as error:
        raise ReageError(
            f"cannot serve on {host}, port {port}: {error.strerror}; choose another with --host and --port, 0 being "
            "any port"
        ) from error


def sweep_regularly(store: Store, stop: threading.Event, pause: float = 30) -> None:
    """Forget what is due every ``pause`` seconds until ``stop`` is set, whatever goes wrong in between."""
    while not stop.wait(pause):
        try:
            store.sweep()
        except Exception:  # whatever it is, photos are still to be forgotten
            logging.getLogger(__name__).exception("old photos and files were not all deleted; trying again")
        _give_memory_back()


def _give_memory_back() -> None:
    """Return to the system what forgotten photos took; glibc, which keeps it for later, has a function for that."""
    with suppress(AttributeError, OSError):  # other C libraries have not
        ctypes.CDLL(None).malloc_trim(0)
