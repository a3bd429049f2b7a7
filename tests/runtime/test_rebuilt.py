"""A run's model put together again: drawn as the run drew it, and without a mark on this process."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import torch
from hydra.utils import instantiate

from rec_lightning.data.module import RecData
from rec_lightning.runtime.composition import compose
from rec_lightning.runtime.rebuilt import built_as

LINE = (
    "data=synthetic data.source.users=20 data.source.items=15 data.source.tastes=3 data.source.events_per_user=8 "
    "items=id tuning=full width=8 max_length=6 seed=7"
).split()


def drawn() -> tuple[float, float, float]:
    return float(torch.rand(())), float(np.random.random()), random.random()  # noqa: NPY002


def start(seed: int) -> None:
    torch.manual_seed(seed)
    np.random.seed(seed)  # noqa: NPY002
    random.seed(seed)


def test_what_no_checkpoint_holds_comes_from_the_runs_seed_and_nothing_here_moves(cache: object) -> None:
    config = compose("train", LINE)
    data: RecData = instantiate(config.data)
    data.prepare()
    found: list[Any] = []
    for seed in (1, 2):
        start(seed)
        expected = drawn()
        start(seed)
        found.append(built_as(config, data.catalog).state_dict())
        assert drawn() == expected
    assert len(found[0]) > 10
    for name, value in found[0].items():
        assert torch.equal(value, found[1][name]), name
