"""Broken rows: counted, shown, and refused above a share of all rows.

Relations: ``table`` and the sources that read lines of JSON say which rows are broken; the rule is here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Broken:
    """Collects broken rows over the files of one source.

    Args:
        share: of all rows that may be broken, 0..1.
        option: that sets the share.

    Raises:
        ValueError: the share is out of range.
    """

    share: float
    option: str
    rows: int = 0
    count: int = 0
    shown: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        if not 0 <= self.share < 1:
            raise ValueError(f"{self.option} must be in 0..1, 1 excluded, got {self.share}. Set {self.option}.")

    def add(self, file: Path, rows: int, broken: list[tuple[int, str]]) -> None:
        """Takes the result of one file.

        Args:
            file: that was read.
            rows: all of it, broken ones included.
            broken: line number, counted from 1, and what is wrong with it.
        """
        self.rows, self.count = self.rows + rows, self.count + len(broken)
        self.shown += [f"{file.name} line {line}: {reason}" for line, reason in broken[: 3 - len(self.shown)]]

    def check(self) -> None:
        """Refuses too many.

        Raises:
            ValueError: more rows are broken than may be; shows the first three.
        """
        if self.count > self.share * self.rows:
            raise ValueError(
                f"at most {self.share:g} of the rows may be broken, and {self.count} of {self.rows} are "
                f"({'; '.join(self.shown)}). Mend them, or raise {self.option}."
            )
