"""Model bundles: a folder (or a zip of one) with ``manifest.json``, ONNX networks and ``MODEL_CARD.md``.

Opening verifies the SHA-256 of every file; nothing in a bundle is ever unpickled or executed but ONNX graphs.
"""

from __future__ import annotations

import hashlib
import json
import os
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from reage.ages import MAX_AGE
from reage.arrays import Float32
from reage.assets import asset
from reage.edit.compositing import DETAIL_SIGMA, Edit
from reage.errors import BundleError
from reage.files import refuse_existing, writing, writing_folder
from reage.onnx_session import open_session

FORMAT = 1
DEFAULT = "default_bundle"
_MAX_BYTES = 1 << 30
GOALS = {"older": 70.0, "younger": 25.0}
"""Ages in years meant by a direction, where the bundle names none."""
_INPUTS = ("face", "source_age", "target_age", "male")
_OUTPUTS = (["delta", "gain"], ["image"])
MIN_REACH = 15.0
"""A direction is at least so many years away from the age in the photo."""


@dataclass(frozen=True)
class Manifest:
    """What a bundle says of itself.

    ``networks`` maps the direction a network serves (``any``, ``older`` or ``younger``) to its file;
    ``outputs`` is ``["delta", "gain"]`` for families that edit and ``["image"]`` for those that paint.
    ``full_ages`` is for networks that are told a direction and no age: the ages at which the whole of their edit
    is applied; nearer to the age in the photo, a part of it.
    """

    name: str
    version: str
    family: str
    size: int
    networks: dict[str, str]
    outputs: list[str]
    inputs: list[str] = field(default_factory=lambda: list(_INPUTS))
    template: str = "utkface"
    source_ages: tuple[float, float] = (0, 116)
    target_ages: tuple[float, float] = (0, 116)
    full_ages: dict[str, float] = field(default_factory=dict)
    detail_sigma: float = DETAIL_SIGMA
    data: str = ""
    teachers: list[str] = field(default_factory=list)
    training: dict[str, Any] = field(default_factory=dict)
    figures: dict[str, Any] = field(default_factory=dict)
    licence: str = ""
    files: dict[str, str] = field(default_factory=dict)
    format: int = FORMAT

    @property
    def title(self) -> str:
        """Name and version, as written into pictures."""
        return f"{self.name} {self.version}"

    def goal(self, direction: str, source: float) -> float:
        """The age meant by ``older`` or ``younger`` for a face of ``source`` years."""
        goal = self.full_ages.get(direction, GOALS[direction])
        goal = max(goal, source + MIN_REACH) if direction == "older" else min(goal, source - MIN_REACH)
        return self.reached(source, goal)

    def reached(self, source: float, target: float) -> float:
        """The age given to a face of ``source`` years when ``target`` is asked for: the nearest that the networks can
        give, but none on the other side of ``source``."""
        age = self.nearest(target)
        return max(age, source) if target >= source else min(age, source)

    def nearest(self, age: float) -> float:
        """The age nearest to ``age`` that the networks can give."""
        low, high = self.target_ages
        return min(max(age, low), high)

    def part(self, source: float, target: float) -> float:
        """How much of a network's edit is applied, 0 to 1: all of it where the network itself is told the age."""
        way = "older" if target >= source else "younger"
        if way not in self.full_ages:
            return 1.0
        reach = max(MIN_REACH, abs(self.full_ages[way] - source))
        return min(1.0, abs(target - source) / reach)

    def as_json(self) -> str:
        """As it stands in ``manifest.json``."""
        return json.dumps(asdict(self), indent=2)


