"""Several complete runs as one ranking: their longer lists, joined and fused, beside each run alone.

Each run is evaluated with longer lists first, in its own directory, where the next fusion finds them. A fusion that
learns does so from the runs' validation lists. A run of scoring has no lists of its own: it orders those of the first
run, anew in every fusion. The result is a run directory like any other's.

Relations: ``evaluation`` makes the lists, ``rescoring`` orders them anew; ``fuse`` is the front door.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from hydra.utils import instantiate
from omegaconf import DictConfig
from torchmetrics import Metric

from rec_lightning.contracts import Catalog, Ranking
from rec_lightning.data.module import RecData
from rec_lightning.ranking.fuse.joined import fused, join
from rec_lightning.runtime.asked import read_request
from rec_lightning.runtime.check import check_signatures
from rec_lightning.runtime.evaluation import Evaluation
from rec_lightning.runtime.manifest import describe, now, one_session
from rec_lightning.runtime.measures import build_metrics
from rec_lightning.runtime.paired import difference, values_of
from rec_lightning.runtime.rescoring import Rescoring, read_scorer
from rec_lightning.runtime.results import read_rankings, write_rankings
from rec_lightning.runtime.rundir import RunDir


class Fusing:
    """Construction tries everything that can be known wrong without data.

    Args:
        config: resolved ``fuse`` configuration.

    Raises:
        ValueError: fewer than two runs, one that is no complete run, one that ranks where one must score or the other
            way round, or a value out of range.
    """

    def __init__(self, config: DictConfig) -> None:
        self.config, self.names = config, _names([str(run) for run in config.runs])
        if config.stage not in ("val", "test"):
            raise ValueError(f"stage must be val or test, got {config.stage!r}. Set stage.")
        if not 1 <= config.k <= config.depth:
            raise ValueError(f"k must be 1..depth ({config.depth}), got {config.k}. Set k.")
        if max(config.top_k, default=0) > config.k:
            raise ValueError(f"top_k must be 1..k ({config.k}), got {list(config.top_k)}. Set top_k, or raise k.")
        self.fusion = instantiate(config.fuse)
        self.fusion.check(len(self.names))
        if self.fusion.learns and config.stage == "val":
            raise ValueError("fuse=stacking learns from validation lists, so stage must be test, got 'val'. Set stage.")
        self.stages = ["val", "test"] if self.fusion.learns else [str(config.stage)]
        self.scorers = self._scorers()
        ranks = [run for name, run in self.names.items() if name not in self.scorers]
        requests = [self._request(run, stage).config for run in ranks for stage in self.stages]
        for request in requests:
            check_signatures(request)
        first = requests[0]
        self.data: RecData = instantiate(first.data)
        metrics = build_metrics(config.metrics, Catalog.empty(self.data.item_columns, self.data.user_columns))
        if config.primary not in _keys(metrics):
            raise ValueError(
                f"primary must be one of the metrics ({', '.join(_keys(metrics))}), got {config.primary!r}. "
                "Set primary."
            )

    def _scorers(self) -> dict[str, Rescoring]:
        read = {name: read_scorer(run) for name, run in self.names.items()}
        first, *others = read
        if read[first] is not None:
            raise ValueError(
                f"the first of runs must rank, since it brings the candidates, and {self.names[first]} scored labels. "
                "Set runs=[RANKS,SCORES]."
            )
        if getattr(self.fusion, "rescores", False) and read[others[0]] is None:
            raise ValueError(
                f"fuse=two_stage needs a second run that scored labels (task=scoring or prompt), and "
                f"{self.names[others[0]]} ranks. Set runs=[RANKS,SCORES], or fuse=rrf."
            )
        request = [str(column) for column in self.config.request]
        found = {name: Rescoring(run, request) for name, run in read.items() if run is not None}
        for column in request:
            if not any(column in scorer.columns for scorer in found.values()):
                raise ValueError(f"request names {column!r}, which none of runs reads of an event. Leave it out.")
        return found

    def _request(self, run: str, stage: str) -> Any:
        options = [f"run={run}", f"stage={stage}", f"ranking.k={self.config.depth}", "rerank=none"]
        return read_request([*options, "metrics=ranking", "top_k=[1]", f"name=lists-{stage}-{self.config.depth}"])

    def read(self, place: RunDir) -> None:
        """Evaluates what was not evaluated yet and reads all lists.

        Raises:
            ValueError: the runs do not rank the same targets, or ``depth`` is above the catalogue.
            OSError: data or a model cannot be had.
        """
        self.place = place
        self.data.prepare()
        size = self.data.catalog.size
        if self.config.depth > size:
            raise ValueError(f"depth must be 1..catalogue size ({size}), got {self.config.depth}. Set depth.")
        for scorer in self.scorers.values():
            scorer.read(self.data, next(iter(self.names.values())))
        self.lists = {stage: self._rankings(stage) for stage in self.stages}
        facts = describe("fuse", 0, self.data.facts)
        self.manifest = facts | {"stage": self.config.stage, "runs": self.names, "started": now()}
        place.write_json("manifest.json", self.manifest)

    def _rankings(self, stage: str) -> dict[str, Ranking]:
        found: dict[str, Ranking] = {}
        for name, run in self.names.items():
            scorer = self.scorers.get(name)
            first = next(iter(found.values()), None)
            found[name] = self._ranking(run, stage) if scorer is None or first is None else scorer.lists(first, stage)
        return found

    def _ranking(self, run: str, stage: str) -> Ranking:
        request = self._request(run, stage)
        with RunDir(request.config.run_dir, request.config) as place:
            if not place.complete:
                evaluation = Evaluation(request)
                evaluation.read(place)
                evaluation.measure()
        found = read_rankings(Path(request.config.run_dir) / "rankings.parquet", self.data, stage, self.config.depth)
        if found is None:
            raise ValueError(
                f"runs must rank the same targets, and those of {run} are not those of "
                f"{next(iter(self.names.values()))}. Set runs to runs of the same data and split."
            )
        return found

    def measure(self) -> None:
        """Fuses and writes the artefacts, each run's own values and the difference to it beside the fusion's."""
        stage, config = str(self.config.stage), self.config
        if self.fusion.learns:
            self.fusion.fit(join(list(self.lists["val"].values())))
        joined = join(list(self.lists[stage].values()))
        ranking = fused(joined, self.fusion(joined), config.k)
        metrics = build_metrics(config.metrics, self.data.catalog)
        beside = {}
        for name, own in self.lists[stage].items():
            if getattr(self.fusion, "rescores", False) and name in self.scorers:
                continue  # it is the result
            found = difference(metrics, config.primary, ranking, own)
            told = None if found is None else {"metric": f"{stage}/{config.primary}", **found}
            beside[name] = {"metrics": values_of(metrics, own, f"{stage}/"), "difference": told, "kept": True}
        sequences, catalog = self.data.sequences, self.data.catalog
        self.place.write("rankings.parquet", lambda file: write_rankings(file, ranking, sequences, catalog))
        self.place.write_json("baselines.json", beside)
        self.place.write_json("metrics.json", values_of(metrics, ranking, f"{stage}/") | self._recall(stage))
        learnt = {"weights": [float(w) for w in self.fusion.weights]} if self.fusion.learns else {}
        weights = len(learnt.get("weights", []))
        cost = {"parameters": {"trainable": weights, "total": weights}} | one_session()
        self.place.write_json("manifest.json", self.manifest | learnt | cost | {"status": "complete"})

    def _recall(self, stage: str) -> dict[str, float]:
        # the share of targets that the first stage brings, above which no order of its candidates gets
        if not self.scorers:
            return {}
        inside = next(iter(self.lists[stage].values())).rank <= self.config.depth
        return {f"{stage}/candidates_recall@{self.config.depth}": float(inside.double().mean())}


def _names(runs: list[str]) -> dict[str, str]:
    # the shortest ends of the paths that tell them apart
    if len(runs) < 2 or len(set(runs)) < len(runs):
        raise ValueError(f"runs must be at least two different runs, got [{', '.join(runs)}]. Set runs=[DIR,DIR].")
    parts = [Path(run).expanduser().resolve().parts for run in runs]
    length = next(n for n in range(1, 1 + max(map(len, parts))) if len({p[-n:] for p in parts}) == len(parts))
    return {"/".join(p[-length:]): run for p, run in zip(parts, runs, strict=True)}


def _keys(metrics: dict[str, Metric]) -> list[str]:
    none = torch.ones(0, dtype=torch.long)
    return list(values_of(metrics, Ranking(none, none.view(0, 1), none.view(0, 1).float(), none, none), ""))
