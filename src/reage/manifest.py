"""The manifest of a model bundle: what a model says of itself, checked completely before anything else is used.

`_RULES` is the schema: for each field a test of its value, and the same in words. It is written by hand because a
validator of JSON Schema would add 40 ms to every start of the command line (fastjsonschema) or five packages to the
runtime (jsonschema), and could not say that a range ascends.
"""

from __future__ import annotations

import json
import math
import re
import reprlib
from collections.abc import Callable, Set
from dataclasses import MISSING, asdict, dataclass, field, fields
from typing import Any

from reage.ages import MAX_AGE
from reage.calibration import is_calibration
from reage.edit.compositing import DETAIL_SIGMA
from reage.edit.masks import Reach
from reage.errors import BundleError

FORMAT = 1
"""The version of the bundle format that is written and read."""
GOALS = {"older": 70.0, "younger": 25.0}
"""Ages in years meant by a direction, where the manifest names none."""
MIN_GAP = 15.0
"""A direction is at least so many years away from the age in the photo."""
MAX_SIZE = 512
"""The largest aligned face that networks may take, in pixels a side."""

_INPUTS = ("face", "source_age", "target_age", "male")
_OUTPUTS = (["delta", "gain"], ["image"])
_FILE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,99}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_HALF_CHARACTER = re.compile("[\ud800-\udfff]")
"""JSON can hold these, but no page or file that shows them."""
_MAX_TEXT = 10_000
_MAX_DEPTH = 16
"""Levels of nesting in tables that only people read."""


@dataclass(frozen=True)
class Manifest:
    """What a bundle says of itself. Raises `BundleError` for a value that does not fit its field."""

    name: str
    version: str
    family: str
    """The family of networks, such as ``delta``; informative."""
    size: int
    """Side of the aligned face that the networks take, in pixels."""
    networks: dict[str, str]
    """The ONNX file of each direction that a network serves: ``any``, or ``older`` and ``younger``."""
    outputs: list[str]
    """``["delta", "gain"]`` for networks that yield an edit, ``["image"]`` for those that paint a picture."""
    inputs: list[str] = field(default_factory=lambda: list(_INPUTS))
    """What the networks take: ``face``, and some or all of ``source_age``, ``target_age`` and ``male``."""
    template: str = "utkface"
    """How faces are aligned."""
    zoom: float = 1.0
    """How many times as large as in the template faces must be for the networks, about the centre of the frame."""
    source_ages: tuple[float, float] = (0, MAX_AGE)
    """Lowest and highest age in years that a face in a photo may have; others are taken for the nearest."""
    target_ages: tuple[float, float] = (0, MAX_AGE)
    """Lowest and highest age in years that can be asked for; others become the nearest."""
    full_ages: dict[str, float] = field(default_factory=dict)
    """For networks that know only a direction: the ages in years, by direction, at which the whole of their edit is
    applied. Nearer to the age in the photo, a part of it is."""
    reach: Reach = "face"
    """How far the edit reaches: to the outline of the ``face``, or over the ``head``: hair, ears and jaw, too.
    Then hair and neck beyond the aligned frame follow."""
    calibration: dict[str, Any] = field(default_factory=dict)
    """Which target ages the networks are given, so that they show the one asked for; see `reage.calibration`."""
    detail_sigma: float = DETAIL_SIGMA
    """Blur that separates a face's own detail from the rest, in sides of the aligned face."""
    data: str = ""
    """What the networks were trained on."""
    teachers: list[str] = field(default_factory=list)
    """Other networks that took part in the training; these may not judge the model."""
    training: dict[str, Any] = field(default_factory=dict)
    """The settings of the training."""
    figures: dict[str, Any] = field(default_factory=dict)
    """What was measured."""
    licence: str = ""
    files: dict[str, str] = field(default_factory=dict)
    """The SHA-256 of every file of the bundle but the manifest."""
    format: int = FORMAT

    def __post_init__(self) -> None:
        for name, (fits, words) in _RULES.items():
            value = getattr(self, name)
            if not fits(value):
                raise BundleError(f"'{name}' in the manifest must be {words}, not {reprlib.repr(value)}")
        for name in ("source_ages", "target_ages"):  # JSON has lists only
            object.__setattr__(self, name, tuple(getattr(self, name)))

    @property
    def title(self) -> str:
        """Name and version, as written into pictures."""
        return f"{self.name} {self.version}"

    def goal(self, direction: str, source: float) -> float:
        """The age meant by ``older`` or ``younger`` for a face of ``source`` years."""
        goal = self.full_ages.get(direction, GOALS[direction])
        goal = max(goal, source + MIN_GAP) if direction == "older" else min(goal, source - MIN_GAP)
        return self.reached(source, goal)

    def reached(self, source: float, target: float) -> float:
        """The age given to a face of ``source`` years when ``target`` is asked for.

        The nearest that the networks can give, but never on the other side of ``source``.
        """
        age = self.nearest(target)
        return max(age, source) if target >= source else min(age, source)

    def nearest(self, age: float) -> float:
        """The age nearest to ``age`` that the networks can give."""
        low, high = self.target_ages
        return min(max(age, low), high)

    def applied_part(self, source: float, target: float) -> float:
        """How much of a network's edit is applied, 0 to 1: all of it where the network itself is given the age."""
        direction = "older" if target >= source else "younger"
        if direction not in self.full_ages:
            return 1.0
        whole = max(MIN_GAP, abs(self.full_ages[direction] - source))
        return min(1.0, abs(target - source) / whole)

    def as_json(self) -> str:
        """As it stands in ``manifest.json``."""
        return json.dumps(asdict(self), indent=2)


