"""What a user asks of the faces of a picture: one object that checks itself, scales an edit, and words the mark.

Beside it stands what is asked of files.
"""

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
"""An age in years, or a direction: "older" is 70 years and "younger" 25, or the ages that the bundle's manifest names,
and at least 15 years from the age in the photo, as far as the model goes (`reage.manifest.Manifest.goal`)."""

GENDERS = {"female": 0.0, "male": 1.0}
"""Words for what `Request.male` says."""

FaceChoice = str | int | Sequence[int]
"""Which faces: ``"all"``, ``"largest"``, ``"0,2"``, a number or several (0 is the largest face)."""


@dataclass(frozen=True)
class Request:
    """What is asked of the faces of a photo, film or video.

    Made with impossible values it raises `AgeError` or `RegionError`, so that whoever holds one need not check it.
    """

    to: Target | None = None
    """The age to show, or a direction. None where ``by`` says it, or where ages are given apart (strips, films)."""
    by: float | None = None
    """Instead of ``to``: years to add to the age in the photo; negative makes younger."""
    source: float | None = None
    """The age in the photo, in years; None is the apparent age of each face."""
    male: float | None = None
    """1 for male, 0 for female, which steers what ageing looks like; None is the estimate for each face."""
    strength: float = 1.0
    """Factor of the whole edit, 0 to `MAX_STRENGTH`."""
    regions: Mapping[str, float] = field(default_factory=dict)
    """Further factors, 0 to `MAX_STRENGTH`, of some of the `reage.edit.masks.REGIONS`; the others keep 1."""
    faces: FaceChoice | None = None
    """Which faces; None is all of them in a photo or video, the largest in a strip or film."""

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
        """The same request for the age ``age``, and for ``faces`` where they are given."""
        return replace(self, to=age, by=None, faces=self.faces if faces is None else faces)

    def faces_or(self, usual: FaceChoice) -> FaceChoice:
        """Which faces are meant: those that are named, else the ``usual`` ones."""
        return usual if self.faces is None else self.faces

    @property
    def label(self) -> str:
        """The age asked for in a word that can be part of a file name: ``70``, ``older``, ``plus20``."""
        if self.by is not None:
            return f"{'plus' if self.by >= 0 else 'minus'}{abs(self.by):g}"
        return self.to if isinstance(self.to, str) else f"{self._target():g}"

    def source_age(self, apparent: float) -> float:
        """The age in years that the network is told a face has, given its ``apparent`` age."""
        return apparent if self.source is None else self.source

    def gender(self, male_probability: float) -> float:
        """1 (male) or 0 (female): what the network is told of a face, given the estimate."""
        return float(male_probability > 0.5) if self.male is None else self.male

    def goal(self, source: float, manifest: Manifest) -> float:
        """The age in years asked for, of a face of ``source`` years; the model may give only a nearer one."""
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
        """What to composite for the network's ``edit`` of ``face``, as strong as asked, and further times ``weight``.

        ``greying`` is the part of the hair that turns grey besides, as far as hair is known.
        ``landmarks`` (468, 2+) are those of the face in its aligned frame; they say where regions lie. The edit of the
        face comes last, after those of hair and neck, which follow it beyond its frame if they are known (``around``).
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
        """The mark of a picture edited as asked by ``model``; ``faces`` are pairs of ages, before and after."""
        words = [] if self.strength == 1 else [f"strength {self.strength:g}"]
        if self.regions:
            words.append("regions " + ", ".join(f"{name} {f:g}" for name, f in self.regions.items()))
        ages = tuple((round(float(before), 1), round(float(after), 1)) for before, after in faces)
        return Provenance(f"reage {__version__}", model, ages, tuple(words))


ANYTHING = Request()
"""A request that leaves everything as it comes; what asks for it says the ages apart."""


@dataclass(frozen=True)
class FileOptions:
    """With which model files are edited, and how they are read and written."""

    model: str | os.PathLike[str] | None = None
    """A bundle, or one on the Hub as ``hf://owner/name@revision``; None is the embedded one."""
    overwrite: bool = False
    """Whether files that exist are replaced."""
    quality: int | None = None
    """Quality of JPEG, WebP and HEIC files, 1 to 100; None is as `encode_photo` says."""
    max_pixels: int | None = None
    """The largest photo that is read; None is 200 million pixels."""
    signer: Signer | None = None
    """Who signs what is written with Content Credentials; None is nobody."""

    def check_output(self, path: Path) -> None:
        """Check, before the work and not after it, that ``path`` may be written.

        Errors of `reage.files.refuse_existing`, and `SignatureError` where files of that kind cannot be signed.
        """
        refuse_existing(path, self.overwrite)
        if self.signer:
            self.signer.check_format(path)


USUAL = FileOptions()


def check_age(age: float) -> None:
    """Raises `AgeError` for an age outside 0 to 116 years (or not a number)."""
    if not 0 <= age <= MAX_AGE:
        raise AgeError(f"age {age:g} is outside 0 to {MAX_AGE:g} years")
