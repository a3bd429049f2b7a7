"""Constraints: rules of a business that no list breaks; within them the model's order stays.

``only`` leaves out items (a price, a stock), ``most`` bounds how many items of one category a list holds, ``least``
asks for a number of items that ``some`` describes, put as late as the rule allows. Conditions are SQL over the columns
of the item table, read by Polars: ``price < 20 AND year >= 1990``, ``ARRAY_CONTAINS(genres, 'Drama')``. Where a value
is missing the condition does not hold.

Paper for the bounds and the greedy choice: S. C. Geyik, S. Ambler and K. Kenthapadi, "Fairness-Aware Ranking in Search
and Recommendation Systems with Application to LinkedIn Talent Search", KDD 2019, https://arxiv.org/abs/1905.01989
(DetGreedy). What differs: bounds are counts for the whole list, not shares of every prefix.

A list may be short: ``only`` and ``most`` are never broken. Where too few candidates fit ``some``, all of
them are shown.
"""

from __future__ import annotations

import polars as pl
import torch
from torch import Tensor

from rec_lightning.contracts import Batch, Catalog, Ranking
from rec_lightning.ranking.rerank.balance import looked_up
from rec_lightning.ranking.rerank.categories import Categories
from rec_lightning.ranking.rerank.likeness import check_candidates

# B batch, N items, C candidates, G categories, M categories of one item at most


class Constraints:
    """The first candidates that keep the rules.

    Args:
        catalog: gives the columns.
        only: condition for every item; None for all.
        by: column of the item table whose values are bounded by ``most``; None for no bound.
        most: items of one value in a list, at least 1.
        some: condition for at least ``least`` items; None for no such rule.
        least: at least 1.
        candidates: of each user.

    Raises:
        ValueError: no rule, half a rule, a value out of range, or a condition that cannot be read.
    """

    def __init__(
        self,
        catalog: Catalog,
        only: str | None = None,
        by: str | None = None,
        most: int | None = None,
        some: str | None = None,
        least: int | None = None,
        candidates: int = 100,
    ) -> None:
        self.candidates = check_candidates(candidates)
        if not any((only, by, most, some, least)):
            raise ValueError(
                "rerank=constraints needs a rule. Set rerank.only, rerank.by with rerank.most, or rerank.some with "
                "rerank.least."
            )
        for name, number, first, rule in (("most", most, "by", by), ("least", least, "some", some)):
            if (number is None) != (rule is None) or (number is not None and number < 1):
                raise ValueError(
                    f"rerank.{name} must be at least 1 and goes with rerank.{first}, got {number} with {rule!r}. Set "
                    "both, or none."
                )
        self.most, self.least = most, least
        self.allowed, self.wanted = (_holds(catalog, n, c) for n, c in (("only", only), ("some", some)))  # (N + 1,)
        self.categories = None if by is None else Categories(catalog, by)

    def __call__(self, candidates: Ranking, batch: Batch, vectors: Tensor | None, k: int) -> Tensor:
        """(B, C) candidates -> (B, k) columns, -1 for none.

        Raises:
            ValueError: more items are asked for than a list has places.
        """
        if self.least is not None and self.least > k:
            raise ValueError(f"rerank.least must be at most ranking.k ({k}), got {self.least}. Set rerank.least.")
        device = candidates.items.device
        free = self.allowed.to(device)[candidates.items] & (candidates.items > 0)  # (B, C)
        wanted = self.wanted.to(device)[candidates.items]
        row, columns = torch.arange(len(free), device=device), []
        missing = torch.full((len(free),), self.least or 0, device=device)
        for place in range(k):
            here = free
            late = (missing >= k - place).unsqueeze(1) & (free & wanted).any(1, keepdim=True)
            here = torch.where(late, here & wanted, here)
            some, column = here.max(1)  # the first one
            columns.append(torch.where(some, column, -1))
            missing = missing - (some & wanted[row, column]).long()
            free = self._after(free, candidates.items, torch.stack(columns, 1))
        return torch.stack(columns, 1)

    def _after(self, free: Tensor, items: Tensor, columns: Tensor) -> Tensor:
        # (B, C) what may still be shown beside the columns (B, places so far)
        row, last = torch.arange(len(free), device=free.device), columns[:, -1]
        free = free.clone()
        free[row, last.clamp(min=0)] &= last < 0
        if self.categories is None or self.most is None:
            return free
        known = self.categories.to(free.device)
        shown = items.gather(1, columns.clamp(min=0)).where(columns >= 0, 0)
        count = torch.zeros(len(free), len(known) + 1, device=free.device)
        count.scatter_add_(1, known.place[shown].flatten(1), (known.share[shown] > 0).float().flatten(1))
        return free & ~looked_up(count >= self.most, known.place[items]).any(2)


def _holds(catalog: Catalog, option: str, condition: str | None) -> Tensor:
    # (N + 1,) bool; without a catalogue only the names of the columns are known
    everything = torch.ones(catalog.size + 1, dtype=torch.bool, device="cpu")
    if condition is None:
        return everything
    try:
        expression = pl.sql_expr(condition)
        unknown = [name for name in expression.meta.root_names() if name not in catalog.items.columns]
        if unknown:
            raise ValueError(f"no column {unknown[0]!r} among {', '.join(catalog.items.columns[1:]) or 'none'}")
        if catalog.size == 0:
            return everything
        found = catalog.items.select(holds=expression)["holds"]
        if found.dtype != pl.Boolean or len(found) != catalog.size:
            raise ValueError(f"it gives {found.dtype}, not true or false for each item")
    except (ValueError, pl.exceptions.PolarsError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(
            f"rerank.{option} must be a condition over columns of the item table, got {condition!r}: {reason}. Set "
            f"rerank.{option}."
        ) from error
    everything[1:] = torch.from_numpy(found.fill_null(False).to_numpy().copy())
    return everything
