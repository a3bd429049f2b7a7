"""Forget people: erase them from prepared data, leave them out for good, list the runs that may have seen them.

users=a,b,c or users=@file (one a line) names ids as in the source of data=.... Prepared data that hold them are
removed, and the rankings of baselines kept for those; preparing the same source again leaves them out. Weights that saw
them keep what they learnt, and the rankings of runs and the source's own files stay: the runs are listed, so that they
can be deleted or trained again. Leaves forgotten.json, without ids, in run_dir. A killed command is ended by the same
line.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from rec_lightning.runtime.composition import compose
from rec_lightning.runtime.given import listed_ids, quoted
from rec_lightning.runtime.refusal import refusing

if TYPE_CHECKING:
    from rec_lightning.data.erase import Forgotten


def run(overrides: list[str]) -> int:
    """Compose, check, erase, list, write.

    Args:
        overrides: ``option=value`` or ``group=choice``.

    Raises:
        Refusal: the input cannot work; nothing was erased.
    """
    with refusing():
        if not any(text.startswith("data=") for text in overrides):
            raise ValueError("forget erases, so the data set must be named. Set data=<choice>.")
        config = compose("forget", quoted(overrides, "users"))

        from hydra.utils import instantiate

        from rec_lightning.data.erase import forget
        from rec_lightning.runtime.check import check_signatures

        check_signatures(config)
        if config.unknown not in ("refuse", "count"):
            raise ValueError(f"unknown must be refuse or count, got {config.unknown}. Set unknown.")
        runs = Path(config.runs).expanduser()
        if not runs.is_dir():
            raise ValueError(f"runs must be a folder, and {runs} is none. Set runs.")
        done = forget(instantiate(config.data), listed_ids(config.users), runs, config.unknown)
        page = Path(config.run_dir).expanduser() / "forgotten.json"
        page.parent.mkdir(parents=True, exist_ok=True)
        page.write_text(json.dumps(asdict(done), indent=2) + "\n")
    _show(done)
    print(page)
    return 0


def _show(done: Forgotten) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    told = Table(title=f"Forgotten: {escape(done.data)}", title_justify="left", show_header=False)
    for name, value in (
        ("users asked for", done.asked),
        ("left out before", done.already),
        ("not in the source", done.unknown),
        ("prepared folders removed", len(done.entries)),
        ("kept rankings of baselines removed", done.rankings),
        ("left out from now on", done.suppressed),
        ("manifests that cannot be read", len(done.unreadable)),
    ):
        told.add_row(name, f"{value:,}")
    runs = Table(
        "run",
        "status",
        "users",
        "in rankings",
        "checkpoints",
        title="Runs that may have seen them: delete or train again",
        title_justify="left",
    )
    for seen in done.runs:
        runs.add_row(escape(seen.run), seen.status, str(seen.users), str(seen.ranked), str(len(seen.checkpoints)))
    console = Console()
    console.print(told)
    if done.runs:
        console.print(runs)
