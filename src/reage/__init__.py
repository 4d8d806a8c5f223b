"""Face ageing: a photograph in, the same person older or younger out.

from reage import Reager
sitting = Reager.default().open("me.jpg")
sitting.age(to=70).save("me70.jpg")
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from reage._version import __version__

if TYPE_CHECKING:
    from reage.bundle import open_bundle
    from reage.edit.compositing import Edit
    from reage.errors import ReageError
    from reage.reager import Reager

__all__ = ["Edit", "ReageError", "Reager", "__version__", "open_bundle"]

_HOMES = {
    "Edit": "reage.edit.compositing",
    "Reager": "reage.reager",
    "ReageError": "reage.errors",
    "open_bundle": "reage.bundle",
}


def __getattr__(name: str) -> Any:
    """Public names are imported on first use (PEP 562), so that ``import reage`` stays instant."""
    if name in _HOMES:
        from importlib import import_module

        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'reage' has no attribute '{name}'")
