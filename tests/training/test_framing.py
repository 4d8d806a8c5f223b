"""Networks are shown faces at the scale that they were trained on, and their edits land where the face is."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor, nn

from reage import Reager
from reage.arrays import Float32, UInt8
from reage.bundle import Bundle, open_bundle
from reage.data.sampling import Shard
from reage.edit.compositing import composite
from reage.face.alignment import align_landmarks, apply_transform, resizing, utkface_template
from reage.photo.files import read_photo
from reage.training.aging_gan import AGING_GAN_ZOOM
from reage.training.export import write_exported
from reage.training.families.base import Exported
from reage.training.families.cyclegan import CycleFamily
from reage.training.importing import import_aging_gan

from .tiny import SIZE, cycle_settings, write_cache

SHARED = Path(__file__).parents[3] / "shared"
UTKFACE, FIXTURES = SHARED / "data" / "UTKFace", SHARED / "fixtures"


def eyes(landmarks: Float32) -> Float32:
    """The middles (2, 2) of the right and the left eye of a face with ``landmarks`` (468, 2 or 3)."""
    return utkface_template().points_of(landmarks)[:2]


def eye_distance(landmarks: Float32) -> float:
    right, left = eyes(landmarks)
    return float(np.linalg.norm(left - right))


# -- a run of our own --


@pytest.fixture(scope="module")
def ramps(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache of faces that brighten evenly from left to right, by 6 levels a pixel."""
    folder = write_cache(tmp_path_factory.mktemp("ramps") / "cache")
    images = np.load(folder / "images.npy")
    images[:] = np.arange(SIZE, dtype=np.uint8)[:, None] * 6
    np.save(folder / "images.npy", images)
    return folder


def scale(faces: Tensor | UInt8) -> float:
    """How many times larger than in the cache these ramps (N, 3, S, S) in [-1, 1] or (N, S, S, 3) are shown."""
    shown = faces if isinstance(faces, Tensor) else torch.from_numpy(faces.transpose(0, 3, 1, 2)) / 127.5
    inner = shown[:, :, 8:-8, 8:-8].float()
    slope = (inner[..., 1:] - inner[..., :-1]).abs().mean()  # some are mirrored
    return 6 / 127.5 / float(slope)


@pytest.mark.parametrize(("zoom", "margin"), [(1.0, 0.0), (1.0, 0.25), (1.2, 0.0), (1.1, 0.2)])
def test_cyclegan_is_validated_and_shown_at_the_scale_of_its_training(
    zoom: float, margin: float, ramps: Path
) -> None:
    options = {"zoom": zoom, "margin": margin, "rotation": [0, 0], "young": [16, 45], "old": [46, 90]}
    family = CycleFamily(cycle_settings(ramps, options=options))
    trained = scale(family.draw(3, Shard()).young)
    assert trained == pytest.approx(zoom * (1 + margin), rel=0.01)
    exported = CycleFamily.exported(family.settings, SIZE)
    assert exported.zoom == pytest.approx(trained, rel=0.01)
    pool = family.pool("val", (16, 45))
    assert scale(family.batch(pool, pool.evenly_spaced(4)).face) == pytest.approx(trained, rel=0.01)
    sheet = family.sheet(family.networks)
    assert sheet is not None
    assert scale(sheet.cells[:, 0]) == pytest.approx(trained, rel=0.01)
    for _, real in family.realism_pairs(family.networks, "val", 6).values():
        assert scale(real) == pytest.approx(trained, rel=0.01)


def test_a_trained_run_is_exported_with_its_scale(cycle_bundle: Path) -> None:
    assert open_bundle(cycle_bundle).manifest.zoom == pytest.approx(1.1)


# -- a photograph --


class MarkGreen(nn.Module):
    """Paints red what is pure green, and leaves the rest of a face (B, 3, S, S) as it is."""

    def forward(self, face: Tensor) -> Tensor:
        red, green, blue = face.split(1, 1)
        seen = ((green - torch.maximum(red, blue) - 1) * 2).clamp(0, 1)
        return face + seen * torch.tensor([2.0, -2.0, 0.0]).view(1, 3, 1, 1)


@pytest.mark.parametrize("zoom", [1.0, AGING_GAN_ZOOM])
def test_a_network_that_marks_the_eyes_marks_those_of_the_photo(
    zoom: float, portrait: Path, tmp_path: Path
) -> None:
    marker = MarkGreen()
    exported = Exported(
        networks={}, graphs={"any": marker}, inputs=["face"], outputs=["image"],
        source_ages=(0, 116), target_ages=(0, 116), zoom=zoom,
    )  # fmt: skip
    write_exported(
        exported,
        tmp_path / "marker",
        name="marker",
        version="1",
        family="test",
        size=256,
        training={"steps": None},
    )
    reager, photo = Reager.from_bundle(tmp_path / "marker"), read_photo(portrait)
    face = reager.sit(photo).faces[0]
    middles, apart = eyes(face.face.landmarks_photo), eye_distance(face.face.landmarks_photo)
    pixels, discs = photo.pixels.copy(), np.zeros(photo.pixels.shape[:2], np.uint8)
    for x, y in middles.round().astype(int):
        cv2.circle(discs, (int(x), int(y)), round(0.12 * apart), 1, -1)
    pixels[discs > 0] = (0, 255, 0)
    aligned = reager.align(pixels, face.aligned.matrix, face.landmarks_aligned)
    out = pixels.copy()
    composite(pixels, out, aligned, reager.edit(aligned, to=70, source=30, male=0))
    changed = (out != pixels).any(2)
    around = cv2.dilate(discs, np.ones((3, 3), np.uint8), iterations=max(3, round(0.03 * apart)))
    assert not changed[around == 0].any()
    assert changed[discs > 0].mean() > 0.95


def test_faces_are_as_many_times_larger_as_the_manifest_says(portrait: Path) -> None:
    reager, photo = Reager.default(), read_photo(portrait)
    plain = eye_distance(reager.sit(photo).faces[0].landmarks_aligned)
    bundle = reager.bundle
    zoomed = Reager(Bundle(bundle.path, replace(bundle.manifest, zoom=1.25), bundle.files()))
    face = zoomed.sit(photo).faces[0]
    assert eye_distance(face.landmarks_aligned) == pytest.approx(1.25 * plain, rel=1e-3)
    assert len(face.aligned.pixels) == bundle.manifest.size


@pytest.mark.skipif(not UTKFACE.exists(), reason="UTKFace is not on this machine")
def test_an_imported_checkpoint_sees_utkface_as_its_own_project_shows_it(tmp_path: Path) -> None:
    import_aging_gan(FIXTURES / "aging_gan_best.pth", tmp_path / "bundle", size=256, name="imported")
    reager = Reager.from_bundle(tmp_path / "bundle")
    theirs, ours = [], []
    files = sorted(UTKFACE.glob("[2-6][0-9]_*.jpg"))
    for path in files[:: len(files) // 40]:
        photo = read_photo(path)
        for face in reager.detector.detect(photo.pixels)[:1]:
            matrix = resizing((photo.width, photo.height), (306, 306))  # the crop moves faces and scales none
            theirs.append(eye_distance(apply_transform(matrix, face.landmarks_photo)))
            manifest = reager.bundle.manifest
            aligned = align_landmarks(face.landmarks_photo, manifest.size, manifest.zoom)
            ours.append(eye_distance(apply_transform(aligned, face.landmarks_photo)))
    assert len(ours) > 30
    assert np.mean(ours) == pytest.approx(np.mean(theirs), rel=0.01)
