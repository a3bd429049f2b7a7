"""Two processes (DDP, gloo) train as one would, and send the gradients of what trains and nothing else.

The same global batch gives the same loss within 1e-4, relatively: sums are taken in another order.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.tuning.processes import METHODS, STEPS, run

pytestmark = pytest.mark.slow
Seen = dict[str, Any]


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory, language_model: Callable[..., str]) -> dict[int, list[Seen]]:
    folder, model = tmp_path_factory.mktemp("processes"), language_model("bert")
    return {world: run(world, folder, model) for world in (1, 2)}


@pytest.mark.parametrize("method", METHODS)
def test_the_same_losses_and_weights_as_one_process(method: str, seen: dict[int, list[Seen]]) -> None:
    alone, first, second = seen[1][0][method], *(process[method] for process in seen[2])
    assert len(alone["losses"]) == STEPS
    assert alone["losses"][-1] != pytest.approx(alone["losses"][0], rel=1e-3)  # something was learnt
    assert first["losses"] == pytest.approx(alone["losses"], rel=1e-4)
    assert first["epoch"] == pytest.approx(alone["epoch"], rel=1e-4)
    assert first["weights"] == second["weights"]
    assert first["weights"] == pytest.approx(alone["weights"], rel=1e-3, abs=1e-4)


@pytest.mark.parametrize("method", METHODS)
def test_only_gradients_of_what_trains_are_sent(method: str, seen: dict[int, list[Seen]]) -> None:
    for process in seen[2]:
        assert process[method]["gradients"] == [process[method]["trained"]] * STEPS
        assert process[method]["buffers"] == 0


def test_full_sends_many_times_what_lora_sends(seen: dict[int, list[Seen]]) -> None:
    full, lora, frozen = (seen[2][0][method]["gradients"][0] for method in ("full", "lora", "frozen"))
    assert full > 2 * lora > 2 * frozen
