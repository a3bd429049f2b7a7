"""Writes a study's table and report again from the runs that are there, and starts none: report SLUG_OR_PATH.

Takes the same words as ``rec-lightning study``: ``run_dir=PATH`` where the runs lie, ``publish=true``, and the
overrides with which they ran, which name the commands. A run that is missing is told as such.
"""

from __future__ import annotations

from rec_lightning import study


def run(words: list[str]) -> int:
    """Reads the runs and writes every file of the outcome.

    Args:
        words: as ``study.run`` takes them.

    Returns:
        0 when every run has a result, else 1.

    Raises:
        Refusal: as ``study.run``.
    """
    return study.run(words, only_report=True)
