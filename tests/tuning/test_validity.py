"""The validity table is what the code does, and every refusal says what to choose instead."""

from __future__ import annotations

import re

import pytest

from tests.tuning.cells import KINDS, TABLE, TUNINGS, page, refusal


def test_the_table_is_up_to_date() -> None:
    assert TABLE.read_text() == page(), "run python -m tests.tuning.cells"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("choice", TUNINGS)
def test_a_refusal_names_the_method_and_a_way_out(choice: str, kind: str) -> None:
    text = refusal(choice, kind)
    assert not text or re.search(rf"^(tuning={choice} .*)?(items|backbone)=\w+.*Set tuning", text)


def test_full_goes_everywhere_and_frozen_only_on_what_was_learnt() -> None:
    assert {kind for kind in KINDS if refusal("full", kind)} == {"quantised"}
    assert {choice for choice in TUNINGS if not refusal(choice, "quantised")} == {"frozen", "qlora"}
    assert {kind for kind in KINDS if refusal("frozen", kind)} == {"scratch", "id"}
