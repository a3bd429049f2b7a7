"""The data of a run as Lightning wants them, so that the data room itself needs no Lightning and starts light."""

from __future__ import annotations

from collections.abc import Iterable

from lightning import LightningDataModule

from rec_lightning.contracts import Batch, Batches
from rec_lightning.data.module import RecData


class Loaders(LightningDataModule):
    """Hands out the batches of ``data``; asked for them when the processes of a run know each other.

    Args:
        data: prepared or not.
    """

    def __init__(self, data: RecData) -> None:
        super().__init__()
        self.data = data

    def train_dataloader(self) -> Batches:
        return self.data.train_dataloader()

    def val_dataloader(self) -> Iterable[Batch]:
        return self.data.val_dataloader()

    def test_dataloader(self) -> Iterable[Batch]:
        return self.data.test_dataloader()
