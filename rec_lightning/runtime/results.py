"""What a finished run writes: rankings, metrics, manifest."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import torch
import torch.distributed as dist

from rec_lightning.contracts import ITEM, Catalog, Ranking, Sequences


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
    ids = pl.concat([pl.Series([None], dtype=catalog.items[ITEM].dtype), catalog.items[ITEM]])
    flat = pl.DataFrame(
        {"items": ids.gather(ranking.items.flatten().numpy()), "scores": ranking.scores.flatten().numpy()}
    )
    row = torch.arange(len(ranking.users)).repeat_interleave(ranking.items.shape[1]).numpy()
    # filling has no id: it stays out of the lists, and a row of nothing else keeps its empty one
    lists = (
        flat.with_columns(row=row)
        .group_by("row", maintain_order=True)
        .agg(pl.all().filter(pl.col("items").is_not_null()))
    )
    head = {"user": sequences.users.gather(ranking.users.numpy()), "target": ids.gather(ranking.target.numpy())}
    pl.DataFrame(head | {"rank": ranking.rank.numpy()}).hstack(lists.drop("row")).write_parquet(place)
