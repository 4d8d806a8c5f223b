"""The examples in docstrings run as they stand, beside a portrait called ``me.jpg``."""

from __future__ import annotations

import doctest
import importlib
import shutil
from pathlib import Path

import pytest


@pytest.mark.parametrize(
    "name", ["reage.bundle", "reage.files", "reage.photo.files", "reage.photo.provenance"]
)
def test_examples_run(name: str, portrait: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copy(portrait, tmp_path / "me.jpg")
    monkeypatch.chdir(tmp_path)
    failed, tried = doctest.testmod(importlib.import_module(name))
    assert tried
    assert not failed
