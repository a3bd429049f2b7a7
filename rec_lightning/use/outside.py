"""Lists of another program measured on a data set's targets, by the same metrics as a run.

A target that is not in its user's list has no rank: every metric with a cut-off within the lists counts it as missed,
as it would with any rank behind, and one that reads ranks beyond the lists (AUC) is left out. In ``rankings.parquet``
such a target has the rank N + 1, which no item of a catalogue of N can have.

Relations: ``list_table`` reads the file; ``runtime/evaluation`` measures runs; ``compare`` reads what both leave.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
import torch
from hydra.utils import instantiate
from numpy.typing import NDArray
from omegaconf import DictConfig
from torchmetrics import MetricCollection

from rec_lightning.contracts import ITEM, USER, Batch, Catalog, Ranking
from rec_lightning.data.module import RecData
from rec_lightning.runtime.manifest import describe, now, one_session
from rec_lightning.runtime.measures import build_metrics
from rec_lightning.runtime.results import write_rankings
from rec_lightning.runtime.rundir import RunDir
from rec_lightning.use.ids import Ids
from rec_lightning.use.list_table import read_lists

# T targets, k longest list, U users, N items

_CHOICES = {
    "stage": ("test", "val"),
    "unknown": ("refuse", "skip"),
    "duplicates": ("refuse", "first"),
    "missing": ("miss", "skip", "refuse"),
}


@dataclass(frozen=True)
class _Targets:
    """(T,) rows of users, items to be found, and the users' own events as pairs."""

    users: NDArray[np.int64]
    items: NDArray[np.int64]
    seen: pl.DataFrame


