"""What a finished run writes: rankings, metrics, manifest."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import torch
import torch.distributed as dist

from rec_lightning.contracts import ITEM, Catalog, Ranking, Sequences
from rec_lightning.data.module import RecData


def gather(rankings: list[Ranking]) -> Ranking:
    """All processes' rankings as one, on the CPU, in the order of the users."""
    own = Ranking.cat(rankings)
    own = Ranking(*(t.cpu() for t in (own.users, own.items, own.scores, own.target, own.rank)))
    if dist.is_available() and dist.is_initialized():
        everyone: list[Ranking] = [own] * dist.get_world_size()
        dist.all_gather_object(everyone, own)
        own = Ranking.cat(everyone)
    return by_user(own)


def by_user(ranking: Ranking) -> Ranking:
    """The same in the order of the users; rows of one user stay in theirs."""
    return ranking.take(torch.argsort(ranking.users, stable=True))


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


def read_rankings(place: Path, data: RecData, stage: str, width: int) -> Ranking | None:
    """What ``write_rankings`` wrote, as rows and indices of these data; None where its targets are not theirs.

    Args:
        place: file to read.
        data: prepared.
        stage: ``val`` or ``test``, whose targets they must be.
        width: of the lists, at least that of the longest.
    """
    table = pl.read_parquet(place)
    users = pl.DataFrame({"user": data.sequences.users}).with_row_index("row")
    items = data.catalog.items.select(id=ITEM).with_row_index("index", offset=1)
    if table.schema["user"] != users.schema["user"] or table.schema["target"] != items.schema["id"]:
        return None
    batches = data.val_dataloader() if stage == "val" else data.test_dataloader()
    wanted = pl.concat(pl.DataFrame({"row": b.user.numpy(), "index": b.target.numpy()}) for b in batches)
    wanted = wanted.sort("row", maintain_order=True)
    known = table.join(users, on="user", how="left", maintain_order="left")
    known = known.join(items, left_on="target", right_on="id", how="left", maintain_order="left")
    if known.select(pl.col("row", "index").cast(pl.Int64)).rows() != wanted.rows():
        return None
    flat = table.select(pl.int_range(pl.len()).alias("line"), "items", "scores").explode("items", "scores")
    flat = flat.filter(pl.col("items").is_not_null()).with_columns(place=pl.int_range(pl.len()).over("line"))
    flat = flat.join(items, left_on="items", right_on="id", how="left", maintain_order="left")
    listed = torch.zeros(len(table), width, dtype=torch.long)
    scores = torch.full(listed.shape, -torch.inf)
    cell = tuple(torch.from_numpy(flat[name].to_numpy().astype("int64")) for name in ("line", "place"))
    listed[cell] = torch.from_numpy(flat["index"].to_numpy().astype("int64"))
    scores[cell] = torch.from_numpy(flat["scores"].to_numpy().astype("float32"))
    row, target = (torch.from_numpy(wanted[name].to_numpy().copy()) for name in ("row", "index"))
    return Ranking(row, listed, scores, target, torch.from_numpy(table["rank"].to_numpy().copy()))
