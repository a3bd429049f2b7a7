"""What the parts of a run ask of each other."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import pytest
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from rec_lightning.backbones.mean_pooling import MeanPooling
from rec_lightning.cli import main
from rec_lightning.contracts import Batch

FAST = "items=id tuning=full logger=[] trainer.fast_dev_run=true".split()


class Clocked(MeanPooling):
    """Reads times."""

    needs_time = True
    seen: ClassVar[list[bool]] = []

    def states(self, batch: Batch, item_vectors: Tensor) -> Tensor:
        assert batch.time is not None
        assert batch.target_time is not None
        self.seen.append(bool(((batch.time > 0) == (batch.history > 0)).all()))
        return super().states(batch, item_vectors)


class Faulty(MeanPooling):
    """Fails in a step."""

    def states(self, batch: Batch, item_vectors: Tensor) -> Tensor:
        raise ValueError("a fault")


def too_long(optimizer: Optimizer, total_steps: int, share: float, then: str, floor: float) -> LRScheduler:
    """A schedule that no short run fits."""
    raise ValueError(f"a schedule of two steps, got a run of {total_steps}. Set max_epochs.")


def test_what_does_not_fit_the_length_of_the_run_is_refused_and_a_fault_is_raised(
    cache: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["data=synthetic", *FAST]
    schedule = ["scheduler=warmup_linear", f"scheduler._target_={__name__}.too_long", f"run_dir={tmp_path / 'long'}"]
    assert main(["train", *options, *schedule]) == 2
    assert (
        capsys.readouterr().err.splitlines()[-1] == "error: a schedule of two steps, got a run of 10. Set max_epochs."
    )
    fault = ["backbone=mean_pooling", f"backbone._target_={__name__}.Faulty", f"run_dir={tmp_path / 'fault'}"]
    with pytest.raises(ValueError, match=r"^a fault$"):
        main(["train", *options, *fault])


def test_a_backbone_that_needs_times_gets_them(cache: Path, tmp_path: Path) -> None:
    Clocked.seen.clear()
    options = [
        "data=synthetic",
        "backbone=mean_pooling",
        f"backbone._target_={__name__}.Clocked",
        f"run_dir={tmp_path / 'run'}",
    ]
    assert main(["train", *FAST, *options]) == 0
    assert len(Clocked.seen) >= 3  # training, validation, test
    assert all(Clocked.seen)


@pytest.mark.parametrize(
    ("backbone", "otherwise"),
    [
        (["backbone=mean_pooling", f"backbone._target_={__name__}.Clocked"], "choose a backbone that reads positions"),
        (["backbone=hstu"], "set backbone.time=false."),
    ],
    ids=["clocked", "hstu"],
)
def test_data_without_times_are_refused_by_name(
    backbone: list[str], otherwise: str, cache: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "sequences.txt"
    file.write_text("".join(f"{user} 1 2 3 {user + 4}\n" for user in range(5)))
    options = [*backbone, f"run_dir={tmp_path / 'run'}", "data=sequences", f"data.source.path={file}"]
    assert main(["train", *FAST, *options]) == 2
    rule = "the backbone reads when events happened, and sequences tells no time. Name the column in data.source "
    assert f"{rule}(timestamp), or {otherwise}" in capsys.readouterr().err
