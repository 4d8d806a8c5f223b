"""Connects to Ray or starts it on this machine, and distributes blocks of rows to its workers."""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any, TextIO

import cv2
import pyarrow as pa

from reage.errors import BatchError, one_line

_TASK_RETRIES = 1
"""How often a block is tried again after its worker ended; then the cause is in the block, or in one beside it."""
_KNOCK_SECONDS = 10.0
ENDED = "the process that worked on it alone ended, several times; it may need more memory than there is"
"""The error of a row that `map_rows` does not return."""

Worker = Callable[..., Callable[[pa.Table], pa.Table]]
"""A class whose objects take a block of rows and answer with one row or more; each lives in a process of its own."""


@contextmanager
def connected(address: str | None, workers: int | None) -> Iterator[int]:
    """A connection to Ray and the number of workers to use there; started, and stopped again, if there is none."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing about this archive is told to anybody
    os.environ.setdefault("RAY_DEDUP_LOGS_SKIP_REGEX", ".")  # prints no line of what nodes tell
    import ray
    import ray.data

    for handler in logging.getLogger("ray.data").handlers:
        if handler.name == "console":  # the other one is that of the log file
            handler.setLevel(logging.CRITICAL)
    address = address or os.environ.get("RAY_ADDRESS")
    if address:
        _knock(address)
    started = nullcontext() if ray.is_initialized() else _connection(ray, address, workers or cores())
    with _terminal_spared(), started:
        yield workers or max(1, int(ray.cluster_resources().get("CPU", 1)))


@contextmanager
def _connection(ray: Any, address: str | None, count: int) -> Iterator[None]:
    quiet = {"log_to_driver": False, "logging_level": logging.CRITICAL}
    on_sigterm = signal.getsignal(signal.SIGTERM)
    try:
        if address:
            ray.init(address=address, **quiet)
        else:
            ray.init(address="local", num_cpus=count, **quiet)
    except Exception as error:  # ConnectionError, RuntimeError, ValueError and others
        where = f"cannot join the Ray cluster at {address}" if address else "Ray cannot start on this machine"
        raise BatchError(f"{where}: {one_line(error)}") from error
    if threading.current_thread() is threading.main_thread() and on_sigterm is not None:
        signal.signal(signal.SIGTERM, on_sigterm)  # Ray's own ends the process with another exit code
    try:
        yield
    finally:
        ray.shutdown()


@contextmanager
def _terminal_spared() -> Iterator[None]:
    """Keeps errors that Ray's compiled library writes from the terminal, for which Ray has no option.

    They are in Ray's log of this process, too. What Python writes to ``sys.stderr`` arrives as ever.
    """
    said = sys.stderr
    if not _is_standard_error(said):
        yield
        return
    said.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    with os.fdopen(kept, "w", buffering=1, encoding=said.encoding, errors=said.errors) as sys.stderr:
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(kept, 2)
            os.close(nowhere)
            sys.stderr = said


def _is_standard_error(file: TextIO | None) -> bool:
    """Whether ``file`` is what this process was given as its standard error, and not put in its place."""
    try:
        return file is not None and file.fileno() == 2
    except (OSError, ValueError):  # one in memory has no number
        return False


def _knock(address: str) -> None:
    """Raises `BatchError` if nobody listens at ``address``, which Ray itself finds out after many minutes only."""
    host, _, port = address.rpartition("://")[2].rpartition(":")
    if host and port.isdigit():
        try:
            socket.create_connection((host, int(port)), timeout=_KNOCK_SECONDS).close()
        except (OSError, OverflowError) as error:
            raise BatchError(f"no Ray cluster answers at {address}: {one_line(error)}") from error


def on_one_core() -> None:
    """Keep this process, which is one worker, to one thread."""
    os.environ["REAGE_THREADS"] = "1"
    cv2.setNumThreads(1)


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def map_rows(
    rows: Sequence[dict[str, Any]],
    schema: pa.Schema,
    worker: Worker,
    arguments: tuple[Any, ...],
    *,
    key: str,
    block: int,
    workers: int,
) -> Iterator[pa.Table]:
    """The results of workers for ``rows``, block by block, in the order in which they are ready.

    Ray Data gives a worker several blocks at a time, and counts its end as a failure of each of them. So rows that are
    lost with their worker are done again by workers that hold one row each; and those that are lost even so, perhaps
    since a row beside them took all memory, while nothing else runs. A row that ends its worker there, too, is not
    answered; it takes no other with it.

    Args:
        rows: what is to be done.
        schema: that of ``rows``.
        worker: what does it.
        arguments: what each worker is constructed with.
        key: the column that tells rows apart, in the answers, too.
        block: rows that a worker takes at once.
        workers: how many there are at most.

    Raises:
        BatchError: Ray cannot go on.
    """
    waiting = {row[key]: row for row in rows}

    def known(tables: Iterator[pa.Table]) -> Iterator[pa.Table]:
        for table in tables:
            for answered in table[key].to_pylist():
                waiting.pop(answered, None)
            yield table

    yield from known(_by_blocks(rows, schema, worker, arguments, block, workers))
    for count in (workers, 1, 1):
        yield from known(_one_by_one(list(waiting.values()), schema, worker, arguments, count))


def _one_by_one(
    rows: Sequence[dict[str, Any]],
    schema: pa.Schema,
    worker: Worker,
    arguments: tuple[Any, ...],
    workers: int,
) -> Iterator[pa.Table]:
    """The results of workers with one row each for ``rows``; nothing for a row whose worker ends."""
    if not rows:
        return
    import ray

    # They ask for no core: Ray Data may still keep those of workers that ended.
    start = ray.remote(num_cpus=0)(worker).remote
    lost = ray.exceptions.RayActorError, ray.exceptions.OutOfMemoryError, ray.exceptions.RayTaskError
    left, idle = list(rows), list[Any]()
    busy: dict[Any, Any] = {}
    while left or busy:
        while left and len(busy) < workers:
            actor = idle.pop() if idle else start(*arguments)
            busy[actor.__call__.remote(pa.Table.from_pylist([left.pop()], schema))] = actor
        answer = ray.wait(list(busy))[0][0]
        actor = busy.pop(answer)
        with _told():
            try:
                table = ray.get(answer)
            except lost:
                continue
        idle.append(actor)
        yield table


def _by_blocks(
    rows: Sequence[dict[str, Any]],
    schema: pa.Schema,
    worker: Worker,
    arguments: tuple[Any, ...],
    block: int,
    workers: int,
) -> Iterator[pa.Table]:
    """The results of Ray Data workers for each block of ``rows``; nothing for a block whose worker ends."""
    if not rows:
        return
    import ray

    blocks = [pa.Table.from_pylist(rows[at : at + block], schema) for at in range(0, len(rows), block)]
    context = ray.data.DataContext.get_current().copy()
    context.enable_progress_bars = False
    context.max_errored_blocks = -1
    with ray.data.DataContext.current(context):
        answers = _answers(ray.data.from_arrow(blocks), worker, arguments, min(workers, len(blocks)))
        with _told():
            yield from answers.iter_batches(batch_size=None, batch_format="pyarrow", prefetch_batches=0)


@contextmanager
def _told() -> Iterator[None]:
    """Turns what Ray raises into one line."""
    import ray

    try:
        yield
    except ray.exceptions.RayError as error:
        raise BatchError(f"Ray failed: {one_line(error)}; repeat the command to do the rest") from error


def _answers(blocks: Any, worker: Worker, arguments: tuple[Any, ...], workers: int) -> Any:
    """The Ray dataset of the answers to that of ``blocks``."""
    import ray

    with warnings.catch_warnings():
        # Without a limit of retries, one photograph that ends its process would be tried for ever. Ray announces to
        # take that option of map_batches away; the extra "scale" names the last versions that have it.
        warnings.simplefilter("ignore", ray.util.annotations.RayDeprecationWarning)
        return blocks.map_batches(
            worker,
            fn_constructor_args=arguments,
            batch_size=None,
            batch_format="pyarrow",
            compute=ray.data.ActorPoolStrategy(size=workers),
            num_cpus=1,
            max_restarts=-1,
            max_task_retries=_TASK_RETRIES,
        )
