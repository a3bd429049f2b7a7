"""Negatives and views of all processes: two (gloo) with 5 and 3 rows train as one with 8, which alone they would not.

Losses are equal to 1e-5 and gradients to 1e-5 of the largest, relatively: sums are taken in another order.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rec_lightning.runtime.starting import start
from tests.tasks.everyone_pair import KINDS, trained, work

pytestmark = pytest.mark.slow
Seen = dict[str, Any]


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> list[Seen]:
    """One process alone, and each of two."""
    folder = tmp_path_factory.mktemp("everyone")
    assert start(work, str(folder), 2) == 0
    return [trained(0, 1), *(json.loads(Path(folder, f"2-{rank}.json").read_text()) for rank in range(2))]


@pytest.mark.parametrize("kind", KINDS)
def test_losses_gradients_and_weights_are_those_of_one_process(kind: str, seen: list[Seen]) -> None:
    alone, *both = (process[f"{kind} True"] for process in seen)
    for found in both:
        assert found["loss"] == pytest.approx(alone["loss"], rel=1e-5)
        assert found["gradients"].keys() == alone["gradients"].keys()
        for part in ("gradients", "weights"):
            for name, values in alone[part].items():
                largest = np.abs(values).max()
                assert np.allclose(found[part][name], values, rtol=0, atol=1e-5 * largest + 1e-7), (part, name)


@pytest.mark.parametrize("kind", KINDS)
def test_without_the_others_it_is_another_loss(kind: str, seen: list[Seen]) -> None:
    # else the test above would say nothing of what is gathered
    assert seen[1][f"{kind} False"]["loss"] != pytest.approx(seen[0][f"{kind} True"]["loss"], rel=1e-3)


@pytest.mark.parametrize("kind", KINDS)
def test_one_process_has_nobody_to_ask(kind: str, seen: list[Seen]) -> None:
    assert seen[0][f"{kind} True"] == seen[0][f"{kind} False"]
