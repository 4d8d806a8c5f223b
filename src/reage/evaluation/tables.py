"""A report as text for people: Markdown tables in which every figure stands beside what real faces score."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from reage.evaluation.judges import AGE_JUDGES
from reage.evaluation.scores import Report

PRESERVATION = {
    "same_l1": "same-age edit: mean change, levels of 255",
    "same_psnr": "same-age edit: PSNR, dB (100: equal)",
    "same_ssim": "same-age edit: SSIM",
    "outside": "mean change outside the face, levels of 255",
    "sharpness": "sharpness of the face over the input's",
}


EXPLANATION = """*Age error*: mean absolute difference of the reading from the age asked for, over all targets;
*slope*: years of reading a year asked for; *rising*: faces whose reading rises from each target to the next; *same
person*: outputs that the identity judge takes for the person in the photo, at the threshold that 1 % of different
people pass; *KID*, *FID*: {features} features of outputs against real faces of the ages asked for, beside real faces
against real faces. Doing nothing keeps identity best, so no column stands for itself."""

CALIBRATION = """{judge} is recalibrated, since it reads old people too young: its mean readings of {faces} real
faces of the split {split}, by bands of {band:g} years and made monotone, are turned round, so that a reading becomes
the age whose people are read so. {first} is taken as it is."""

FEW_FIDS = """FIDs are of equally many pictures, far fewer than the features have dimensions, and so biased upwards:
compare them along a row, and with nothing published. Edits of less than ten years are left out."""

GROUPS = """Labels are the data set's. Judges err differently between groups, so a difference may be theirs. Errors
depend on the age of the photo, and groups differ in age: *all of these ages* is the error over everybody of the same
ages as the group. What an error exceeds it by is not due to age."""

MISSING = "-"


def as_markdown(report: Report) -> str:
    """The whole report (`protocol.evaluate`) as Markdown."""
    lines = [f"# Scorecard of {report['model']['title']}", "", *setting(report)]
    lines += [f"\n**Warning:** {warning}." for warning in report["warnings"]]
    for title, body in sections(report).items():
        lines += ["", f"## {title}", "", *body]
    return "\n".join(lines) + "\n"


def setting(report: Report) -> list[str]:
    """On which faces, and by whom, it was judged."""
    scores, protocol, data = (report[key] for key in ("scores", "protocol", "data"))
    judges = ", ".join(judge for judge in report["judges"] if judge != "features")
    return [
        f"{scores['model']['faces']} faces of {data['dataset']}, split {protocol['split']}, seed {protocol['seed']};",
        f"{data['no_face_found']} more in which no face was found. Judges: {judges}, and the features of",
        f"{report['judges']['features']} for KID and FID. In brackets: 95 % bootstrap intervals.",
    ]


def sections(report: Report) -> dict[str, list[str]]:
    """Lines of Markdown by title; the model card has the same."""
    cost = report["cost"]
    return {
        "Summary": [
            *summary_table(titled(report)),
            "",
            EXPLANATION.format(features=report["judges"]["features"]),
        ],
        "Age, by target": _age_lines(report),
        "Identity, by years between the age in the photo and the age asked for": _identity_lines(report),
        "Realism, by target": _realism_lines(report),
        "Preservation": _preservation_lines(report),
        "Groups": _groups_lines(report),
        "Cost": [
            f"{cost['parameters'] / 1e6:.2f} million parameters, {cost['multiply_adds'] / 1e9:.2f} GMAC a face;",
            f"{cost['milliseconds']} ms a face and {number(cost['megabytes'], 0)} MB on the machine that ran this.",
        ],
    }


def titled(report: Report) -> dict[str, Report]:
    """The scores of a report by the names that tables and plots show."""
    return {report["model"]["title"]: report["scores"]["model"], "do nothing": report["scores"]["do nothing"]}


def figure(told: Report | None, digits: int = 2) -> str:
    """A `measures.Figure` as it stands in a report: value and interval."""
    if told is None or told["value"] is None:
        return MISSING
    value = f"{told['value']:.{digits}f}"
    if told["low"] is None:
        return value
    return f"{value} ({told['low']:.{digits}f} to {told['high']:.{digits}f})"


def number(value: Any, digits: int = 3) -> str:
    """A number that may be missing."""
    return MISSING if value is None else f"{value:.{digits}f}"


def percent(told: Report) -> str:
    """A share."""
    return MISSING if told["value"] is None else f"{100 * told['value']:.0f} %"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines of a Markdown table."""
    return [f"| {' | '.join(cells)} |" for cells in (head, ["---"] * len(head), *rows)]


