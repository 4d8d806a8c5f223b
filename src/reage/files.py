"""Writes files and folders: complete or not at all, never over something by accident, with one kind of error.

Also checks file names, and gives the default place of an output, beside its input.
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from reage.errors import ExistsError, WriteError


def refuse_existing(path: str | os.PathLike[str], overwrite: bool = False, *, folder: bool = False) -> None:
    """Check before the work that ``path`` may be written.

    Args:
        path: the file that is going to be written, or the folder.
        overwrite: whether a file of that name may be replaced, or files in a folder of that name.
        folder: whether ``path`` is going to be a folder.

    Raises:
        ExistsError: something of that name exists and ``overwrite`` is not set.
        WriteError: ``path`` is a folder where a file is to be written, or a file where a folder is; or no file can
            have that name: it is too long, say, or lies in a folder that may not be entered.
    """
    path = Path(path)
    try:
        mode = _mode(path)
    except FileNotFoundError:
        return
    except OSError as error:
        raise _write_error(path, error) from error
    if stat.S_ISDIR(mode) and not folder:
        raise WriteError(path, "it is a folder; give the name of a file in it")
    if folder and not stat.S_ISDIR(mode):
        raise WriteError(path, "it is a file, where a folder is to be written; move it away")
    if not overwrite:
        raise ExistsError(path)


@contextmanager
def writing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Write a file completely or not at all: the block writes to a temporary path, which is then renamed to ``path``.

    If the block raises, the temporary file is deleted and an earlier ``path`` stays as it was. The folder of ``path``
    is created if it is missing.

    Raises:
        WriteError: the system refuses (`OSError`), or no file can have that name. Every other error of the block
            passes unchanged.

    Example:
        >>> with writing("notes.txt") as part:
        ...     _ = part.write_text("complete")
        >>> Path("notes.txt").read_text()
        'complete'
    """
    path = Path(path)
    with _free_name(path) as part:
        try:
            yield part
            os.replace(part, path)
        except BaseException:
            part.unlink(missing_ok=True)
            raise


@contextmanager
def writing_folder(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Write a folder completely or not at all: the block fills a temporary folder, which is then renamed to ``path``.

    Where ``path`` exists, its files of the same names are replaced and its other files stay. Errors as in `writing`.
    """
    path = Path(path)
    with _free_name(path) as part:
        part.mkdir()
        try:
            yield part
            if path.is_dir():
                for file in part.iterdir():
                    os.replace(file, path / file.name)
            else:
                os.rename(part, path)
        finally:
            shutil.rmtree(part, ignore_errors=True)


def checked_name(path: str | os.PathLike[str]) -> Path:
    """``path``, if it is a possible file name.

    Raises OSError for a null character and for what the system cannot encode, as the system does for names that
    are too long. Python's own functions raise ValueError there, which looks like a bug.
    """
    try:
        encoded = os.fsencode(path)
    except UnicodeEncodeError:
        raise OSError(errno.EILSEQ, "the name has characters that this system cannot write") from None
    if b"\0" in encoded:
        raise OSError(errno.EINVAL, "the name has a null character in it")
    return Path(path)


def beside(path: Path, name: str) -> Path:
    """The file ``name`` in the folder of ``path``: where output goes by default.

    Unlike `Path.with_name`, this also accepts paths without a name, such as ``.`` and ``/``; they are refused when
    they are read.
    """
    return path.parent / name


@contextmanager
def _free_name(path: Path) -> Iterator[Path]:
    """A free name in the folder of ``path``, since only within a folder is a renaming atomic.

    It is a name and not a file of `tempfile`, because only the owner may read those. Every `OSError` of the block
    becomes a `WriteError` about ``path``.
    """
    try:
        name = checked_name(path)
        name.parent.mkdir(parents=True, exist_ok=True)
        yield name.with_name(f".reage-{os.urandom(6).hex()}.part")
    except OSError as error:
        raise _write_error(path, error) from error
    except WriteError as error:  # of a file in a folder that is not yet in its place
        raise WriteError(path, error.reason) from error


def _write_error(path: Path, error: OSError) -> WriteError:
    return WriteError(path, error.strerror or str(error))


def _mode(path: Path) -> int:
    """What `os.stat` says of ``path``; of a link to nothing, what the link is.

    Unlike `Path.exists`, this is the same in every version of Python.
    """
    path = checked_name(path)
    try:
        return os.stat(path).st_mode
    except FileNotFoundError:
        return os.lstat(path).st_mode
