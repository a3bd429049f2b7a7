"""A run's progress for people: one bar over all steps with the time left on a terminal, a line an epoch elsewhere."""

from __future__ import annotations

import time
from typing import Any

from lightning import Callback, LightningModule, Trainer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from rec_lightning.runtime.build import choices


class RunProgress(Callback):
    """Shows steps, time left, loss and the watched metric.

    Args:
        watch: logged key, such as ``val/ndcg@10``.
        console: where to; standard error by default.
    """

    def __init__(self, watch: str, console: Console | None = None) -> None:
        self.watch = watch
        self.console = console or Console(stderr=True)
        self._bar: Progress | None = None
        self._start = 0.0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Tells what parts chose, and opens the bar where there is a terminal."""
        self._start = time.monotonic()
        if trainer.is_global_zero:
            for name, choice in choices(pl_module).items():
                self.console.print(f"{name}: {choice}", highlight=False)
            for line in getattr(pl_module, "account", []):
                self.console.print(line, markup=False, highlight=False, soft_wrap=True)
        if self.console.is_terminal and trainer.is_global_zero:
            columns = [TextColumn("training"), BarColumn(), TextColumn("{task.completed}/{task.total} steps")]
            columns += [
                TimeElapsedColumn(),
                TextColumn("left"),
                TimeRemainingColumn(),
                TextColumn("{task.fields[note]}"),
            ]
            self._bar = Progress(*columns, console=self.console, transient=True)
            total = int(trainer.estimated_stepping_batches)
            self._task = self._bar.add_task("", total=total, completed=trainer.global_step, note="")
            self._bar.start()

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Moves the bar."""
        if self._bar is not None:
            self._bar.update(self._task, completed=trainer.global_step)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Tells the epoch's numbers."""
        values = trainer.callback_metrics
        told = [f"{k} {values[k].item():.4f}" for k in ("train/loss", self.watch) if k in values]
        if self._bar is not None:
            self._bar.update(self._task, note=" ".join(told))
        elif trainer.is_global_zero:
            seconds = time.monotonic() - self._start
            last = f"/{trainer.max_epochs}" if (trainer.max_epochs or 0) > 0 else ""  # else steps say the end
            epoch = f"epoch {trainer.current_epoch + 1}{last}"
            self.console.print(f"{epoch} {' '.join(told)} {seconds:.0f} s", highlight=False)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Closes the bar."""
        self._close()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Closes the bar, so that the error is readable."""
        self._close()

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None
