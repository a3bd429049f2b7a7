"""Cross-validation: a row runs once for each fold, and what the folds test together is one result.

``folds: [data.split.fold=0, data.split.fold=1]`` in a study's file are overrides, one a fold.

Relations: ``reading`` asks for a row a fold, ``pooled`` joins their results again.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from rec_lightning.studies.study import RowSpec


def in_folds(rows: Iterable[RowSpec], folds: Sequence[str]) -> tuple[RowSpec, ...]:
    """Each row once for each fold; the rows themselves where there is none.

    Raises:
        ValueError: one fold, one that is there twice, or a row that is searched or made of others.

    Example:
        >>> [row.name for row in in_folds([RowSpec("A", "train", ())], ["fold=0", "fold=1"])]
        ['A, fold 0', 'A, fold 1']
    """
    rows = tuple(rows)
    if not folds:
        return rows
    if len(set(folds)) < max(2, len(folds)):
        raise ValueError(f"folds must be at least two different overrides, got {list(folds)}. Set folds.")
    if searched := [row.name for row in rows if row.searched]:
        raise ValueError(f"folds and a search do not go together, and {searched[0]!r} is searched. Leave one out.")
    if fused := [row.name for row in rows if row.of]:
        raise ValueError(
            f"folds and rows that are made of others do not go together, and {fused[0]!r} does. Leave one out."
        )
    return tuple(
        replace(row, name=f"{row.name}, fold {number}", overrides=(*row.overrides, fold), fold_of=row.name)
        for row in rows
        for number, fold in enumerate(folds)
    )