class Bundle:
    """A verified bundle; its networks are loaded on first use."""

    def __init__(self, path: Path, manifest: Manifest, contents: Mapping[str, bytes]) -> None:
        self.path = path
        self.manifest = manifest
        self._contents = contents

    @property
    def card(self) -> str:
        """The text of its model card."""
        return self._contents.get("MODEL_CARD.md", b"").decode()

    def network(self, way: str) -> bytes:
        """The ONNX file of the network that serves ``way``, a key of the manifest's ``networks``."""
        return self._contents[self.manifest.networks[way]]

    @cached_property
    def _sessions(self) -> dict[str, Any]:
        try:
            return {way: open_session(self.network(way)) for way in self.manifest.networks}
        except Exception as error:  # ONNX Runtime raises many types, none of them documented
            raise BundleError(f"{self.path}: ONNX Runtime cannot load its network: {error}") from error

    def edit(self, face: Float32, *, source_age: float, target_age: float, male: float) -> Edit:
        """The edit of ``face`` (S, S, 3) in [-1, 1]; ages in years, ``male`` a probability.

        Ages are clamped to the range the network was trained on, which the manifest states; where that would
        turn older into younger, or make an edit of none, both become the age asked for.
        """
        manifest = self.manifest
        source = float(np.clip(source_age, *manifest.source_ages))
        target = manifest.nearest(target_age)
        way = "older" if target_age >= source_age else "younger"
        source = min(source, target) if way == "older" else max(source, target)
        session = self._sessions.get("any") or self._sessions[way]
        feeds = {
            "face": np.ascontiguousarray(face.transpose(2, 0, 1)[None], np.float32),
            "source_age": np.array([source], np.float32),
            "target_age": np.array([target], np.float32),
            "male": np.array([male], np.float32),
        }
        results = session.run(self.manifest.outputs, {name: feeds[name] for name in manifest.inputs})
        picture = np.asarray(results[0][0].transpose(1, 2, 0), np.float32)
        if manifest.outputs == ["image"]:
            part = np.float32(manifest.part(source, target))
            return Edit((picture - face) * part, np.zeros(face.shape[:2], np.float32))
        return Edit(picture, np.asarray(results[1][0, 0], np.float32))

    def check(self) -> None:
        """Run every network once; raises `BundleError` where one does not answer as the manifest says."""
        size = self.manifest.size
        for target in (20.0, 70.0):
            face = np.zeros((size, size, 3), np.float32)
            try:
                edit = self.edit(face, source_age=45, target_age=target, male=0)
            except BundleError:
                raise
            except Exception as error:  # ONNX Runtime raises many types, none of them documented
                raise BundleError(f"{self.path}: its network does not answer: {error}") from error
            if edit.delta.shape != face.shape or not np.isfinite(edit.delta).all():
                raise BundleError(f"{self.path}: its network answers with {edit.delta.shape} or infinities")


def find_bundles(folder: Path | None = None) -> list[Bundle]:
    """The embedded bundle and those that lie in ``folder``; raises `BundleError` for an altered one."""
    places = (
        []
        if folder is None
        else sorted({p.parent for p in folder.glob("*/manifest.json")} | set(folder.glob("*.zip")))
    )
    return [open_bundle(place) for place in (None, *places)]


def open_bundle(path: str | os.PathLike[str] | None = None) -> Bundle:
    """Open and verify a bundle; None opens the embedded one. Raises `BundleError` with what is wrong."""
    place = Path(path) if path is not None else asset(DEFAULT)
    contents = _read(place)
    manifest = _parse(place, contents)
    for name, expected in manifest.files.items():
        if name not in contents:
            raise BundleError(f"{place}: the file {name} named in its manifest is missing")
        found = hashlib.sha256(contents[name]).hexdigest()
        if found != expected:
            raise BundleError(
                f"{place}: {name} was altered (SHA-256 {found[:12]}…, expected {expected[:12]}…)"
            )
    unverified = [name for name in manifest.networks.values() if name not in manifest.files]
    if unverified:
        raise BundleError(f"{place}: the manifest has no hash for {', '.join(unverified)}")
    return Bundle(place, manifest, contents)


def refuse_existing_bundle(path: Path) -> None:
    """Check, before the work and not after it, that a bundle may be written to ``path``; errors of `write_bundle`."""
    refuse_existing(path, folder=path.suffix != ".zip")


