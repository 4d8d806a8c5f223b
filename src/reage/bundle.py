"""Model bundles: a folder (or a zip of one) with ``manifest.json``, ONNX networks and ``MODEL_CARD.md``.

Opening reads the manifest, checks it (`reage.manifest`), reads the files that it names and no others, verifies the
SHA-256 of each, and refuses networks that would read further files (`reage.onnx_file`). Nothing in a bundle is ever
unpickled, and nothing is executed but ONNX graphs.
"""

from __future__ import annotations

import hashlib
import os
import re
import zipfile
from collections.abc import Callable, Mapping
from copy import copy
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from reage.arrays import Float32
from reage.assets import asset
from reage.bundle_files import MANIFEST, opened
from reage.calibration import network_target
from reage.devices import Device
from reage.edit.compositing import Edit
from reage.errors import BundleError, ReageError, one_line
from reage.files import refuse_existing, writing, writing_folder
from reage.manifest import Manifest, parse_manifest
from reage.onnx_file import refuse_external_data
from reage.onnx_session import open_session, run_within

DEFAULT = "default_bundle"
"""The folder of the embedded bundle among the assets."""
_CARD = "MODEL_CARD.md"
_MAX_MANIFEST = 1 << 20
_MAX_BYTES = 1 << 30
"""Bytes of the largest manifest, and of all other files together."""

_LARGEST = 1000.0
"""Outputs beyond this are refused: colours lie between -1 and 1, and sums of huge values would be infinite."""
ANSWER_SECONDS = 60.0
"""The longest time that a network may take for one face; the embedded one takes a thirtieth of a second."""
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


class Bundle:
    """A verified bundle; its networks are loaded on first use. `open_bundle` makes one."""

    def __init__(
        self,
        path: Path,
        manifest: Manifest,
        contents: Mapping[str, bytes],
        origin: str = "",
    ) -> None:
        self.path = path
        self.manifest = manifest
        self.origin = origin
        """Where it was downloaded from, with the commit: ``hf://owner/name@commit``; empty for a local bundle."""
        self._contents = contents
        self._device: Device | None = None

    def on(self, device: Device) -> Bundle:
        """The same bundle with its networks on ``device``; without this, `find_device` decides."""
        moved = copy(self)
        moved._device = device
        moved.__dict__.pop("_sessions", None)
        return moved

    def load(self) -> None:
        """Load the networks now instead of on first use; raises as `edit` does."""
        self._sessions  # noqa: B018

    @property
    def title(self) -> str:
        """Name and version, and the origin if there is one, as written into pictures."""
        return f"{self.manifest.title} ({self.origin})" if self.origin else self.manifest.title

    def files(self) -> dict[str, bytes]:
        """Every file of the bundle by name, including the manifest."""
        return {MANIFEST: _manifest_file(self.manifest), **self._contents}

    def save(self, path: Path) -> None:
        """Write it to ``path``, as `write_bundle` does."""
        write_bundle(path, self.manifest, self._contents)

    @property
    def card(self) -> str:
        """The text of the model card, without control characters for terminals; empty if there is none."""
        text = self._contents.get(_CARD, b"").decode(errors="replace")
        return _CONTROLS.sub("\N{REPLACEMENT CHARACTER}", text.replace("\r\n", "\n"))

    def network(self, direction: str) -> bytes:
        """The ONNX file of the network that serves ``direction``, a key of the manifest's ``networks``."""
        return self._contents[self.manifest.networks[direction]]

    @cached_property
    def _sessions(self) -> dict[str, Any]:
        try:
            foreign = self.path != asset(DEFAULT)
            return {
                key: open_session(self.network(key), foreign=foreign, device=self._device)
                for key in self.manifest.networks
            }
        except ReageError:
            raise
        except Exception as error:  # ONNX Runtime raises many types, none of them documented
            raise BundleError(
                f"{self.path}: ONNX Runtime cannot load its network: {one_line(error)}"
            ) from error

    def edit(self, face: Float32, *, source_age: float, target_age: float, male: float) -> Edit:
        """The network's edit of an aligned face.

        Ages are clamped to the range in the manifest. If clamping would reverse the direction, or turn no change into
        one, the source age becomes the target age.

        Args:
            face: (S, S, 3) float32 in [-1, 1], S being the manifest's ``size``.
            source_age: the age in the photo, in years.
            target_age: the age asked for, in years.
            male: the probability that the person is male, 0 to 1.

        Raises:
            BundleError: the network cannot be loaded, takes over a minute, or its output does not fit the manifest.
        """
        manifest = self.manifest
        source = float(np.clip(source_age, *manifest.source_ages))
        target = manifest.nearest(target_age)
        direction = "older" if target_age >= source_age else "younger"
        source = min(source, target) if direction == "older" else max(source, target)
        feeds = {
            "face": np.ascontiguousarray(face.transpose(2, 0, 1)[None], np.float32),
            "source_age": np.array([source], np.float32),
            "target_age": np.array(
                [manifest.nearest(network_target(manifest.calibration, source, target))], np.float32
            ),
            "male": np.array([male], np.float32),
        }
        session = self._sessions.get("any") or self._sessions[direction]
        first, *others = self._run(session, feeds)
        colours = first.transpose(1, 2, 0)
        if manifest.outputs == ["image"]:
            part = np.float32(manifest.applied_part(source, target))
            return Edit((colours - face) * part, np.zeros(face.shape[:2], np.float32))
        return Edit(colours, others[0][0])

    def _run(self, session: Any, feeds: Mapping[str, Any]) -> list[Float32]:
        """The network's outputs for one face, (3, S, S) and, where it has one, (1, S, S)."""
        manifest = self.manifest
        try:
            given = {name: feeds[name] for name in manifest.inputs}
            results = run_within(session, manifest.outputs, given, seconds=ANSWER_SECONDS)
        except Exception as error:  # ONNX Runtime raises many types, none of them documented
            raise BundleError(f"{self.path}: its network cannot be run: {one_line(error)}") from error
        for name, channels, result in zip(manifest.outputs, (3, 1), results, strict=False):
            expected = (1, channels, manifest.size, manifest.size)
            wrong = ""
            if not _is_floats(result) or np.shape(result) != expected:
                wrong = f"of shape {np.shape(result)}, not {expected} as the manifest says"
            elif not np.abs(result).max() <= _LARGEST:  # or it is no number
                wrong = f"beyond {_LARGEST:g}; colours lie between -1 and 1"
            if wrong:
                raise BundleError(f"{self.path}: its network answers with {name} {wrong}")
        return [np.asarray(result[0], np.float32) for result in results]

    def check(self) -> None:
        """Run every network once; raises `BundleError` if an output does not fit the manifest."""
        face = np.zeros((self.manifest.size, self.manifest.size, 3), np.float32)
        for target in (20.0, 70.0):
            self.edit(face, source_age=45, target_age=target, male=0)


