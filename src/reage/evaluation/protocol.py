"""The protocol: which faces, which ages, which judges; refuses a judge that the model was trained against."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime
import pandas as pd

from reage._version import __version__
from reage.arrays import Float64, Int64
from reage.assets import asset
from reage.bundle import Bundle
from reage.data.catalog import SPLITS, read_index
from reage.data.readers import UTKFACE_RACES
from reage.errors import AgeError, DataError, ReageError
from reage.evaluation.cost import Cost
from reage.evaluation.features import NAMES, open_extractor, weights_file
from reage.evaluation.judges import AGE_JUDGES, JUDGES
from reage.evaluation.measurement_cache import Arrays, MeasurementCache
from reage.evaluation.measures import Calibration, acceptance_threshold, calibrate
from reage.evaluation.measuring import Measurer
from reage.evaluation.people import Edits, People, do_nothing, edits_of, groups_of
from reage.evaluation.scores import FEW, FEWEST, Report, Scorer, label_doubts, same_person
from reage.reager import Reager
from reage.request import check_age

FORMAT = 1
MODEL, NOTHING = "model", "do nothing"
FINDERS = ("face_detector.onnx", "face_landmarks.onnx")
"""Networks that judge nothing, but find what is judged."""

Progress = Callable[[str, int, int | None], None]
"""Told what is being done, how much of it is, and of how much."""


@dataclass(frozen=True)
class Protocol:
    """What a report depends on beside the model and the images."""

    split: str = "test"
    faces: int = 500
    """How many are edited, evenly from the age bands around the targets as far as there are any."""
    ages: tuple[float, ...] = (20, 30, 40, 50, 60, 70, 80)
    references: int = 150
    """Real faces of each band and of each of two splits, at most."""
    min_sharpness: float = 20.0
    features: str = "lite0"
    seed: int = 0

    def __post_init__(self) -> None:
        if self.split not in dict(SPLITS):
            raise DataError(f"there is no split '{self.split}', only {', '.join(dict(SPLITS))}")
        if len(self.ages) < 2 or list(self.ages) != sorted(set(self.ages)):
            raise AgeError("the ages of an evaluation rise, and are at least two")
        for age in self.ages:
            check_age(age)

    @property
    def reference_split(self) -> str:
        """Where the real faces come from that outputs are compared with: never the split that is edited."""
        return "val" if self.split == "test" else "test"

    @property
    def half_band(self) -> float:
        """Half the least distance of two targets: bands of real faces around them do not overlap."""
        return float(np.diff(self.ages).min()) / 2

    def draw(self, index: pd.DataFrame, split: str) -> pd.DataFrame:
        """Up to ``references`` faces of each band, in random order within it; a column ``band`` tells the target."""
        good = index[index["keep"] & (index["split"] == split) & (index["sharpness"] >= self.min_sharpness)]
        parts = []
        for target in self.ages:
            band = good[
                good["age"].between(target - self.half_band, target + self.half_band, inclusive="left")
            ]
            parts.append(
                band.sample(frac=1, random_state=self.seed).head(self.references).assign(band=target)
            )
        drawn: pd.DataFrame = pd.concat(parts)
        return drawn

    def sample(self, drawn: pd.DataFrame) -> Int64:
        """Positions in ``drawn`` of the faces to edit: equally many of each band as far as there are, shuffled."""
        order = drawn.groupby("band").cumcount().to_numpy()
        chosen = np.argsort(order, kind="stable")[: self.faces]
        return np.random.default_rng(self.seed).permutation(chosen)


@dataclass(frozen=True)
class Evaluation:
    """A report, and what its pictures are drawn from: the edited people, where they lie, and their edits."""

    report: Report
    paths: list[Path]
    people: People
    edits: Edits
    reager: Reager


def clashes(teachers: Sequence[str], features: str) -> list[str]:
    """Judges that stand among the ``teachers`` of a model."""
    told = " ".join(teachers).lower()
    networks = {judge: judge.removesuffix(".onnx") for judge in JUDGES}
    networks["EfficientNet-Lite0" if features == "lite0" else "Inception-v3"] = (
        "lite0" if features == "lite0" else "inception"
    )
    return [judge for judge, word in networks.items() if word in told]


def evaluate(
    bundle: Bundle,
    index_path: Path,
    protocol: Protocol,
    cache: MeasurementCache,
    *,
    force: bool = False,
    progress: Progress,
) -> Evaluation:
    """Judge ``bundle`` on the data set of an index. The same call gives the same report but for its cost.

    Raises `ReageError` where a judge taught the model (unless
    ``force``: then the report says it), or where there are too few faces.
    """
    found = clashes(bundle.manifest.teachers, protocol.features)
    if found and not force:
        raise ReageError(
            f"{bundle.manifest.title} was taught by {', '.join(found)}, which would judge it now; "
            "--force judges all the same, and says so in the report"
        )
    index = read_index(index_path)
    root = Path(index.attrs["root"])
    reager = Reager(bundle)
    measurer = Measurer(root, reager, open_extractor(protocol.features))
    drawn = {split: protocol.draw(index, split) for split in (protocol.split, protocol.reference_split)}
    for split, rows in drawn.items():
        if len(rows) < FEWEST:
            raise DataError(
                f"{index_path}: {len(rows)} usable faces in its split {split}; {FEWEST} are the least"
            )
    hashes = {judge: _hash(asset(judge).read_bytes()) for judge in JUDGES}
    depends: dict[str, Any] = {
        "version": __version__,
        "networks": hashes | {name: _hash(asset(name).read_bytes()) for name in FINDERS},
        "features": _hash(weights_file(protocol.features).read_bytes()),
    }
    measured = {}
    for split, rows in drawn.items():
        tell = partial(progress, f"real faces, {split}")
        measured[split] = cache.measure("real", depends, rows, measurer.real, tell)
    chosen = protocol.sample(drawn[protocol.split])
    edited_rows = drawn[protocol.split].iloc[chosen]
    depends |= {"model": _behaviour(bundle), "ages": [float(age) for age in protocol.ages]}
    work = partial(measurer.edited, targets=protocol.ages)
    tell = partial(progress, f"faces aged by {bundle.manifest.title}")
    edited = cache.measure("edited", depends, edited_rows, work, tell)
    races = dict(enumerate(UTKFACE_RACES)) if index.attrs["dataset"] == "utkface" else {}
    report, people, edits, seen = _score(protocol, drawn, measured, chosen, edited, races)
    cost = Cost.measure(bundle)
    manifest = bundle.manifest
    stated: Report = {
        "format": FORMAT,
        "model": {
            "title": manifest.title, "family": manifest.family, "size": manifest.size, "data": manifest.data,
            "teachers": manifest.teachers, "training": manifest.training, "files": manifest.files,
        },
        "protocol": asdict(protocol) | {"reference_split": protocol.reference_split},
        "data": {
            "dataset": index.attrs["dataset"], "index": _hash(index_path.read_bytes()),
            "sample": list(edited_rows["path"].iloc[seen]), "no_face_found": int((~edited["found"]).sum()),
        },
        "judges": hashes | {"features": NAMES[protocol.features]},
        "versions": {"reage": __version__, "onnxruntime": onnxruntime.__version__, "numpy": np.__version__},
    }  # fmt: skip
    if protocol.split != "test":
        report["warnings"].append(
            f"training may have chosen its best epoch on the split {protocol.split}: it is not unseen"
        )
    if found:
        report["warnings"].insert(
            0, f"judges that taught this model: {', '.join(found)}; their figures are worthless"
        )
    paths = [root / str(path) for path in edited_rows["path"].iloc[seen]]
    return Evaluation({**stated, **report, "cost": asdict(cost)}, paths, people, edits, reager)


def _score(
    protocol: Protocol,
    drawn: dict[str, pd.DataFrame],
    measured: dict[str, Arrays],
    chosen: Int64,
    edited: Arrays,
    races: dict[int, str],
) -> tuple[Report, People, Edits, Int64]:
    """The scores, the people edited, their edits, and their positions among those drawn for editing."""
    reference = _people(drawn[protocol.reference_split], measured[protocol.reference_split])
    real = _people(drawn[protocol.split], measured[protocol.split])
    doubts = label_doubts(reference, protocol.reference_split) + label_doubts(real, protocol.split)
    calibration = calibrate(reference.ages[:, 1], reference.age, 2 * protocol.half_band)
    reference, real = _calibrated(reference, calibration), _calibrated(real, calibration)
    everybody = _calibrated(_people(drawn[protocol.split], measured[protocol.split], lost=True), calibration)
    seen = np.flatnonzero(edited["found"] & measured[protocol.split]["found"][chosen])
    if len(seen) < 2:
        raise DataError(f"a face was found in {len(seen)} of {len(chosen)} images: too few to judge")
    people = everybody.where(chosen[seen])
    kept = {name: array[seen] for name, array in edited.items()}
    edits = edits_of(people, kept, _calibrate(kept["ages"].astype(np.float64), calibration))
    threshold = acceptance_threshold(real.descriptors, real.subject)
    scorer = Scorer(protocol.ages, protocol.half_band, threshold, real, reference, protocol.seed)
    groups = groups_of(people, races, protocol.half_band, protocol.ages)
    rows = {MODEL: edits, NOTHING: do_nothing(people, protocol.ages)}
    report: Report = {
        "warnings": doubts,
        "calibration": {
            "judge": AGE_JUDGES[1], "faces": len(reference),
            "band": 2 * protocol.half_band,
            "readings": [round(float(v), 2) for v in calibration.readings],
            "ages": [round(float(v), 2) for v in calibration.ages],
        },
        "identity_threshold": {"distance": round(threshold, 4), "false_accepts": 0.01, "faces": len(real)},
        "same_person": same_person(real, threshold),
        "scores": {name: scorer.summary(people, each) for name, each in rows.items()},
        "by_target": {name: scorer.by_target(each) for name, each in rows.items()},
        "by_gap": scorer.by_gap(people, edits),
        "realism": {name: scorer.realism_by_target(people, each) for name, each in rows.items()},
        "groups": {group.name: scorer.summary(people, edits, group) for group in groups},
    }  # fmt: skip
    few = [row for row in report["realism"][MODEL] if row["fid_count"] < FEW]
    if few:
        told = ", ".join(f"{row['target']:g} ({row['fid_count']})" for row in few)
        report["warnings"].append(
            f"few real faces for KID and FID at the targets {told}; below {FEWEST} none is given"
        )
    return report, people, edits, seen


def _people(rows: pd.DataFrame, measured: Arrays, *, lost: bool = False) -> People:
    """Those in whose images a face was found (or, with ``lost``, all), with their labels."""
    kept = np.ones(len(rows), bool) if lost else measured["found"]

    def label(name: str) -> npt.NDArray[Any]:
        column = rows[name].astype(object)
        values: npt.NDArray[Any] = column.where(column.notna(), None).to_numpy(object)
        return values[kept]

    # Where the data names nobody, each photo (of each duplicate group, one is kept) is taken for another person.
    subject = label("subject")
    subject = np.array([s if isinstance(s, str) else i for i, s in enumerate(subject)], object)
    return People(
        age=rows["age"].to_numpy(np.float64)[kept], gender=label("gender"), race=label("race"), subject=subject,
        **{name: measured[name][kept].astype(np.float64) for name in ("ages", "male", "descriptors", "features")},
    )  # fmt: skip


def _calibrate(ages: Float64, calibration: Calibration) -> Float64:
    """Readings (..., 2) with the second judge's calibrated; the first is taken as it is."""
    return np.stack([ages[..., 0], calibration(ages[..., 1])], -1)


def _calibrated(people: People, calibration: Calibration) -> People:
    return People(**{**vars(people), "ages": _calibrate(people.ages, calibration)})


def _behaviour(bundle: Bundle) -> dict[str, Any]:
    """All of a bundle that its edits depend on: not its name, its card or its figures."""
    manifest = asdict(bundle.manifest)
    named = (
        "size",
        "inputs",
        "outputs",
        "template",
        "source_ages",
        "target_ages",
        "full_ages",
        "detail_sigma",
    )
    networks = {way: bundle.manifest.files[file] for way, file in bundle.manifest.networks.items()}
    return {"networks": networks, **{name: manifest[name] for name in named}}


def _hash(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
