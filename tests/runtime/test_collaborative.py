"""Whole runs with vectors of an earlier run: where words say nothing they decide, and another run's are refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from hydra.utils import instantiate
from omegaconf import OmegaConf

from rec_lightning.cli import main
from rec_lightning.contracts import Batch
from rec_lightning.data.labels.at_least import AtLeast
from rec_lightning.data.module import RecData
from rec_lightning.runtime.build import build_task
from rec_lightning.runtime.collaborative import RunVectors, collaborative
from rec_lightning.runtime.composition import compose
from rec_lightning.runtime.finished import load_best, read_best

TEXT = "{% for event in history[-2:] %}{{ event.item }} {{ event.word }} {% endfor %}mu {{ candidate }}"
MARKED = TEXT.replace("mu", "mu {{ user_vector }} nu {{ item_vector }}")
Runs = dict[str, Path]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Every film has the same title; a user likes those whose number is even, or those whose number is odd."""
    folder, generator = tmp_path_factory.mktemp("alike"), np.random.default_rng(0)
    rows = [
        (user, int(item), 1000 * place + user, 5 if user % 2 == item % 2 else 1)
        for user in range(50)
        for place, item in enumerate(generator.permutation(20)[:16])
    ]
    pl.DataFrame(rows, schema=["user", "item", "timestamp", "rating"], orient="row").write_csv(folder / "events.csv")
    pl.DataFrame({"item": range(20), "title": ["alpha"] * 20}).write_csv(folder / "items.csv")
    return [
        "data=table", f"data.source.path={folder}/events.csv", "data.source.columns.rating=rating",
        f"data.source.items={folder}/items.csv", "data.source.item_fields={item: item, title: title}",
        "data/split=temporal_ratio", "data.split.validation=0.2", "data.split.test=0.2", "max_length=12",
        "logger=[]", "callbacks=none",
    ]  # fmt: skip


@pytest.fixture(scope="module")
def prompt(data: list[str], language_model: Callable[..., str]) -> list[str]:
    model = language_model("llama", tie_word_embeddings=True, max_position_embeddings=99)
    return [
        *data, "task=prompt", f"backbone.model={model}", "backbone.words=[' rho', ' tau']", "metrics.slices=null",
        "backbone.prompt.item='{{ title }}'", "backbone.prompt.max_tokens=60", "trainer.accumulate_grad_batches=1",
        "data.batch_size=32", "tuning=full", "optimizer.lr=3e-3", "trainer.max_epochs=6",
    ]  # fmt: skip


@pytest.fixture(scope="module")
def runs(data: list[str], prompt: list[str], tmp_path_factory: pytest.TempPathFactory) -> Runs:
    """A model of ids, one of words, and one of words with the first one's vectors in the second's place."""
    folder = tmp_path_factory.mktemp("runs")
    ids = (
        "task=scoring items=id tuning=full backbone=mean_pooling head=dot_bias head.user_ids=false width=16 "
        "trainer.max_epochs=25 optimizer.lr=1e-2 data.batch_size=64 metrics.slices=null"
    ).split()
    assert main(["train", *data, *ids, f"run_dir={folder / 'ids'}"]) == 0
    assert main(["train", *prompt, f"backbone.prompt.template='{TEXT}'", f"run_dir={folder / 'words'}"]) == 0
    assert main(["train", *prompt, *vectors(folder / "ids"), f"run_dir={folder / 'both'}"]) == 0
    return {name: folder / name for name in ("ids", "words", "both")}


def vectors(run: Path, *more: str) -> list[str]:
    marked = f"backbone.prompt.template='{MARKED}'"
    return ["backbone=collm", marked, f"backbone.vectors.run={run}", "backbone.hidden=32", *more]


def auc(folder: Path) -> float:
    return float(json.loads((folder / "metrics.json").read_text())["test/auc"])


def test_where_words_say_nothing_vectors_decide(runs: Runs) -> None:
    assert auc(runs["words"]) < 0.65  # chance is 0.5 +- 0.05 over 150 events
    assert auc(runs["both"]) > 0.75


def test_the_mapping_is_kept_and_the_run_it_reads_is_named_by_hash(runs: Runs) -> None:
    state = torch.load(runs["both"] / "checkpoints" / "best.ckpt", weights_only=True)["state_dict"]
    assert {name.split(".")[2] for name in state if name.startswith("backbone.soft.")} == {"mapping", "before", "after"}
    base = json.loads((runs["both"] / "manifest.json").read_text())["bases"]["backbone.soft"]
    assert base["name"] == str(runs["ids"])
    assert len(base["values"]) == 64
    assert main(["evaluate", f"run={runs['both']}", "metrics=binary", "metrics.slices=null"]) == 0
    found = next((runs["both"] / "evaluations").rglob("metrics.json"))
    assert json.loads(found.read_text())["test/auc"] == pytest.approx(auc(runs["both"]))


def source(runs: Runs, trained: bool | None = None) -> tuple[RunVectors, RecData]:
    config = OmegaConf.load(runs["ids"] / "config.yaml")
    data: RecData = instantiate(config.data)
    data.prepare()
    data.label_events(AtLeast())
    made = collaborative(data.catalog, str(runs["ids"]), trained, 16, 12, AtLeast())
    assert isinstance(made, RunVectors)
    return made, data


