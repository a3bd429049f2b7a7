"""Hydra's ``--multirun``: what its line means, and that it runs as a study does."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rec_lightning.cli import main
from rec_lightning.multirun import content_of

SMALL = ["data=synthetic", "items=id", "tuning=full", "backbone=mean_pooling", "width=8", "compare=[]"]


def test_every_combination_is_a_row_and_seeds_are_seeds() -> None:
    content = content_of([*SMALL, "loss=bce,bpr", "optimizer.lr=range(1,3)", "seed=5,6"])
    assert content["common"] == {"train": SMALL}
    assert [row["name"] for row in content["rows"]] == [
        "loss=bce, optimizer.lr=1", "loss=bce, optimizer.lr=2", "loss=bpr, optimizer.lr=1", "loss=bpr, optimizer.lr=2",
    ]  # fmt: skip
    assert content["rows"][1]["overrides"] == ["loss=bce", "optimizer.lr=2"]
    assert (content["seeds"], content["fixed"], content["primary"]) == ([5, 6], ["loss", "optimizer.lr"], "ndcg@10")


def test_a_glob_takes_the_choices_of_its_group() -> None:
    rows = content_of([*SMALL, "loss=glob(b*)"])["rows"]
    assert [row["overrides"] for row in rows] == [["loss=bce"], ["loss=bpr"]]


def test_names_that_would_share_a_folder_are_told_apart() -> None:
    rows = content_of([*SMALL, "optimizer.weight_decay=0.1,0-1"])["rows"]
    assert [row["name"] for row in rows] == ["optimizer.weight_decay=0.1 (0)", "optimizer.weight_decay=0-1 (1)"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["width=interval(1,8)"], "--multirun needs values one by one, got 'width=interval(1,8)'"),
        (["loss=glob(zz*)"], "loss=glob(zz*) matches no choice. Choices: auto"),
        (["width=8,16", "width=8"], "width must be given once, got 'width=8' and 'width=8'"),
        (["optimizer.lr=1e-3,0"], "row 'optimizer.lr=0': optimizer.lr must be positive, got 0. Set optimizer.lr."),
        (["loss=bce,bpx"], "row 'loss=bpx': unknown choice loss=bpx; nearest: bpr"),
        (["seed=1,x"], "seed must be whole numbers, got 1,x. Write for example seed=1,2,3."),
        (["width"], "an override must have the form option=value, option=a,b"),
    ],
)
def test_refused_before_the_first_run(
    words: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    others = [word for word in SMALL if word != "width=8"]
    assert main(["train", "-m", *others, *words, f"run_dir={tmp_path / 'runs'}"]) == 2
    assert message in capsys.readouterr().err
    assert not list(tmp_path.glob("runs/*/seed-*"))


def test_other_verbs_have_none(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["baseline", "--multirun", "baseline=ease,markov"]) == 2
    assert "--multirun is of train, got it with baseline" in capsys.readouterr().err


def test_it_runs_and_the_same_values_are_not_run_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = ["train", "--multirun", *SMALL, "trainer.max_epochs=1", "logger=[]", f"run_dir={tmp_path}"]
    assert main([*line, "loss=bce,bpr"]) == 0
    capsys.readouterr()
    assert main([*line, "loss=bpr,bce"]) == 0
    assert capsys.readouterr().out.count("already complete") == 2
    told = json.loads((tmp_path / "results.json").read_text())
    assert [row["name"] for row in told["rows"]] == ["loss=bpr", "loss=bce"]