def write_bundle(path: Path, manifest: Manifest, contents: Mapping[str, bytes]) -> None:
    """Write a bundle with hashes of ``contents``: a zip if ``path`` ends in ``.zip``, else a folder.

    Appears whole or not at all; raises `ExistsError` where ``path`` exists already, `WriteError` where it cannot be
    written.
    """
    refuse_existing_bundle(path)
    hashes = {name: hashlib.sha256(data).hexdigest() for name, data in sorted(contents.items())}
    stated = replace(manifest, files=hashes)
    everything = {"manifest.json": (stated.as_json() + "\n").encode(), **contents}
    if path.suffix == ".zip":
        with writing(path) as part, zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, data in everything.items():
                archive.writestr(name, data)
    else:
        with writing_folder(path) as folder:
            for name, data in everything.items():
                (folder / name).write_bytes(data)


def _read(path: Path) -> dict[str, bytes]:
    try:
        if path.is_dir():
            return {entry.name: entry.read_bytes() for entry in path.iterdir() if entry.is_file()}
        with zipfile.ZipFile(path) as archive:
            if sum(info.file_size for info in archive.infolist()) > _MAX_BYTES:
                raise BundleError(f"{path}: unpacks to more than {_MAX_BYTES >> 30} GiB")
            names = [name for name in archive.namelist() if not name.endswith("/")]
            folder = _folder_of(names)
            return {name.removeprefix(folder): archive.read(name) for name in names}
    # RuntimeError: encrypted; NotImplementedError: packed in an unusual way; zlib.error: damaged.
    except (OSError, zipfile.BadZipFile, zlib.error, RuntimeError) as error:
        raise BundleError(f"{path} is not a model bundle: {error}") from error


def _folder_of(names: list[str]) -> str:
    """The one folder that all ``names`` of an archive lie in, with its slash; empty where there is none."""
    first = names[0].partition("/")[0] + "/" if names else ""
    return first if all(name.startswith(first) for name in names) else ""


def _parse(path: Path, contents: Mapping[str, bytes]) -> Manifest:
    try:
        stored = json.loads(contents["manifest.json"])
        if stored["format"] != FORMAT:
            raise BundleError(
                f"{path}: bundle format {stored['format']} is not supported (this reads {FORMAT})"
            )
        known = {f.name for f in fields(Manifest)}
        manifest = Manifest(**{key: value for key, value in stored.items() if key in known})
    except KeyError as error:
        raise BundleError(f"{path} is not a model bundle: no {error}") from error
    except (ValueError, TypeError) as error:
        raise BundleError(f"{path}: its manifest cannot be read: {error}") from error
    ages = manifest.full_ages
    if not isinstance(ages, dict) or not all(isinstance(age, int | float) for age in ages.values()):
        raise BundleError(f"{path}: 'full_ages' in its manifest are not ages")
    for field_name in ("source_ages", "target_ages"):
        value = getattr(manifest, field_name)
        numbers = isinstance(value, list | tuple) and all(isinstance(v, int | float) for v in value)
        if not numbers or len(value) != 2 or not 0 <= value[0] <= value[1] <= MAX_AGE:
            raise BundleError(f"{path}: '{field_name}' in its manifest is no range of ages")
    if not isinstance(manifest.size, int) or not 16 <= manifest.size <= 4096:
        raise BundleError(f"{path}: 'size' in its manifest is no side of a face in pixels")
    if not set(manifest.inputs) <= set(_INPUTS) or list(manifest.outputs) not in _OUTPUTS:
        raise BundleError(
            f"{path}: this version knows no networks with the inputs and outputs of its manifest"
        )
    for field_name in ("networks", "files"):
        value = getattr(manifest, field_name)
        if not isinstance(value, dict) or not all(isinstance(v, str) for v in value.values()):
            raise BundleError(f"{path}: '{field_name}' in its manifest is not a table of names")
    if not {"any"} <= set(manifest.networks) and not {"older", "younger"} <= set(manifest.networks):
        raise BundleError(f"{path}: its networks serve neither any age nor both directions")
    if manifest.template != "utkface":
        raise BundleError(f"{path}: unknown template '{manifest.template}'")
    return manifest
