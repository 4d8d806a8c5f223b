"""Ray: joined where it runs, or started on this machine; and blocks of rows dealt out to its workers."""

from __future__ import annotations

import logging
import os
import socket
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import pyarrow as pa

from reage.errors import BatchError, one_line
from reage.scale.worker import Work, Worker

_TASK_RETRIES = 2
"""How often a block is tried again whose worker ended: by then the cause lies in the block."""
_KNOCK_SECONDS = 10.0


@contextmanager
def connected(address: str | None, workers: int | None) -> Iterator[int]:
    """A connection to Ray and the number of workers to use there; started, and stopped again, where there is none."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing about this archive is told to anybody
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")  # what matters is raised
    import ray
    import ray.data

    logging.getLogger("ray.data").setLevel(logging.CRITICAL)
    address = address or os.environ.get("RAY_ADDRESS")
    if address:
        _knock(address)
    started = nullcontext() if ray.is_initialized() else _connection(ray, address, workers or cores())
    with started:
        yield workers or max(1, int(ray.cluster_resources().get("CPU", 1)))


@contextmanager
def _connection(ray: Any, address: str | None, count: int) -> Iterator[None]:
    quiet = {"log_to_driver": False, "logging_level": logging.CRITICAL}
    try:
        if address:
            ray.init(address=address, **quiet)
        else:
            ray.init(address="local", num_cpus=count, **quiet)
    except Exception as error:  # ConnectionError, RuntimeError, ValueError and others
        where = f"cannot join the Ray cluster at {address}" if address else "Ray cannot start on this machine"
        raise BatchError(f"{where}: {one_line(error)}") from error
    try:
        yield
    finally:
        ray.shutdown()


def _knock(address: str) -> None:
    """Raises `BatchError` where nobody listens at ``address``, which Ray itself finds out after many minutes only."""
    host, _, port = address.rpartition("://")[2].rpartition(":")
    if host and port.isdigit():
        try:
            socket.create_connection((host, int(port)), timeout=_KNOCK_SECONDS).close()
        except (OSError, OverflowError) as error:
            raise BatchError(f"no Ray cluster answers at {address}: {one_line(error)}") from error


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def map_blocks(blocks: list[pa.Table], work: Work, workers: int) -> Iterator[pa.Table]:
    """What `Worker` answers to each block, in whatever order they are ready; none for a block whose worker ends."""
    import ray

    context = ray.data.DataContext.get_current().copy()
    context.enable_progress_bars = False
    context.max_errored_blocks = -1
    with ray.data.DataContext.current(context):
        answers = _answers(ray.data.from_arrow(blocks), work, workers)
        try:
            yield from answers.iter_batches(batch_size=None, batch_format="pyarrow", prefetch_batches=0)
        except ray.exceptions.RayError as error:
            raise BatchError(
                f"Ray cannot go on: {one_line(error)}; the same command does the rest"
            ) from error


def _answers(blocks: Any, work: Work, workers: int) -> Any:
    """The Ray dataset of the answers to that of ``blocks``."""
    import ray

    with warnings.catch_warnings():
        # Without a limit of retries, one photograph that ends its process would be tried for ever. Ray announces to
        # take that option of map_batches away; the extra "scale" names the last versions that have it.
        warnings.simplefilter("ignore", ray.util.annotations.RayDeprecationWarning)
        return blocks.map_batches(
            Worker,
            fn_constructor_args=(work,),
            batch_size=None,
            batch_format="pyarrow",
            compute=ray.data.ActorPoolStrategy(size=workers),
            num_cpus=1,
            max_restarts=-1,
            max_task_retries=_TASK_RETRIES,
        )
