"""A report as Markdown: tables with every figure beside the scores of real faces."""

from __future__ import annotations

from collections.abc import Sequence

from reage.evaluation.identity import ABOUT, APART
from reage.evaluation.judges import AGE_JUDGES
from reage.evaluation.movement import ALL_AGES, ALL_GAPS, DIRECTIONS, GAPS, SOURCE_AGES, find_moved, span_text
from reage.evaluation.report import Report
from reage.evaluation.scores import IdentityAtGap, RealMatch
from reage.evaluation.tables import (
    MISSING,
    kid_text,
    markdown_table,
    number_text,
    percent_text,
    score_text,
    selection_table,
    summary_tables,
)

PRESERVATION = {
    "same_age_l1": "edit to the apparent age: mean change, levels of 255",
    "same_age_psnr": "edit to the apparent age: PSNR, dB (100: equal)",
    "same_age_ssim": "edit to the apparent age: SSIM",
    "outside": "mean change outside the face, levels of 255",
    "sharpness": "sharpness of the face relative to the input",
    "perceptual": "perceptual distance to the input, by features of EfficientNet-Lite0 (0: equal)",
}

EXPLANATION = """Two figures in a cell are those of {first} and of {second}. *Age error*: mean absolute difference
between the estimated age and the target age, over all targets. *Slope*: change of the estimated age per year of the
target. *Rising*: faces whose estimated age rises from each target to the next. *Moved per year asked*: see the section
of that name. *Same person*: outputs that the identity judge accepts as the person in the photo, at a threshold that 1 %
of the pairs of different people pass. *KID*, *FID*: distance between {features} features of outputs and of real
faces of the target ages; the row of real faces compares them with other real faces. Doing nothing keeps identity best,
so read the columns together."""

MOVED = """Years that the estimated age moves in the direction asked, per year asked: 1 is as asked, 0 is no change.
The years asked are counted from the age that {first} estimates for the photo, which the model is told; columns are the
gaps from there to the target, in years; smaller gaps are left out. Figures of {first} / {second}."""

MATCHES = """Identity distances to real photos of the same people within {about:g} years of the target, at least
{apart:g} years older or younger than in the edited photo. Below 0, edits are nearer to how people really looked."""

CALIBRATION = """{judge} underestimates old people and is therefore calibrated: its mean estimates for {faces} real
faces of the split {split}, by age bands of {band:g} years and made monotone, are inverted, which maps an estimate to
the age of the people who get it. {first} is not calibrated."""

FEW_FIDS = """FIDs in a row use the same number of pictures, far fewer than the features have dimensions, and are
therefore biased upwards: compare them within a row, but not with published ones. Edits of less than ten years are left
out."""

GROUPS = """Labels are those of the data set. Judges err differently between groups, so a difference may be due to
them. Errors depend on the age of the photo, and groups differ in age: *all of these ages* is the error over all faces
of the same ages as the group. An excess over it is not due to age."""


def as_markdown(report: Report) -> str:
    """The whole report without its pictures."""
    lines = [f"# Scorecard of {report.model.title}", "", *setting(report)]
    lines += [f"\n**Warning:** {warning}." for warning in report.warnings]
    for title, body in sections(report).items():
        lines += ["", f"## {title}", "", *body]
    return "\n".join(lines) + "\n"


def setting(report: Report) -> list[str]:
    """Lines that name the faces and the judges."""
    protocol, data = report.protocol, report.data
    faces, judges = report.scores.everybody.faces, ", ".join(report.judges)
    return [
        f"{faces} faces of {data.dataset}, split {protocol.split}, seed {protocol.seed}; no face was found in",
        f"{data.no_face_found} further images. Judges: {judges}, and the features of",
        f"{report.features} for KID and FID. In brackets: 95 % bootstrap intervals.",
    ]


def sections(report: Report) -> dict[str, list[str]]:
    """Lines of Markdown by title; the model card has the same."""
    cost = report.cost
    return {
        "Summary": [
            *summary_tables([report]),
            "",
            EXPLANATION.format(first=AGE_JUDGES[0], second=AGE_JUDGES[1], features=report.features),
        ],
        **_selection(report),
        "Years moved per year asked": _moved_lines(report),
        "Age, by target": _age_lines(report),
        "Identity, by years between the age in the photo and the target": _identity_lines(report),
        "Realism, by target": _realism_lines(report),
        "Preservation": _preservation_lines(report),
        "Groups": _groups_lines(report),
        "Cost": [
            f"{cost.parameters / 1e6:.2f} million parameters, {cost.multiply_adds / 1e9:.2f} GMAC a face;",
            f"{cost.milliseconds} ms a face and {number_text(cost.megabytes, 0)} MB on the machine that ran this.",
        ],
    }


def _selection(report: Report) -> dict[str, list[str]]:
    """The selection score of the model; only on the split for choosing weights."""
    if report.protocol.split != "val":
        return {}
    note = "Lower is better; doing nothing has 2. The rule is in `docs/scorecard.md`."
    return {"Choosing weights": [*selection_table([report]), "", note]}


