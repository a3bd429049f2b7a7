"""Shows what differs between two runs, in configuration, code, data, packages, hardware and result: diff RUN RUN."""

from __future__ import annotations

from pathlib import Path


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
    from rich.table import Table

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
    table = Table("part", "key", words[0], words[1], box=None)
    shown = ""
    for change in found:
        table.add_row(change.part if change.part != shown else "", change.key, change.first, change.second)
        shown = change.part
    console.print(table)
    return 0
