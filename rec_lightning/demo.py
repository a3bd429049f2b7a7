"""Runs the study of experiments/demo from end to end: baselines, ids, frozen and tuned text, table and report.

``run_dir=PATH`` is the folder of the whole study. Any other option goes to every row that trains, and one that the
baselines know too (``data``) to them as well. Complete rows are kept, a stopped one is resumed.

Relations: the same as ``rec-lightning study demo``.
"""

from __future__ import annotations

from rec_lightning import study


def run(overrides: list[str]) -> int:
    """Trains and evaluates every row of the demo, then prints the table and the report's path.

    Args:
        overrides: ``run_dir=PATH`` and Hydra overrides.

    Returns:
        As ``study.run``.

    Raises:
        Refusal: as ``study.run``.
    """
    return study.run(["demo", *overrides])