def _moved_lines(report: Report) -> list[str]:
    """By direction and age of the source in rows, and by gap in columns."""
    if not report.years_moved:
        return ["Not measured yet."]
    gaps = (ALL_GAPS, *GAPS)
    rows = []
    for direction in DIRECTIONS:
        for ages in (ALL_AGES, *SOURCE_AGES):
            cells = []
            for gap in gaps:
                scores = [
                    find_moved(report.years_moved, judge, direction, source_ages=ages, gap=gap)
                    for judge in AGE_JUDGES
                ]
                cells.append(" / ".join(map(score_text, scores)) if scores[0].count else MISSING)
            rows.append([direction, span_text(ages), *cells])
    head = ["direction", "age in the photo", f"all from {ALL_GAPS[0]:g}", *map(span_text, GAPS)]
    return [
        *markdown_table(head, rows),
        "",
        MOVED.format(first=AGE_JUDGES[0], second=AGE_JUDGES[1]),
    ]


def _match_lines(rows: Sequence[RealMatch]) -> list[str]:
    """Edits compared with real photos of the same people at about that age."""
    head = ["real photos are", "distance of the edited photo", "of the unedited photo", "difference", "pairs"]
    cells = [
        [
            row.direction,
            score_text(row.edited, 3),
            score_text(row.unedited, 3),
            score_text(row.difference, 3),
            str(row.difference.count),
        ]
        for row in rows
    ]
    return [*markdown_table(head, cells), "", MATCHES.format(about=ABOUT, apart=APART)]


def _age_lines(report: Report) -> list[str]:
    """Estimated ages of both judges at each target, and how the second judge was calibrated."""
    head = ["target", "judge", "mean estimated age", "error", "bias"]
    head += ["estimated age of real faces", "error on them", "real faces"]
    rows = []
    for row in report.scores.age_by_target:
        cells = [f"{row.target:g}", row.judge]
        cells += [score_text(score, 1) for score in (row.estimated, row.error, row.bias)]
        cells += [score_text(score, 1) for score in (row.real_estimated, row.real_error)]
        rows.append([*cells, str(row.real_error.count)])
    facts = report.calibration
    note = CALIBRATION.format(
        judge=facts.judge,
        first=AGE_JUDGES[0],
        faces=facts.faces,
        band=facts.band,
        split=report.protocol.reference_split,
    )
    return [*markdown_table(head, rows), "", note]


def _identity_lines(report: Report) -> list[str]:
    """Acceptance as the same person by gap, and for real photos years apart if there are any."""
    limit = report.threshold
    lines = [
        *_gap_table("outputs", report.identity_by_gap),
        "",
        f"Accepted below a distance of {limit.distance:.3f}, which {limit.false_accepts:.0%} of the pairs of "
        f"different people among {limit.faces} real faces pass.",
    ]
    if report.real_pairs is None:
        return [
            *lines,
            "The data names nobody twice, so there are no real photos of one person years apart to compare with.",
        ]
    lines += ["", *_gap_table("pairs of real photos", report.real_pairs)]
    if report.real_matches is not None:
        lines += ["", *_match_lines(report.real_matches)]
    return lines


def _gap_table(pictures: str, rows: Sequence[IdentityAtGap]) -> list[str]:
    head = ["years", f"{pictures} accepted as the same person", "distance", "cosine", pictures]
    cells = [
        [
            f"{row.gap[0]:g} to {row.gap[1]:g}",
            percent_text(row.identity.accepted),
            score_text(row.identity.distance),
            score_text(row.identity.cosine),
            str(row.identity.accepted.count),
        ]
        for row in rows
    ]
    return markdown_table(head, cells)


def _realism_lines(report: Report) -> list[str]:
    """KID and FID at each target, with those of real faces."""
    head = ["target", "KID of outputs", "of inputs", "of real faces", "FID of outputs", "of real faces"]
    head += ["outputs", "real faces", "reference", "pictures of an FID"]
    rows = []
    for row, nothing in zip(report.scores.realism_by_target, report.nothing.realism_by_target, strict=True):
        realism = row.realism
        kids = [nothing.realism.kid.value, realism.real_kid.value]
        cells = [f"{row.target:g}", kid_text(realism.kid), *(number_text(kid, 4) for kid in kids)]
        cells += [number_text(fid, 1) for fid in (realism.fid, realism.real_fid)]
        counts = (realism.outputs, realism.real, realism.reference, realism.fid_count)
        rows.append([*cells, *map(str, counts)])
    return [*markdown_table(head, rows), "", FEW_FIDS]


def _preservation_lines(report: Report) -> list[str]:
    """What an edit keeps unchanged."""
    kept = report.scores.everybody.preservation
    measured = {text: getattr(kept, name) for name, text in PRESERVATION.items()}
    rows = [[text, score_text(score, 3)] for text, score in measured.items() if score.count]
    return markdown_table(["", "model"], rows)


def _groups_lines(report: Report) -> list[str]:
    """The main scores of each group."""
    head = [
        "group",
        "faces",
        "age error",
        "all of these ages",
        "judge on real faces",
        "bias",
        "slope",
        "rising",
    ]
    head += ["same person", "KID, all targets", "of real faces", "outside", "sharpness"]
    rows = []
    for name, scores in {"all": report.scores.everybody, **report.groups}.items():
        age, kept, realism = scores.age[AGE_JUDGES[0]], scores.preservation, scores.realism
        cells = [name, str(scores.faces), score_text(age.error, 1), number_text(age.error_at_same_ages, 1)]
        cells += [score_text(age.real_error, 1), score_text(age.bias, 1), score_text(age.slope)]
        cells += [percent_text(age.rising), percent_text(scores.identity.accepted)]
        cells += [kid_text(realism.kid), kid_text(realism.real_kid)]
        rows.append([*cells, score_text(kept.outside, 3), score_text(kept.sharpness)])
    return [*markdown_table(head, rows), "", GROUPS]
