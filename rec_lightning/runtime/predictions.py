"""What a finished run of scoring writes in place of rankings: a prediction for each tested candidate.

Relations: ``results`` does the same for rankings; ``training`` calls one of them.
"""

from __future__ import annotations

from collections.abc import Mapping
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
    _rows(found, sequences, catalog).write_parquet(place)


def write_several(place: Path, found: Mapping[str, Predictions], sequences: Sequences, catalog: Catalog) -> None:
    """The same of several tasks, one after another, with a first column ``task``."""
    frames = [
        _rows(part, sequences, catalog).insert_column(0, pl.lit(name).alias("task")) for name, part in found.items()
    ]
    if len({frame.schema["prediction"] for frame in frames}) > 1:  # beside classes a number is a list of one
        frames = [frame.with_columns(_listed(frame)) for frame in frames]
    pl.concat(frames).write_parquet(place)


def _listed(frame: pl.DataFrame) -> pl.Expr:
    single = frame.schema["prediction"] != pl.List(pl.Float32)
    return pl.concat_list("prediction") if single else pl.col("prediction")


def _rows(found: Predictions, sequences: Sequences, catalog: Catalog) -> pl.DataFrame:
    value = found.value.numpy()
    columns = {
        "event": found.event.numpy(),  # place among the sorted events: rows of two runs meet by it
        USER: sequences.users.gather(found.user.numpy()),
        ITEM: catalog.items[ITEM].gather(found.item.numpy() - 1),
        "label": found.label.numpy(),
        "prediction": value if value.ndim == 1 else pl.Series(value.tolist(), dtype=pl.List(pl.Float32)),
    }
    return pl.DataFrame(columns)
