"""A film of one face growing older: `reage film`. MP4 needs the extra ``video``; GIF and WebP need nothing more.

A little over 300 lines, since what a film shows and how it is planned are read together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from PIL import Image, ImageCms, ImageDraw, ImageFont

from reage.arrays import Float32, UInt8
from reage.edit.compositing import AlignedFace, Edit, composite
from reage.edit.greying import greying
from reage.errors import NoFaceError, VideoError
from reage.face.alignment import compose, resizing
from reage.face.framing import head_box
from reage.files import refuse_existing, writing
from reage.photo.files import Photo, Provenance
from reage.photo.photo import eight_bits
from reage.pipes import content_of, place_beside, sending
from reage.reager import Reager, Sitting
from reage.request import ANYTHING, USUAL, FileOptions, Request, check_age
from reage.result import SittingFace
from reage.video.animation import frame_milliseconds, write_gif, write_webp

if TYPE_CHECKING:
    from reage.sign.signer import Signer

SUFFIXES = (".mp4", ".gif", ".webp")
"""Suffixes of the films that can be written."""
_SIDES = {".mp4": 720, ".gif": 400, ".webp": 480}
"""Longest sides in pixels, unless another is asked for; a photo with fewer pixels gives fewer."""
_KNOT_YEARS = 2.5
"""The network runs every so many years; edits in between are interpolated."""
_REST = 0.5
"""Seconds for which the first and the last age stand still, in films that are long enough."""
_SAMPLES = 6
"""Frames that a GIF's palette is made for."""


@dataclass(frozen=True)
class Look:
    """The format of a film: length, size, labels."""

    seconds: float = 6.0
    fps: float = 24.0
    """Frames a second."""
    side: int | None = None
    """Longest side in pixels; None is at most 720 for MP4, 400 for GIF and 480 for WebP."""
    labels: bool = True
    """Write the age into a corner."""
    there_and_back: bool = False
    """Return to the first age, so that a loop has no jump."""
    whole: bool = False
    """Show the whole photo instead of head and shoulders."""

    def __post_init__(self) -> None:
        if self.side is not None and not 32 <= self.side <= 4096:
            raise VideoError(f"the side of a film must be 32 to 4096 pixels, not {self.side}")
        if not self.fps >= 1:
            raise VideoError(f"a film needs at least 1 frame per second, not {self.fps:g}")
        if not 2 / self.fps <= self.seconds <= 600:
            raise VideoError(
                f"a film needs at least two frames and at most 600 seconds, not {self.seconds:g} seconds"
            )


PLAIN = Look()


@dataclass(frozen=True)
class _Scene:
    """The data that all frames of a film share: the picture, the face in it, and its edits at some ages."""

    base: UInt8
    areas: list[AlignedFace]
    """The face, and before it its hair and neck, if these follow."""
    knots: list[float]
    edits: list[list[Edit]]
    """For each knot, the edit of each area."""
    detail_sigma: float
    labels: bool

    def frame(self, age: float) -> UInt8:
        """The picture (H, W, 3) at ``age`` years."""
        out = self.base.copy()
        for area, edit in zip(self.areas, self._edits_at(age), strict=True):
            composite(self.base, out, area, edit, detail_sigma=self.detail_sigma)
        return _labelled(out, f"{age:.0f}") if self.labels else out

    def _edits_at(self, age: float) -> list[Edit]:
        """The edit of each area at ``age``, between those of the two nearest knots."""
        at = float(np.interp(age, self.knots, np.arange(len(self.knots))))
        one, other = self.edits[int(at)], self.edits[int(np.ceil(at))]
        part = np.float32(at - int(at))
        return [a.towards(b, part) for a, b in zip(one, other, strict=True)]


