"""All checks on one data set: findings, scores, and the figures for the pictures.

Relations: ``report`` writes what is found here; the front door ``audit`` composes and prints.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rec_lightning.contracts import TIMESTAMP
from rec_lightning.data.audit.finding import Finding, Subject
from rec_lightning.data.audit.governance import Score, documentation, overall, scores
from rec_lightning.data.audit.leakage import leakage
from rec_lightning.data.audit.privacy import privacy
from rec_lightning.data.audit.quality import quality
from rec_lightning.data.audit.schema import schema
from rec_lightning.data.module import RecData


@dataclass(frozen=True)
class Audit:
    """The result.

    Args:
        facts: name, source, counts, split of the data.
        findings: of all checks.
        scores: level of each dimension.
        level: the weakest.
        curves: name -> (x, y) of the pictures.
    """

    facts: dict[str, Any]
    findings: list[Finding]
    scores: list[Score]
    level: int
    curves: dict[str, tuple[list[float], list[float]]]

    def plain(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "level": self.level,
            "scores": [score.plain() for score in self.scores],
            "findings": [finding.plain() for finding in self.findings],
            "data": self.facts,
        }


def audit(data: RecData) -> Audit:
    """Looks at the data as prepared and split.

    Args:
        data: is read here, or opened from the cache.

    Raises:
        ValueError: they are not what the source says.
        OSError: they cannot be had.
    """
    facts = data.facts
    subject = Subject(data.tables, data.sequences, data.catalog, facts, _files(data.source))
    findings = list(_checks(subject))
    found = scores(findings)
    return Audit(dict(vars(facts)), findings, found, overall(found), _curves(subject))


def _checks(subject: Subject) -> Iterator[Finding]:
    yield from schema(subject)
    yield from quality(subject)
    yield from leakage(subject)
    yield from privacy(subject)
    yield from documentation(subject)


def _files(source: object) -> tuple[str, ...]:
    """Paths among the source's options."""
    values = [
        v for option in vars(source).values() for v in (option.values() if isinstance(option, dict) else [option])
    ]
    return tuple(v for v in values if isinstance(v, str) and "/" in v and Path(v).expanduser().is_file())


def _curves(subject: Subject) -> dict[str, tuple[list[float], list[float]]]:
    items = np.sort(np.bincount(subject.sequences.items)[1:])[::-1]
    lengths = np.diff(subject.sequences.offsets)
    curves = {
        "interactions of the n-th most popular item": _thinned(np.arange(1, len(items) + 1), items),
        "users with at least n interactions": _thinned(*_survival(lengths)),
    }
    if TIMESTAMP in subject.events.columns:
        time = subject.events[TIMESTAMP].to_numpy()
        count, edges = np.histogram(time, bins=60)
        days = (edges[:-1] - edges[0]) / 86_400
        curves["interactions by day since the first"] = (days.tolist(), count.astype(float).tolist())
    return curves


def _survival(lengths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    value, count = np.unique(lengths, return_counts=True)
    return value, count[::-1].cumsum()[::-1]


def _thinned(x: np.ndarray, y: np.ndarray) -> tuple[list[float], list[float]]:
    """At most 200 points, evenly spread on a logarithmic axis."""
    keep = np.unique(np.geomspace(1, len(x), min(len(x), 200)).astype(int) - 1) if len(x) > 1 else np.arange(len(x))
    assert all(math.isfinite(v) for v in y[keep])
    return x[keep].astype(float).tolist(), y[keep].astype(float).tolist()
