"""One training from its configuration to its artefacts, in the order in which things can go wrong.

Relations: ``train`` is the front door; ``build`` makes the parts; ``resume`` makes it killable.
"""

from __future__ import annotations

import logging
import warnings
from pathlib import Path
from typing import Any

import torch
from hydra.utils import instantiate
from lightning import Callback, Trainer, seed_everything
from lightning.pytorch.callbacks import ModelCheckpoint
from omegaconf import DictConfig, OmegaConf
from rich.console import Console

from rec_lightning.contracts import Ranking
from rec_lightning.data.module import RecData
from rec_lightning.runtime.beside import Beside
from rec_lightning.runtime.budget import token_budget, told
from rec_lightning.runtime.build import build_strategy, build_task, choices, count_parameters, rehearse
from rec_lightning.runtime.history import History
from rec_lightning.runtime.loaders import Loaders
from rec_lightning.runtime.manifest import check_data, describe, now
from rec_lightning.runtime.meeting import check_seen, leave
from rec_lightning.runtime.predictions import gather_predictions, write_predictions, write_several
from rec_lightning.runtime.progress import RunProgress
from rec_lightning.runtime.refusal import Refusal
from rec_lightning.runtime.results import gather, write_rankings
from rec_lightning.runtime.resume import ResumePoint
from rec_lightning.runtime.rundir import RunDir
from rec_lightning.runtime.schedule_free import OptimizerModes
from rec_lightning.runtime.several import labels_of, several
from rec_lightning.runtime.tracking import log_results, open_loggers
from rec_lightning.tasks.lean import bases, check_bases, check_lean
from rec_lightning.tasks.processes import everyone, load_whole


