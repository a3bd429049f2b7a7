"""Audit data before a model learns them: quality, leakage, privacy, and a level from 1 to 5 for each.

Prints the findings and leaves audit.json and audit.html in run_dir. With fail_on=3 a lower level ends with code 2, so
that a pipeline can refuse the data.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rec_lightning.runtime.composition import compose
from rec_lightning.runtime.refusal import Refusal, refusing

if TYPE_CHECKING:
    from rec_lightning.data.audit.run import Audit


def run(overrides: list[str]) -> int:
    """Compose, check, read, look, write.

    Args:
        overrides: ``option=value`` or ``group=choice``.

    Raises:
        Refusal: the input cannot work, or the level is below ``fail_on``.
    """
    with refusing():
        config = compose("audit", overrides)

        from hydra.utils import instantiate

        from rec_lightning.data.audit.report import write_report
        from rec_lightning.data.audit.run import audit
        from rec_lightning.runtime.check import check_signatures

        check_signatures(config)
        wanted = config.fail_on
        if wanted is not None and wanted not in range(1, 6):
            raise ValueError(f"fail_on must be a level, 1..5, or null, got {wanted}. Set fail_on.")
        found = audit(instantiate(config.data))
        page = write_report(found, Path(config.run_dir).expanduser())
    _show(found)
    print(page)
    if wanted is not None and found.level < wanted:
        weak = [score.dimension for score in found.scores if score.level < wanted]
        raise Refusal(
            f"the data must reach level {wanted} of 5, and {', '.join(weak)} did not ({found.level}). See {page}, or "
            "lower fail_on."
        )
    return 0


def _show(found: Audit) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    colours = {"good": "green", "note": "blue", "warning": "yellow", "failure": "red"}
    findings = Table("dimension", "check", "grade", "value", title=f"{found.facts['name']}", title_justify="left")
    for finding in found.findings:
        grade = f"[{colours[finding.grade]}]{finding.grade}[/]"
        findings.add_row(finding.dimension, escape(finding.check), grade, escape(finding.value))
    levels = Table("dimension", "level", "", "evidence", "what would raise it first")
    for score in found.scores:
        levels.add_row(
            score.dimension, str(score.level), score.word, score.evidence, escape("".join(score.raise_by[:1]))
        )
    console = Console()
    console.print(findings)
    console.print(levels)
