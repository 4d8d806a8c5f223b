"""What a user asks for: `Request` for faces (validates itself, scales edits, makes the mark) and `FileOptions`."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from reage._version import __version__
from reage.ages import MAX_AGE
from reage.arrays import Float32
from reage.edit.compositing import AlignedFace, Edit
from reage.edit.masks import MAX_STRENGTH, check_regions, region_factor
from reage.edit.surroundings import Surroundings
from reage.errors import AgeError
from reage.files import refuse_existing
from reage.manifest import Manifest
from reage.photo.provenance import Provenance

if TYPE_CHECKING:
    from reage.sign.signer import Signer

Target = float | Literal["older", "younger"]
"""An age in years, or a direction: "older" is 70 years and "younger" 25, or the ages that the bundle's manifest names.
The change is at least 15 years, within the model's range (`reage.manifest.Manifest.goal`)."""

GENDERS = {"female": 0.0, "male": 1.0}
"""Values of `Request.male` by name."""

FaceChoice = str | int | Sequence[int]
"""Faces to edit: ``"all"``, ``"largest"``, ``"0,2"``, a number or several (0 is the largest face)."""


@dataclass(frozen=True)
class Request:
    """The edit that a user asks for, of the faces of a photo, film or video.

    Invalid values raise `AgeError` or `RegionError` on creation, so an existing request is always valid.
    """

    to: Target | None = None
    """Target age or direction. None if ``by`` is set, or if ages are given separately (strips, films)."""
    by: float | None = None
    """Instead of ``to``: years to add to the age in the photo; negative means younger."""
    source: float | None = None
    """The age in the photo, in years; None: the apparent age of each face."""
    male: float | None = None
    """Gender that the model is told: 1 male, 0 female; None: the estimate for each face."""
    strength: float = 1.0
    """Factor for the whole edit, 0 to `MAX_STRENGTH`."""
    regions: Mapping[str, float] = field(default_factory=dict)
    """Further factors, 0 to `MAX_STRENGTH`, for some of the `reage.edit.masks.REGIONS`; the others have 1."""
    faces: FaceChoice | None = None
    """Faces to edit; None: all of a photo or video, the largest of a strip or film."""

    def __post_init__(self) -> None:
        if isinstance(self.to, str) and self.to not in ("older", "younger"):
            raise AgeError(f"'{self.to}' is neither an age nor 'older' or 'younger'")
        for age in (self.to, self.source):
            if age is not None and not isinstance(age, str):
                check_age(age)
        if self.by is not None:
            if self.to is not None:
                raise AgeError("give an age or years to add, not both")
            if not abs(self.by) <= MAX_AGE:
                raise AgeError(f"{self.by:+g} years is outside -{MAX_AGE:g} to +{MAX_AGE:g}")
        if not 0 <= self.strength <= MAX_STRENGTH:
            raise AgeError(f"strength {self.strength:g} is outside 0 to {MAX_STRENGTH:g}")
        check_regions(self.regions)
        changed = {name: factor for name, factor in self.regions.items() if factor != 1}
        object.__setattr__(self, "regions", changed)

    def at(self, age: Target, faces: FaceChoice | None = None) -> Request:
        """The same request with the target ``age``, and with ``faces`` if they are given."""
        return replace(self, to=age, by=None, faces=self.faces if faces is None else faces)

    def faces_or(self, usual: FaceChoice) -> FaceChoice:
        """The faces of this request, or ``usual`` if it names none."""
        return usual if self.faces is None else self.faces

    @property
    def label(self) -> str:
        """The target as a part of a file name: ``70``, ``older``, ``plus20``."""
        if self.by is not None:
            return f"{'plus' if self.by >= 0 else 'minus'}{abs(self.by):g}"
        return self.to if isinstance(self.to, str) else f"{self._target():g}"

    def source_age(self, apparent: float) -> float:
        """The source age in years that the network is told, given the ``apparent`` age of the face."""
        return apparent if self.source is None else self.source

    def gender(self, male_probability: float) -> float:
        """The gender that the network is told, 1 (male) or 0 (female), given the estimate for the face."""
        return float(male_probability > 0.5) if self.male is None else self.male

    def goal(self, source: float, manifest: Manifest) -> float:
        """The target age in years for a face of ``source`` years; the model may clamp it."""
        if self.by is not None:
            return min(max(source + self.by, 0.0), MAX_AGE)
        target = self._target()
        return manifest.goal(target, source) if isinstance(target, str) else float(target)

    def _target(self) -> Target:
        if self.to is None:
            raise AgeError("give an age, a direction or years to add")
        return self.to

    def applied(
        self,
        face: AlignedFace,
        edit: Edit,
        landmarks: Float32,
        around: Surroundings | None = None,
        *,
        greying: float = 0.0,
        weight: float = 1.0,
    ) -> list[tuple[AlignedFace, Edit]]:
        """The areas and edits to composite for the network's ``edit`` of ``face``, with this request's factors.

        ``weight`` is a further factor. ``landmarks`` (468, 2+), in the aligned frame, locate the regions. If hair and
        neck are known (``around``), their edits come first and that of the face last; ``greying`` is how much
        of the hair turns grey in addition, or gets its colour back (`reage.edit.greying`).
        """
        strength = weight * self.strength
        if around is None:
            return [(face, self._scaled(edit, landmarks, strength, None))]
        hair, neck = (strength * self.regions.get(name, 1) for name in ("hair", "neck"))
        inside = around.hair_inside(face) if self.regions else None
        return [
            *around.follow(face, edit, hair=hair, neck=neck, greying=greying),
            around.on_skin(face, self._scaled(edit, landmarks, strength, inside)),
        ]

    def _scaled(self, edit: Edit, landmarks: Float32, strength: float, hair: Float32 | None) -> Edit:
        if not self.regions:
            return edit.scaled(strength)
        return edit.scaled(strength * region_factor(landmarks, len(edit.gain), self.regions, hair))

    def mark(self, model: str, faces: Iterable[tuple[float, float]]) -> Provenance:
        """The AI-edited mark of a picture edited with ``model``; ``faces`` are pairs of ages, before and after."""
        words = [] if self.strength == 1 else [f"strength {self.strength:g}"]
        if self.regions:
            words.append("regions " + ", ".join(f"{name} {f:g}" for name, f in self.regions.items()))
        ages = tuple((round(float(before), 1), round(float(after), 1)) for before, after in faces)
        return Provenance(f"reage {__version__}", model, ages, tuple(words))


