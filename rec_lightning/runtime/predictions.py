"""What a finished run of scoring writes in place of rankings: a prediction for each tested candidate.

Relations: ``results`` does the same for rankings; ``training`` calls one of them.
"""

from __future__ import annotations

from pathlib import Path

import polars as pl
import torch
import torch.distributed as dist

from rec_lightning.contracts import ITEM, USER, Catalog, Predictions, Sequences


def gather_predictions(parts: list[Predictions]) -> Predictions:
    """All processes' predictions as one, on the CPU, in the order of the events."""
    own = Predictions.cat(parts)
    own = Predictions(*(x.cpu() for x in (own.event, own.user, own.item, own.label, own.value)))
    if dist.is_available() and dist.is_initialized():
        everyone: list[Predictions] = [own] * dist.get_world_size()
        dist.all_gather_object(everyone, own)
        own = Predictions.cat(everyone)
    return own.take(torch.argsort(own.event, stable=True))


def write_predictions(place: Path, found: Predictions, sequences: Sequences, catalog: Catalog) -> None:
    """One row a candidate as Parquet: event, user, item, label, prediction; ids as in the source.

    Args:
        place: file to write.
        found: the predictions; of classes a list of probabilities a row.
        sequences: gives the ids of users.
        catalog: gives the ids of items.
    """
    value = found.value.numpy()
    columns = {
        "event": found.event.numpy(),  # place among the sorted events: rows of two runs meet by it
        USER: sequences.users.gather(found.user.numpy()),
        ITEM: catalog.items[ITEM].gather(found.item.numpy() - 1),
        "label": found.label.numpy(),
        "prediction": value if value.ndim == 1 else pl.Series(value.tolist(), dtype=pl.List(pl.Float32)),
    }
    pl.DataFrame(columns).write_parquet(place)