def test_vectors_are_those_of_the_run_and_know_nothing_of_the_event(runs: Runs) -> None:
    made, data = source(runs)
    batch: Batch = next(iter(data.test_dataloader()))
    config = OmegaConf.load(runs["ids"] / "config.yaml")
    task: Any = build_task(config, data.catalog).eval()  # type: ignore[arg-type]
    load_best(task, read_best(runs["ids"]))
    assert batch.candidate is not None
    with torch.no_grad():
        scores = task.head(batch, made.users(batch), torch.empty(0), made.vectors(batch.candidate))
        said = task.loss.predict(scores).flatten()
    found = pl.read_parquet(runs["ids"] / "predictions.parquet").sort("event")["prediction"].to_torch()
    assert torch.allclose(said[torch.argsort(batch.event)], found[: len(said)], atol=1e-5)  # type: ignore[arg-type]
    before = made.users(batch)
    for part in (batch.target, batch.candidate, batch.label):
        assert part is not None
        part.zero_()
    assert torch.equal(made.users(batch), before)


def test_vectors_stay_as_they_were_or_train_on(runs: Runs) -> None:
    made, data = source(runs)
    batch = next(iter(data.train_dataloader()))
    made.train()
    assert not any(part.training for part in (made, made.backbone))
    assert not made.users(batch).requires_grad
    made, _ = source(runs, trained=True)
    made.train().users(batch).sum().backward()
    assert made.items.embedding.weight.grad.abs().sum() > 0


def test_words_first_then_the_mapping(runs: Runs, prompt: list[str], tmp_path: Path) -> None:
    folder = tmp_path / "second"
    second = [o for o in prompt if o.split("=")[0] not in ("tuning", "trainer.max_epochs")]
    line = [*second, *vectors(runs["ids"]), f"init={runs['words']}", "tuning=frozen", "trainer.max_epochs=1"]
    assert main(["train", *line, f"run_dir={folder}"]) == 0
    saved = torch.load(folder / "checkpoints" / "best.ckpt", weights_only=True)["state_dict"]
    assert {".".join(name.split(".")[:2]) for name in saved if name.startswith("backbone")} == {"backbone.soft"}
    assert not any("source" in name for name in saved)
    told = json.loads((folder / "manifest.json").read_text())["init"]
    assert any(line.startswith("init: backbone loaded") for line in told)


def test_a_killed_run_ends_as_an_uninterrupted_one(
    runs: Runs, prompt: list[str], train: Callable[..., int], tmp_path: Path
) -> None:
    line = [*prompt, *vectors(runs["ids"], "backbone.vectors.trained=true"), "trainer.max_epochs=1"]
    line = [o for o in line if o != "trainer.max_epochs=6"] + ["checkpoint_seconds=0", "tuning=frozen"]
    line.remove("tuning=full")
    assert train(*line, f"run_dir={tmp_path / 'whole'}") == 0
    assert train(*line, f"run_dir={tmp_path / 'killed'}", kill="on_train_batch_end@5") == -9
    assert train(*line, f"run_dir={tmp_path / 'killed'}") == 0
    whole, killed = (torch.load(tmp_path / n / "checkpoints" / "best.ckpt", weights_only=True)["state_dict"]
                     for n in ("whole", "killed"))  # fmt: skip
    assert any("source.items" in name for name in whole)
    assert whole.keys() == killed.keys()
    assert all(torch.equal(whole[name], killed[name]) for name in whole)


def refused(capsys: pytest.CaptureFixture[str], *line: str) -> str:
    assert main(["train", *line]) == 2
    return " ".join(capsys.readouterr().err.split())


def test_runs_that_cannot_give_vectors_are_refused(
    runs: Runs, data: list[str], prompt: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def told(*more: str, run: Path = runs["ids"]) -> str:
        kept = [o for o in prompt if o.split("=")[0] not in {m.split("=")[0] for m in more}]
        return refused(capsys, *kept, *vectors(run, *more), f"run_dir={tmp_path / 'never'}")

    assert "backbone.vectors.run: run must be the directory of a complete run" in told(run=tmp_path)
    assert "must be a run with vectors of items and a state after a history" in told(run=runs["words"])
    assert "max_length must be at most that of backbone.vectors.run (12), got 13" in told("max_length=13")
    assert "must be a run whose histories say the same label (AtLeast(column='rating', least=3))" in told(
        "label.least=3"
    )
    assert "must be a run on the same items, users and events" in told(
        "data/prepare=k_core", "data.prepare.k_core.items=36"
    )
    text = told("data.split.test=0.4")
    assert "must be a run that was not trained on what is asked here, and" in text
    assert "events of validation and test" in text
    new = [*prompt, *vectors(Path("null")), "backbone.vectors.trained=false", f"run_dir={tmp_path / 'never'}"]
    assert "backbone.vectors.trained=false would keep new vectors as they were drawn" in refused(capsys, *new)


def test_new_vectors_need_no_run() -> None:
    config = compose("train", ["task=prompt", "backbone=collm"])
    assert config.backbone.vectors.run is None
    assert config.backbone.prompt.max_tokens == 512
