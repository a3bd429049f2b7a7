"""Options of the run, of Lightning's trainer and of optimizers: which values are refused, and how."""

from __future__ import annotations

import inspect
import re

import pytest
import torch
from lightning import Trainer
from lightning.pytorch.callbacks import EarlyStopping

from rec_lightning.runtime.check import check_signatures
from rec_lightning.runtime.composition import compose
from rec_lightning.runtime.ranges import RANGES, check_ranges

BASE = ["data=synthetic", "items=id", "tuning=full"]

MESSAGES = {
    "seed=-1": "seed must be in [0, 4294967296), got -1. Set seed.",
    "seed=4294967296": "seed must be in [0, 4294967296), got 4294967296. Set seed.",
    "width=0": "width must be at least 1, got 0. Set width.",
    "optimizer.lr=0": "optimizer.lr must be positive, got 0. Set optimizer.lr.",
    "optimizer.lr=nan": "optimizer.lr must be positive, got nan. Set optimizer.lr.",
    "optimizer.lr=inf": "optimizer.lr must be positive, got inf. Set optimizer.lr.",
    "optimizer=sgd optimizer.lr=-1": "optimizer.lr must be positive, got -1. Set optimizer.lr.",
    "optimizer=sgd optimizer.momentum=1": "optimizer.momentum must be in [0, 1), got 1. Set optimizer.momentum.",
    "optimizer.betas=[0.9,1.0]": "optimizer.betas must hold numbers in [0, 1), got 1.0. Set optimizer.betas.",
    "optimizer.weight_decay=-0.1": "optimizer.weight_decay must be at least 0, got -0.1. Set optimizer.weight_decay.",
    "trainer.gradient_clip_val=-1": "trainer.gradient_clip_val must be positive, or null for no clipping, got -1.",
    "trainer.accumulate_grad_batches=0": "trainer.accumulate_grad_batches must be at least 1, got 0.",
    "trainer.check_val_every_n_epoch=0": "trainer.check_val_every_n_epoch must be at least 1, got 0.",
    "trainer.check_val_every_n_epoch=5 trainer.max_epochs=4": "trainer.check_val_every_n_epoch must be at most "
    "trainer.max_epochs (4), else no epoch is validated, got 5. Set one of them.",
    "trainer.max_epochs=null": "a training must have an end, and trainer.max_epochs is null. Set",
    "trainer.max_epochs=-1": "a training must have an end, and trainer.max_epochs is -1. Set",
    "trainer.max_epochs=-2": "trainer.max_epochs must be at least -1, got -2. Set trainer.max_epochs.",
    "+trainer.limit_val_batches=0": "trainer.limit_val_batches must be positive, got 0. Set trainer.limit_val_batches.",
    "callbacks.early_stopping.patience=-1": "callbacks.early_stopping.patience must be at least 0, got -1.",
}


@pytest.mark.parametrize("line", MESSAGES)
def test_message(line: str) -> None:
    config = compose("train", [*BASE, *line.split()])
    check_signatures(config)  # what it says itself is not said twice
    with pytest.raises(ValueError, match=f"^{re.escape(MESSAGES[line])}"):
        check_ranges(config)


@pytest.mark.parametrize(
    "line",
    [
        "seed=0",
        "width=1",
        "trainer.max_epochs=0",
        "trainer.max_epochs=-1 +trainer.max_steps=9",
        "trainer.max_epochs=3 trainer.check_val_every_n_epoch=3",
        "trainer.check_val_every_n_epoch=null +trainer.val_check_interval=5",
        "trainer.gradient_clip_val=0.5",
        "trainer.fast_dev_run=true",
        "callbacks=none",
        "optimizer.betas=[0,0.999]",
        "+optimizer.eps=1e-6",
    ],
)
def test_what_is_in_range_passes(line: str) -> None:
    check_ranges(compose("train", [*BASE, *line.split()]))


def test_other_verbs_have_a_seed_and_no_trainer() -> None:
    check_ranges(compose("baseline", ["data=synthetic"]))
    with pytest.raises(ValueError, match=r"^seed must be in \[0, 4294967296\), got -3\. Set seed\.$"):
        check_ranges(compose("baseline", ["data=synthetic", "seed=-3"]))


def test_every_option_is_one_that_there_is() -> None:
    takers = {
        "": [],
        "trainer": [Trainer],
        "callbacks.early_stopping": [EarlyStopping],
        "optimizer": [torch.optim.AdamW, torch.optim.SGD],
    }
    for path in RANGES:
        part, _, option = path.rpartition(".")
        known = {name for taker in takers[part] for name in inspect.signature(taker).parameters}
        assert option in (known or compose("train", BASE)), path
