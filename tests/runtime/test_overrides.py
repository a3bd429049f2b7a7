"""Names near to what was written, and values as one would write them; the messages are in test_composition."""

from __future__ import annotations

import pytest

from rec_lightning.runtime.overrides import key_of, keys_of, nearest, parse_overrides, shown


def test_nearest_prefers_the_same_last_part() -> None:
    known = ["trainer.max_epochs", "scheduler.epochs", "data/split"]
    assert nearest("epochs", known) == ["scheduler.epochs"]
    assert nearest("train.max_epochs", known) == ["trainer.max_epochs"]
    assert nearest("qqq", known) == []


def test_keys_of_a_nested_config() -> None:
    assert keys_of({"a": {"_target_": "x", "b": 1}, "c": [1]}) == ["a", "a.b", "c"]


@pytest.mark.parametrize("text", ["tuning=full", "+tuning=full", "++tuning=full", "~tuning"])
def test_key_without_its_sign(text: str) -> None:
    assert key_of(parse_overrides([text])[0]) == "tuning"


def test_values_as_written() -> None:
    assert [shown(value) for value in (None, True, 1, "a")] == ["null", "true", "1", "'a'"]
