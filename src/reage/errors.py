"""The errors a user can cause; the command line prints them in one line and ends with exit code 2."""

from __future__ import annotations

from pathlib import Path


class ReageError(Exception):
    """Base of every error whose cause is the user's input; its text says what is wrong and what to do."""


class WriteError(ReageError):
    """A file or folder that cannot be written: its ``path``, and the ``reason``."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(path, reason)
        self.path = path
        self.reason = reason

    def __str__(self) -> str:
        return f"{str(self.path)!r} cannot be written: {self.reason}"


class ExistsError(WriteError):
    """A file or folder that would have to be replaced, which was not allowed: its ``path``."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, "it exists already")
        self.args = (path,)

    def __str__(self) -> str:
        return f"{self.path} exists already"


class PhotoError(ReageError):
    """A file that is not a readable photograph, is too large, or cannot be encoded in the format asked for."""


class PixelLimitError(PhotoError):
    """A photograph of more pixels than the caller reads; ``fact`` is its text without the command line's advice."""

    def __init__(self, fact: str) -> None:
        super().__init__(f"{fact}; raise it with --max-pixels if you trust the file")
        self.fact = fact


class VideoError(ReageError):
    """A file that is not a readable video, or a film or video that cannot be made."""


class NoFaceError(ReageError):
    """No face (or not the requested one) was found in a photograph."""


class AgeError(ReageError):
    """An age outside 0 to 116 years."""


class RegionError(ReageError):
    """A facial region that there is not, or a factor of one out of range."""


class BundleError(ReageError):
    """A model bundle that is missing, malformed or altered."""


class DataError(ReageError):
    """A data set, index or cache that cannot be read."""


class JudgeError(ReageError):
    """An evaluation whose judges taught the model."""


class ConfigError(ReageError):
    """A training setting that is unknown or out of range."""
