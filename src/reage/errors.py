"""The errors that a user can cause. The command line prints each in one line and ends with exit code 2."""

from __future__ import annotations

from pathlib import Path


class ReageError(Exception):
    """Base of every error whose cause is the user's input; its text says what is wrong and what to do."""


def one_line(error: BaseException) -> str:
    """The text of another library's error in one line, or its class name if it has no text."""
    return " ".join(str(error).split()) or type(error).__name__


def printable(text: str) -> str:
    """``text`` with U+FFFD in place of each character that could steer a terminal, or begin another line.

    Names of files may have such characters. Lone surrogates stay, which stand for bytes that are no text.
    """
    return "".join(c if c.isprintable() or "\ud800" <= c <= "\udfff" else "\ufffd" for c in text)


class WriteError(ReageError):
    """A file or folder cannot be written: its ``path``, and the ``reason``."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(path, reason)
        self.path = path
        self.reason = reason

    def __str__(self) -> str:
        return f"{str(self.path)!r} cannot be written: {self.reason}"


class ExistsError(WriteError):
    """A file or folder exists already and may not be replaced: its ``path``."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, "it exists already")
        self.args = (path,)  # what copies and process pools construct it from

    def __str__(self) -> str:
        return f"{self.path} exists already"


class PhotoError(ReageError):
    """A file is not a readable photograph, or a photograph cannot be encoded in the format asked for."""


class PixelLimitError(PhotoError):
    """A photograph has more pixels than the caller allows."""


class VideoError(ReageError):
    """A file is not a readable video, or a film or video cannot be made."""


class NoFaceError(ReageError):
    """A photograph has no face, or not the one asked for."""


class AgeError(ReageError):
    """An age outside 0 to 116 years, or a strength out of its range."""


class RegionError(ReageError):
    """An unknown region of the face, or a factor out of its range."""


class BundleError(ReageError):
    """A model bundle is missing, malformed or altered, or its network cannot be run."""


class NoBundleError(BundleError):
    """The file or folder at ``path`` is not a model bundle."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(path, reason)
        self.path = path

    def __str__(self) -> str:
        return "{} is not a model bundle: {}".format(*self.args)


class HubError(BundleError):
    """A model on the Hugging Face Hub that cannot be found, reached, read or published."""


class SignatureError(ReageError):
    """A certificate or key that cannot sign, or a file that cannot hold a signature."""


class BatchError(ReageError):
    """The source, the target or the workers of a batch cannot be found or reached."""


class DataError(ReageError):
    """A data set, index or cache cannot be read."""


class JudgeError(ReageError):
    """An evaluation with judges that took part in training the model."""


class ArchiveError(ReageError):
    """An archive of runs that cannot be reached, read or written."""


class ConfigError(ReageError):
    """A training setting is unknown or out of range."""
