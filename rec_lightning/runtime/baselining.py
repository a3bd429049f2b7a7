"""One baseline from its configuration to its artefacts; the same as a training's, without checkpoints.

Relations: ``baseline`` is the front door; ``training`` does the same for models with gradients.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf
from torchmetrics import MetricCollection

from rec_lightning.contracts import Batch, Catalog, Ranking
from rec_lightning.data.module import RecData
from rec_lightning.runtime.manifest import describe, now, one_session
from rec_lightning.runtime.measures import build_metrics, build_ranking
from rec_lightning.runtime.results import gather, write_rankings
from rec_lightning.runtime.rundir import RunDir
from rec_lightning.runtime.tracking import log_results, open_loggers


class Baselining:
    """Construction tries everything that can be known wrong without data.

    Args:
        config: resolved ``baseline`` configuration.

    Raises:
        ValueError: a value out of range.
    """

    def __init__(self, config: DictConfig) -> None:
        self.config = config
        self.data: RecData = instantiate(config.data)
        self.model = instantiate(config.baseline)
        self._measure_by(Catalog.empty(self.data.item_columns, self.data.user_columns))

    def _measure_by(self, catalog: Catalog) -> None:
        self.ranking = build_ranking(self.config.ranking, catalog, self.config.get("rerank"), by_scores=True)
        # no groups: they would join metrics whose states happen to be equal after the first batch
        self.metrics = MetricCollection(build_metrics(self.config.metrics, catalog), compute_groups=False)  # type: ignore[arg-type]

    def read(self, run_dir: RunDir) -> None:
        """Reads the data.

        Raises:
            ValueError: they do not fit.
            OSError: they cannot be had.
        """
        self.run_dir = run_dir
        self.data.prepare()
        self._measure_by(self.data.catalog)
        self.ranking.check(self.data.catalog.size)
        facts = describe("baseline", self.config.seed, self.data.facts)
        self.manifest = facts | {"started": now()}
        run_dir.write_json("manifest.json", self.manifest)

    def fit(self) -> None:
        """Learns from the training events.

        Raises:
            ValueError: the model cannot hold this catalogue.
        """
        self.model.fit(self.data.sequences, self.data.catalog)

    def test(self) -> None:
        """Ranks validation, and test where that is asked for, and writes the artefacts."""
        metrics, _ = self._measure("val", self.data.val_dataloader())
        if self.config.test:
            tested, rankings = self._measure("test", self.data.test_dataloader())
            metrics |= tested
            ranking, data = gather(rankings), self.data
            self.run_dir.write(
                "rankings.parquet", lambda place: write_rankings(place, ranking, data.sequences, data.catalog)
            )
        self.run_dir.write_json("metrics.json", metrics)
        loggers = open_loggers(self.config.get("logger"))
        plain: Any = OmegaConf.to_container(self.config)
        for logger in loggers:
            logger.log_hyperparams(plain)
        log_results(loggers, metrics, None)
        status = "complete" if self.config.test else "validated"
        self.run_dir.write_json("manifest.json", self.manifest | self._cost() | {"status": status})

    def _measure(self, stage: str, batches: Iterable[Batch]) -> tuple[dict[str, float], list[Ranking]]:
        self.metrics.reset()
        rankings = [self.ranking.from_scores(batch, self.model.scores(batch)) for batch in batches]
        for ranking in rankings:
            self.metrics.update(ranking)
        return {
            f"{stage}/{self.ranking.prefix}{key}": float(value) for key, value in self.metrics.compute().items()
        }, rankings

    def _cost(self) -> dict[str, Any]:
        parameters = {"trainable": self.model.parameters, "total": self.model.parameters}
        return {"parameters": parameters} | one_session()
