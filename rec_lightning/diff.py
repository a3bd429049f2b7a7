"""Shows what differs between two runs, in configuration, code, data, packages, hardware and result: diff RUN RUN."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.table import Table

    from rec_lightning.studies.difference import Change


def run(words: list[str]) -> int:
    """Prints a table of the differences.

    Args:
        words: two run directories.

    Returns:
        0.

    Raises:
        Refusal: other than two directories, or one without a run.
    """
    from rich.console import Console  # here, so that --help stays light

    from rec_lightning.runtime.refusal import Refusal, refusing
    from rec_lightning.studies.difference import changes

    if len(words) != 2:
        raise Refusal(f"diff needs two run directories, got {words}. Write rec-lightning diff runs/a runs/b.")
    with refusing():
        found = changes(Path(words[0]), Path(words[1]))
    console = Console()
    if not found:
        console.print("The two runs do not differ.")
        return 0
    console.print(change_table(found, words[0], words[1]))
    return 0


def change_table(found: Sequence[Change], first: str, second: str) -> Table:
    """The differences as a table, each part named once.

    Args:
        found: part by part.
        first: name of the first run.
        second: name of the second.
    """
    from rich.table import Table

    table, shown = Table("part", "key", first, second, box=None), ""
    for change in found:
        table.add_row(change.part if change.part != shown else "", change.key, change.first, change.second)
        shown = change.part
    return table
