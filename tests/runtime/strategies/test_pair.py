"""Two processes (gloo) train as one would under DDP and FSDP2: losses and weights within 1e-4, relatively."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rec_lightning.runtime.starting import start
from tests.runtime.strategies.pair import RUNS, STEPS, work

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory, language_model: Callable[..., str]) -> dict[int, list[Any]]:
    folder, model = tmp_path_factory.mktemp("pair"), language_model("bert")
    for world in (1, 2):
        assert start(work, json.dumps({"folder": str(folder), "model": model, "world": world}), world) == 0
    read = lambda world, rank: json.loads((Path(folder) / f"{world}-{rank}.json").read_text())  # noqa: E731
    return {world: [read(world, rank) for rank in range(world)] for world in (1, 2)}


@pytest.mark.parametrize("name", RUNS)
def test_the_same_losses_and_weights_as_one_process(name: str, seen: dict[int, list[Any]]) -> None:
    alone, first, second = seen[1][0][name], *(process[name] for process in seen[2])
    assert len(alone["losses"]) == STEPS
    assert alone["losses"][-1] != pytest.approx(alone["losses"][0], rel=1e-3)
    assert first["losses"] == pytest.approx(alone["losses"], rel=1e-4)
    assert first["weights"] == second["weights"]
    assert first["weights"].keys() == alone["weights"].keys()
    for key, sums in alone["weights"].items():
        assert first["weights"][key] == pytest.approx(sums, rel=1e-3, abs=1e-4)


@pytest.mark.parametrize("name", RUNS)
def test_the_row_of_the_padding_stays_zero(name: str, seen: dict[int, list[Any]]) -> None:
    assert [process[name]["padding"] for process in (*seen[1], *seen[2])] == [0.0] * 3


def test_fsdp2_sends_what_the_plan_says(seen: dict[int, list[Any]]) -> None:
    for name, (_, options) in RUNS.items():
        for process in seen[2] if options else []:
            assert process[name]["sent"] == pytest.approx(process[name]["expected"], rel=0.02)


def test_fsdp2_holds_half_and_ddp_all(seen: dict[int, list[Any]]) -> None:
    for name, (_, options) in RUNS.items():
        held = [process[name]["held"] / process[name]["all"] for process in seen[2]]
        assert held == ([pytest.approx(0.5, abs=0.02)] * 2 if options else [1.0, 1.0])
