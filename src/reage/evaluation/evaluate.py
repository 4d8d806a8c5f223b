"""`evaluate` evaluates a model by the protocol; refuses a judge that took part in training the model."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
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
from reage.data.catalog import read_index
from reage.data.readers import UTKFACE_RACES
from reage.errors import DataError, JudgeError
from reage.evaluation.cost import Cost
from reage.evaluation.faces import EditedFaces, RealFaces, do_nothing, edited_faces, groups_of
from reage.evaluation.features import weights_file
from reage.evaluation.identity import identity_by_gap, real_matches, real_pairs_by_gap
from reage.evaluation.judges import AGE_JUDGES, JUDGES, judges_among_teachers
from reage.evaluation.measurement_cache import Arrays, MeasurementCache
from reage.evaluation.measurer import Measure, Measurers, one_by_one
from reage.evaluation.metrics import Calibration, acceptance_threshold, calibrate
from reage.evaluation.movement import years_moved
from reage.evaluation.protocol import Protocol
from reage.evaluation.report import FORMAT, CalibrationFacts, DataFacts, ModelFacts, Report, ThresholdFacts
from reage.evaluation.scores import EditScores
from reage.evaluation.scoring import FEW, FEWEST, Scorer, label_doubts
from reage.progress import Progress
from reage.reager import Reager

FINDERS = ("face_detector.onnx", "face_landmarks.onnx", "selfie_mask.onnx", "face_occlusions.npz")
"""Networks that do not judge, but find faces, hair, neck and occlusions."""

WORDS = ("name", "version", "family", "data", "teachers", "training", "figures", "licence", "files", "format")
"""Fields of a manifest that do not affect edits."""

FALSE_ACCEPTS = 0.01
"""The share of pairs of different people that the threshold of identity accepts."""


@dataclass(frozen=True)
class Evaluation:
    """A report, and what its pictures are drawn from: the faces, their files, their edits and the model's `Reager`."""

    report: Report
    paths: list[Path]
    faces: RealFaces
    edited: EditedFaces
    reager: Reager


@dataclass(frozen=True)
class _Measured:
    """The measurements: rows of the index and arrays by split, and those of the edited faces.

    ``positions`` are those of the edited faces among the rows of the judged split.
    """

    rows: dict[str, pd.DataFrame]
    real: dict[str, Arrays]
    positions: Int64
    edited: Arrays


@dataclass(frozen=True)
class _Compared:
    """The edited faces beside the real ones that `Scorer` holds, with all ages of the second judge calibrated.

    ``doubts`` are warnings about the labels.
    """

    faces: RealFaces
    edited: EditedFaces
    scorer: Scorer
    calibration: Calibration
    doubts: list[str]


def evaluate(
    bundle: Bundle,
    index_path: Path,
    protocol: Protocol,
    cache: MeasurementCache,
    *,
    force: bool = False,
    progress: Progress,
    measurers: Measurers = one_by_one,
) -> Evaluation:
    """Evaluate a model on a data set. The same call gives the same report, except for the cost.

    Args:
        bundle: the model.
        index_path: the index of the data set (`reage data index`).
        protocol: which faces are edited, to which ages.
        cache: keeps the measurements.
        force: accept judges that took part in training the model; the report then warns.
        progress: called with the progress of the work.
        measurers: makes what measures the faces.

    Raises:
        JudgeError: a judge took part in training the model, and ``force`` is false.
        ReageError: the packages or weights of the features are missing.
        DataError: the index or its images cannot be read, or too few faces are usable.
    """
    taught = judges_among_teachers(bundle.manifest.teachers, protocol.features)
    if taught and not force:
        raise JudgeError(
            f"{', '.join(taught)} would judge {bundle.manifest.title}, but took part in its training"
        )
    index = read_index(index_path)
    rows = {split: protocol.draw(index, split) for split in (protocol.split, protocol.reference_split)}
    for split, drawn in rows.items():
        if len(drawn) < FEWEST:
            raise DataError(
                f"{index_path}: {len(drawn)} usable faces in the split {split}; at least {FEWEST} are needed"
            )
    root, reager = Path(index.attrs["root"]), Reager(bundle)
    measure = measurers(root, reager, protocol.features)
    measured = _measure(bundle, protocol, rows, measure, cache, progress)
    seen = _with_a_face(protocol, measured)
    sample = list(rows[protocol.split]["path"].iloc[measured.positions[seen]].astype(str))
    data = DataFacts(
        dataset=str(index.attrs["dataset"]),
        index=_sha256(index_path.read_bytes()),
        sample=sample,
        no_face_found=int((~measured.edited["found"]).sum()),
    )
    compared = _compare_with_real(protocol, measured, seen)
    report = _report(bundle, protocol, data, compared, taught)
    return Evaluation(report, [root / path for path in sample], compared.faces, compared.edited, reager)


