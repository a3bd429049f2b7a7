"""Numbers as people read them, the same on the terminal and in the report.

Relations: ``wording`` makes sentences with them. Light, because the progress of a launch shows durations.
"""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rec_lightning.studies.intervals import Interval

# written as escapes, because they are easily taken for a hyphen
EN_DASH = "\u2013"
NOTHING = EN_DASH
_SHORT = ("hr", "ndcg", "auc", "gauc", "uauc", "rmse", "mae", "mrr", "f1")  # all others are words


def metric_label(metric: str) -> str:
    """A metric's key as people write it.

    Example:
        >>> metric_label("user_ndcg@10"), metric_label("long_tail@10"), metric_label("like/auc")
        ('user NDCG@10', 'long tail@10', 'like: AUC')
    """
    objective, _, name = metric.rpartition("/")
    words, at, k = name.partition("@")
    label = " ".join(word.upper() if word in _SHORT else word for word in words.split("_")) + at + k
    return f"{objective.replace('_', ' ')}: {label}" if objective else label


def score(interval: Interval) -> str:
    """A mean to three digits.

    Example:
        >>> from rec_lightning.studies.intervals import Interval
        >>> score(Interval(0.1069, 0.09, 0.12))
        '0.107'
    """
    return f"{interval.mean:.3f}"


def span(interval: Interval) -> str:
    """The ends of an interval of values that are never negative.

    Example:
        >>> from rec_lightning.studies.intervals import Interval
        >>> span(Interval(0.107, 0.0921, 0.1224))
        '0.092–0.122'
    """
    return f"{interval.low:.3f}{EN_DASH}{interval.high:.3f}"


def change(interval: Interval) -> str:
    """A difference with its sign.

    Example:
        >>> from rec_lightning.studies.intervals import Interval
        >>> change(Interval(0.021, -0.001, 0.04))
        '+0.021'
    """
    return _signed(interval.mean)


def change_span(interval: Interval) -> str:
    """The ends of an interval of differences.

    Example:
        >>> from rec_lightning.studies.intervals import Interval
        >>> change_span(Interval(0.021, -0.001, 0.04))
        '-0.001, +0.040'
    """
    return f"{_signed(interval.low)}, {_signed(interval.high)}"


def _signed(value: float) -> str:
    return "0.000" if abs(value) < 0.0005 else f"{value:+.3f}"


def count(number: int) -> str:
    """A number of parameters, short.

    Example:
        >>> [count(n) for n in (0, 999, 73_728, 22_713_216, 1_200_000_000)]
        ['0', '999', '73.7 k', '22.7 M', '1.2 G']
    """
    for unit, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if number >= size:
            return f"{number / size:.1f} {unit}"
    return str(number)


def percent(share: float | None) -> str:
    """A share; small ones keep two digits.

    Example:
        >>> [percent(s) for s in (None, 1.0, 0.0325, 0.0004)]
        ['–', '100 %', '3.2 %', '0.04 %']
    """
    if share is None:
        return NOTHING
    if share >= 0.9995:
        return "100 %"
    return f"{share:.1%}".replace("%", " %") if share >= 0.01 else f"{share:.2%}".replace("%", " %")


def seconds(value: float) -> str:
    """A duration.

    Example:
        >>> [seconds(s) for s in (0.42, 75.2, 4000)]
        ['0.4 s', '1 min 15 s', '1 h 06 min']
    """
    if value < 60:
        return f"{value:.1f} s"
    minutes, rest = divmod(round(value), 60)
    return f"{minutes} min {rest:02d} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"


def memory(megabytes: float) -> str:
    """A size of memory.

    Example:
        >>> [memory(m) for m in (312.4, 2150.0)]
        ['312 MB', '2.15 GB']
    """
    return f"{megabytes:.0f} MB" if megabytes < 1000 else f"{megabytes / 1000:.2f} GB"


def ending(code: int | None) -> str:
    """How a row without a result ended, from its exit code; None where the exit was well.

    Example:
        >>> [ending(code) for code in (None, 2, -9)]
        ['left no usable result', 'failed with exit code 2', 'was killed by SIGKILL (out of memory?)']
    """
    if code is None:
        return "left no usable result"
    if code >= 0:
        return f"failed with exit code {code}"
    return f"was killed by {signal.Signals(-code).name}{' (out of memory?)' if code == -signal.SIGKILL else ''}"
