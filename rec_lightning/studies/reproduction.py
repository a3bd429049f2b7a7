"""Whether a run that was repeated says the same: equal to the last rank, within what chance explains, or not.

With neighbours, runs of the same configuration with other seeds, chance is the spread of the seeds: the 95 %
prediction interval of one further run, mean +- t s sqrt(1 + 1 / S) (Hahn and Meeker, *Statistical Intervals*, 1991).
Without, it is the 95 % interval of the paired difference over users, which knows nothing of training again and is
usually the narrower one.

Relations: ``difference`` says what else differs between the two.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rec_lightning.studies.aims import SCORED, is_ranked
from rec_lightning.studies.difference import changes
from rec_lightning.studies.entries import LEVEL
from rec_lightning.studies.formats import metric_label
from rec_lightning.studies.intervals import Interval, paired_difference
from rec_lightning.studies.manifest import read_json
from rec_lightning.studies.ranked import Ranks
from rec_lightning.studies.rows import Row, read_row
from rec_lightning.studies.scored import Scores


@dataclass(frozen=True)
class Verdict:
    """What came out.

    Args:
        equal: every target has the same rank.
        reproduced: equal, or within the spread or interval.
        sentence: for people.
    """

    equal: bool
    reproduced: bool
    sentence: str


def judge(first: Path, second: Path, metric: str, others: Sequence[Path] = ()) -> Verdict:
    """Compares a run with its repetition.

    Args:
        first: folder of the run.
        second: folder of its repetition.
        metric: as ``ndcg@10``.
        others: folders of runs that differ from the first in their seed alone.

    Raises:
        ValueError: a folder without a complete run, or a metric that it did not log.
    """
    one, two = (read_row(folder, [metric]) for folder in (first, second))
    if not (one.users.equals(two.users) and one.targets.equals(two.targets)):
        return Verdict(False, False, f"Not reproduced: other users or targets were tested ({len(one.users)} and "
                                     f"{len(two.users)} users), so the data are not the same.")  # fmt: skip
    if told := _equal(one, two):
        return Verdict(True, True, f"Equal: {told}.")
    mine, theirs = (row.by_user(metric) for row in (two, one))
    told = f"{metric_label(metric)} {mine.mean():.4f}, was {theirs.mean():.4f}"
    if others:
        spread = _further_run([float(row.by_user(metric).mean()) for row in (one, *_read(others, metric))])
        inside = spread.low <= mine.mean() <= spread.high
        what = f"spread of {len(others) + 1} seeds [{spread.low:.4f}, {spread.high:.4f}] (95 % for one further run)"
    else:
        change = paired_difference(mine, theirs, level=LEVEL)
        inside = change.low <= 0 <= change.high
        told += f", difference {change.mean:+.4f}"
        what = f"95 % interval over users: [{change.low:+.4f}, {change.high:+.4f}] {'holds' if inside else 'misses'} 0"
    head = "Not equal, but within" if inside else "Not reproduced: outside"
    return Verdict(False, bool(inside), f"{head} the {what}. {told}.")


def _equal(one: Row, two: Row) -> str:
    """What is the same, in words; empty where something differs."""
    if isinstance(one.result, Ranks) and isinstance(two.result, Ranks):
        same = np.array_equal(one.result.rank, two.result.rank)
        return f"all {len(one.targets)} targets have the same rank" if same else ""
    assert isinstance(one.result, Scores)
    assert isinstance(two.result, Scores)
    same = np.array_equal(one.result.value, two.result.value)
    return f"all {len(one.targets)} predictions are the same" if same else ""


def compared_by(run: Path) -> str:
    """The metric that chose the run's best epoch, else NDCG at 10, or the first of its kind of label."""
    from omegaconf import OmegaConf

    config = OmegaConf.load(run / "config.yaml")
    chosen = str(OmegaConf.select(config, "monitor")).removeprefix("val/")
    if OmegaConf.select(config, "label"):
        logged = read_json(run / "metrics.json")
        return chosen if chosen in SCORED else next(name for name in SCORED if f"test/{name}" in logged)
    return chosen if is_ranked(chosen) else "ndcg@10"


def neighbours(run: Path) -> list[Path]:
    """Complete runs beside a study's run that differ from it in the seed alone.

    Args:
        run: a folder; only one that is named as a study names its runs has neighbours.
    """
    if not _is_seed(run):
        return []
    found = sorted(path for path in run.resolve().parent.iterdir() if _is_seed(path) and path != run.resolve())
    return [path for path in found if _tested(path) and _only_the_seed(run, path)]


def _tested(path: Path) -> bool:
    return any((path / f"{name}.parquet").is_file() for name in ("rankings", "predictions"))


def _is_seed(path: Path) -> bool:
    return bool(re.fullmatch(r"seed-\d+", path.resolve().name)) and (path / "manifest.json").is_file()


def _only_the_seed(run: Path, other: Path) -> bool:
    if read_json(other / "manifest.json").get("status") != "complete":
        return False
    differ: list[Any] = [change for change in changes(run, other) if change.part in ("configuration", "data")]
    return [change.key for change in differ] == ["seed"]


def _read(folders: Sequence[Path], metric: str) -> list[Row]:
    return [read_row(folder, [metric]) for folder in folders]


def _further_run(means: Sequence[float]) -> Interval:
    from scipy import stats  # takes a second

    number, mean = len(means), float(np.mean(means))
    reach = float(stats.t.ppf((1 + LEVEL) / 2, number - 1) * np.std(means, ddof=1) * np.sqrt(1 + 1 / number))
    return Interval(mean, mean - reach, mean + reach)
