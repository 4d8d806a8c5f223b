"""The edits planned for each tracked person of a video: source and target age, and the edit of each frame."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from reage.arrays import Float32, Pixels
from reage.edit.compositing import AlignedFace, Edit
from reage.edit.greying import greying
from reage.errors import NoFaceError
from reage.face.sureness import doubts_in_words, most_doubt
from reage.onnx_session import meanwhile
from reage.reager import Reager
from reage.request import Request
from reage.video.smoothing import EditSmoother, MaskSmoother, Pose, poses
from reage.video.tracks import Track, TrackedVideo


@dataclass
class EditPlan:
    """A track of the person numbered ``person``, and its edit: the ``request``, the ages in years and ``male`` (0 or 1)
    that the network is told, and the ``poses`` of the face by frame."""

    person: int
    track: Track
    request: Request
    source: float
    target: float
    male: float
    poses: dict[int, Pose]
    smoother: EditSmoother = field(default_factory=EditSmoother)
    mask_smoother: MaskSmoother = field(default_factory=MaskSmoother)
    time: float = 0.0

    def edit(
        self,
        reager: Reager,
        pixels: Pixels,
        number: int,
        time: float,
        others: Sequence[Float32] = (),
        *,
        smooth: bool = True,
    ) -> list[tuple[AlignedFace, Edit]]:
        """The edits to composite in frame ``number`` (H, W, 3), shown at ``time`` seconds, that of the face last.

        Call it for the frames in order. ``others`` are the transforms (2, 3) to the aligned frames of its other faces.
        """
        pose, step = self.poses[number], time - self.time
        face = reager.align(pixels, pose.matrix, pose.landmarks)
        steady = partial(self.mask_smoother.next, step=step, fresh=pose.fresh) if smooth else None
        with meanwhile(partial(reager.survey, pixels, face, pose.landmarks, others, steady)) as looking:
            edit = reager.edit(face, to=self.target, source=self.source, male=self.male)
            if smooth:
                edit = self.smoother.next(edit, face.pixels, step, fresh=pose.fresh)
            around = looking.result()
        self.time = time
        reached = reager.bundle.manifest.reached(self.source, self.target)
        white = greying(self.source, reached)
        return self.request.applied(face, edit, pose.landmarks, around, greying=white, weight=pose.weight)

    @property
    def memory(self) -> dict[str, Float32]:
        """Its state, to continue in another process."""
        parts = {
            "edit": self.smoother.memory,
            "mask": self.mask_smoother.memory,
            "plan": {"time": np.array(self.time)},
        }
        return {f"{part}_{name}": value for part, values in parts.items() for name, value in values.items()}

    @memory.setter
    def memory(self, memory: Mapping[str, Float32]) -> None:
        self.smoother.memory = beginning_with("edit_", memory)
        self.mask_smoother.memory = beginning_with("mask_", memory)
        self.time = float(memory["plan_time"])


def plan_edits(
    reager: Reager, followed: TrackedVideo, request: Request, *, smooth: bool = True
) -> list[EditPlan]:
    """An `EditPlan` for each track to edit; raises `NoFaceError` if no face was found."""
    people = followed.people()
    if not people:
        raise NoFaceError("no face found in the video; a face must be at least 40 pixels high in some frames")
    if request.faces == "largest":
        people = [max(people, key=lambda tracks: sum(track.prominence for track in tracks))]
    manifest, times, plans = reager.bundle.manifest, np.array(followed.times), []
    for person, tracks in enumerate(people):
        estimates = [estimate for track in tracks for estimate in track.estimates]
        source = request.source_age(float(np.median([estimate.age for estimate in estimates])))
        target = manifest.reached(source, request.goal(source, manifest))
        male = request.gender(float(np.median([estimate.male_probability for estimate in estimates])))
        for track in tracks:
            where = poses(track, manifest.size, times, followed.cuts, zoom=manifest.zoom, smooth=smooth)
            plans.append(EditPlan(person, track, request, source, target, male, where))
    return plans


def describe(plans: Sequence[EditPlan]) -> tuple[str, ...]:
    """A line for each person, for people."""
    lines = []
    for person in dict.fromkeys(plan.person for plan in plans):
        own = [plan for plan in plans if plan.person == person]
        looks = np.median([estimate.age for plan in own for estimate in plan.track.estimates])
        spans = ", ".join(f"{plan.track.times[0]:.1f} to {plan.track.times[-1]:.1f} s" for plan in own)
        line = f"{spans}: a face that looks {looks:.0f}, made {round(own[0].target, 1):g}"
        doubts = most_doubt([each for plan in own for each in plan.track.sureness])
        read = own[0].request.source is None
        lines.append(
            f"{line}; that may be misread, since {doubts_in_words(doubts)}" if read and doubts else line
        )
    return tuple(lines)


def beginning_with(start: str, arrays: Mapping[str, Any]) -> dict[str, Any]:
    """The arrays whose names have that beginning, without it."""
    return {name.removeprefix(start): value for name, value in arrays.items() if name.startswith(start)}
