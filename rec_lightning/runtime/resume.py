"""A resume point: all that the next step depends on, so that a killed run goes on as if it had not been killed.

Beside what the trainer saves (trained weights, optimizer, schedule, counters, callbacks, the place in the stream of
batches) it holds the generators of torch, NumPy and Python in every process, and the cost so far. It is never taken at
a point where the trainer would not come back to the same place: after a step in the middle of an epoch, or after
validation.
"""

from __future__ import annotations

import random
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint

from rec_lightning.runtime.manifest import cpu_seconds, peak_memory_mb, process_start
from rec_lightning.tasks.processes import everyone, own


class ResumePoint(Checkpoint):
    """Saves ``last.ckpt``.

    A ``Checkpoint``, since the trainer calls those last: after the best epoch was kept, after early stopping decided.

    Args:
        file: where.
        every_seconds: pause between two saves; 0 saves after every step.
        started: unix time at which this process was started; now by default.
    """

    def __init__(self, file: Path, every_seconds: float = 30.0, started: float | None = None) -> None:
        if every_seconds < 0:
            raise ValueError(f"checkpoint_seconds must not be negative, got {every_seconds}. Set it to 0 or more.")
        self.file, self.every_seconds = file, every_seconds
        self.started = process_start() if started is None else started
        self.wall_before, self.cpu_before, self.sessions = 0.0, 0.0, 1
        self.memory_before = 0.0
        self.first_step: float | None = None
        self.examples, self.training_seconds, self.steps = 0, 0.0, 0
        self.began = False  # a step, in this process
        self._saved = time.monotonic()
        self._batch_start = 0.0
        self._restored: dict[str, Any] | None = None
        self._batches: dict[str, int] = {}
        self._ended = False

    @property
    def wall(self) -> float:
        """Seconds since the start, over all sessions."""
        return self.wall_before + time.time() - self.started

    @property
    def cpu(self) -> float:
        """Processor seconds over all sessions."""
        return self.cpu_before + cpu_seconds()

    @property
    def peak_memory_mb(self) -> float:
        """Of the session that took most."""
        return max(self.memory_before, peak_memory_mb())

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """Notes the time."""
        self.began = True
        self._batch_start = time.monotonic()

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Counts, and saves when it is time; not within a step, nor after an epoch's last, before its validation."""
        if self.first_step is None:
            self.first_step = time.time() - self.started
        self.steps = trainer.global_step
        self.examples += int((batch.target > 0).sum())
        self.training_seconds += time.monotonic() - self._batch_start
        whole = (batch_idx + 1) % trainer.accumulate_grad_batches == 0  # else gradients would be lost
        if whole and not trainer.fit_loop.epoch_loop.batch_progress.is_last_batch:
            self._save_if_due(trainer)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Saves when it is time, or when training was told to stop; validation has been done."""
        self._ended = trainer.should_stop
        self._save_if_due(trainer)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Saves for the last time; an interrupted training has not ended."""
        if not trainer.interrupted:
            self._ended = True
            self._save(trainer)

    def _save_if_due(self, trainer: Trainer) -> None:
        # clocks differ, and all processes must take part
        if trainer.strategy.broadcast(time.monotonic() - self._saved >= self.every_seconds):
            self._save(trainer)

    def _save(self, trainer: Trainer) -> None:
        if not trainer.fast_dev_run:  # type: ignore[attr-defined]
            batches = trainer.train_dataloader
            assert batches is not None
            self._batches = batches.state_dict()
            trainer.save_checkpoint(self.file)  # written beside its place and renamed
            self._saved = time.monotonic()

    def state_dict(self) -> dict[str, Any]:
        """Place in the stream of batches, generators, cost, and whether training has ended."""
        return {
            "batches": self._batches,
            "ended": self._ended,
            "generators": everyone(generators()),
            "wall": self.wall,
            "cpu": self.cpu,
            "peak_memory_mb": self.peak_memory_mb,
            "sessions": self.sessions,
            "first_step": self.first_step,
            "examples": self.examples,
            "training_seconds": self.training_seconds,
            "steps": self.steps,
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Takes the cost over now, the generators when training starts."""
        self.wall_before, self.cpu_before = state_dict["wall"], state_dict["cpu"]
        self.memory_before = state_dict.get("peak_memory_mb", 0.0)  # an older file does not tell
        self.sessions, self.first_step = state_dict["sessions"] + 1, state_dict["first_step"]
        self.examples, self.training_seconds = state_dict["examples"], state_dict["training_seconds"]
        self.steps = state_dict["steps"]
        self._restored = state_dict

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Puts batches and generators back, after everything that draws while a run is set up.

        The trainer would restore the batches too, but not where their number was asked for beforehand, as a schedule
        over the whole run does.
        """
        if self._restored is not None:
            batches = trainer.train_dataloader
            assert batches is not None
            batches.load_state_dict(self._restored["batches"])
            set_generators(own(self._restored["generators"]))
            self._restored = None


def generators() -> dict[str, Any]:
    """The states of all that draws in this process: torch, NumPy and Python."""
    return {
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
        "numpy": np.random.get_state(legacy=False),  # noqa: NPY002 the state other code may draw from
        "python": random.getstate(),
    }


def set_generators(state: dict[str, Any]) -> None:
    """Puts them back."""
    torch.set_rng_state(state["torch"])
    if state["cuda"]:
        torch.cuda.set_rng_state_all(state["cuda"])
    np.random.set_state(state["numpy"])  # noqa: NPY002
    random.setstate(state["python"])
