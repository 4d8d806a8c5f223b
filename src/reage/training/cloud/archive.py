"""An archive: a folder of files at a URL that fsspec can reach, such as ``s3://bucket/prefix/run-1a2b3c4d``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from reage.errors import ArchiveError, one_line
from reage.files import writing

_BUCKETS = ("s3", "s3a", "gs", "gcs", "abfs", "abfss", "az")
"""Protocols without folders; asked to make one, fsspec would make a bucket there."""
_S3 = {"config_kwargs": {"connect_timeout": 5, "read_timeout": 20, "retries": {"max_attempts": 1}}}
"""Seconds that S3 may take to answer. Whoever uses an archive tries again, so that botocore need not."""
_S3_ATTEMPTS = 2
"""What s3fs may try on its own."""
_NO_CREDENTIALS = ("NoCredentialsError", "PartialCredentialsError", "CredentialRetrievalError")
_UNREACHABLE = ("EndpointConnectionError", "ConnectTimeoutError", "ReadTimeoutError", "HTTPClientError")
_OF_THE_REGION = ("AuthorizationHeaderMalformed", "PermanentRedirect", "IllegalLocationConstraint")


class Archive:
    """The files below ``url``, whose names are relative to it and have slashes in them.

    Raises:
        ArchiveError: no package for such URLs is installed, or it is none. Every method raises it where the archive
            cannot be reached, read or written.
    """

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        require_protocol(self.url)
        from fsspec.core import url_to_fs

        on_s3 = _protocol(url) in ("s3", "s3a")
        try:
            self._files, self._root = url_to_fs(self.url, **(_S3 if on_s3 else {}))
            if on_s3:
                self._files.retries = _S3_ATTEMPTS
        except Exception as error:  # every file system has errors of its own
            raise self._error("opened", error) from error

    def put(self, source: Path, name: str) -> None:
        """Copy the file ``source`` to ``name``, replacing what is there."""
        try:
            self._make_folder_of(name)
            self._files.put_file(str(source), self._path(name))
        except Exception as error:
            raise self._error("written", error) from error

    def write(self, name: str, content: bytes) -> None:
        """Write ``content`` to ``name``, replacing what is there."""
        try:
            self._make_folder_of(name)
            self._files.pipe_file(self._path(name), content)
        except Exception as error:
            raise self._error("written", error) from error

    def read(self, name: str) -> bytes:
        """The content of the file ``name``."""
        try:
            return bytes(self._files.cat_file(self._path(name)))
        except Exception as error:
            raise self._error("read", error) from error

    def get(self, name: str, target: Path) -> None:
        """Copy the file ``name`` to ``target``, whole or not at all."""
        with writing(target) as part:
            try:
                self._files.get_file(self._path(name), str(part))
            except Exception as error:
                raise self._error("read", error) from error

    def names(self) -> list[str]:
        """The names of all files, sorted; none if there is no such folder."""
        try:
            self._files.invalidate_cache()
            found = self._files.find(self._root)
        except FileNotFoundError:
            return []
        except Exception as error:
            raise self._error("read", error) from error
        names = [str(path)[len(self._root) :].lstrip("/") for path in found]
        for name in names:
            if (
                ".." in PurePosixPath(name).parts
            ):  # whoever can write to the archive may not write elsewhere here
                raise ArchiveError(
                    f"the archive {self.url} contains the file name '{name}', which points outside the archive"
                )
        return sorted(names)

    def _path(self, name: str) -> str:
        return f"{self._root}/{name}"

    def _make_folder_of(self, name: str) -> None:
        if _protocol(self.url) not in _BUCKETS:
            self._files.makedirs(self._path(name).rpartition("/")[0], exist_ok=True)

    def _error(self, what: str, error: Exception) -> ArchiveError:
        return ArchiveError(f"the archive {self.url} cannot be {what}: {_reason(error)}")


def require_protocol(url: str) -> None:
    """Check, without reaching for it, that ``url`` can be an archive.

    Raises:
        ArchiveError: it has a password in it, or no package for such URLs is installed.
    """
    if urlsplit(url).password:
        raise ArchiveError(
            "the URL of an archive must not contain a password, since settings.json and trackers store it; "
            "give the password in fsspec's configuration"
        )
    try:
        from fsspec import get_filesystem_class

        get_filesystem_class(_protocol(url))
    except ImportError as error:
        needed = "'reage[cloud]'" if _protocol(url) in ("s3", "s3a") else "what fsspec needs for it"
        raise ArchiveError(f"the archive {url}: {one_line(error)}: pip install {needed}") from error
    except ValueError as error:
        raise ArchiveError(f"the archive {url}: fsspec does not support '{_protocol(url)}://'") from error


def _protocol(url: str) -> str:
    return url.partition("://")[0] if "://" in url else "file"


def _reason(error: Exception) -> str:
    """Why an archive failed, and what to do, in one line."""
    text = one_line(error)
    kinds = [type(each).__name__ for each in _chain(error)]
    everything = " ".join(str(each) for each in _chain(error))
    if any(kind in kinds for kind in _NO_CREDENTIALS):
        return "there are no credentials: give the machine a role, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
    if "InvalidRegionError" in kinds or any(name in everything for name in _OF_THE_REGION):
        return f"{text}; set AWS_DEFAULT_REGION to the region of the bucket"
    if any(kind in kinds for kind in _UNREACHABLE):
        return f"{text}; check the network and AWS_DEFAULT_REGION"
    if isinstance(error, PermissionError):
        return f"permission denied: {text}"
    return text


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """An error, and what it came from."""
    seen: list[Any] = []
    while error is not None and error not in seen:
        seen.append(error)
        yield error
        error = error.__cause__ or error.__context__
