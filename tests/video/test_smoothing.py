"""Smoothing over time against known answers."""

from __future__ import annotations

import numpy as np
import pytest
from clips import camera

from reage.edit.compositing import Edit
from reage.edit.surroundings import Masks
from reage.face.alignment import apply_transform, invert_transform, utkface_template
from reage.video.smoothing import EditSmoother, MaskSmoother, poses, smoothed
from reage.video.tracks import Track


def test_a_parabola_is_left_as_it_is_and_noise_is_not() -> None:
    times = np.sort(np.random.default_rng(1).uniform(0, 2, 60))
    curve = np.stack([3 + 2 * times - times**2, np.full(60, 7.0)], 1)
    assert smoothed(curve, times, 0.08) == pytest.approx(curve, abs=1e-3)
    noise = np.random.default_rng(2).normal(0, 1, (60, 2))
    error = (
        smoothed(curve + noise, np.arange(60) / 30, 0.08)[5:-5]
        - smoothed(curve, np.arange(60) / 30, 0.08)[5:-5]
    )
    assert error.std() < 0.6


@pytest.mark.parametrize("count", [1, 2, 3])
def test_few_frames_are_no_trouble(count: int) -> None:
    values = np.arange(2.0 * count).reshape(count, 2)
    assert smoothed(values, np.arange(count) / 24, 0.08) == pytest.approx(values, abs=1e-3)


def jittery_track(count: int, frames: list[int]) -> tuple[Track, np.ndarray]:
    """The template's mesh under a moving camera, each point off by half a pixel; and the camera (count, 2, 3)."""
    path = np.stack(camera(count, 200))
    rng, track = np.random.default_rng(3), Track()
    for frame in frames:
        points = apply_transform(path[frame], utkface_template().mesh)
        shaken = points + rng.normal(0, 1, 2) + rng.normal(0, 0.5, points.shape)
        track.add(frame, frame / 24, shaken.astype(np.float32), np.zeros((32, 32), np.uint8))
    return track, path


def test_poses_are_steadier_than_landmarks_and_do_not_lag() -> None:
    track, path = jittery_track(48, list(range(48)))
    times = np.arange(48) / 24
    middle = np.full((1, 2), 99.5, np.float32)

    def errors(smooth: bool) -> np.ndarray:
        found = poses(track, 200, times, set(), smooth=smooth)
        seen = [apply_transform(invert_transform(found[i].matrix), middle)[0] for i in range(48)]
        return np.array(seen) - np.array([apply_transform(path[i], middle)[0] for i in range(48)])

    assert np.abs(errors(True)).mean() < 0.75 * np.abs(errors(False)).mean()
    assert np.abs(errors(True).mean(0)).max() < 0.6


def test_short_losses_are_bridged_and_long_ones_are_not() -> None:
    times = np.arange(48) / 24
    track, _ = jittery_track(48, [*range(10), *range(11, 48)])
    assert sorted(poses(track, 160, times, set())) == list(range(48))
    track, _ = jittery_track(48, [*range(10), *range(30, 48)])
    found = poses(track, 160, times, set())
    assert sorted(found) == [*range(10), *range(30, 48)]
    assert found[30].fresh
    assert found[9].weight < 0.1
    assert found[47].weight == found[0].weight == 1
    assert [found[number].fresh for number in (0, 1)] == [True, False]


@pytest.mark.parametrize("smooth", [True, False])
def test_faces_are_as_large_in_the_frame_as_the_network_takes_them(smooth: bool) -> None:
    track, _ = jittery_track(24, list(range(24)))
    times, template = np.arange(24) / 24, utkface_template()
    plain, zoomed = (poses(track, 160, times, set(), zoom=zoom, smooth=smooth) for zoom in (1.0, 1.25))
    for number in range(24):
        apart = []
        for pose in (plain[number], zoomed[number]):
            landed = apply_transform(pose.matrix, track.landmarks[number])
            for points in (pose.landmarks, landed):
                right, left = template.points_of(points)[:2]
                apart.append(float(np.linalg.norm(left - right)))
        assert apart[2] == pytest.approx(1.25 * apart[0], rel=1e-3)
        assert apart[3] == pytest.approx(1.25 * apart[1], rel=1e-3)


def test_no_smoothing_reaches_over_a_cut() -> None:
    track, _ = jittery_track(24, list(range(24)))
    for points in track.landmarks[12:]:
        points += 40  # the same person, elsewhere
    times = np.arange(24) / 24
    with_cut, without = (poses(track, 160, times, cuts) for cuts in ({12}, set()))
    assert with_cut[12].fresh
    assert with_cut[11].weight == with_cut[12].weight == 1
    truth = poses(track, 160, times, set(), smooth=False)
    off = [np.abs(found[11].matrix - truth[11].matrix).max() for found in (with_cut, without)]
    assert off[0] < 0.5 * off[1]


def test_edits_follow_gently_where_a_face_rests_and_at_once_where_it_moves() -> None:
    rest, moved = np.zeros((64, 64, 3), np.float32), np.zeros((64, 64, 3), np.float32)
    moved[:, 40:] = 1
    none = Edit(np.zeros((64, 64, 3), np.float32), np.zeros((64, 64), np.float32))
    full = Edit(np.ones((64, 64, 3), np.float32), np.ones((64, 64), np.float32))
    smoother = EditSmoother()
    assert smoother.next(none, rest, 0, fresh=True) is none
    shown = smoother.next(full, moved, 1 / 24, fresh=False)
    assert shown.delta[:, :30].max() < 0.4
    assert shown.gain[:, :30].max() < 0.4
    assert shown.delta[:, 50:].min() > 0.99
    for _ in range(24):
        shown = smoother.next(full, moved, 1 / 24, fresh=False)
    assert shown.delta.min() > 0.95
    assert smoother.next(none, rest, 1 / 24, fresh=True) is none


def test_masks_follow_with_the_time_constant_and_begin_anew() -> None:
    nothing, everything = (
        Masks(*(np.full((4, 4), value, np.float32) for _ in range(3))) for value in (0.0, 1.0)
    )
    smoother = MaskSmoother()
    assert smoother.next(lambda: nothing, 39.0, 0.0, fresh=True) is nothing
    after = smoother.next(lambda: everything, 39.0, 0.25, fresh=False)
    for mask in (after.hair, after.neck, after.front):
        assert mask == pytest.approx(1 - np.exp(-1), abs=1e-5)
    assert smoother.next(lambda: everything, 39.0, 0.04, fresh=True) is everything
    assert smoother.next(lambda: nothing, 69.0, 0.04, fresh=False) is nothing, "a frame of another scale"


def test_masks_are_found_again_after_a_tenth_of_a_second_and_approached_meanwhile() -> None:
    looks: list[float] = []

    def find() -> Masks:
        looks.append(float(len(looks)))
        return Masks(*(np.full((4, 4), looks[-1], np.float32) for _ in range(3)))

    smoother, resumed = MaskSmoother(), MaskSmoother()
    shown = [float(smoother.next(find, 39.0, 1 / 24, fresh=number == 0).hair[0, 0]) for number in range(4)]
    assert len(looks) == 2
    assert shown[:3] == [0, 0, 0]
    assert 0 < shown[3] < 0.2
    resumed.memory = smoother.memory
    for _ in range(2):
        later, same = (each.next(find, 39.0, 1 / 24, fresh=False) for each in (smoother, resumed))
        assert np.array_equal(later.hair, same.hair)
    assert len(looks) == 2
