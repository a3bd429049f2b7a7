"""The model of a complete run, ready to be asked: its weights as they were chosen, or its baseline fitted again.

Relations: ``recommendation``, ``similarity`` and ``explanation`` ask it; ``histories`` makes the batches.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import polars as pl
import torch
from hydra.utils import instantiate
from lightning import Fabric
from torch import Tensor

from rec_lightning.contracts import ITEM, Batch, Catalog
from rec_lightning.data.module import RecData
from rec_lightning.ranking.best import Best
from rec_lightning.runtime.finished import read_best, read_finished
from rec_lightning.runtime.manifest import check_data
from rec_lightning.runtime.rebuilt import rebuilt
from rec_lightning.runtime.training import quieten

# B users, N items, C candidates, D width


class Model:
    """Reads what a run says of itself; ``read`` loads the rest.

    Args:
        run: directory of the run.

    Raises:
        ValueError: no complete run.
    """

    def __init__(self, run: object) -> None:
        if run is None:
            raise ValueError("run must be given, it has no default. Set run=DIR, the run_dir of a complete run.")
        quieten()
        self.run = read_finished(Path(str(run)).expanduser())
        self.data: RecData = instantiate(self.run.config.data)
        self.task: Any = None
        self.baseline: Any = None

    def read(self, new_items: pl.DataFrame | None = None) -> None:
        """Opens the data and loads the model.

        Args:
            new_items: rows for items that the run did not know, with the columns of its item table.

        Raises:
            ValueError: the data are no longer those of the run, or the model says nothing of new items.
            OSError: data or model cannot be had.
        """
        config = self.run.config
        self.data.prepare()
        self.catalog = self.data.catalog
        if not self.run.trained:
            if new_items is not None:
                raise ValueError(f"new_items: {config.baseline['_target_'].rpartition('.')[2]} {_NO_NEW}")
            check_data(self.run.manifest, self.data.facts)
            self.baseline = instantiate(config.baseline)
            self.baseline.fit(self.data.sequences, self.catalog)
            return
        saved = read_best(self.run.folder)
        task: Any = rebuilt(config, self.data, saved)
        if not hasattr(task.head, "queries"):
            raise ValueError(
                f"run must rank items, and {self.run.folder} scores given ones (task={type(task).__name__}). Set run."
            )
        if new_items is not None:
            if not hasattr(task.items, "extend"):
                raise ValueError(f"new_items: {type(task.items).__name__} {_NO_NEW}")
            self.catalog = _extended(self.catalog, new_items)
            task.items.extend(self.catalog)
        trainer = config.trainer
        self.fabric = Fabric(accelerator=trainer.accelerator, devices=1, precision=trainer.precision)
        self.task = task.to(self.fabric.device).eval()
        with self.still():
            self.vectors: Tensor = self.task.items.table().detach()  # (N + 1, D)
            self.keys: Tensor = self.task.head.keys(self.vectors).float()

    @property
    def timed(self) -> bool:
        """Whether batches must carry times."""
        return self.task is not None and bool(self.task.needs_time)

    @property
    def max_length(self) -> int:
        """Newest events of a history that the model sees."""
        return int(self.data.max_length)

    @property
    def device(self) -> torch.device:
        """Where the model lies."""
        return torch.device("cpu") if self.task is None else self.fabric.device

    @contextmanager
    def still(self) -> Iterator[None]:
        """No gradients, and the precision in which the run was measured."""
        with torch.no_grad(), self.fabric.autocast():
            yield

    def best(self, candidates: Tensor, k: int) -> Best:
        """What finds the best k of these (C,) item indices."""
        best = Best(candidates.to(self.device), self.catalog.size, k)
        self._keys_of = self.keys[best.candidates] if self.task is not None else torch.empty(0)
        return best

    def lists(self, batch: Batch, best: Best, exclude_seen: bool = True) -> tuple[Tensor, Tensor]:
        """The best items of each user of a batch on the CPU, and their scores there: (B, k), (B, k).

        Args:
            batch: of an evaluation; its targets are not read.
            best: of this model's ``best``, the last one asked for.
            exclude_seen: whether what a user has is left out.

        Raises:
            ValueError: a score is not finite.
        """
        batch = batch.to(self.device)
        seen, offsets = (batch.seen, batch.seen_offsets) if exclude_seen else (None, None)
        if self.task is None:
            items, scores = best.of_scores(self.baseline.scores(batch), seen, offsets)
            return items, scores
        with self.still():
            queries = self.task.head.queries(self.task.states(batch, self.vectors))
        items, scores = best.of_vectors(queries, self._keys_of, seen, offsets)
        return items.cpu(), scores.cpu()


_NO_NEW = (
    "has learnt a row for each item of its catalogue, so it says nothing of new ones. Leave new_items out, or train "
    "with items whose vectors come from the item table alone (items=text or items=features)."
)


def _extended(catalog: Catalog, rows: pl.DataFrame) -> Catalog:
    new = catalog.items.clear(rows.height).select(ITEM, pl.exclude(ITEM))
    columns = {name: rows[name] if name in rows.columns else new[name] for name in new.columns}
    items = pl.concat([catalog.items.select(new.columns), pl.DataFrame(columns, schema=new.schema)])
    popularity = torch.nn.functional.pad(torch.from_numpy(catalog.popularity), (0, rows.height)).numpy()
    return Catalog(items, popularity, catalog.users)