def write_film(
    sitting: Sitting,
    ages: tuple[float, float],
    path: Path,
    request: Request = ANYTHING,
    look: Look = PLAIN,
    *,
    overwrite: bool = False,
    signer: Signer | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Write a film of one face from the first of ``ages`` to the last; returns ``path``.

    The suffix of ``path`` names the format: .mp4, .gif or .webp. The face is the one that ``request`` names, or the
    largest. Ages beyond what the model was trained on are clamped, so that no part of the film stands still.
    ``signer`` signs it with Content Credentials; ``progress`` is called with the frames done and their number.

    Raises `AgeError`, `NoFaceError` for a face that there is not, `ExistsError` if ``path`` exists (unless
    ``overwrite``), `SignatureError` if it cannot be signed, and `VideoError` for what else cannot be done.
    """
    path = Path(path)
    for age in ages:
        check_age(age)
    suffix = _check_film(path, look.fps)
    refuse_existing(path, overwrite)
    chosen = sitting.choose(request.faces_or("largest"))
    if len(chosen) != 1:
        raise NoFaceError(
            f"a film shows one face, not {len(chosen)}; choose one by its number (0 is the largest)"
        )
    manifest = sitting.reager.bundle.manifest
    first, last = (float(manifest.nearest(age)) for age in ages)
    scene, source = _scene(sitting, chosen[0], (first, last), request, look, _SIDES[suffix])
    mark = request.mark(sitting.reager.bundle.title, ((source, first), (source, last)))
    plan = _plan(first, last, look)
    with writing(path) as part:
        _encode(scene, plan, look.fps, suffix, part, mark, progress)
        if signer:
            signer.sign(part, suffix=suffix, mark=mark, original=sitting.photo)
    return path


def film_photo(
    photo: Path,
    ages: tuple[float, float],
    output: Path | None = None,
    request: Request = ANYTHING,
    options: FileOptions = USUAL,
    look: Look = PLAIN,
    *,
    progress: Callable[[int, int], None] | None = None,
    on_doubt: Callable[[str], None] | None = None,
) -> Path:
    """`write_film` of a photo on disk; by default beside it, an MP4 where PyAV is installed, else a WebP.

    ``photo`` and ``output`` may be `reage.pipes.PIPE`; what is sent is of the default format.

    ``on_doubt`` is called for each face whose estimated age may be wrong, as in `Sitting.doubts`.
    """
    usual = ".mp4" if _can_write_mp4() else ".webp"
    place = output or place_beside(photo, f"{photo.stem}-film{usual}")
    with sending(place, usual) as file:
        _check_film(file, look.fps)
        options.check_output(file)
        sitting = Reager.from_bundle(options.model).open(
            content_of(photo), max_pixels=options.max_pixels, faces=request.faces_or("largest")
        )
        if on_doubt:
            for doubt in sitting.doubts(request):
                on_doubt(doubt)
        write_film(
            sitting,
            ages,
            file,
            request,
            look,
            overwrite=options.overwrite,
            signer=options.signer,
            progress=progress,
        )
    return place


def _can_write_mp4() -> bool:
    return find_spec("av") is not None


def _check_film(path: Path, fps: float) -> str:
    """The suffix of a film that can be made."""
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise VideoError(f"a film is written as {', '.join(SUFFIXES)}, not as '{path.suffix or path.name}'")
    if suffix == ".mp4" and not _can_write_mp4():
        raise VideoError("MP4 needs PyAV: pip install 'reage[video]'; .gif and .webp need nothing more")
    most = 50 if suffix == ".gif" else 120
    if fps > most:
        raise VideoError(f"{suffix[1:].upper()} films have 1 to {most} frames per second, not {fps:g}")
    return suffix


def _scene(
    sitting: Sitting,
    face: SittingFace,
    ages: tuple[float, float],
    request: Request,
    look: Look,
    usual_side: int,
) -> tuple[_Scene, float]:
    """The `_Scene` of a film between two ``ages``, and the age of the face in the photo."""
    source, male = request.source_age(face.apparent_age), request.gender(face.male_probability)
    base, matrix = _picture(sitting.photo, face, look.side, usual_side, look.whole)
    knots, edits = _knots(*ages, source), []
    areas, manifest = [face.aligned], sitting.reager.bundle.manifest
    for knot in knots:
        edit = sitting.reager.edit(face.aligned, to=knot, source=source, male=male)
        white = greying(source, manifest.reached(source, knot))
        applied = request.applied(face.aligned, edit, face.landmarks_aligned, face.around, greying=white)
        areas = [replace(area, matrix=compose(area.matrix, matrix)) for area, _ in applied]
        edits.append([part for _, part in applied])
    return _Scene(base, areas, knots, edits, manifest.detail_sigma, look.labels), source


def _picture(
    photo: Photo, face: SittingFace, side: int | None, usual: int, whole: bool
) -> tuple[UInt8, Float32]:
    """The unedited picture of the film, (H, W, 3) with even sides, and the transform (2, 3) from it to the photo."""
    head = head_box(face.face.landmarks_photo, photo.pixels.shape)
    x0, y0, x1, y1 = (0, 0, photo.width, photo.height) if whole else head
    crop = np.ascontiguousarray(eight_bits(photo.pixels[y0:y1, x0:x1]))
    if photo.alpha is not None:
        alpha = eight_bits(photo.alpha[y0:y1, x0:x1])[..., None] / np.float32(255)
        crop = np.rint(crop * alpha + 255 * (1 - alpha)).astype(np.uint8)  # on white
    crop = _in_srgb(crop, photo.meta.icc)
    longest = max(x1 - x0, y1 - y0)
    scale = (side or min(usual, longest)) / longest
    size = (max(2, 2 * round((x1 - x0) * scale / 2)), max(2, 2 * round((y1 - y0) * scale / 2)))
    way = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    matrix = resizing(size, (x1 - x0, y1 - y0))
    matrix[:, 2] += (x0, y0)
    return np.asarray(cv2.resize(crop, size, interpolation=way), np.uint8), matrix


def _in_srgb(pixels: UInt8, icc: bytes | None) -> UInt8:
    """``pixels`` (H, W, 3) of the profile ``icc``: films carry none, and are taken for sRGB."""
    if icc is None or icc[16:20] != b"RGB ":
        return pixels
    try:
        profile = ImageCms.ImageCmsProfile(BytesIO(icc))
        picture = Image.fromarray(pixels)
        return np.asarray(ImageCms.profileToProfile(picture, profile, ImageCms.createProfile("sRGB")))
    except (ImageCms.PyCMSError, OSError, ValueError):
        return pixels  # a broken profile is as good as none


def _knots(first: float, last: float, source: float) -> list[float]:
    """Ages to ask the network for, ascending. The source age is one of them: there its answers have a kink."""
    low, high = min(first, last), max(first, last)
    count = max(1, int(np.ceil((high - low) / _KNOT_YEARS)))
    ages = {float(age) for age in np.linspace(low, high, count + 1)}
    return sorted(ages | ({source} if low < source < high else set()))


def _plan(first: float, last: float, look: Look) -> list[float]:
    """The age of each frame."""
    count = round(look.seconds * look.fps)
    rest = min(_REST / look.seconds, 0.1)
    if look.there_and_back:
        corners, ages = [rest / 2, 0.5 - rest / 2, 0.5 + rest / 2, 1 - rest / 2], [first, last, last, first]
        times = np.arange(count) / count  # the first frame follows upon the last
    else:
        corners, ages = [rest, 1 - rest], [first, last]
        times = np.arange(count) / (count - 1)
    return [float(age) for age in np.interp(times, corners, ages)]


def _encode(
    scene: _Scene,
    plan: list[float],
    fps: float,
    suffix: str,
    place: Path,
    mark: Provenance,
    progress: Callable[[int, int], None] | None,
) -> None:
    def frames() -> Iterator[UInt8]:
        for done, age in enumerate(plan, 1):
            yield scene.frame(age)
            if progress:
                progress(done, len(plan))

    if suffix == ".webp":
        write_webp(frames(), frame_milliseconds(len(plan), fps, 1), place, mark)
    elif suffix == ".gif":
        samples = [scene.frame(age) for age in np.linspace(min(plan), max(plan), _SAMPLES)]
        write_gif(frames(), samples, frame_milliseconds(len(plan), fps, 10), place, mark)
    else:
        from reage.video.coding import Coding
        from reage.video.writer import create_video

        rate = Fraction(fps).limit_denominator(1001)
        coding = Coding(scene.base.shape[1], scene.base.shape[0], rate, 1 / rate)
        with create_video(place, suffix, coding, mark) as writer:
            for number, frame in enumerate(frames()):
                writer.write(frame, number, 1)


def _labelled(picture: UInt8, text: str) -> UInt8:
    """The picture with ``text`` in its lower left corner, light with a dark rim: readable on anything."""
    drawn = Image.fromarray(picture)
    size = max(12, min(drawn.size) // 9)
    font: Any = ImageFont.load_default(size=size)
    place = (size * 0.5, drawn.height - size * 0.4)
    ImageDraw.Draw(drawn).text(
        place,
        text,
        (255, 255, 255),
        font,
        anchor="ls",
        stroke_width=max(1, size // 14),
        stroke_fill=(30, 30, 30),
    )
    return np.asarray(drawn)
