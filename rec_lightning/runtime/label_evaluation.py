"""One evaluation of a complete run of scoring: its model as it was chosen, on its own data, with other metrics.

A threshold that validation chose in training holds here too, on whatever is measured.

Relations: ``evaluation`` does this for runs that rank; ``asked`` reads what is wanted.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from hydra.utils import instantiate
from lightning import LightningModule, Trainer
from torchmetrics import MetricCollection

from rec_lightning.contracts import Batch, Predictions
from rec_lightning.data.module import RecData
from rec_lightning.runtime.asked import Request
from rec_lightning.runtime.build import rehearse
from rec_lightning.runtime.family import check_family
from rec_lightning.runtime.finished import read_best
from rec_lightning.runtime.manifest import describe, now, one_session
from rec_lightning.runtime.measures import build_metrics
from rec_lightning.runtime.predictions import gather_predictions, write_predictions
from rec_lightning.runtime.rebuilt import rebuilt
from rec_lightning.runtime.rundir import RunDir
from rec_lightning.runtime.training import quieten


class LabelEvaluation:
    """Construction tries everything that can be known wrong without data.

    Args:
        request: what to measure.

    Raises:
        ValueError: a value out of range, or metrics of another kind of label.
    """

    def __init__(self, request: Request) -> None:
        quieten()
        self.request, self.config = request, request.config
        check_family(self.config)
        self.data: RecData = instantiate(self.config.data)
        rehearse(request.trained, self.data)

    def read(self, place: RunDir) -> None:
        """Reads the data and puts the model together.

        Raises:
            ValueError: the checkpoint does not fit, or a metric needs a threshold that validation did not choose.
            OSError: data or model cannot be had.
        """
        self.place = place
        saved = read_best(self.request.run)
        self.data.prepare()
        self.data.label_events(instantiate(self.config.label, _convert_="all"))
        self.task: LightningModule = rebuilt(self.request.trained, self.data, saved)
        metrics = build_metrics(self.config.metrics, self.data.catalog)
        for name, metric in metrics.items():
            if getattr(metric, "free", False):
                key = f"test_metrics.{name}.threshold"
                if key not in saved["state_dict"]:
                    raise ValueError(
                        f"metrics.{name} needs a threshold, and {self.request.run} chose none under this name. Set "
                        f"metrics.{name}.threshold."
                    )
                metric.threshold.copy_(saved["state_dict"][key])  # type: ignore[operator]
        self.metrics = MetricCollection(metrics, compute_groups=False)  # type: ignore[arg-type]
        self.manifest = describe("evaluate", self.config.seed, self.data.facts) | {
            "stage": self.request.stage,
            "run": str(self.request.run),
            "parameters": self.request.manifest["parameters"],
            "started": now(),
        }
        place.write_json("manifest.json", self.manifest)

    def measure(self) -> None:
        """Predicts the labels and writes the artefacts."""
        data, stage = self.data, self.request.stage
        found = self._predictions()
        self.metrics.update(found)
        values = {f"{stage}/{key}": float(value) for key, value in self.metrics.compute().items()}
        self.place.write("predictions.parquet", lambda f: write_predictions(f, found, data.sequences, data.catalog))
        self.place.write_json("metrics.json", values)
        self.place.write_json("manifest.json", self.manifest | one_session() | {"status": "complete"})

    def _predictions(self) -> Predictions:
        batches = self.data.val_dataloader() if self.request.stage == "val" else self.data.test_dataloader()
        if self.request.attack is not None:
            return self._attacked(batches, self.request.attack)
        # one device, whatever the run was trained on: the numbers do not depend on it
        one = {"devices": 1, "num_nodes": 1, "strategy": "auto", "logger": False, "enable_checkpointing": False}
        trainer: Trainer = instantiate(self.request.trained.trainer, callbacks=[], **one)
        trainer.test(self.task, dataloaders=batches, verbose=False)
        return gather_predictions(self.task.predictions)  # type: ignore[arg-type]

    def _attacked(self, batches: Iterable[Batch], size: float) -> Predictions:
        # by hand: the trainer's test keeps no gradients
        self.task.eval()
        with torch.no_grad():
            self.task.on_test_epoch_start()
            return gather_predictions([self.task.attacked(batch, size) for batch in batches])  # type: ignore[operator]