def _measure(
    bundle: Bundle,
    protocol: Protocol,
    rows: dict[str, pd.DataFrame],
    measure: Measure,
    cache: MeasurementCache,
    progress: Progress,
) -> _Measured:
    """Measure the real faces of both splits, and the edits of those that are drawn for it."""
    depends_on: dict[str, Any] = {
        "version": __version__,
        "networks": _hashes((*JUDGES, *FINDERS)),
        "features": _sha256(weights_file(protocol.features).read_bytes()),
    }
    real = {}
    for split, drawn in rows.items():
        bar = partial(progress, f"real faces, {split}")
        real[split] = cache.measure("real", depends_on, drawn, partial(measure, targets=None), bar)
    positions = protocol.sample(rows[protocol.split])
    depends_on |= {"model": _behaviour(bundle), "ages": [float(age) for age in protocol.ages]}
    edit = partial(measure, targets=protocol.ages)
    bar = partial(progress, f"faces aged by {bundle.manifest.title}")
    edited = cache.measure("edited", depends_on, rows[protocol.split].iloc[positions], edit, bar)
    return _Measured(rows, real, positions, edited)


def _with_a_face(protocol: Protocol, measured: _Measured) -> Int64:
    """Positions, among the edited faces, of those that were found both unedited and edited."""
    unedited = measured.real[protocol.split]["found"][measured.positions]
    seen = np.flatnonzero(measured.edited["found"] & unedited)
    if len(seen) < 2:
        raise DataError(
            f"a face was found in {len(seen)} of {len(measured.positions)} images: too few to evaluate"
        )
    return seen


def _compare_with_real(protocol: Protocol, measured: _Measured, seen: Int64) -> _Compared:
    """The edited faces at the positions ``seen`` among all edited ones, in which a face was found."""
    split, other = protocol.split, protocol.reference_split
    every = _real_faces(measured.rows[split], measured.real[split])
    real = every.where(measured.real[split]["found"])
    reference = _real_faces(measured.rows[other], measured.real[other]).where(measured.real[other]["found"])
    doubts = label_doubts(reference, other) + label_doubts(real, split)
    calibration = calibrate(reference.estimated_ages[:, 1], reference.age, 2 * protocol.half_band)
    every, real, reference = (_calibrated(faces, calibration) for faces in (every, real, reference))
    faces = every.where(measured.positions[seen])
    kept = {name: array[seen] for name, array in measured.edited.items()}
    ages = _calibrated_ages(kept["estimated_ages"].astype(np.float64), calibration)
    threshold = acceptance_threshold(real.descriptors, real.subject, FALSE_ACCEPTS)
    scorer = Scorer(protocol.ages, protocol.half_band, threshold, real, reference, protocol.seed)
    return _Compared(faces, edited_faces(faces, kept, ages), scorer, calibration, doubts)