def open_bundle(path: str | os.PathLike[str] | None = None, *, origin: str = "") -> Bundle:
    """Open and verify a model bundle.

    Args:
        path: its folder or zip file; None: the embedded bundle.
        origin: where it was downloaded from, for `Bundle.origin`.

    Raises:
        BundleError: it is missing, damaged or altered, its manifest is invalid, or a network reads tensors from files.

    Example:
        >>> open_bundle().manifest.family
        'delta'
    """
    place = Path(path) if path is not None else asset(DEFAULT)
    with opened(place) as read:
        manifest = parse_manifest(read(MANIFEST, _MAX_MANIFEST))
        contents, left = {}, _MAX_BYTES
        for name, expected in manifest.files.items():
            contents[name] = read(name, left)
            left -= len(contents[name])
            found = hashlib.sha256(contents[name]).hexdigest()
            if found != expected:
                raise BundleError(f"{name} was altered (SHA-256 {found[:12]}…, expected {expected[:12]}…)")
        for name in dict.fromkeys(manifest.networks.values()):
            _check_network(name, contents[name])
    return Bundle(place, manifest, contents, origin)


def _is_floats(value: Any) -> bool:
    """Whether an output of ONNX Runtime is an array of floats; networks can also return strings and lists."""
    return isinstance(value, np.ndarray) and value.dtype.kind == "f"


def _check_network(name: str, network: bytes) -> None:
    try:
        refuse_external_data(network)
    except ValueError as error:
        raise BundleError(f"its network {name} is refused: {error}") from error


def find_bundles(
    folder: Path | None = None, on_refused: Callable[[BundleError], object] | None = None
) -> list[Bundle]:
    """The embedded bundle, and those in ``folder``: its subfolders with a manifest, and its zip files.

    Whatever `open_bundle` refuses is left out and passed to ``on_refused`` as an error. Raises `BundleError` if
    ``folder`` is not a folder.
    """
    places: list[Path] = []
    if folder is not None:
        if not folder.is_dir():
            raise BundleError(f"{folder} is not a folder of model bundles")
        places = sorted({file.parent for file in folder.glob(f"*/{MANIFEST}")} | set(folder.glob("*.zip")))
    bundles = [open_bundle()]
    for place in places:
        try:
            bundles.append(open_bundle(place))
        except BundleError as error:
            if on_refused:
                on_refused(error)
    return bundles


def refuse_existing_bundle(path: Path) -> None:
    """Check before the work that a bundle may be written to ``path``; raises as `write_bundle`."""
    refuse_existing(path, folder=path.suffix != ".zip")


def write_bundle(path: Path, manifest: Manifest, contents: Mapping[str, bytes]) -> None:
    """Write a bundle with hashes of ``contents``: a zip if ``path`` ends in ``.zip``, else a folder.

    It appears complete or not at all. Raises `ExistsError` if ``path`` exists, `WriteError` if it cannot be written,
    and `BundleError` for invalid file names.
    """
    refuse_existing_bundle(path)
    hashes = {name: hashlib.sha256(data).hexdigest() for name, data in sorted(contents.items())}
    stated = replace(manifest, files=hashes)
    everything = {MANIFEST: _manifest_file(stated), **contents}
    if path.suffix == ".zip":
        with writing(path) as part, zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, data in everything.items():
                archive.writestr(name, data)
    else:
        with writing_folder(path) as folder:
            for name, data in everything.items():
                (folder / name).write_bytes(data)


def _manifest_file(manifest: Manifest) -> bytes:
    return (manifest.as_json() + "\n").encode()
