"""The manifest of a model bundle, which describes the model; it is validated before anything else is used.

`_RULES` is the schema: for each field a test of its value, and its description. It is written by hand because a
validator of JSON Schema would add 40 ms to every start of the command line (fastjsonschema) or five packages to the
runtime (jsonschema), and could not express that a range ascends.
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
"""Target ages of the two directions, in years, unless the manifest names others."""
MIN_GAP = 15.0
"""The smallest change, in years, that a direction asks for."""
MAX_SIZE = 512
"""Largest side of the aligned face, in pixels."""

_INPUTS = ("face", "source_age", "target_age", "male")
_OUTPUTS = (["delta", "gain"], ["image"])
_FILE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,99}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_HALF_CHARACTER = re.compile("[\ud800-\udfff]")
"""JSON can hold these, but no page or file that shows them."""
_MAX_TEXT = 10_000
_MAX_DEPTH = 16
"""Most levels of nesting in tables that are only for people."""


@dataclass(frozen=True)
class Manifest:
    """The description of a model. Raises `BundleError` for an invalid value."""

    name: str
    version: str
    family: str
    """The family of networks, such as ``delta``; informative."""
    size: int
    """Side of the networks' input, the aligned face, in pixels."""
    networks: dict[str, str]
    """The ONNX file for each direction: ``any``, or ``older`` and ``younger``."""
    outputs: list[str]
    """``["delta", "gain"]`` for networks that yield an edit, ``["image"]`` for those that paint a picture."""
    inputs: list[str] = field(default_factory=lambda: list(_INPUTS))
    """Inputs of the networks: ``face``, and some or all of ``source_age``, ``target_age`` and ``male``."""
    template: str = "utkface"
    """How faces are aligned."""
    zoom: float = 1.0
    """Factor by which faces are larger than in the template, about the centre of the frame."""
    source_ages: tuple[float, float] = (0, MAX_AGE)
    """Lowest and highest source age, in years; others are clamped."""
    target_ages: tuple[float, float] = (0, MAX_AGE)
    """Lowest and highest target age, in years; others are clamped."""
    full_ages: dict[str, float] = field(default_factory=dict)
    """For networks that know only a direction: the age in years, by direction, at which their whole edit is applied.
    For nearer ages a part of it is applied."""
    reach: Reach = "face"
    """Area of the edit: the ``face`` within its outline, or the ``head`` with hair, ears and jaw.
    With ``head``, hair and neck beyond the aligned frame are edited, too."""
    calibration: dict[str, Any] = field(default_factory=dict)
    """The target ages to give the networks, so that they reach the age asked for; see `reage.calibration`."""
    detail_sigma: float = DETAIL_SIGMA
    """Sigma of the blur that separates a face's detail from the rest, as a fraction of the side of the aligned face."""
    data: str = ""
    """What the networks were trained on."""
    teachers: list[str] = field(default_factory=list)
    """Other networks that took part in the training; they may not judge the model."""
    training: dict[str, Any] = field(default_factory=dict)
    """The settings of the training."""
    figures: dict[str, Any] = field(default_factory=dict)
    """Measured figures."""
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
        """The target age of ``older`` or ``younger`` for a face of ``source`` years."""
        goal = self.full_ages.get(direction, GOALS[direction])
        goal = max(goal, source + MIN_GAP) if direction == "older" else min(goal, source - MIN_GAP)
        return self.reached(source, goal)

    def reached(self, source: float, target: float) -> float:
        """The age that a face of ``source`` years gets when ``target`` is asked for.

        It is ``target`` clamped to the range of the networks, but never on the other side of ``source``.
        """
        age = self.nearest(target)
        return max(age, source) if target >= source else min(age, source)

    def nearest(self, age: float) -> float:
        """``age`` clamped to the range of the networks."""
        low, high = self.target_ages
        return min(max(age, low), high)

    def applied_part(self, source: float, target: float) -> float:
        """The part of a network's edit that is applied, 0 to 1; 1 if the network itself takes the target age."""
        direction = "older" if target >= source else "younger"
        if direction not in self.full_ages:
            return 1.0
        whole = max(MIN_GAP, abs(self.full_ages[direction] - source))
        return min(1.0, abs(target - source) / whole)

    def as_json(self) -> str:
        """The content of ``manifest.json``."""
        return json.dumps(asdict(self), indent=2)


def parse_manifest(content: bytes) -> Manifest:
    """The manifest in the ``content`` of a ``manifest.json``.

    Raises only `BundleError`: if it is not JSON, has another format, lacks a field, has an unknown field, or an invalid
    value.
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
    """Whether a value can be written as JSON again: finite numbers, not nested too deeply."""
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
"""For each field a test of its value, and its description."""
