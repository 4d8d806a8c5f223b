"""Opens ONNX networks, now or on first use, and runs networks of strangers with a time limit."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from reage.assets import asset
from reage.devices import Device, find_device
from reage.errors import ReageError

if TYPE_CHECKING:
    import onnxruntime


NETWORKS = ("face_detector.onnx", "face_landmarks.onnx", "face_age.onnx", "selfie_mask.onnx")
"""The embedded networks that find and analyse faces, in the order in which a photo needs them."""
_ANY_SIZE = "face_detector.onnx"
"""The one whose input has a variable size, up to a thousand pixels a side."""
_VARIABLE = "REAGE_THREADS"
_MAX_THREADS = 1024
_Found = TypeVar("_Found")


def open_session(
    model: Path | bytes,
    *,
    threads: int | None = None,
    foreign: bool = False,
    device: Device | None = None,
    arena: bool = False,
) -> onnxruntime.InferenceSession:
    """Open a network in ONNX Runtime.

    By default ONNX Runtime's memory arena is off: it would never give memory back, for a few per cent of speed.

    Args:
        model: the ONNX file, or its content.
        threads: threads per call; None is the environment variable ``REAGE_THREADS``, or else the number of cores.
        foreign: whether the network is untrusted. Then nothing is computed while it is opened, since only a run can be
            stopped early (`run_within`), and ONNX Runtime's own log of errors is silent.
        device: the device that runs it; None is that of `find_device`.
        arena: whether to use a memory arena, which each run then empties (`LazySession`).

    Raises:
        ReageError: ``REAGE_THREADS`` is not a number of threads, or ``REAGE_DEVICE`` not a device.
            Errors of ONNX Runtime pass unchanged.
    """
    import onnxruntime  # slow to import, and `reage --help` does not need it

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4 if foreign else 3
    options.enable_cpu_mem_arena = arena
    options.intra_op_num_threads = threads or _threads_of_environment()
    # Idle threads sleep. If they spin, those of one network starve those of the next: on two cores, opening a photo
    # then took 1.5 times as long, and an edit twice.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    source = model if isinstance(model, bytes) else str(model)
    return onnxruntime.InferenceSession(
        source,
        options,
        providers=(device or find_device()).providers,
        disabled_optimizers=["ConstantFolding"] if foreign else None,
    )


class LazySession:
    """A network that is opened on first use, or earlier by `load`; thread-safe.

    Arguments and errors are those of `open_session`; a wrong number of threads raises at once. Set ``any_size`` if the
    inputs vary in size. Memory then comes from an arena that is emptied after each call; otherwise fragmentation
    costs 80 MB more for a photo of 24 megapixels.
    """

    def __init__(
        self, model: Path, *, threads: int | None = None, device: Device | None = None, any_size: bool = False
    ) -> None:
        threads = threads or _threads_of_environment()
        self._open = partial(open_session, model, threads=threads, device=device, arena=any_size)
        self._any_size = any_size
        self._lock = threading.Lock()
        self._session: onnxruntime.InferenceSession | None = None

    def load(self) -> onnxruntime.InferenceSession:
        """The network, opened now if it is not open yet."""
        with self._lock:
            if self._session is None:
                self._session = self._open()
            return self._session

    def run(self, outputs: Sequence[str] | None, feeds: Mapping[str, Any]) -> list[Any]:
        """The outputs named ``outputs`` (None: all) for the inputs ``feeds``, by name."""
        session, options = self.load(), None
        if self._any_size:
            import onnxruntime

            options = onnxruntime.RunOptions()
            options.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")
        return list(session.run(outputs, feeds, options))


def shipped_session(name: str, threads: int | None = None, device: Device | None = None) -> LazySession:
    """The embedded network ``name``, shared by all callers; arguments and errors as `open_session`."""
    return _shipped_session(name, threads or _threads_of_environment(), device or find_device())


@cache
def _shipped_session(name: str, threads: int, device: Device) -> LazySession:
    return LazySession(asset(name), threads=threads, device=device, any_size=name == _ANY_SIZE)


def open_early() -> None:
    """Start to open the networks that every photo needs, while the caller imports its own modules."""
    import onnxruntime  # noqa: F401  (by this thread: two must not import numpy, which it needs, at the same time)

    with suppress(ReageError):  # raised again on use
        load_in_background(shipped_session(name).load for name in NETWORKS)


def load_in_background(loads: Iterable[Callable[[], object]]) -> None:
    """Call ``loads`` in this order in the background, two at a time; stop when the program ends.

    Opening a network takes one core. Errors are ignored here, since they are raised again when the network is used.
    """
    left, lock = iter(list(loads)), threading.Lock()

    def work() -> None:
        while threading.main_thread().is_alive():
            with lock:
                load = next(left, None)
            if load is None:
                return
            with suppress(Exception):
                load()

    for _ in range(2):
        threading.Thread(target=work).start()


@contextmanager
def meanwhile(work: Callable[[], _Found]) -> Iterator[Future[_Found]]:
    """Do ``work`` in another thread meanwhile; `Future.result` waits for it. A network does not use all cores."""
    with ThreadPoolExecutor(1) as pool:
        yield pool.submit(work)


def run_within(
    session: onnxruntime.InferenceSession, outputs: Sequence[str], feeds: Mapping[str, Any], *, seconds: float
) -> list[Any]:
    """Run an untrusted network, and stop it after ``seconds``.

    ONNX Runtime checks between operations, and in each round of a loop, whether to stop; it does not interrupt a single
    operation. ``outputs`` are the names of the outputs, ``feeds`` the inputs by name.

    Raises:
        TimeoutError: it took longer. Errors of ONNX Runtime pass unchanged.
    """
    import onnxruntime

    options = onnxruntime.RunOptions()
    options.log_severity_level = 4
    late = threading.Event()

    def end() -> None:
        late.set()
        options.terminate = True

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()
    try:
        return list(session.run(list(outputs), dict(feeds), options))
    except Exception as error:
        if late.is_set():
            raise TimeoutError(f"it did not answer within {seconds:g} seconds") from error
        raise
    finally:
        timer.cancel()


def _threads_of_environment() -> int:
    """``REAGE_THREADS``, or 0 (one thread per core) if it is unset or empty."""
    text = os.environ.get(_VARIABLE, "").strip()
    if not text:
        return 0
    if not text.isascii() or not text.isdigit() or not 1 <= int(text[:9]) <= _MAX_THREADS:
        raise ReageError(f"{_VARIABLE} must be a whole number from 1 to {_MAX_THREADS}, not '{text}'")
    return int(text)
