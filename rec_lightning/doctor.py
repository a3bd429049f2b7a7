"""Look at this machine: packages, devices, processes, disks, trackers, caches, cluster, and how to mend what is wrong.

Ends with code 1 where something is wrong; what is only missing, as a GPU or a cluster, is told and no fault.
json=true prints the findings as JSON.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from rec_lightning.runtime.composition import compose
from rec_lightning.runtime.refusal import refusing

_COLOURS = {"good": "green", "note": "blue", "fault": "red"}


def run(overrides: list[str]) -> int:
    """Looks and tells.

    Args:
        overrides: ``option=value``.

    Returns:
        0 where all is well, 1 where something is wrong.

    Raises:
        Refusal: an option out of range.
    """
    with refusing():
        config = compose("doctor", overrides)
        if config.free_gb < 0:
            raise ValueError(f"free_gb must not be negative, got {config.free_gb}. Set free_gb.")

    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from rec_lightning.runtime.checkup import look

    found = look(Path(config.run_dir).expanduser(), float(config.free_gb))
    if config.json:
        print(json.dumps([asdict(finding) for finding in found], indent=2))
    else:
        table = Table("what", "", "found", "what to do", title="doctor", title_justify="left")
        for one in found:
            mark = f"[{_COLOURS[one.state]}]{one.state}[/]"
            table.add_row(one.what, mark, escape(one.found), escape(one.fix))
        Console().print(table)
    return int(any(finding.state == "fault" for finding in found))
