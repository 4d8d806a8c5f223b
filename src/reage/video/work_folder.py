"""Intermediate results of `reage video`, kept beside the output, so that an interrupted video can be continued.

A hidden folder ``.<name of the output>.reage-video`` stores the people that the first pass found, and the frames that
the second has edited and encoded so far, in parts of `PART_FRAMES`. File names contain a hash of everything that their
content depends on, so results of another video, request, model or version of reage are not used. Files are numpy
arrays, which contain no code.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from reage.face.apparent_age import ApparentAge
from reage.face.sureness import DOUBTS, Sureness
from reage.files import writing
from reage.video.coding import decoding_times
from reage.video.reader import VideoReader
from reage.video.tracks import Track, TrackedVideo
from reage.video.writer import CodedFrame, VideoWriter

PART_FRAMES = 100
"""Frames per part, and the most that are edited again after an interruption. Each part begins with a key frame."""

Arrays = Mapping[str, npt.NDArray[Any]]


class WorkFolder:
    """The folder with the intermediate results of one video.

    Args:
        place: the output.
        video: all that the first pass depends on, in values of JSON.
        edit: what else the second pass depends on.
    """

    def __init__(self, place: Path, video: Any, edit: Any) -> None:
        self.folder = place.parent / f".{place.name}.reage-video"
        self._faces = self.folder / f"faces-{_hash(video)}.npz"
        self._kind = f"frames-{_hash([video, edit])}-"

    def followed(self) -> TrackedVideo | None:
        """The result of the first pass; None if it is not done."""
        stored = _load(self._faces)
        if stored is None:
            return None
        try:
            tracks = [_track(stored, number) for number in range(int(stored["tracks"]))]
            cuts = {int(cut) for cut in stored["cuts"]}
            return TrackedVideo(tracks, stored["times"].tolist(), cuts, int(stored["damaged"]))
        except (KeyError, ValueError, TypeError):
            return None

    def keep_followed(self, followed: TrackedVideo) -> None:
        """Store the result of the first pass, replacing any other; raises `WriteError`."""
        arrays: dict[str, Any] = {
            "tracks": len(followed.tracks),
            "times": np.array(followed.times),
            "cuts": np.array(sorted(followed.cuts), np.int64),
            "damaged": followed.damaged,
        }
        for number, track in enumerate(followed.tracks):
            arrays |= {f"{name}{number}": value for name, value in _arrays_of(track).items()}
        self._forget("faces-")
        _save(self._faces, arrays)

    def done(self) -> tuple[int, Arrays]:
        """The number of consecutive parts from the first one on, and the arrays stored with the last."""
        self._forget("frames-", kept=self._kind)
        number = 0
        memory: Arrays = {}
        while (stored := _load(self._part(number))) is not None:
            number, memory = number + 1, stored
        return number, memory

    def keep_part(self, number: int, frames: Sequence[CodedFrame], memory: Arrays) -> None:
        """Store the encoded ``frames`` of a part, and the ``memory`` that the next part needs; raises `WriteError`."""
        coded = {
            "coded_data": np.frombuffer(b"".join(frame.data for frame in frames), np.uint8),
            "coded_sizes": np.array([len(frame.data) for frame in frames], np.int64),
            "coded_pts": np.array([frame.pts for frame in frames], np.int64),
            "coded_durations": np.array([frame.duration for frame in frames], np.int64),
            "coded_keys": np.array([frame.is_key for frame in frames], bool),
        }
        _save(self._part(number), {**coded, **memory})

    def write(self, writer: VideoWriter, source: VideoReader, copied: Sequence[Any]) -> int:
        """Write all frames, and the packets of the streams ``copied`` of ``source`` between them, by their times.

        Returns the number of frames.
        """
        times = [pts for stored in self._parts() for pts in stored["coded_pts"].tolist()]
        moments, frames, at = decoding_times(times, source.usual_duration), self._frames(), 0
        for packet in source.packets(copied):
            while (
                at < len(moments)
                and moments[at] * source.coding.time_base <= (packet.dts or 0) * packet.time_base
            ):
                writer.add(next(frames), moments[at])
                at += 1
            writer.copy(packet)
        for frame, moment in zip(frames, moments[at:], strict=True):
            writer.add(frame, moment)
        return len(times)

    def _frames(self) -> Iterator[CodedFrame]:
        """The frames of all parts, in the order in which they are decoded, a part at a time in memory."""
        for stored in self._parts():
            data, at = stored["coded_data"].tobytes(), 0
            columns = (stored[f"coded_{name}"].tolist() for name in ("sizes", "pts", "durations", "keys"))
            for size, pts, duration, is_key in zip(*columns, strict=True):
                yield CodedFrame(data[at : at + size], pts, duration, is_key)
                at += size

    def remove(self) -> None:
        """Remove everything, once the output is complete."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _parts(self) -> Iterator[Arrays]:
        number = 0
        while (stored := _load(self._part(number))) is not None:
            yield stored
            number += 1

    def _part(self, number: int) -> Path:
        return self.folder / f"{self._kind}{number:06d}.npz"

    def _forget(self, start: str, kept: str | None = None) -> None:
        for file in self.folder.glob(f"{start}*"):
            if kept is None or not file.name.startswith(kept):
                file.unlink(missing_ok=True)


def _hash(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()[:16]


def _save(path: Path, arrays: Mapping[str, Any]) -> None:
    with writing(path) as part, part.open("wb") as file:
        np.savez(file, **arrays)


def _load(path: Path) -> Arrays | None:
    """The arrays in a file; None if there is none, or it is damaged."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            return {name: stored[name] for name in stored.files}
    except Exception:  # damaged files lead numpy and zipfile to raise nearly any type
        return None


def _arrays_of(track: Track) -> dict[str, npt.NDArray[Any]]:
    estimates = [(estimate.age, estimate.male_probability) for estimate in track.estimates]
    return {
        "frames": np.array(track.frames, np.int64),
        "seen": np.array(track.times),
        "landmarks": np.stack(track.landmarks) if track.landmarks else np.zeros((0, 468, 3), np.float32),
        "estimates": np.array(estimates, np.float64).reshape(-1, 2),
        "descriptors": np.array(track.descriptors, np.float32).reshape(-1, 128),
        "sureness": np.array([[s.strengths[d] for d in DOUBTS] for s in track.sureness]).reshape(
            -1, len(DOUBTS)
        ),
    }


def _track(stored: Arrays, number: int) -> Track:
    estimates = [ApparentAge(age, male) for age, male in stored[f"estimates{number}"].tolist()]
    frames, seen = stored[f"frames{number}"].tolist(), stored[f"seen{number}"].tolist()
    landmarks, descriptors = list(stored[f"landmarks{number}"]), list(stored[f"descriptors{number}"])
    sureness = [Sureness(dict(zip(DOUBTS, row, strict=True))) for row in stored[f"sureness{number}"].tolist()]
    return Track(frames, seen, landmarks, estimates, descriptors, sureness)