class Training:
    """Construction tries everything that can be known wrong without data.

    Args:
        config: resolved ``train`` configuration.

    Raises:
        ValueError: a value out of range, or parts that do not go together.
    """

    def __init__(self, config: DictConfig) -> None:
        quieten()
        self.config = config
        self.data: RecData = instantiate(config.data)
        strategy = build_strategy(config)
        rehearse(config, self.data)
        self.beside = Beside(config)
        instantiate(config.callbacks)
        ResumePoint(Path("last.ckpt"), config.checkpoint_seconds)
        instantiate(config.trainer, strategy=strategy, logger=False, enable_checkpointing=False)
        if getattr(strategy, "even", False):
            self.data.groups = 1  # else one process runs its blocks more often than another

    def read(self, run_dir: RunDir) -> None:
        """Reads the data and puts the run together.

        Raises:
            ValueError: the data or a checkpoint in the directory do not fit.
            OSError: data or model cannot be had.
        """
        self.run_dir = run_dir
        check_seen(run_dir.path)
        self.data.prepare()
        earlier = run_dir.read_json("manifest.json")
        check_data(earlier, self.data.facts)
        if self.config.label:
            self.data.label_events(instantiate(self.config.label, _convert_="all"))
        elif several(self.config):
            self.data.label_tasks(*labels_of(self.config))
        seed_everything(self.config.seed, verbose=False)
        self.task = build_task(self.config, self.data.catalog)
        if getattr(self.task, "needs_time", False):
            self.data.carry_times(str(self.task.without_times))
        if self.config.ranking and hasattr(self.task, "ranking"):
            self.task.ranking.check(self.data.catalog.size)  # type: ignore[union-attr, operator]
        if earlier:
            check_bases(self.task, earlier.get("bases", {}))
        folder = run_dir.path / "checkpoints"
        self.best, self.last = folder / "best.ckpt", folder / "last.ckpt"
        self.point = ResumePoint(self.last, self.config.checkpoint_seconds)
        facts = describe("train", self.config.seed, self.data.facts)
        model = {
            "parameters": count_parameters(self.task),
            "bases": bases(self.task),
            "choices": choices(self.task),
            "init": getattr(self.task, "account", []),
        }
        budget = token_budget(self.task, self.data)
        for line in told(budget):
            Console(stderr=True).print(line, highlight=False, soft_wrap=True)
        tokens = {"tokens": budget} if budget else {}
        self.manifest = facts | model | tokens | {"started": run_dir.started or now()}
        run_dir.write_json("manifest.json", self.manifest)  # before any logger writes: now it is a run
        self.trainer = self._trainer(folder)

    def _trainer(self, folder: Path) -> Trainer:
        best = ModelCheckpoint(
            folder,
            "best",
            self.config.monitor,
            mode=self.config.monitor_mode,
            save_weights_only=True,
            enable_version_counter=False,
        )
        own = [OptimizerModes(), best, self.point, RunProgress(self.config.monitor), History(self.run_dir)]
        # before the resume point, which holds what they did
        tuning: list[Callback] = getattr(self.task.tuning, "callbacks", list)()
        trainer: Trainer = instantiate(
            self.config.trainer,
            strategy=build_strategy(self.config),
            default_root_dir=str(self.run_dir.path),
            logger=open_loggers(self.config.get("logger")),
            callbacks=[*instantiate(self.config.callbacks).values(), *tuning, *own],
        )
        for logger in trainer.loggers:
            logger.log_hyperparams(self._plain())
        return trainer

    def _plain(self) -> dict[str, Any]:
        plain = OmegaConf.to_container(self.config)
        assert isinstance(plain, dict)
        return {str(k): v for k, v in plain.items()}

    def fit(self) -> None:
        """Trains, from the last resume point where there is one; a scorer in which nothing trains is left as it is.

        Raises:
            Refusal: a part does not fit the run, such as cuts for which it is too short; no step was taken.
        """
        if getattr(self.task, "per_candidate", False) and not count_parameters(self.task)["trainable"]:
            return
        last = self.last if self.last.exists() else None
        if last is not None:
            saved = torch.load(last, weights_only=False)  # our own file: it holds generators' states
            if saved["callbacks"]["ResumePoint"]["ended"]:
                self.point.load_state_dict(saved["callbacks"]["ResumePoint"])
                return
        try:
            self.trainer.fit(self.task, datamodule=Loaders(self.data), ckpt_path=last, weights_only=False)
        except ValueError as error:
            if self.point.began:  # a fault of the program
                raise
            raise Refusal(str(error)) from error
        if self.trainer.interrupted:
            raise KeyboardInterrupt

    def test(self) -> None:
        """Measures the best epoch on validation, and on test where that is asked for, and writes the artefacts."""
        kept = self.best.exists()  # asked by all processes before one writes it; a fast_dev_run saves nothing
        if kept:
            saved = torch.load(self.best, weights_only=True)
            state = saved["state_dict"]
            check_bases(self.task, saved.get("bases", {}))
            check_lean(self.task, state)
            load_whole(self.task, state)
        metrics = dict(self.trainer.validate(self.task, datamodule=Loaders(self.data), verbose=False)[0])
        if not kept and not self.trainer.fast_dev_run:  # type: ignore[attr-defined]
            self.trainer.save_checkpoint(self.best, weights_only=True)  # nothing trained: what validation chose
        if self.config.test:
            metrics |= self.trainer.test(self.task, datamodule=Loaders(self.data), verbose=False)[0]
        ranking = None
        if self.config.test and several(self.config):
            self._write_several()
        elif self.config.test and self.config.label:
            self._write_predictions()
        elif self.config.test and hasattr(self.task, "rankings"):
            ranking = self._write_ranking()
        self.point.examples = sum(everyone(self.point.examples))
        leave()
        if self.trainer.is_global_zero:
            self._write(metrics, ranking)

    def _write(self, metrics: dict[str, float], ranking: Ranking | None) -> None:
        self.run_dir.write_json("metrics.json", metrics)
        cost = self._cost()  # of the run alone
        beside: dict[str, Any] = {}
        if ranking is not None:
            if not self.trainer.fast_dev_run:  # type: ignore[attr-defined]
                beside = self.beside.measure(self.data, ranking)
            self.run_dir.write_json("baselines.json", beside)
        log_results(self.trainer.loggers, metrics, self.best if self.best.exists() else None, beside)
        status = "complete" if self.config.test else "validated"
        self.run_dir.write_json("manifest.json", self.manifest | cost | {"status": status})

    def _write_ranking(self) -> Ranking:
        found, data = gather(self.task.rankings), self.data  # type: ignore[arg-type]
        self.run_dir.write("rankings.parquet", lambda place: write_rankings(place, found, data.sequences, data.catalog))
        return found

    def _write_predictions(self) -> None:
        found, data = gather_predictions(self.task.predictions), self.data  # type: ignore[arg-type]
        self.run_dir.write(
            "predictions.parquet", lambda place: write_predictions(place, found, data.sequences, data.catalog)
        )

    def _write_several(self) -> None:
        if self.task.rankings:
            self._write_ranking()
        parts, data = self.task.predictions, self.data
        found = {name: gather_predictions(part) for name, part in parts.items()}  # type: ignore[union-attr, operator]
        if found:
            self.run_dir.write(
                "predictions.parquet", lambda place: write_several(place, found, data.sequences, data.catalog)
            )

    def _cost(self) -> dict[str, Any]:
        point = self.point
        pace = point.examples / point.training_seconds if point.training_seconds else None
        return {
            "seconds": {
                "wall": point.wall,
                "cpu": point.cpu,
                "first_step": point.first_step,
                "training": point.training_seconds,
            },
            "peak_memory_mb": point.peak_memory_mb,
            "examples_per_second": pace,
            "steps": point.steps,
            "sessions": point.sessions,
            "finished": now(),
        }


def quieten() -> None:
    """Silences what Lightning says beside the progress and the results."""
    # what people see is the progress and the results; warnings below are answered by this project's own design
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)
    for text in (
        "The '.*_dataloader' does not have many workers",  # batches are gathers; workers would slow them
        "The `srun` command is available on your system but is not used",  # a login node, or launch=local
        "Found .* module.* in eval mode",  # frozen trunks stay in eval mode
        "Checkpoint directory .* exists and is not empty",  # a resumed run
        "The number of training batches .* is smaller than the logging interval",
        "Experiment logs directory .* exists and is not empty",  # a resumed run
        "It is recommended to use .self.log.*sync_dist=True",  # metrics are reduced before they are logged
        ".*isinstance.treespec, LeafSpec.* is deprecated",  # Lightning's own call
    ):
        warnings.filterwarnings("ignore", text)