def parse_manifest(content: bytes) -> Manifest:
    """The manifest in the ``content`` of a ``manifest.json``.

    Raises `BundleError`, and nothing else, for what is not JSON, is of another format, lacks a field, has one that
    this version does not know, or has a value that does not fit.
    """
    try:
        stored = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise BundleError(f"the manifest cannot be read: {error}") from error
    if not isinstance(stored, dict):
        raise BundleError("the manifest is not a JSON object")
    if stored.get("format") != FORMAT:
        found = reprlib.repr(stored.get("format"))
        raise BundleError(f"bundle format {found} is not supported (this version reads {FORMAT})")
    unknown = stored.keys() - {f.name for f in fields(Manifest)}
    if unknown:
        raise BundleError(f"the manifest has fields that this version does not know: {_listed(unknown)}")
    missing = {f.name for f in fields(Manifest) if f.default is f.default_factory is MISSING} - stored.keys()
    if missing:
        raise BundleError(f"the manifest has no {_listed(missing)}")
    manifest = Manifest(**stored)
    unhashed = set(manifest.networks.values()) - manifest.files.keys()
    if unhashed:
        raise BundleError(f"the manifest has no hash for {_listed(unhashed)}")
    return manifest


def _listed(names: Set[str]) -> str:
    return ", ".join(reprlib.repr(name) for name in sorted(names)[:5])


def _is_line(value: Any) -> bool:
    return isinstance(value, str) and 0 < len(value) <= 100 and value.isprintable()


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and len(value) <= _MAX_TEXT and not _HALF_CHARACTER.search(value)


def _is_number(value: Any, low: float, high: float) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high


def _is_age(value: Any) -> bool:
    return _is_number(value, 0, MAX_AGE)


def _is_age_range(value: Any) -> bool:
    return (
        isinstance(value, list | tuple)
        and len(value) == 2
        and _is_age(value[0])
        and (_is_number(value[1], value[0], MAX_AGE))
    )


def _is_file_name(value: Any) -> bool:
    return isinstance(value, str) and _FILE_NAME.fullmatch(value) is not None


