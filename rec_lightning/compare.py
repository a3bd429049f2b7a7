"""Compare complete runs with tests over users: compare runs=[runs/a,runs/b,...]; table, picture and plain sentences.

Every other row is compared to reference=NAME (the first run) on the same users: paired difference with its interval,
sign flips or, with several seeds, Student's t, p after Holm, effect size. Evaluations (RUN/evaluations/NAME, and those
of another program's lists) are rows too. Runs on other data or of another protocol are refused with the difference.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rec_lightning.runtime.composition import compose
from rec_lightning.runtime.refusal import refusing

if TYPE_CHECKING:
    from rec_lightning.studies.entries import Comparison


def run(overrides: list[str]) -> int:
    """Compose, check, compare, write.

    Args:
        overrides: ``option=value``.

    Raises:
        Refusal: the runs cannot be compared; nothing was written.
    """
    with refusing():
        config = compose("compare", overrides)

        from rec_lightning.studies.publish import publish
        from rec_lightning.use.side_by_side import SideBySide

        comparison = SideBySide(config).compare()
        folder = Path(config.run_dir).expanduser()
        folder.mkdir(parents=True, exist_ok=True)
        report = publish(comparison, folder)
    _show(comparison)
    print(report)
    return 0


def _show(comparison: Comparison) -> None:
    from rich.console import Console

    from rec_lightning.studies.findings import findings
    from rec_lightning.studies.table import result_table

    console = Console()
    if not console.is_terminal:
        console = Console(width=100)
    console.print(result_table(comparison))
    for sentence in findings(comparison):
        console.print(f"\n{sentence}", markup=False, highlight=False, soft_wrap=True)
    for line in comparison.lines:
        if line.evidence:
            effect = f"{line.evidence.effect:+.3f} standard deviations of the users' differences"
            console.print(f"{line.spec.name}: effect size {effect}", markup=False, highlight=False)
