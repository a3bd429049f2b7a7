"""Complete runs of any parts, made in a moment: the weights are those of the start, the artefacts those of a run."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hydra
import numpy as np
import polars as pl
import pytest
import torch
from hydra.errors import HydraException
from hydra.utils import instantiate
from lightning import seed_everything
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from torchmetrics import MetricCollection

from rec_lightning.runtime.build import build_task
from rec_lightning.runtime.composition import compose, conf_dir
from rec_lightning.runtime.manifest import describe
from rec_lightning.runtime.measures import build_metrics, build_ranking
from rec_lightning.runtime.results import gather, write_rankings
from rec_lightning.tasks.lean import bases, lean_state
from tests.conftest import WORDS

USERS, ITEMS = 30, 24
Finish = Callable[..., Path]


def composed(root: str, overrides: list[str]) -> DictConfig:
    """What ``compose`` gives, without its checks, which take several times as long; with them where one fails."""
    try:
        with hydra.initialize_config_dir(str(conf_dir()), version_base="1.3"):
            config = hydra.compose(root, overrides)
        OmegaConf.resolve(config)
    except (HydraException, OmegaConfBaseException):
        return compose(root, overrides)
    return config


@pytest.fixture(autouse=True)
def quick_composition(monkeypatch: pytest.MonkeyPatch) -> None:
    """The front doors compose so."""
    for verb in ("recommend", "similar", "compare", "explain", "runtime.composition"):
        monkeypatch.setattr(f"rec_lightning.{verb}.compose", composed)


@pytest.fixture(scope="session")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``events.csv``, ``items.jsonl`` and ``people.jsonl`` of 30 users and 24 films; ``vectors.npy`` of the films."""
    folder, generator = tmp_path_factory.mktemp("tables"), np.random.default_rng(0)
    rows = [(f"u{u}", f"i{i}") for u in range(USERS) for i in generator.permutation(ITEMS)[: 4 + u % 9 if u else ITEMS]]
    time = 1_500_000_000 + 3600 * np.arange(len(rows))
    pl.DataFrame(rows, ["user", "item"], orient="row").with_columns(timestamp=time).write_csv(folder / "events.csv")
    pl.DataFrame(
        {
            "item": [f"i{i}" for i in range(ITEMS)],
            "title": [" ".join(generator.choice(WORDS, 3)) + f" {i}" for i in range(ITEMS)],
            "year": [1990 + i % 5 for i in range(ITEMS)],
            "genres": [[["crime", "drama"], ["war"], ["drama"]][i % 3] for i in range(ITEMS)],
            "price": [None if i == 5 else float(i) for i in range(ITEMS)],
        }
    ).write_ndjson(folder / "items.jsonl")
    age = list(range(20, 20 + USERS))
    people = {"gender": ["F", "M"] * (USERS // 2), "occupation": ["cook", "nurse", "cook"] * (USERS // 3), "age": age}
    pl.DataFrame({"user": [f"u{u}" for u in range(USERS)], **people}).write_ndjson(folder / "people.jsonl")
    np.save(folder / "vectors.npy", generator.standard_normal((ITEMS, 16)))
    return folder


@pytest.fixture(scope="session")
def source(tables: Path) -> list[str]:
    """Overrides that choose these tables as data."""
    fields = "item: item, title: title, year: year, genres: genres, price: price"
    people = "user: user, gender: gender, occupation: occupation, age: age"
    return [
        "data=table",
        f"data.source.path={tables}/events.csv",
        f"data.source.items={tables}/items.jsonl",
        f"data.source.users={tables}/people.jsonl",
        f"data.source.item_fields={{{fields}}}",
        f"data.source.user_fields={{{people}}}",
        "data.cache=false",
        "data.eval_batch_size=7",
    ]


@pytest.fixture(scope="session")
def finish(source: list[str], tmp_path_factory: pytest.TempPathFactory) -> Finish:
    """``(*overrides)`` -> directory of a complete run of ``train``, or of ``baseline`` where one is named."""
    made: dict[tuple[str, ...], Path] = {}
    common = [*source, "max_length=6", "logger=[]"]

    def build(*overrides: str) -> Path:
        verb = "baseline" if any(o.startswith("baseline=") for o in overrides) else "train"
        if overrides in made:
            return made[overrides]
        own = [*common, *overrides]
        own += [] if any(o.startswith("seed=") for o in overrides) else ["seed=1"]
        own += [] if any(o.startswith("top_k=") for o in overrides) else ["top_k=[5]"]
        own += ["width=8", "compare=[]", "trainer.accelerator=cpu"] if verb == "train" else []
        config = composed(verb, own)
        if verb == "train":
            OmegaConf.update(config, "compare", {}, merge=False)
        folder = tmp_path_factory.mktemp("run")
        data = instantiate(config.data)
        data.prepare()
        scored: Any
        if verb == "train":
            seed_everything(config.seed, verbose=False)
            task: Any = build_task(config, data.catalog)
            for parameter in task.parameters():  # weights far apart, so that lists are not ties
                if parameter.requires_grad:
                    torch.nn.init.normal_(parameter, std=0.3)
            if getattr(task, "needs_time", False):
                data.carry_times("")
            (folder / "checkpoints").mkdir()
            saved = {"state_dict": lean_state(task), "bases": bases(task)}
            torch.save(saved, folder / "checkpoints/best.ckpt")
            task.eval()
            with torch.no_grad():
                task.on_test_epoch_start()
                for number, batch in enumerate(data.test_dataloader()):
                    task.test_step(batch, number)
            scored = task.rankings
        else:
            model = instantiate(config.baseline)
            model.fit(data.sequences, data.catalog)
            ranker = build_ranking(config.ranking, data.catalog)
            scored = [ranker.from_scores(batch, model.scores(batch)) for batch in data.test_dataloader()]
        ranking = gather(scored)
        write_rankings(folder / "rankings.parquet", ranking, data.sequences, data.catalog)
        metrics = MetricCollection(build_metrics(config.metrics, data.catalog), compute_groups=False)  # type: ignore[arg-type]
        metrics.update(ranking)
        values = {f"test/{key}": float(value) for key, value in metrics.compute().items()}
        (folder / "metrics.json").write_text(json.dumps(values))
        (folder / "config.yaml").write_text(OmegaConf.to_yaml(config))
        cost = {"seconds": {"wall": 1.0, "cpu": 1.0, "first_step": None}, "peak_memory_mb": 1.0, "sessions": 1}
        cost |= {"parameters": {"trainable": int(verb == "train"), "total": 1}, "examples_per_second": None}
        manifest = describe(verb, config.seed, data.facts) | cost | {"status": "complete"}
        (folder / "manifest.json").write_text(json.dumps(manifest))
        made[overrides] = folder
        return folder

    return build


@pytest.fixture(scope="session")
def items_of(tables: Path, language_model: Callable[..., str]) -> Callable[[str], list[str]]:
    """Overrides that choose an item encoder, with the tiny language model and the small file where one is asked for."""
    text = [f"model={language_model('bert')}", "template='{title}'", "max_tokens=12"]
    options = {
        "id": [],
        "text": [f"items.{o}" for o in text] + ["items.fresh=4"],
        "id_text": [f"items.parts.text.{o}" for o in text] + ["items.parts.text.fresh=4"],
        "features": [],
        "id_features": [],
        "pretrained": [f"items.vectors.path={tables}/vectors.npy"],
        "text_init": [f"items.vectors.{o}" for o in text],
    }
    return lambda choice: [f"items={choice}", *options[choice]]