ANYTHING = Request()
"""A request with all defaults, for callers that give the ages separately."""


@dataclass(frozen=True)
class FileOptions:
    """The model, and how files are read and written."""

    model: str | os.PathLike[str] | None = None
    """A bundle, or one on the Hub as ``hf://owner/name@revision``; None: the embedded one."""
    overwrite: bool = False
    """Whether existing files are replaced."""
    quality: int | None = None
    """Quality of JPEG, WebP and HEIC files, 1 to 100; None: the default of `encode_photo`."""
    max_pixels: int | None = None
    """The largest photo that is read, in pixels; None: 200 million."""
    signer: Signer | None = None
    """Signs the output with Content Credentials; None: unsigned."""

    def check_output(self, path: Path) -> None:
        """Check before the work that ``path`` may be written.

        Raises as `reage.files.refuse_existing`, and `SignatureError` if files of that kind cannot be signed.
        """
        refuse_existing(path, self.overwrite)
        if self.signer:
            self.signer.check_format(path)


USUAL = FileOptions()


def check_age(age: float) -> None:
    """Raises `AgeError` for an age outside 0 to 116 years (or not a number)."""
    if not 0 <= age <= MAX_AGE:
        raise AgeError(f"age {age:g} is outside 0 to {MAX_AGE:g} years")
