"""Writes MODEL_CARD.md, in the root and in the embedded bundle, from the report of `reage evaluate` on that bundle.

`make card` runs it on benchmarks/embedded.json. It stops where the report is of other weights; a test compares the
card with what this script writes, so that neither can drift.
"""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from reage.bundle import Bundle, open_bundle, write_bundle
from reage.evaluation.judges import AGE_JUDGES
from reage.evaluation.report import Report, from_json
from reage.evaluation.report_text import sections, setting

HERE = Path(__file__).parent
ROOT = HERE.parent
REPORT = HERE / "embedded.json"
TRAINING = ROOT / "docs" / "training.md"

TEXT = """# Model card: {title}

**What it does.** From an aligned face, its apparent age and a target age, the model computes an edit: a change of
luma and colour, and a change of the face's own fine detail. reage adds that edit to the photograph.

**Intended use.** Plausible pictures of the same person older or younger: for curiosity, for art, for research on
face ageing. **Forbidden use.** The output is not evidence of how a person looked or will look. Do not use it for
identification, investigation or any decision about a person, for pictures of people who did not agree, or to
pass age checks. See `ETHICS.md`.

| | |
| --- | --- |
| family | `{family}`: a U-Net with FiLM, {parameters:.2f} million parameters, {megabytes:.1f} MB, ONNX |
| resolution | {size} px aligned face; the edit is enlarged to the photograph |
| ages | source {source[0]:g} to {source[1]:g}, target {target[0]:g} to {target[1]:g} years; others are clamped |
| gender | the network takes a probability of "male", estimated by `face_age.onnx` unless given |
| data | {data} |
| teachers | {teachers} |
| licence | {licence} |

## Training

{training}

## Scorecard

{setting}
The judges took no part in training this model. `reage evaluate --index INDEX` repeats the evaluation
(`docs/scorecard.md`).

{scores}

## Limits

- Flaws counted by eye on 40 random test faces of 200 px: at 80, streaks or patches on forehead, cheeks or jaw of 6 (8
  with version 0.9, on the same faces), at 60 of 2, nearly all on young and smooth faces, pale or dark. At 80, something
  beside the hair turns grey, too, on 4: a dark background, clothes, a cap. At 20, glasses stay on all 4 wearers, and a
  brown smear crosses the nose of 1. On 15 portraits of 1,024 px, viewed at 330 px, to 20, 50 and 80: streaks or
  stains on none; at 80, a pale edge at the hairline of 2; at 20, an upper rim of glasses fades on 1 of 5 wearers.
- Hair turns grey, and grey hair dark again, by a curve of age, not by the network. Hairlines stay; what colour grey
  hair once had is a guess, and thin white hair stays white at 20.
- It moves apparent age less than asked for, older and younger. Judges of age are wrong by years on real faces, too.
- Identity is kept partly because the shape of the head does not change, and because eyes and teeth are left almost
  unchanged on purpose.
- Ages under 16 are not modelled.
- Old faces are rare in the data: the model has seen few above 75.
- UTKFace's faces were collected from the web and are small; light, pose and make-up of its groups differ, and the
  model may have learned those differences as age.
"""


def load_report(bundle: Bundle, path: Path = REPORT) -> Report:
    """The report at ``path``, which must be of the networks in ``bundle``.

    Raises:
        ClickException: it is of other networks.
        ReageError: it is no report, or one of another format.
    """
    report = from_json(path.read_text(), str(path))
    ours, theirs = bundle.manifest.files, report.model.files
    if any(theirs.get(name) != ours[name] for name in bundle.manifest.networks.values()):
        raise click.ClickException(f"{path} is of {report.model.title} with other weights: measure again")
    return report


def render(bundle: Bundle, report: Report) -> str:
    """The text of the card of ``bundle``."""
    manifest = bundle.manifest
    scores = [line for title, body in sections(report).items() for line in (f"### {title}", "", *body, "")]
    size = sum(len(bundle.network(way)) for way in manifest.networks)
    return TEXT.format(
        title=manifest.title,
        family=manifest.family,
        parameters=report.cost.parameters / 1e6,
        megabytes=size / 1e6,
        size=manifest.size,
        source=manifest.source_ages,
        target=manifest.target_ages,
        data=manifest.data,
        teachers=", ".join(manifest.teachers),
        licence=manifest.licence,
        training=_without_title(TRAINING.read_text()),
        setting="\n".join(setting(report)),
        scores="\n".join(scores).strip(),
    )


def _without_title(text: str) -> str:
    """A document without its first heading: in the card it is a section, which has a heading of its own."""
    return text.partition("\n")[2].strip() if text.startswith("# ") else text.strip()


def figures(report: Report) -> dict[str, Any]:
    """The figures of a report that the manifest of the model repeats."""
    scores = report.scores.everybody
    age = scores.age[AGE_JUDGES[0]]
    return {
        "scorecard": {
            "data": f"{report.data.dataset}, split {report.protocol.split}",
            "faces": scores.faces,
            "judge": AGE_JUDGES[0],
            "age_error": age.error.value,
            "slope": age.slope.value,
            "same_person": scores.identity.accepted.value,
            f"mean_kid_{report.features.lower()}": report.scores.mean_kid.value,
            "mean_kid_of_doing_nothing": report.nothing.mean_kid.value,
        }
    }


@click.command()
def main() -> None:
    """Write the card and the manifest's figures."""
    bundle = open_bundle()
    report = load_report(bundle)
    card = render(bundle, report)
    contents = {name: (bundle.path / name).read_bytes() for name in bundle.manifest.files}
    kept = {
        key: value for key, value in bundle.manifest.figures.items() if key == "onnx_torch_max_abs_difference"
    }
    manifest = replace(bundle.manifest, figures={**kept, **figures(report)})
    with tempfile.TemporaryDirectory() as folder:
        write_bundle(Path(folder) / "bundle", manifest, {**contents, "MODEL_CARD.md": card.encode()})
        shutil.copytree(Path(folder) / "bundle", bundle.path, dirs_exist_ok=True)
    (ROOT / "MODEL_CARD.md").write_text(card)
    click.echo(f"MODEL_CARD.md: written for {bundle.manifest.title}")


if __name__ == "__main__":
    main()