def _report(
    bundle: Bundle, protocol: Protocol, data: DataFacts, compared: _Compared, taught: list[str]
) -> Report:
    """All scores in a report; ``taught`` are the judges that took part in training the model."""
    faces, edited, scorer = compared.faces, compared.edited, compared.scorer
    scores = scorer.edit_scores(faces, edited)
    races = dict(enumerate(UTKFACE_RACES)) if data.dataset == "utkface" else {}
    groups = groups_of(faces, races, protocol.half_band, protocol.ages)
    manifest, curve = bundle.manifest, compared.calibration
    return Report(
        format=FORMAT,
        model=ModelFacts(
            title=manifest.title, family=manifest.family, size=manifest.size, data=manifest.data,
            teachers=list(manifest.teachers), training=dict(manifest.training), files=dict(manifest.files),
        ),
        protocol=protocol,
        data=data,
        judges=_hashes(JUDGES),
        versions={"reage": __version__, "onnxruntime": onnxruntime.__version__, "numpy": np.__version__},
        warnings=_warnings(protocol, compared, scores, taught),
        calibration=CalibrationFacts(
            judge=AGE_JUDGES[1], faces=len(scorer.reference), band=2 * protocol.half_band,
            estimates=[round(float(v), 2) for v in curve.estimates],
            ages=[round(float(v), 2) for v in curve.ages],
        ),
        threshold=ThresholdFacts(
            distance=round(scorer.threshold, 4), false_accepts=FALSE_ACCEPTS, faces=len(scorer.real)
        ),
        real_pairs=real_pairs_by_gap(scorer.real, scorer.threshold),
        real_matches=real_matches(faces, edited, scorer.real, protocol.ages),
        scores=scores,
        nothing=scorer.edit_scores(faces, do_nothing(faces, protocol.ages)),
        years_moved=years_moved(faces, edited, protocol.ages),
        identity_by_gap=identity_by_gap(faces, edited, protocol.ages, scorer.threshold),
        groups={group.name: scorer.group_scores(faces, edited, group) for group in groups},
        cost=Cost.measure(bundle),
    )  # fmt: skip


def _warnings(protocol: Protocol, compared: _Compared, scores: EditScores, taught: list[str]) -> list[str]:
    """The warnings of a report."""
    warnings = []
    if taught:
        warnings.append(f"judges that taught this model: {', '.join(taught)}; their figures are worthless")
    warnings += compared.doubts
    if protocol.split != "test":
        warnings.append(
            f"training may have chosen its best epoch on the split {protocol.split}: it is not unseen"
        )
    few = [row for row in scores.realism_by_target if row.realism.fid_count < FEW]
    if few:
        counts = ", ".join(f"{row.target:g} ({row.realism.fid_count})" for row in few)
        warnings.append(
            f"few real faces for KID and FID at the targets {counts}; below {FEWEST} none is given"
        )
    return warnings


def _real_faces(rows: pd.DataFrame, measured: Arrays) -> RealFaces:
    """The photos in rows of an index with their measurements."""

    def label(name: str) -> npt.NDArray[Any]:
        column = rows[name].astype(object)
        values: npt.NDArray[Any] = column.where(column.notna(), None).to_numpy(object)
        return values

    # Where the data names nobody, each photo (one is kept of each duplicate group) is taken for another person.
    subjects = [name if isinstance(name, str) else i for i, name in enumerate(label("subject"))]
    names = ("estimated_ages", "male_probability", "descriptors", "features")
    return RealFaces(
        age=rows["age"].to_numpy(np.float64),
        gender=label("gender"),
        race=label("race"),
        subject=np.array(subjects, object),
        **{name: measured[name].astype(np.float64) for name in names},
    )


def _calibrated(faces: RealFaces, calibration: Calibration) -> RealFaces:
    return replace(faces, estimated_ages=_calibrated_ages(faces.estimated_ages, calibration))


def _calibrated_ages(ages: Float64, calibration: Calibration) -> Float64:
    """Estimated ages (..., 2) with the second judge's calibrated; the first judge's are taken as they are."""
    return np.stack([ages[..., 0], calibration(ages[..., 1])], -1)


def _behaviour(bundle: Bundle) -> dict[str, Any]:
    """Everything in a bundle that affects its edits."""
    manifest = asdict(bundle.manifest)
    networks = {way: bundle.manifest.files[file] for way, file in bundle.manifest.networks.items()}
    return {**{name: value for name, value in manifest.items() if name not in WORDS}, "networks": networks}


def _hashes(assets: Sequence[str]) -> dict[str, str]:
    return {name: _sha256(asset(name).read_bytes()) for name in assets}


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