def _is_sha256(value: Any) -> bool:
    return isinstance(value, str) and _SHA256.fullmatch(value) is not None


def _is_list(value: Any, is_item: Callable[[Any], bool]) -> bool:
    return isinstance(value, list) and all(is_item(item) for item in value)


def _is_table(value: Any, is_key: Callable[[Any], bool], is_value: Callable[[Any], bool]) -> bool:
    return isinstance(value, dict) and all(is_key(k) and is_value(v) for k, v in value.items())


def _is_plain(value: Any, depth: int = _MAX_DEPTH) -> bool:
    """Whether a value of a table that only people read can be written as JSON again: finite, not nested too deeply."""
    if isinstance(value, dict):
        return depth > 0 and all(isinstance(k, str) and _is_plain(v, depth - 1) for k, v in value.items())
    if isinstance(value, list | tuple):
        return depth > 0 and all(_is_plain(item, depth - 1) for item in value)
    return (
        value is None or isinstance(value, str | int) or (isinstance(value, float) and math.isfinite(value))
    )


_DIRECTIONS = ("older", "younger")
_LINE = (_is_line, "a line of 1 to 100 printable characters")
_TEXT = (_is_text, f"a text of at most {_MAX_TEXT} whole characters")
_AGE_RANGE = (_is_age_range, f"two ages from 0 to {MAX_AGE:g} years, the lower first")
_PLAIN_TABLE = (
    lambda v: isinstance(v, dict) and _is_plain(v),
    f"a table of texts, finite numbers, lists and tables, nested at most {_MAX_DEPTH} deep",
)
_RULES: dict[str, tuple[Callable[[Any], bool], str]] = {
    "name": _LINE,
    "version": _LINE,
    "family": _LINE,
    "size": (
        lambda v: isinstance(v, int) and _is_number(v, 16, MAX_SIZE),
        f"a whole number of pixels from 16 to {MAX_SIZE}",
    ),
    "networks": (
        lambda v: (
            _is_table(v, ("any", *_DIRECTIONS).__contains__, _is_file_name)
            and ("any" in v or set(_DIRECTIONS) <= v.keys())
        ),
        "a table with the file of 'any', or the files of 'older' and 'younger'",
    ),
    "outputs": (lambda v: v in _OUTPUTS, " or ".join(map(str, _OUTPUTS))),
    "inputs": (
        lambda v: _is_list(v, _INPUTS.__contains__) and "face" in v and len(set(v)) == len(v),
        f"a list of 'face' and any others of {_INPUTS}, each once",
    ),
    "template": (lambda v: v == "utkface", "'utkface'"),
    "zoom": (lambda v: _is_number(v, 0.5, 2), "a number from 0.5 to 2"),
    "source_ages": _AGE_RANGE,
    "target_ages": _AGE_RANGE,
    "full_ages": (
        lambda v: _is_table(v, _DIRECTIONS.__contains__, _is_age),
        f"a table of ages from 0 to {MAX_AGE:g} years for 'older' and 'younger'",
    ),
    "reach": (lambda v: v in ("face", "head"), "'face' or 'head'"),
    "calibration": (is_calibration, "empty, or a table as `reage.calibration` describes"),
    "detail_sigma": (lambda v: _is_number(v, 0.001, 0.5), "a number from 0.001 to 0.5"),
    "data": _TEXT,
    "teachers": (lambda v: _is_list(v, _is_text), "a list of texts"),
    "training": _PLAIN_TABLE,
    "figures": _PLAIN_TABLE,
    "licence": _TEXT,
    "files": (
        lambda v: _is_table(v, _is_file_name, _is_sha256),
        "a table from names of files to their SHA-256 in hexadecimal",
    ),
    "format": (lambda v: isinstance(v, int) and _is_number(v, FORMAT, FORMAT), f"{FORMAT}"),
}
"""A test of the value of each field, and the same in words."""