class Outside:
    """Construction tries everything that can be known wrong without data.

    Args:
        config: resolved ``evaluate`` configuration.

    Raises:
        ValueError: a value out of range, or a file that cannot be read.
    """

    def __init__(self, config: DictConfig) -> None:
        self.config = config
        for name, words in _CHOICES.items():
            if config[name] not in words:
                raise ValueError(f"{name} must be one of {', '.join(words)}, got {config[name]}. Set {name}.")
        self.data: RecData = instantiate(config.data)
        self.notes: list[str] = []
        self._measures(Catalog.empty(self.data.item_columns, self.data.user_columns))
        self.table = read_lists(str(config.file), dict(config.columns), config.duplicates)
        longest, most = int(self.table["place"].max()), max(config.top_k)  # type: ignore[arg-type]
        if most > longest:
            raise ValueError(
                f"top_k must be 1..longest list of the file ({longest}), got {most}. Set top_k, or make longer lists."
            )

    def _measures(self, catalog: Catalog) -> MetricCollection:
        found = build_metrics(self.config.metrics, catalog)
        beyond = [name for name, metric in found.items() if getattr(metric, "beyond_list", False)]
        kept: Any = {name: metric for name, metric in found.items() if name not in beyond}
        if not kept:
            raise ValueError(f"metrics must be those of lists, and {beyond[0]} needs ranks beyond them. Set metrics.")
        self.notes = [
            f"{name} is left out: it needs the rank of every target, also beyond the lists" for name in beyond
        ]
        return MetricCollection(kept, compute_groups=False)

    def read(self, place: RunDir) -> None:
        """Reads the data and puts the lists beside their targets.

        Raises:
            ValueError: ids that are not there, or users without a list, where that is refused.
            OSError: the data cannot be had.
        """
        self.place = place
        self.data.prepare()
        self.metrics = self._measures(self.data.catalog)
        table = self._numbered()
        self.ranking = self._ranking(table, self._targets())
        facts = describe("evaluate", self.config.seed, self.data.facts)
        told = {"stage": self.config.stage, "file": str(self.config.file), "notes": self.notes}
        none = {"parameters": {"trainable": 0, "total": 0}}
        self.manifest = facts | told | none | {"started": now()}
        place.write_json("manifest.json", self.manifest)

    def _numbered(self) -> pl.DataFrame:
        # columns row (of the user), number (of the item, 0 for an unknown one), place, worst
        users = Ids(self.data.sequences.users, "user", self.config.unknown, "data")
        items = Ids(self.data.catalog.items[ITEM], "item", self.config.unknown, "data", first=1)
        rows, numbers = users(self.table[USER]), items(self.table[ITEM])
        for ids, text in (
            (users, "rows were left out: the data do not know their user"),
            (items, "rows keep their place as misses: the data do not know their item"),
        ):
            if ids.skipped:
                self.notes.append(f"{ids.skipped:,} {text} (first: {ids.example})")
        found = self.table.select("place", "worst", row=pl.Series(rows), number=pl.Series(np.maximum(numbers, 0)))
        return found.filter(pl.col("row") >= 0)

    def _targets(self) -> _Targets:
        stage = self.config.stage
        batches: Any = self.data.val_dataloader() if stage == "val" else self.data.test_dataloader()
        parts: list[Batch] = list(batches)
        users, items = (torch.cat([getattr(b, name) for b in parts]).numpy() for name in ("user", "target"))
        seen = [
            pl.DataFrame(
                {
                    "row": b.user.repeat_interleave(b.seen_offsets.diff()).numpy(),  # type: ignore[union-attr]
                    "number": b.seen.numpy(),  # type: ignore[union-attr]
                }
            )
            for b in parts
        ]
        order = np.argsort(users, kind="stable")
        return _Targets(users[order], items[order], pl.concat(seen).unique())

    def _ranking(self, table: pl.DataFrame, targets: _Targets) -> Ranking:
        self._tell(table, targets)
        width, count = int(table["place"].max() or 1), len(self.data.sequences.users)  # type: ignore[arg-type]
        lists = np.zeros((count, width), np.int64)
        lists[table["row"].to_numpy(), table["place"].to_numpy() - 1] = table["number"].to_numpy()
        asked = pl.DataFrame({"row": targets.users, "number": targets.items})
        found = asked.join(table, on=["row", "number"], how="left", maintain_order="left")["worst"]
        rank = found.fill_null(self.data.catalog.size + 1).to_numpy()
        has = np.isin(targets.users, table["row"].unique().to_numpy())
        if self.config.missing == "skip":
            asked, rank = asked.filter(pl.Series(has)), rank[has]
        if not asked.height:
            raise ValueError(f"a user with a target must have a list, and none of {len(has)} has. Look at the ids.")
        users, items = (torch.from_numpy(asked[name].to_numpy().copy()) for name in ("row", "number"))
        chosen = torch.from_numpy(lists)[users]
        scores = -torch.arange(width).float().expand(len(users), -1)  # the order is all that is known
        return Ranking(users, chosen, scores.masked_fill(chosen == 0, -torch.inf), items, torch.from_numpy(rank.copy()))

    def _tell(self, table: pl.DataFrame, targets: _Targets) -> None:
        have, asked = table["row"].unique(), pl.Series(targets.users).unique()
        empty = asked.filter(~asked.is_in(have.implode()))
        names = self.data.sequences.users
        if len(empty) and self.config.missing == "refuse":
            raise ValueError(
                f"every user with a target must have a list, and {len(empty)} of {len(asked)} have none (first: "
                f"{names[int(empty[0])]}). Add them, or set missing=miss or missing=skip."
            )
        strange = int((~have.is_in(asked.implode())).sum())
        most = max(self.config.top_k)
        lengths = table.filter(pl.col("row").is_in(asked.implode())).group_by("row").agg(pl.col("place").max())
        short = int((lengths["place"] < most).sum())
        again = table.join(targets.seen, on=["row", "number"], how="semi").height
        how = {"miss": "count as missed", "skip": "are left out", "refuse": ""}[self.config.missing]
        for number, text in (
            (len(empty), f"of {len(asked):,} users with a target have no list and {how}"),
            (strange, f"users of the file have no {self.config.stage} target and are left out"),
            (short, f"users have fewer than {most} items: the empty places count as misses"),
            (again, "rows recommend what the user had already (a run leaves such items out)"),
        ):
            if number:
                self.notes.append(f"{number:,} {text}")

    def measure(self) -> None:
        """Measures and writes the artefacts."""
        self.metrics.update(self.ranking)
        values, stage, data = self.metrics.compute(), self.config.stage, self.data
        self.place.write(
            "rankings.parquet", lambda file: write_rankings(file, self.ranking, data.sequences, data.catalog)
        )
        self.place.write_json("metrics.json", {f"{stage}/{key}": float(value) for key, value in values.items()})
        self.place.write_json("manifest.json", self.manifest | one_session() | {"status": "complete"})
