"""How many threads a network gets."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from reage.assets import asset
from reage.cli.main import main
from reage.errors import ReageError
from reage.onnx_session import open_session

MODEL = asset("face_age.onnx")


@pytest.mark.parametrize(("value", "expected"), [(None, 0), ("", 0), (" ", 0), ("1", 1), (" 2 ", 2)])
def test_the_environment_says_how_many(
    value: str | None, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    if value is None:
        monkeypatch.delenv("REAGE_THREADS", raising=False)
    else:
        monkeypatch.setenv("REAGE_THREADS", value)
    assert open_session(MODEL).get_session_options().intra_op_num_threads == expected
    assert open_session(MODEL, threads=3).get_session_options().intra_op_num_threads == 3


@pytest.mark.parametrize("value", ["two", "0", "-1", "1.5", "9" * 50, "\u0663"])
def test_what_is_no_number_of_threads_is_refused_in_one_line(
    value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REAGE_THREADS", value)
    with pytest.raises(ReageError, match="must be a whole number from 1"):
        open_session(MODEL)
    result = CliRunner().invoke(main, ["models", "verify"])
    assert result.exit_code == 2
    assert result.stderr == f"reage: REAGE_THREADS must be a whole number from 1 to 1024, not '{value}'\n"
