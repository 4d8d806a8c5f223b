"""The model card is what its script makes of the stored report: neither can drift."""

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType

import click
import pytest

from reage.bundle import open_bundle

ROOT = Path(__file__).parent.parent


def test_the_card_is_made_from_the_report_of_these_weights(card: ModuleType) -> None:
    bundle = open_bundle()
    made = card.render(bundle, card.load_report(bundle))
    assert made == (ROOT / "MODEL_CARD.md").read_text()
    assert made == bundle.card
    assert "## Groups" in made
    assert bundle.manifest.figures["scorecard"] == card.figures(card.load_report(bundle))["scorecard"]


@pytest.mark.parametrize(
    ("name", "document"),
    [
        ("ages", "README.md"),
        ("layers", "docs/layers.md"),
        ("photo", "README.md"),
        ("video", "docs/video.md"),
        ("web", "docs/web.md"),
    ],
)
def test_figures_of_another_model_than_the_embedded_one_are_told_as_such(name: str, document: str) -> None:
    stored = json.loads((ROOT / "benchmarks" / f"{name}.json").read_text())
    measured = {**stored, **stored.get("about", {})}["model"]
    if measured != open_bundle().manifest.title:
        assert f"measured with {measured}" in " ".join((ROOT / document).read_text().split())


def test_the_speeds_in_the_readme_are_those_that_were_stored() -> None:
    stored = json.loads((ROOT / "benchmarks" / "photo.json").read_text())
    times, lines = stored["milliseconds"], (ROOT / "README.md").read_text().splitlines()
    rows = {
        "the whole command": [f"{times['reage photo, cold']:.0f} ms"],
        "with everything loaded": [f"{times['warm, total']:.0f} ms", f"{times['warm, detect']:.0f} ms"],
        "one more age of an open photo": [f"{times['one more age, open photo']:.0f} ms"],
        "the embedded generator, compared": [f"{times['CycleGAN / embedded']:.1f} times"],
        "peak memory for a photo of": [", ".join(map(str, stored["memory"].values())) + " MB"],
    }
    for words, figures in rows.items():
        (row,) = (line for line in lines if line.startswith("|") and words in line)
        assert all(figure in row for figure in figures), row


def test_a_report_of_other_weights_is_refused(card: ModuleType, tmp_path: Path) -> None:
    report = json.loads(card.REPORT.read_text())
    report["model"]["files"] = dict.fromkeys(report["model"]["files"], "0" * 64)
    (tmp_path / "report.json").write_text(json.dumps(report))
    with pytest.raises(click.ClickException, match="other weights"):
        card.load_report(open_bundle(), tmp_path / "report.json")
