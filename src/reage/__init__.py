"""Face ageing: makes the people in photographs older or younger.

from reage import Reager
sitting = Reager.default().open("me.jpg")
sitting.age(to=70).save("me70.jpg")
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from reage._version import __version__

if TYPE_CHECKING:
    from reage.bundle import open_bundle
    from reage.edit.compositing import Edit
    from reage.errors import ReageError
    from reage.reager import Reager

# ONNX Runtime 1.32 and later tell Microsoft when they are used, and keep an identifier among the temporary files,
# unless this is set before they are imported. What people do with their photos is nobody else's business.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

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
