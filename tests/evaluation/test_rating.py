"""What people prefer: pairs cut from reports, a page that does not tell whose they are, votes, and their scores."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image
from playwright.sync_api import Browser, expect

from reage.arrays import UInt8
from reage.cli.main import main
from reage.errors import ReageError
from reage.evaluation.rating.bradley_terry import bradley_terry, preferences
from reage.evaluation.rating.pairs import Pair, read_pairs
from reage.evaluation.rating.server import running
from reage.evaluation.rating.session import Session
from reage.evaluation.rating.votes import Choice, Vote, read_votes
from reage.sheets import draw_sheet

STORED = Path(__file__).parent.parent.parent / "benchmarks" / "embedded.json"
AGES = (20, 30, 40, 50, 60, 70, 80)


def write_report(folder: Path, title: str, shade: int, **changes: Any) -> Path:
    """A report whose sheet has the row in its red, the column in its green and ``shade`` in its blue channel."""
    content = json.loads(STORED.read_text())
    content["model"]["title"] = title
    content["protocol"] |= changes
    cells = np.zeros((12, 8, 64, 64, 3), np.uint8)
    cells[..., 0] = 20 * np.arange(12)[:, None, None, None]
    cells[..., 1] = 30 * np.arange(8)[None, :, None, None]
    cells[:, 1:, ..., 2] = shade
    (folder / "sheets").mkdir(parents=True)
    (folder / "report.json").write_text(json.dumps(content))
    sheet = draw_sheet(cells, [f"{row}, looks 33" for row in range(12)], ["input", *map(str, AGES)])
    sheet.save(folder / "sheets" / "random.jpg", quality=95, subsampling=0)
    return folder


@pytest.fixture
def reports(tmp_path: Path) -> list[Path]:
    return [write_report(tmp_path / name, name, shade) for name, shade in (("one", 60), ("two", 160))]


def colour(pixels: UInt8) -> list[int]:
    return [round(float(value)) for value in pixels.mean((0, 1))]


# -- pairs --


def test_pairs_are_the_same_face_at_the_same_age(reports: list[Path]) -> None:
    pairs = read_pairs(reports)
    assert len(pairs) == 12 * len(AGES)
    assert len({(pair.face, pair.target) for pair in pairs}) == len(pairs)
    sample = json.loads(STORED.read_text())["data"]["sample"]
    assert {pair.face for pair in pairs} <= set(sample)
    for number, pair in enumerate(pairs):
        row, column = divmod(number, len(AGES))
        assert pair.target == AGES[column]
        assert pair.models == ("one", "two")
        assert pair.photo.shape == (64, 64, 3)
        assert colour(pair.photo) == pytest.approx([20 * row, 0, 0], abs=3)
        for output, shade in zip(pair.outputs, (60, 160), strict=True):
            assert colour(output) == pytest.approx([20 * row, 30 * (column + 1), shade], abs=3)


def test_each_pair_of_three_models_is_asked_and_what_is_alike_is_not(
    reports: list[Path], tmp_path: Path
) -> None:
    third = write_report(tmp_path / "three", "three", 160)
    models = [pair.models for pair in read_pairs([*reports, third])]
    assert set(models) == {("one", "two"), ("one", "three")}
    with pytest.raises(ReageError, match="all alike"):
        read_pairs([reports[1], third])


def test_reports_that_cannot_be_compared_are_refused(reports: list[Path], tmp_path: Path) -> None:
    with pytest.raises(ReageError, match="at least two"):
        read_pairs(reports[:1])
    with pytest.raises(ReageError, match="they differ in seed"):
        read_pairs([reports[0], write_report(tmp_path / "other", "other", 9, seed=1)])
    Image.new("RGB", (100, 100)).save(reports[1] / "sheets" / "random.jpg")
    with pytest.raises(ReageError, match=r"random\.jpg: it is no sheet of 12 rows"):
        read_pairs(reports)
    (reports[1] / "sheets" / "random.jpg").unlink()
    with pytest.raises(ReageError, match=r"random\.jpg is missing"):
        read_pairs(reports)


# -- the session --


def planted(count: int = 6) -> list[Pair]:
    """Pairs in which the output of the model "light" is white and that of "dark" black."""
    white, black = np.full((8, 8, 3), 255, np.uint8), np.zeros((8, 8, 3), np.uint8)
    grey = np.full((8, 8, 3), 128, np.uint8)
    return [Pair(f"face{i}.jpg", 70.0, grey, ("light", "dark"), (white, black)) for i in range(count)]


def left_is_light(session: Session) -> bool:
    """Whether the picture on the left of the question is white."""
    import io

    assert session.question is not None
    with Image.open(io.BytesIO(session.question.pictures[session.question.names[1]])) as picture:
        return picture.convert("L").getpixel((4, 4)) == 255


def test_votes_say_which_side_each_model_was_on(tmp_path: Path) -> None:
    session, file = Session(planted(40), tmp_path / "votes.jsonl", "Ada"), tmp_path / "votes.jsonl"
    sides = []
    while session.question is not None:
        sides.append(left_is_light(session))
        session.vote(session.question.id, "left" if sides[-1] else "right")  # whoever is light wins
    votes = read_votes(file)
    assert [vote.left == "light" for vote in votes] == sides
    assert 5 < sum(sides) < 35  # by chance
    assert {vote.face for vote in votes} == {f"face{i}.jpg" for i in range(40)}
    assert {(vote.rater, vote.target) for vote in votes} == {("Ada", 70.0)}
    (light, dark) = preferences(votes, ["light", "dark"])
    assert (light.wins, light.losses, dark.wins, dark.losses) == (40, 0, 0, 40)


def test_a_session_goes_on_where_it_stopped_and_asks_others_everything(tmp_path: Path) -> None:
    file = tmp_path / "votes.jsonl"
    session = Session(planted(3), file)
    assert session.question is not None
    first = session.question.id
    session.vote(first, "tie")
    session.vote(first, "left")  # of a page that was left open: it has been answered
    assert len(read_votes(file)) == 1
    again = Session(planted(3), file)
    assert again.question is not None
    assert (again.question.done, again.question.total) == (1, 3)
    other = Session(planted(3), file, "Ada").question
    assert other is not None
    assert other.done == 0


def test_a_file_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "votes.jsonl").write_text('{"hello": 1}\n')
    with pytest.raises(ReageError, match=r"votes\.jsonl, line 1: not a vote"):
        Session(planted(), tmp_path / "votes.jsonl")


# -- the page --


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    with running(Session(planted(), tmp_path / "votes.jsonl")) as address:
        yield address


def test_the_page_asks_takes_votes_and_does_not_tell_whose(address: str, tmp_path: Path) -> None:
    page = httpx.get(address)
    assert page.status_code == 200
    assert "frame-ancestors 'none'" in page.headers["Content-Security-Policy"]
    asked = httpx.get(address + "question")
    for word in ("light", "dark", "face"):
        assert word not in asked.text
    question = asked.json()
    for name in ("photo", "left", "right"):
        picture = httpx.get(address + question[name][1:])
        assert picture.headers["Content-Type"] == "image/png"
    answer = httpx.post(address + "vote", json={"question": question["question"], "choice": "right"})
    assert answer.json()["done"] == 1
    assert [vote.choice for vote in read_votes(tmp_path / "votes.jsonl")] == ["right"]
    assert httpx.get(address + question["left"][1:]).status_code == 404  # it is over


def test_no_other_web_site_can_vote_or_look(address: str, tmp_path: Path) -> None:
    id = httpx.get(address + "question").json()["question"]
    vote = {"question": id, "choice": "left"}
    for headers in (
        {"Host": "rebound.example"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"},
    ):
        assert httpx.post(address + "vote", json=vote, headers=headers).status_code == 403
        assert httpx.get(address + "question", headers=headers).status_code == 403
    assert read_votes(tmp_path / "votes.jsonl") == []
    own = {"Origin": address.rstrip("/"), "Sec-Fetch-Site": "same-origin"}
    assert httpx.post(address + "vote", json=vote, headers=own).status_code == 200


@pytest.mark.parametrize(
    ("content", "status"),
    [(b"{", 400), (b"[]", 400), (b'{"question": "x", "choice": "both"}', 400), (b" " * 2000, 413)],
)
def test_what_is_no_vote_is_refused(content: bytes, status: int, address: str, tmp_path: Path) -> None:
    assert httpx.post(address + "vote", content=content).status_code == status
    assert httpx.post(address + "elsewhere", content=b"{}").status_code == 404
    assert httpx.get(address + "../secret").status_code == 404
    assert read_votes(tmp_path / "votes.jsonl") == []


def test_a_taken_port_is_told(address: str, tmp_path: Path) -> None:
    port = int(address.rstrip("/").rpartition(":")[2])
    with (
        pytest.raises(ReageError, match=f"port {port}"),
        running(Session(planted(), tmp_path / "votes.jsonl"), port),
    ):
        pass


def test_a_person_votes_in_a_browser(browser: Browser, tmp_path: Path) -> None:
    file = tmp_path / "votes.jsonl"
    with running(Session(planted(4), file)) as address:
        page = browser.new_page()
        page.set_default_timeout(120_000)
        page.goto(address)
        expect(page.locator("#title")).to_have_text(
            "Which picture shows this person better at the age of 70?", timeout=120_000
        )
        for done, act in enumerate(
            [
                lambda: page.get_by_role("button", name="A is better").click(),
                lambda: page.keyboard.press("ArrowRight"),
                lambda: page.keyboard.press("ArrowDown"),
                lambda: page.get_by_role("button", name="B is better").click(),
            ]
        ):
            expect(page.locator("#count")).to_have_text(f"{done} of 4 done.", timeout=120_000)
            act()
        expect(page.locator("#title")).to_have_text("That was all. Thank you!", timeout=120_000)
        page.close()
    assert [vote.choice for vote in read_votes(file)] == ["left", "right", "tie", "right"]


# -- scores --


def votes(
    won: int, lost: int, tied: int = 0, faces: int = 10, models: tuple[str, str] = ("a", "b")
) -> list[Vote]:
    choices: list[Choice] = ["left"] * won + ["right"] * lost + ["tie"] * tied
    return [
        Vote(
            rater="", face=f"{i % faces}", target=70, left=models[0], right=models[1], choice=choice, time=0.0
        )
        for i, choice in enumerate(choices)
    ]


def test_scores_of_two_models_are_the_logarithm_of_their_odds() -> None:
    (a, b) = preferences(votes(30, 10, tied=4), ["a", "b"])
    odds = (30 + 2 + 0.5) / (10 + 2 + 0.5)  # a tie is half a vote, and one is added
    assert a.score.value - b.score.value == pytest.approx(math.log(odds))
    assert a.score.value + b.score.value == pytest.approx(0)
    assert a.share == pytest.approx(1 / (1 + math.exp(-a.score.value)))
    assert (a.wins, a.ties, a.losses, a.score.count) == (30, 4, 10, 44)
    assert (b.wins, b.ties, b.losses) == (10, 4, 30)
    assert a.score.low < a.score.value < a.score.high
    assert b.score.high < 0 < a.score.low  # the difference is not chance


def test_scores_of_several_models_come_out_as_they_were_planted() -> None:
    strengths = np.array([1.2, 0.3, -0.4, -1.1])
    chance = 1 / (1 + np.exp(strengths[None] - strengths[:, None]))
    won = 20_000 * chance * (1 - np.eye(4))
    won[0, 3] = won[3, 0] = 0  # not every two have to be compared
    assert bradley_terry(won) == pytest.approx(strengths, abs=1e-3)


def test_votes_on_one_face_count_as_one_face() -> None:
    wide = preferences(votes(30, 10, faces=7), ["a", "b"])[0].score
    few = preferences(votes(30, 10, faces=4), ["a", "b"])[0].score
    assert wide.low < wide.value < wide.high
    assert math.isnan(few.low)
    assert few.value == wide.value


def test_a_model_that_wins_always_has_a_score_all_the_same() -> None:
    (a, b) = preferences(votes(12, 0), ["a", "b"])
    assert a.score.value == pytest.approx(math.log(12.5 / 0.5) / 2)
    assert b.score.value == -a.score.value


def test_votes_about_other_models_are_left_out() -> None:
    given = votes(3, 1) + votes(50, 0, models=("c", "a"))
    assert preferences(given, ["a", "b"])[0].losses == 1
    with pytest.raises(ReageError, match="no vote compares any two of a, d"):
        preferences(given, ["a", "d"])


def test_compare_tells_what_people_preferred(reports: list[Path], tmp_path: Path) -> None:
    file = tmp_path / "votes.jsonl"
    file.write_text("".join(vote.model_dump_json() + "\n" for vote in votes(10, 30, models=("one", "two"))))
    ran = CliRunner().invoke(main, ["compare", *map(str, reports), "--votes", str(file)])
    assert ran.exit_code == 0, ran.output
    (place,) = [i for i, line in enumerate(ran.output.splitlines()) if "Bradley-Terry" in line]
    best, second = ran.output.splitlines()[place + 2 : place + 4]
    assert best.startswith("| two | 0.5")
    assert best.endswith("| 30 | 0 | 10 |")
    assert second.startswith("| one | -0.5")
    ran = CliRunner().invoke(main, ["compare", *map(str, reports), "--votes", str(tmp_path / "none")])
    assert ran.exit_code == 2
    assert "no vote compares any two of one, two" in ran.output