def summary_table(rows: dict[str, Report]) -> list[str]:
    """One line a model, and at the end that of real faces: what nobody can beat honestly."""
    head = ["model", "age error, years", "second judge", "slope", "rising", "same person", "KID", "FID"]
    head += ["same-age PSNR", "sharpness"]
    lines = []
    for name, scores in rows.items():
        first, second = (scores["age"][judge] for judge in AGE_JUDGES)
        kept, realism = scores["preservation"], scores["realism"]
        cells = [
            name,
            figure(first["error"], 1),
            number(second["error"]["value"], 1),
            number(first["slope"]["value"], 2),
        ]
        cells += [percent(first["rising"]), percent(scores["identity"]["accepted"]), kid(realism)]
        cells += [
            number(realism["fid"], 1),
            number(kept["same_psnr"]["value"], 1),
            number(kept["sharpness"]["value"], 2),
        ]
        lines.append(cells)
    cells = ["*real faces*", figure(first["real_error"], 1), number(second["real_error"]["value"], 1)]
    lines.append([*cells, "", "", "", kid(realism, "real_"), number(realism["real_fid"], 1), "", ""])
    return table(head, lines)


def kid(realism: Report, of: str = "") -> str:
    """A KID with its standard error; ``of`` is ``"real_"`` for that of real faces."""
    return f"{number(realism[of + 'kid'], 4)} ± {number(realism[of + 'kid_error'], 4)}"


def _groups_lines(report: Report) -> list[str]:
    """Every measure by group."""
    head = [
        "group",
        "faces",
        "age error",
        "all of these ages",
        "judge on real faces",
        "bias",
        "slope",
        "rising",
        "same person",
        "KID",
    ]
    head += ["of real faces", "outside", "sharpness"]
    lines = []
    for name, scores in {"all": report["scores"]["model"], **report["groups"]}.items():
        first, kept, realism = scores["age"][AGE_JUDGES[0]], scores["preservation"], scores["realism"]
        cells = [name, str(scores["faces"]), figure(first["error"], 1)]
        cells += [number(first["error_of_their_ages"], 1), figure(first["real_error"], 1)]
        cells += [figure(first["bias"], 1), figure(first["slope"]), percent(first["rising"])]
        cells += [percent(scores["identity"]["accepted"]), kid(realism), kid(realism, "real_")]
        lines.append([*cells, figure(kept["outside"], 3), figure(kept["sharpness"])])
    return [*table(head, lines), "", GROUPS]


def _age_lines(report: Report) -> list[str]:
    """Readings of both judges at each target, and how the second was calibrated."""
    head = [
        "target",
        "judge",
        "mean reading",
        "error",
        "bias",
        "reading of real faces",
        "error on them",
        "real faces",
    ]
    rows = []
    for row in report["by_target"]["model"]:
        cells = [
            f"{row['target']:g}",
            row["judge"],
            *(figure(row[key], 1) for key in ("reading", "error", "bias")),
        ]
        real = [figure(row["real_reading"], 1), figure(row["real_error"], 1), str(row["real_error"]["count"])]
        rows.append([*cells, *real])
    told = report["calibration"]
    split = report["protocol"]["reference_split"]
    first, second = AGE_JUDGES
    note = CALIBRATION.format(judge=second, first=first, faces=told["faces"], band=told["band"], split=split)
    return [*table(head, rows), "", note]


def _preservation_lines(report: Report) -> list[str]:
    """What an edit leaves alone."""
    kept = report["scores"]["model"]["preservation"]
    return table(["", "model"], [[text, figure(kept[name], 3)] for name, text in PRESERVATION.items()])


def _identity_lines(report: Report) -> list[str]:
    """Who is still taken for the same person, by gap; beside real photos years apart where there are any."""
    head = ["years", "outputs taken for the same person", "distance", "cosine", "outputs"]
    rows = [
        [
            f"{row['from']} to {row['to']}", percent(row["accepted"]), figure(row["distance"]), figure(row["cosine"]),
            str(row["accepted"]["count"]),
        ]
        for row in report["by_gap"]
    ]  # fmt: skip
    limit = report["identity_threshold"]
    told = [
        *table(head, rows),
        "",
        f"Accepted below a distance of {limit['distance']:.3f}, which {limit['false_accepts']:.0%} of the pairs of "
        f"different people among {limit['faces']} real faces pass.",
    ]
    if report["same_person"] is None:
        return [
            *told,
            "The data names nobody twice, so real photos of one person years apart cannot be set beside it.",
        ]
    real = [
        [
            f"{row['from']} to {row['to']}",
            percent(row["accepted"]),
            figure(row["distance"]),
            str(row["accepted"]["count"]),
        ]
        for row in report["same_person"]
    ]
    return [*told, "", *table(["years", "real photos taken for the same person", "distance", "pairs"], real)]


def _realism_lines(report: Report) -> list[str]:
    """KID and FID at each target, beside those of real faces."""
    head = [
        "target",
        "KID of outputs",
        "of inputs",
        "of real faces",
        "FID of outputs",
        "of real faces",
        "outputs",
    ]
    head += ["real faces", "reference", "pictures of an FID"]
    rows = []
    for row, nothing in zip(report["realism"]["model"], report["realism"]["do nothing"], strict=True):
        cells = [f"{row['target']:g}", kid(row), number(nothing["kid"], 4), number(row["real_kid"], 4)]
        cells += [number(row["fid"], 1), number(row["real_fid"], 1)]
        rows.append([*cells, *(str(row[key]) for key in ("outputs", "real", "reference", "fid_count"))])
    return [*table(head, rows), "", FEW_FIDS]
