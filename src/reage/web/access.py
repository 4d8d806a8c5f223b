"""Who may use the page: under which names it answers, which web sites may use or frame it, with which password."""

from __future__ import annotations

import base64
import hmac
import ipaddress
import re
import socket
from dataclasses import dataclass, field
from functools import cached_property

import gradio as gr
from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import Scope

from reage.errors import ReageError

ANY = "*"
_NAME = re.compile(r"[a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?")
_SITE = re.compile(r"https?://((?:\*\.)?[a-z0-9_.-]+(?::\d+)?|\[[0-9a-f:]+\](?::\d+)?)")


@dataclass(frozen=True)
class Access:
    """Who may use the page: by default everybody who can reach it, but no other web site through a visitor's browser.

    Raises `ReageError` for a host, site or password that is not written as one.
    """

    hosts: tuple[str, ...] = ()
    """Names that the page is reached under, such as ``faces.example.org``; ``*`` is any name. Numeric addresses,
    ``localhost`` and the name of this machine are always allowed."""
    frames: tuple[str, ...] = ()
    """Web sites that may show the page in a frame of their own, such as ``https://huggingface.co``."""
    auth: str | None = field(default=None, repr=False)
    """``user:password`` that every visitor must give, by HTTP Basic authentication; None is no password."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "hosts", tuple(name.lower() for name in self.hosts))
        object.__setattr__(self, "frames", tuple(site.lower() for site in self.frames))
        for name in self.hosts:
            if name != ANY and not _NAME.fullmatch(name):
                raise ReageError(f"'{name}' is not the name of a host; say it as in faces.example.org")
        for site in self.frames:
            if not _SITE.fullmatch(site):
                raise ReageError(f"'{site}' is not a web site; say it as in https://faces.example.org")
        user, _, password = (self.auth or "").partition(":")
        if self.auth is not None and not (user and password):
            raise ReageError("a password for the page is said as user:password")

    def refusal(self, scope: Scope) -> PlainTextResponse | None:
        """The answer to a request that may not be served, or None for one that may.

        Refused are requests for a name that is not the page's own (by DNS rebinding another web site can pass for the
        page), requests that a browser sends for another web site, and requests without the password.
        """
        headers = Headers(scope=scope)
        host = headers.get("host", "").lower()
        if not self._is_own_name(_name(host)):
            return PlainTextResponse(
                f"this page does not answer to the name '{_name(host)[:100]}'; if it is right, start the page with "
                "--allow-host and that name",
                403,
            )
        if self._is_foreign(scope, headers, host):
            return PlainTextResponse("other web sites may not use this page; open it itself", 403)
        if self.auth:
            scheme, _, given = headers.get("authorization", "").partition(" ")
            if scheme.lower() != "basic" or not hmac.compare_digest(given.encode(), self._expected):
                wanted = {"WWW-Authenticate": 'Basic realm="reage", charset="UTF-8"'}
                return PlainTextResponse("this page needs a user name and a password", 401, wanted)
        return None

    @property
    def frame_ancestors(self) -> str:
        """Which sites may show the page in a frame, as a directive of a content security policy."""
        return "frame-ancestors " + (" ".join(("'self'", *self.frames)) if self.frames else "'none'")

    def warning(self, host: str) -> str | None:
        """What whoever serves the page at the address ``host`` should know about its visitors; None if nothing."""
        if self.auth or host == "localhost" or (_is_address(host) and ipaddress.ip_address(host).is_loopback):
            return None
        return (
            "everybody who can reach this machine can use the page: it has no accounts. --auth user:password, or the "
            "environment variable REAGE_AUTH, which other users of this machine do not see, makes it ask for a password"
        )

    @cached_property
    def _expected(self) -> bytes:
        return base64.b64encode((self.auth or "").encode())

    @cached_property
    def _own_names(self) -> set[str]:
        machine = socket.gethostname().lower()
        return {"localhost", machine, f"{machine}.local", *self.hosts}

    def _is_own_name(self, name: str) -> bool:
        return ANY in self.hosts or name in self._own_names or _is_address(name)

    def _is_foreign(self, scope: Scope, headers: Headers, host: str) -> bool:
        """Whether a browser sent the request on behalf of another web site."""
        origin = headers.get("origin")
        if origin is not None:
            site = _SITE.fullmatch(origin.lower())
            return site is None or (site[1] != host and _name(site[1]) not in self.hosts)
        if headers.get("sec-fetch-site") != "cross-site":
            return False
        follows_a_link = scope["path"] == "/" and headers.get("sec-fetch-mode") == "navigate"
        return not (follows_a_link and scope["method"] in ("GET", "HEAD"))


def visitor(request: gr.Request) -> str:
    """Who sent ``request``, as far as a server without accounts can tell people apart: the address it came from.

    An IPv6 address counts as its network (the first 64 bits), since one machine can use many addresses in it.
    """
    address = request.client.host if request.client else ""
    if ":" not in address or not _is_address(address):
        return address
    return str(ipaddress.ip_network(f"{address.partition('%')[0]}/64", strict=False))


def _name(host: str) -> str:
    """The name or address in a Host header, without port and brackets."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0].removesuffix(".")


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
