"""Runs a complete run again from its own configuration and says whether the result is the same: reproduce RUN.

The new run lies in RUN/reproduction, or in ``run_dir=PATH``; a killed one goes on. ``metric=ndcg@10`` is what is
compared (what chose the best epoch). The result is equal when every target has the same rank, or every example the same
prediction; else it is within the seeds' spread, where the run's folder has neighbours with other seeds, or within the
interval over users; or it is neither, which ends with code 1. What differs in code, data, packages and hardware is
named as ``diff`` does.
"""

from __future__ import annotations

import re
from pathlib import Path


def run(words: list[str]) -> int:
    """Trains or fits again, compares, and tells.

    Args:
        words: the run's directory, ``run_dir=PATH`` and ``metric=NAME``.

    Returns:
        0 when the result is equal or within the spread, 1 when it is neither.

    Raises:
        Refusal: no complete run, an option that is none, or a run that cannot be repeated here.
    """
    from rich.console import Console  # here, so that --help stays light

    from rec_lightning.runtime.refusal import refusing

    with refusing():
        place, options = _parse(words)
        from rec_lightning.runtime.again import configuration_again
        from rec_lightning.runtime.finished import read_finished
        from rec_lightning.studies.difference import changes
        from rec_lightning.studies.reproduction import compared_by, judge, neighbours

        finished = read_finished(place, scoring=True)
        again = Path(options.get("run_dir", str(place / "reproduction")))
        metric = options.get("metric") or compared_by(place)
        config, added = configuration_again(finished.config, finished.manifest["verb"], again)
    console = Console()
    if added:
        console.print(f"Not in the run's configuration, so at today's default: {', '.join(added)}.", highlight=False)
    if finished.manifest["verb"] == "train":
        from rec_lightning.train import follow
    else:
        from rec_lightning.baseline import follow
    follow(config)
    with refusing():
        verdict = judge(place, again, metric, neighbours(place))
        found = [change for change in changes(place, again) if change.part not in ("configuration", "cost")]
    if found:
        from rec_lightning.diff import change_table

        console.print(change_table(found, str(place), str(again)))
    console.print(verdict.sentence, markup=False, highlight=False)
    return 0 if verdict.reproduced else 1


def _parse(words: list[str]) -> tuple[Path, dict[str, str]]:
    places = [word for word in words if not re.match(r"(run_dir|metric)=.", word)]
    if len(places) != 1 or "=" in places[0]:
        raise ValueError(
            f"reproduce needs one run directory, and knows run_dir=PATH and metric=NAME, got {words}. "
            "Write rec-lightning reproduce runs/a."
        )
    options = dict(word.split("=", 1) for word in words if word not in places)
    if len(options) + 1 < len(words):
        raise ValueError(f"each option must be given once, got {words}. Leave one out.")
    return Path(places[0]), options
