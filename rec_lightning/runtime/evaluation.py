"""One evaluation of a complete run: its model as it was chosen, other data, another ranking or other metrics.

Two things are refused, since they would give numbers that mean nothing: a catalogue whose items are not those the
model's own rows were trained for, and targets that the run was trained on, as another split can bring about.

Relations: ``asked`` reads what is wanted; ``training`` and ``baselining`` made the run; ``evaluate`` is the front door.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import polars as pl
from hydra.utils import instantiate
from lightning import LightningModule, Trainer
from torchmetrics import MetricCollection

from rec_lightning.contracts import ITEM, USER, Batch, Catalog, Ranking, Sequences
from rec_lightning.data.module import RecData
from rec_lightning.runtime.asked import Request
from rec_lightning.runtime.build import rehearse
from rec_lightning.runtime.finished import load_best, read_best
from rec_lightning.runtime.manifest import describe, now, one_session
from rec_lightning.runtime.measures import build_metrics, build_ranking
from rec_lightning.runtime.rebuilt import built_as
from rec_lightning.runtime.results import gather, write_rankings
from rec_lightning.runtime.rundir import RunDir
from rec_lightning.runtime.training import quieten
from rec_lightning.tasks.lean import lean_state


class Evaluation:
    """Construction tries everything that can be known wrong without data.

    Args:
        request: what to measure.

    Raises:
        ValueError: a value out of range, or parts that do not go together.
    """

    def __init__(self, request: Request) -> None:
        quieten()
        self.request, self.config = request, request.config
        self.data: RecData = instantiate(self.config.data)
        self.known: RecData = instantiate(request.trained.data)  # what the run was trained on
        empty = Catalog.empty(self.data.item_columns, self.data.user_columns)
        self._build_ranking(empty)
        build_metrics(self.config.metrics, empty)
        if request.manifest["verb"] == "train":
            rehearse(request.trained, self.data)

    def read(self, place: RunDir) -> None:
        """Reads both data sets and puts the model together.

        Raises:
            ValueError: the catalogue or the checkpoint does not fit, or a target was trained on.
            OSError: data or model cannot be had.
        """
        self.place = place
        for data in (self.known, self.data):
            data.prepare()
        catalog = self.data.catalog
        self.ranking = self._build_ranking(catalog)
        self.ranking.check(catalog.size)
        self.metrics = MetricCollection(build_metrics(self.config.metrics, catalog), compute_groups=False)  # type: ignore[arg-type]
        trained = self._trained_targets()
        self.scorer: Any = self._task() if self.request.manifest["verb"] == "train" else self._baseline()
        facts = describe("evaluate", self.config.seed, self.data.facts)
        self.manifest = facts | {
            "stage": self.request.stage,
            "run": str(self.request.run),
            "targets_trained_on": trained,
            "parameters": self.request.manifest["parameters"],
            "started": now(),
        }
        place.write_json("manifest.json", self.manifest)

    def _build_ranking(self, catalog: Catalog) -> Any:
        by_scores = self.request.manifest["verb"] == "baseline"
        return build_ranking(self.config.ranking, catalog, self.config.get("rerank"), by_scores)

    def _trained_targets(self) -> int:
        if self.data.facts.key and self.data.facts.key == self.known.facts.key:
            return 0  # the split keeps them apart
        role = 1 if self.request.stage == "val" else 2
        targets = _pairs(self.data.sequences, self.data.catalog, role)
        trained = _pairs(self.known.sequences, self.known.catalog, 0)
        if targets.schema != trained.schema:
            return 0  # ids of another kind: other people
        found = targets.join(trained.unique(), on=trained.columns, how="semi").height
        if found and not self.request.allow_trained:
            raise ValueError(
                f"targets must be new to the run, and {found:,} of {targets.height:,} {self.request.stage} targets are "
                "pairs of user and item that it was trained on. Train with these data, or set allow_trained=true."
            )
        return found

    def _task(self) -> LightningModule:
        saved = read_best(self.request.run)
        task = built_as(self.request.trained, self.data.catalog)
        if not self._same_items() and (rows := self._rows_of_items(task, saved["state_dict"])):
            raise ValueError(
                f"the catalogue must be the one the run was trained on ({self.known.facts.name}, "
                f"{self.known.catalog.size:,} items), since {rows[0]} has a row for each of its items, and "
                f"{self.data.facts.name} has {self.data.catalog.size:,} items that are not the same. Evaluate on data "
                "with the same items, or train with items=text alone."
            )
        load_best(task, saved)
        task.ranking = self.ranking
        if getattr(task, "needs_time", False):
            self.data.carry_times(str(task.without_times))
        return task

    def _same_items(self) -> bool:
        return self.data.catalog.items[ITEM].equals(self.known.catalog.items[ITEM])

    def _rows_of_items(self, task: LightningModule, state: dict[str, Any]) -> list[str]:
        here, there = self.data.catalog.size, self.known.catalog.size
        own = lean_state(task)  # one more row for the padding, or none
        return [
            name
            for name, x in state.items()
            if x.ndim and len(x) in (there, there + 1) and name in own and len(own[name]) - len(x) == here - there
        ]

    def _baseline(self) -> Any:
        if not self._same_items():
            raise ValueError(
                f"the catalogue must be the one the baseline was fitted on ({self.known.catalog.size:,} items of "
                f"{self.known.facts.name}), and {self.data.facts.name} has {self.data.catalog.size:,} items that are "
                "not the same. Evaluate on data with the same items."
            )
        model = instantiate(self.request.trained.baseline)
        model.fit(self.known.sequences, self.known.catalog)
        return model

    def measure(self) -> None:
        """Ranks the targets and writes the artefacts."""
        data, request = self.data, self.request
        batches = data.val_dataloader() if request.stage == "val" else data.test_dataloader()
        trained = isinstance(self.scorer, LightningModule)
        ranking = gather(self._by_trainer(batches) if trained else self._by_scores(batches))
        self.metrics.update(ranking)
        values, prefix = self.metrics.compute(), f"{request.stage}/{self.ranking.prefix}"
        self.place.write("rankings.parquet", lambda file: write_rankings(file, ranking, data.sequences, data.catalog))
        self.place.write_json("metrics.json", {f"{prefix}{key}": float(value) for key, value in values.items()})
        self.place.write_json("manifest.json", self.manifest | one_session() | {"status": "complete"})

    def _by_trainer(self, batches: Iterable[Batch]) -> list[Ranking]:
        # one device, whatever the run was trained on: the numbers do not depend on it
        one = {"devices": 1, "num_nodes": 1, "strategy": "auto", "logger": False, "enable_checkpointing": False}
        trainer: Trainer = instantiate(self.request.trained.trainer, callbacks=[], **one)
        trainer.test(self.scorer, dataloaders=batches, verbose=False)
        rankings: list[Ranking] = self.scorer.rankings
        return rankings

    def _by_scores(self, batches: Iterable[Batch]) -> list[Ranking]:
        return [self.ranking.from_scores(batch, self.scorer.scores(batch)) for batch in batches]


def _pairs(sequences: Sequences, catalog: Catalog, role: int) -> pl.DataFrame:
    # (user, item) of a role by the source's ids
    user = np.repeat(np.arange(len(sequences.users)), np.diff(sequences.offsets))
    chosen = sequences.role == role
    items = catalog.items[ITEM].gather(sequences.items[chosen] - 1)
    return pl.DataFrame({USER: sequences.users.gather(user[chosen]), ITEM: items})
