"""Who may use the page: under which names it answers, which web sites may use or frame it, with which password."""

from __future__ import annotations

import base64
import hmac
import ipaddress
from dataclasses import dataclass, field
from functools import cached_property

import gradio as gr
from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import Scope

from reage.errors import ReageError
from reage.own_site import SITE, OwnSite, is_address

_ADVICE = "; if it is right, start the page with --allow-host and that name"


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
    _site: OwnSite = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "hosts", tuple(name.lower() for name in self.hosts))
        object.__setattr__(self, "frames", tuple(site.lower() for site in self.frames))
        object.__setattr__(self, "_site", OwnSite(self.hosts, _ADVICE))
        for site in self.frames:
            if not SITE.fullmatch(site):
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
        refused = self._site.refusal(scope["method"], scope["path"], headers.get)
        if refused:
            return PlainTextResponse(refused, 403)
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
        if self.auth or host == "localhost" or (is_address(host) and ipaddress.ip_address(host).is_loopback):
            return None
        return (
            "everybody who can reach this machine can use the page: it has no accounts. --auth user:password, or the "
            "environment variable REAGE_AUTH, which other users of this machine do not see, makes it ask for a password"
        )

    @cached_property
    def _expected(self) -> bytes:
        return base64.b64encode((self.auth or "").encode())


def visitor(request: gr.Request) -> str:
    """Who sent ``request``, as far as a server without accounts can tell people apart: the address it came from.

    An IPv6 address counts as its network (the first 64 bits), since one machine can use many addresses in it.
    """
    address = request.client.host if request.client else ""
    if ":" not in address or not is_address(address):
        return address
    return str(ipaddress.ip_network(f"{address.partition('%')[0]}/64", strict=False))
