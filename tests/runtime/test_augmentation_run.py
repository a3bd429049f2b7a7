"""Whole runs on changed texts: the same end after a kill, the same measure of texts as they are, refused elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from rec_lightning.runtime.baseline_options import resolve_baselines
from rec_lightning.runtime.composition import compose
from rec_lightning.runtime.training import Training

SMALL = (
    "data=synthetic data.source.users=24 data.source.items=20 data.source.tastes=4 data.source.events_per_user=6 "
    "max_length=6 width=8 data.batch_size=12 trainer.max_epochs=1 compare=[] logger=[] callbacks=none "
    "checkpoint_seconds=0"
).split()


def test_a_killed_run_ends_as_an_uninterrupted_one(train: Callable[..., int], tiny_bert: str, tmp_path: Path) -> None:
    line = [*SMALL, f"items.model={tiny_bert}", "items.max_tokens=20", "tuning=full", "augmentation=word_dropout"]
    line += ["augmentation.share=0.5"]
    assert train(*line, f"run_dir={tmp_path / 'whole'}") == 0
    assert train(*line, f"run_dir={tmp_path / 'killed'}", kill="on_train_batch_end@2") == -9
    assert train(*line, f"run_dir={tmp_path / 'killed'}") == 0
    whole, killed = (
        torch.load(tmp_path / name / "checkpoints" / "best.ckpt", weights_only=True)["state_dict"]
        for name in ("whole", "killed")
    )
    assert all(torch.equal(whole[name], killed[name]) for name in whole)


def start(*line: str) -> None:
    config = compose("train", [*SMALL, *line])
    resolve_baselines(config, [])
    Training(config)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (
            "items=id tuning=full",
            "^augmentation=WordDropout changes texts that are read at every step, and items=IdItems",
        ),
        ("tuning=frozen", "^augmentation=WordDropout has no effect on items whose encoder stays as it is: it reads"),
        ("tuning=side", "^augmentation=WordDropout has no effect on items whose encoder stays as it is: it reads"),
    ],
)
def test_where_no_text_is_read_anew_it_is_refused(line: str, message: str, tiny_bert: str) -> None:
    model = [] if "items=id" in line else [f"items.model={tiny_bert}", "items.max_tokens=20"]
    with pytest.raises(ValueError, match=message):
        start("augmentation=word_dropout", *model, *line.split())
