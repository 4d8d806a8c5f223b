"""Starts the page: one private folder, no word with other hosts, everything bounded."""

from __future__ import annotations

import logging
import os
import shutil
import signal
import socket
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

os.environ["GRADIO_ANALYTICS_ENABLED"] = (
    "False"  # before Gradio is imported, which would ask for its newest version
)

import gradio as gr
from starlette.middleware import Middleware

from reage.assets import portraits
from reage.errors import ReageError
from reage.web import texts
from reage.web.endpoints import Endpoints
from reage.web.guard import Guard
from reage.web.page import CSS, THEME, Page
from reage.web.service import Limits, Service

_SWEEP = 30
"""Seconds between two looks for photos and files to be forgotten."""
_SESSIONS = 1000
"""Visitors whose choices are remembered at a time."""


def serve(
    host: str,
    port: int,
    *,
    models: Path | None = None,
    limits: Limits | None = None,
    on_ready: Callable[[str], object] = print,
) -> None:
    """Serve the page until the process is interrupted or terminated; ``on_ready`` is told the address.

    ``port`` 0 is any free one. Raises `ReageError` where it is taken, `BundleError` for an altered bundle.
    """
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    with running(host, port, models=models, limits=limits) as address:
        on_ready(address)
        ended.wait()


@contextmanager
def running(
    host: str = "127.0.0.1", port: int = 0, *, models: Path | None = None, limits: Limits | None = None
) -> Iterator[str]:
    """The page, served as long as the block runs; yields its address. One at a time in a process."""
    folder = Path(tempfile.mkdtemp(prefix="reage-web-"))  # which only its owner may read
    before = os.environ.get("GRADIO_TEMP_DIR")
    os.environ["GRADIO_TEMP_DIR"] = str(folder)  # the only way to tell Gradio where uploads belong
    stop = threading.Event()
    try:
        service = Service(folder, models=models, limits=limits)
        blocks = build(service)
        address = _launch(blocks, service, host, port)
        sweeper = threading.Thread(target=_sweep, args=(service, stop), daemon=True)
        sweeper.start()
        try:
            yield address
        finally:
            stop.set()
            sweeper.join()
            blocks.close(verbose=False)
    finally:
        if before is None:
            del os.environ["GRADIO_TEMP_DIR"]
        else:
            os.environ["GRADIO_TEMP_DIR"] = before
        shutil.rmtree(folder, ignore_errors=True)


def build(service: Service) -> gr.Blocks:
    """The page and the HTTP interface, not yet served."""
    gr.set_static_paths(list(portraits()))  # served where they are: copies in the folder would be swept away
    blocks: gr.Blocks = gr.Blocks(title=texts.TITLE, analytics_enabled=False)
    with blocks:
        page = Page(service)
        blocks.unload(page.answers.left)
        with gr.Column(visible=False):
            Endpoints(service)
    # Closed: no request goes round the queue.
    blocks.queue(max_size=service.limits.queue, api_open=False)
    return blocks


def _launch(blocks: gr.Blocks, service: Service, host: str, port: int) -> str:
    guard = Middleware(Guard, store=service.store, max_upload=service.limits.max_upload)
    try:
        blocks.launch(
            server_name=host,
            server_port=port or _free_port(),
            share=False,
            quiet=True,
            prevent_thread_lock=True,
            inbrowser=False,
            inline=False,
            ssr_mode=False,
            pwa=False,
            mcp_server=False,
            enable_monitoring=False,
            run_history=False,  # which would keep visitors' pictures in their browsers
            footer_links=[],
            max_file_size=service.limits.max_upload,
            state_session_capacity=_SESSIONS,
            app_kwargs={"middleware": [guard]},
            theme=THEME,
            css=CSS,
        )
    except OSError as error:
        raise ReageError(
            f"cannot serve on port {port}: it is taken or not allowed; choose another with --port, 0 being any"
        ) from error
    return str(blocks.local_url)


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def _sweep(service: Service, stop: threading.Event) -> None:
    while not stop.wait(_SWEEP):
        try:
            service.store.sweep()
        except Exception:  # whatever it is, photos are still to be forgotten
            logging.getLogger(__name__).exception("old photos and files were not all deleted; trying again")
