"""What a finished run writes: rankings, metrics, manifest."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import torch
import torch.distributed as dist

from rec_lightning.contracts import Catalog, Ranking, Sequences


def gather(rankings: list[Ranking]) -> Ranking:
    """All processes' rankings as one, on the CPU, in the order of the users."""
    own = Ranking.cat(rankings)
    own = Ranking(*(t.cpu() for t in (own.users, own.items, own.scores, own.target, own.rank)))
    if dist.is_available() and dist.is_initialized():
        everyone: list[Ranking] = [own] * dist.get_world_size()
        dist.all_gather_object(everyone, own)
        own = Ranking.cat(everyone)
    order = torch.argsort(own.users, stable=True)
    return Ranking(*(t[order] for t in (own.users, own.items, own.scores, own.target, own.rank)))


def write_rankings(place: Path, ranking: Ranking, sequences: Sequences, catalog: Catalog) -> None:
    """One row a target as Parquet: user, target, rank, items, scores; ids as in the source.

    Args:
        place: file to write.
        ranking: rows of users and item indices; 0 fills up lists that are short, and is left out here.
        sequences: gives the ids of users.
        catalog: gives the ids of items.
    """
    ids = pl.concat([pl.Series([None], dtype=catalog.items["item"].dtype), catalog.items["item"]])
    real = ranking.items > 0
    counts = real.sum(1).numpy()
    flat = pl.DataFrame(
        {
            "row": pl.Series(range(len(counts))).gather(
                torch.arange(len(counts)).repeat_interleave(real.sum(1)).numpy()
            ),
            "items": ids.gather(ranking.items[real].numpy()),
            "scores": ranking.scores[real].numpy(),
        }
    )
    lists = flat.group_by("row", maintain_order=True).agg("items", "scores")
    table = pl.DataFrame(
        {
            "row": pl.Series(range(len(counts)), dtype=pl.Int64),
            "user": sequences.users.gather(ranking.users.numpy()),
            "target": ids.gather(ranking.target.numpy()),
            "rank": ranking.rank.numpy(),
        }
    )
    table.join(lists, on="row", how="left", maintain_order="left").drop("row").write_parquet(place)
