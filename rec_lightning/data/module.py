"""The data of a run: source -> tables -> split -> sequences -> batches, each step once.

Construction checks the options; ``prepare`` reads. Evaluation has batches of its own, so that under several
processes no user is counted twice (Lightning's padded sampler would).
"""

from __future__ import annotations

import torch.distributed as dist
from lightning import LightningDataModule

from rec_lightning.contracts import Catalog, Sequences, Source, Split, Tables
from rec_lightning.data.batches import EvalBatches, TrainBatches
from rec_lightning.data.tables import to_sequences


class RecData(LightningDataModule):
    """Batches of one data set.

    Args:
        source: where the tables come from.
        split: which events train and which are predicted.
        max_length: longest history the model sees, at least 2.
        batch_size: windows a step and process.
        eval_batch_size: users ranked at once.
        context: events before a window's first target given as input, 0..max_length - 1.
        seed: of order and cuts.

    Raises:
        ValueError: a value out of range.
    """

    def __init__(
        self,
        source: Source,
        split: Split,
        max_length: int,
        batch_size: int = 64,
        eval_batch_size: int = 256,
        context: int = 0,
        seed: int = 0,
    ) -> None:
        super().__init__()
        if max_length < 2:
            raise ValueError(f"max_length must be at least 2, got {max_length}. Set max_length.")
        for name, value in (("batch_size", batch_size), ("eval_batch_size", eval_batch_size)):
            if value < 1:
                raise ValueError(f"data.{name} must be at least 1, got {value}. Set data.{name}.")
        if not 0 <= context < max_length:
            raise ValueError(
                f"data.context must be 0..max_length - 1 ({max_length - 1}), got {context}. Set data.context."
            )
        self.source, self.split, self.max_length = source, split, max_length
        self.batch_size, self.eval_batch_size, self.context, self.seed = batch_size, eval_batch_size, context, seed
        self._read: tuple[Tables, Sequences, Catalog] | None = None

    def prepare(self) -> None:
        """Reads, numbers and splits; a second call does nothing.

        Raises:
            FileNotFoundError: the data are not there.
            ValueError: they are not what the source says, or nothing is left to train or to evaluate on.
        """
        if self._read is not None:
            return
        tables = self.source.fetch()
        sequences, catalog = to_sequences(tables, self.split)
        for stage, role in (("train", 0), ("validation", 1), ("test", 2)):
            if not (sequences.role == role).any():
                raise ValueError(
                    f"{tables.name} has no {stage} events under {type(self.split).__name__}: users need at least 3 "
                    "events each for leave-one-out. Choose other data or another split."
                )
        if TrainBatches(sequences, self.max_length, self.batch_size, self.seed).targets == 0:
            raise ValueError(
                f"{tables.name}: no user has two training events, so nothing can be trained. Choose other data or "
                "another split."
            )
        self._read = tables, sequences, catalog

    @property
    def tables(self) -> Tables:
        """As read."""
        return self._ready()[0]

    @property
    def sequences(self) -> Sequences:
        """Sorted and split."""
        return self._ready()[1]

    @property
    def catalog(self) -> Catalog:
        """The items."""
        return self._ready()[2]

    def _ready(self) -> tuple[Tables, Sequences, Catalog]:
        self.prepare()
        assert self._read is not None
        return self._read

    def train_dataloader(self) -> TrainBatches:
        """Shuffled windows of this process."""
        rank, world = _process()
        return TrainBatches(
            self.sequences, self.max_length, self.batch_size, self.seed, self.context, rank=rank, world=world
        )

    def val_dataloader(self) -> EvalBatches:
        """Validation targets of this process."""
        return self._evaluation(1)

    def test_dataloader(self) -> EvalBatches:
        """Test targets of this process."""
        return self._evaluation(2)

    def _evaluation(self, role: int) -> EvalBatches:
        rank, world = _process()
        return EvalBatches(self.sequences, role, self.max_length, self.eval_batch_size, rank, world)


def _process() -> tuple[int, int]:
    if dist.is_available() and dist.is_initialized():
        return dist.get_rank(), dist.get_world_size()
    return 0, 1
