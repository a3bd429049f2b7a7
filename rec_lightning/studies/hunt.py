"""What is searched in each row of a study, read from ``tune``, ``search`` and ``sweep`` of the study and of the row.

Relations: ``reading`` asks for every row; ``inner`` runs a grid, ``search`` runs ranges.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rec_lightning.studies.factors import parse_factors
from rec_lightning.studies.ranges import Sweep, parse_ranges, parse_sweep


class Hunt:
    """What is searched in the rows that say nothing themselves, and how.

    Args:
        fields: of the study.
        rows: as they are written.

    Raises:
        ValueError: two kinds of search at once, or ``sweep`` without one.
    """

    def __init__(self, fields: Mapping[str, Any], rows: Sequence[object]) -> None:
        if "tune" in fields and "search" in fields:
            raise ValueError("a study may have tune (lists) or search (ranges), got both. Move one into the rows.")
        searches = "search" in fields or any(isinstance(row, Mapping) and "search" in row for row in rows)
        if "sweep" in fields and not searches:
            raise ValueError("sweep says how to search, got no search. Add ranges under search, or remove sweep.")
        self._fields, self._how = fields, fields.get("sweep") or {}

    def tune(self, row: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
        """The row's grid, else the study's."""
        if "tune" in row:
            return _grid(row["tune"], f"tune of row {row['name']!r}")
        return _grid(self._fields.get("tune", {}), "tune") if _inherits(row) else {}

    def sweep(self, row: Mapping[str, Any]) -> Sweep | None:
        """The row's ranges, else the study's."""
        if "search" in row and "tune" in row:
            raise ValueError(f"row {row['name']!r} may have tune (lists) or search (ranges), got both. Remove one.")
        if "search" in row:
            what = f"search of row {row['name']!r}"
            return parse_sweep(self._how, parse_ranges(row["search"], what)) if row["search"] else None
        if "search" not in self._fields or not _inherits(row):
            return None
        return parse_sweep(self._how, parse_ranges(self._fields["search"]))


def _inherits(row: Mapping[str, Any]) -> bool:
    return row["verb"] == "train" and "tune" not in row and "search" not in row


def _grid(content: object, what: str) -> dict[str, tuple[str, ...]]:
    """Overrides to try; a level is one value of one key here."""
    grid = {key: tuple(levels) for key, levels in parse_factors(content or {}).items()}
    if empty := [key for key, values in grid.items() if len(values) < 2]:
        raise ValueError(f"{what} must give each key at least 2 values to try, got fewer for {empty}.")
    return grid
