"""The curves of a run: every figure of its log is drawn, and nothing else is needed."""

import json
from pathlib import Path

from click.testing import CliRunner
from PIL import Image

from reage.cli.main import main
from reage.training.curves import read_panels

LINES = [
    {"step": 2, "time": 1.0, "G/loss": 3.0, "G/norm": 9.0, "G/learning_rate": 2e-4, "images_per_second": 5.0},
    {"step": 4, "time": 2.0, "G/loss": 2.0, "D/loss": 0.5, "D/learning_rate": 1e-4, "images_per_second": 6.0},
    {"step": 4, "time": 3.0, "validation": {"kid": 0.2, "kid_older": 0.3, "loss_DX": float("nan")}},
    {"step": 4, "time": 4.0, "test": {"kid": 0.4}},
]


def write_log(run: Path, text: str) -> Path:
    run.mkdir()
    (run / "log.jsonl").write_text(text)
    return run


def test_every_figure_has_its_curve_and_related_ones_share_a_panel(tmp_path: Path) -> None:
    run = write_log(tmp_path / "run", "".join(json.dumps(line) + "\n" for line in LINES) + '{"step": 6, "G/l')
    assert read_panels(run) == {
        "D": {"loss": ([4], [0.5])},
        "G": {"loss": ([2, 4], [3.0, 2.0])},
        "validation: kid": {"kid": ([4], [0.2]), "kid_older": ([4], [0.3])},
        "learning rates": {"G": ([2], [2e-4]), "D": ([4], [1e-4])},
        "norms of gradients": {"G": ([2], [9.0])},
        "speed": {"images per second": ([2, 4], [5.0, 6.0])},
    }
    for _ in range(2):  # its own picture in the run folder is drawn anew
        ran = CliRunner().invoke(main, ["curves", str(run)])
        assert ran.exit_code == 0, ran.output
    with Image.open(run / "curves.png") as picture:
        assert picture.width > picture.height > 400


def test_the_log_of_a_trained_run_is_drawn(cycle_run: Path, tmp_path: Path) -> None:
    ran = CliRunner().invoke(main, ["curves", str(cycle_run), "-o", str(tmp_path / "a.png")])
    assert ran.exit_code == 0, ran.output
    panels = read_panels(cycle_run)
    assert {"generators", "young_critic", "old_critic", "learning rates", "validation: loss"} <= set(panels)
    ran = CliRunner().invoke(main, ["curves", str(cycle_run), "-o", str(tmp_path / "a.png")])
    assert (ran.exit_code, "exists already" in ran.output) == (2, True)


def test_what_has_no_curves_is_told_in_one_line(tmp_path: Path) -> None:
    empty = write_log(tmp_path / "empty", "not JSON\n[1]\n")
    for run, words in ((tmp_path / "nowhere", "is not a run folder"), (empty, "has no figures yet")):
        ran = CliRunner().invoke(main, ["curves", str(run)])
        assert ran.exit_code == 2
        assert words in ran.output
        assert len(ran.output.splitlines()) == 1
