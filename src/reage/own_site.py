"""Whether a request over HTTP is for a page of ours, and not sent by another web site through somebody's browser."""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from reage.errors import ReageError

ANY = "*"
_NAME = re.compile(r"[a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?")
SITE = re.compile(r"https?://((?:\*\.)?[a-z0-9_.-]+(?::\d+)?|\[[0-9a-f:]+\](?::\d+)?)")
"""A web site in lower case, as browsers name it in the header Origin; its group is the host."""


@dataclass(frozen=True)
class OwnSite:
    """A page that is reached under numeric addresses, ``localhost``, the name of this machine, and ``hosts``.

    Raises `ReageError` for a host that is not written as one.
    """

    hosts: tuple[str, ...] = ()
    """Further names, in lower case; ``*`` is any name."""
    advice: str = ""
    """What to do about a name that is not known, for the answer."""

    def __post_init__(self) -> None:
        for name in self.hosts:
            if name != ANY and not _NAME.fullmatch(name):
                raise ReageError(f"'{name}' is not the name of a host; say it as in faces.example.org")

    def refusal(self, method: str, path: str, header: Callable[[str], str | None]) -> str | None:
        """Why a request may not be served, in one sentence, or None for one that may.

        Refused are requests for a name that is not the page's own (by DNS rebinding another web site can pass for the
        page), and requests that a browser sends for another web site.

        Args:
            method: such as GET.
            path: of the request.
            header: gives a header of the request by its name, which may be in lower case.
        """
        host = (header("host") or "").lower()
        name = host_name(host)
        if not (ANY in self.hosts or name in self._own_names or is_address(name)):
            return f"this page does not answer to the name '{name[:100]}'{self.advice}"
        if self._is_foreign(method, path, header, host):
            return "other web sites may not use this page; open it itself"
        return None

    @cached_property
    def _own_names(self) -> set[str]:
        machine = socket.gethostname().lower()
        return {"localhost", machine, f"{machine}.local", *self.hosts}

    def _is_foreign(self, method: str, path: str, header: Callable[[str], str | None], host: str) -> bool:
        """Whether a browser sent the request on behalf of another web site."""
        origin = header("origin")
        if origin is not None:
            site = SITE.fullmatch(origin.lower())
            return site is None or (site[1] != host and host_name(site[1]) not in self.hosts)
        if header("sec-fetch-site") != "cross-site":
            return False
        follows_a_link = path == "/" and header("sec-fetch-mode") == "navigate"
        return not (follows_a_link and method in ("GET", "HEAD"))


def host_name(host: str) -> str:
    """The name or address in a Host header, without port and brackets."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0].removesuffix(".")


def is_address(name: str) -> bool:
    """Whether ``name`` is a numeric address."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
