"""Which faces a protocol draws."""

from pathlib import Path

import pytest

from reage.data.catalog import read_index
from reage.errors import AgeError, DataError
from reage.evaluation.protocol import Protocol


def test_faces_are_drawn_evenly_from_the_bands_and_the_same_each_time(index: Path) -> None:
    table = read_index(index)
    protocol = Protocol(faces=12, ages=(25, 45, 65), references=20, min_sharpness=0)
    drawn = protocol.draw(table, "test")
    assert drawn.equals(protocol.draw(table, "test"))
    assert (drawn["split"] == "test").all()
    assert (abs(drawn["age"] - drawn["band"]) <= protocol.half_band).all()
    chosen = drawn.iloc[protocol.sample(drawn)]
    assert chosen["band"].value_counts().tolist() == [4, 4, 4]
    assert list(protocol.sample(drawn)) == list(protocol.sample(drawn))
    with pytest.raises(DataError, match="unknown split"):
        Protocol(split="nonsense")
    with pytest.raises(AgeError):
        Protocol(ages=(20, 200))
