"""Archives a run on a rented machine while it trains, and terminates the machine at the end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from reage.errors import ConfigError, ReageError
from reage.training.cloud.archive import require_protocol
from reage.training.cloud.instance import Instance, require_boto3
from reage.training.cloud.run_archive import Synchroniser, open_run_archive
from reage.training.config import TrainSettings
from reage.training.console import say


def require_cloud(settings: TrainSettings) -> None:
    """Check, without network access, that ``archive`` and ``terminate_instance`` can work.

    Raises:
        ConfigError: the machine would be terminated without an archive, or boto3 is missing.
        ArchiveError: as `require_protocol`.
    """
    if settings.archive is not None:
        require_protocol(settings.archive)
    if settings.terminate_instance:
        if settings.archive is None:
            raise ConfigError(
                "terminate_instance needs an archive; without one, the run would be lost with the machine"
            )
        require_boto3()


class Archiving:
    """Copies a run to its archive in the background; does nothing without an archive."""

    def __init__(self, synchroniser: Synchroniser | None = None) -> None:
        self._synchroniser = synchroniser
        self.complete = False
        """Whether the run has taken its last step and written its figures."""

    def synchronise(self) -> None:
        """Start a copy of the run folder in the background."""
        if self._synchroniser is not None:
            self._synchroniser.request()


@contextmanager
def archiving(settings: TrainSettings, folder: Path, *, first: bool) -> Iterator[Archiving]:
    """Copy ``folder`` to the archive in the settings while the block trains, and wait for the last copy at the end.

    Then the instance is terminated, if the settings say so: after a complete run or, with "always", after an error,
    and in both cases only if the archive is complete.

    Args:
        settings: of the run.
        folder: of the run.
        first: whether this is the first process; the others do nothing.

    Raises:
        ConfigError: this is not an EC2 instance, or it may not terminate itself; before the block.
        ArchiveError: the archive cannot be written; before the block. Later failures are warnings.
    """
    if not first or settings.archive is None:
        yield Archiving()
        return
    instance = None
    if settings.terminate_instance:
        instance = Instance.here()
        instance.require_permission()
    synchroniser = Synchroniser(folder, open_run_archive(settings.archive, folder))
    keeper, failed = Archiving(synchroniser), False
    try:
        yield keeper
    except Exception:
        failed = True
        raise
    finally:
        kept = _finish(synchroniser, folder)
        over = keeper.complete or (failed and settings.terminate_instance == "always")
        if instance is not None and over:
            _end(instance, kept)


def _finish(synchroniser: Synchroniser, folder: Path) -> bool:
    """Wait for the last copy, and report; returns whether the archive is complete."""
    failure = synchroniser.finish()
    if failure is None:
        say(f"archive: the run is in {synchroniser.archive.url}")
    else:
        say(f"archive: some files are in {folder} only: {failure}")
    return failure is None


def _end(instance: Instance, kept: bool) -> None:
    if not kept:
        say(f"terminate_instance: {instance} is left running, since the archive does not have everything")
        return
    try:
        instance.terminate()
    except ReageError as error:
        say(f"warning: {error}")
    else:
        say(f"terminate_instance: {instance} is being terminated")
