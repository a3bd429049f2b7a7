"""The document on scaling says what the planner says, and its tables say what its results hold."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest
from hydra.utils import instantiate

from rec_lightning.runtime.build import build_task
from rec_lightning.runtime.composition import compose
from rec_lightning.runtime.planning import _choices
from rec_lightning.runtime.probe import probe
from rec_lightning.studies.reading import experiments_dir

HERE = experiments_dir() / "scaling"
FOUND: dict[str, Any] = json.loads((HERE / "results.json").read_text())


@pytest.fixture(scope="module")
def scaling() -> Iterator[ModuleType]:
    sys.path.insert(0, str(HERE))
    import scaling

    yield scaling
    sys.path.remove(str(HERE))


def plain(value: Any) -> Any:
    return json.loads(json.dumps(value))


@pytest.mark.parametrize("number", range(4))
def test_what_is_on_paper_follows_from_the_formulas(number: int, scaling: ModuleType) -> None:
    name, method = scaling.pairs()[number]
    assert plain(scaling.paper(name, method)) == FOUND["paper"][number]


def test_catalogues_follow_from_the_formulas(scaling: ModuleType) -> None:
    assert plain(scaling.catalogues()) == FOUND["catalogues"]


def test_the_readme_shows_the_results(scaling: ModuleType) -> None:
    text = (HERE / "README.md").read_text()
    assert scaling.filled(text, FOUND) == text
    for table in scaling.tables(FOUND).values():
        assert table in text


def test_what_was_measured_is_what_was_planned() -> None:
    assert len(FOUND["measured"]["bytes"]) == 4
    for row in FOUND["measured"]["bytes"].values():
        assert row["measured"] == row["planned"]


def test_the_planner_says_the_same_of_a_run(scaling: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    words = (
        "data=synthetic data.source.users=80 data.source.items=400 data.source.events_per_user=12 logger=[] items=id"
    )
    config = compose("train", [*words.split(), "tuning=full", "width=64", "max_length=50", "data.batch_size=16"])
    data = instantiate(config.data)
    data.prepare()
    found = probe(config, data, build_task(config, data.catalog))
    monkeypatch.setattr(scaling, "ITEMS", data.catalog.size)
    name = next(iter(scaling.MODELS))
    counted = scaling.counted(name, "full")
    for world in (1, 2, 8):
        planned = dict(_choices(found, world))
        for strategy, need in scaling.needs(name, counted, 16 / world, world).items():
            told = planned[strategy]
            assert (need.weights, need.gradients, need.traffic) == (told.weights, told.gradients, told.traffic)
