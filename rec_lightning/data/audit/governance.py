"""Governance: documentation, and a capability level from 1 to 5 for each dimension.

The level is a count, not an opinion: 5 without findings, one less for each warning (at most two less), and at most 2
with a failure, 1 with several. The whole is as good as its weakest dimension: a leak is not mended by good titles.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

from rec_lightning.data.audit.finding import Finding, Subject

LEVELS = {1: "unsafe", 2: "to be mended", 3: "usable with care", 4: "good", 5: "exemplary"}


def documentation(subject: Subject) -> Iterator[Finding]:
    """Whether the data say what they are."""
    facts = subject.facts
    stated = not facts.licence.startswith(("not stated", "none stated"))
    yield Finding(
        "documentation",
        "licence",
        "good" if stated else "warning",
        facts.licence,
        "as the source states it",
        "" if stated else "Ask the owner, and set data.source.licence.",
    )
    yield Finding("documentation", "source", "good", facts.source, "where the data were read")
    yield Finding(
        "documentation", "fingerprint", "good", facts.fingerprint[:16], "sha256 of the content after preparation"
    )
    steps = "; ".join(f"{s['step']} removed {s['removed']}" for s in facts.steps)
    yield Finding(
        "documentation", "preparation", "good", f"{len(facts.steps)} steps", steps or "none: the data as they are"
    )


@dataclass(frozen=True)
class Score:
    """The level of one dimension.

    Args:
        dimension: its name.
        level: 1..5.
        word: of the level.
        evidence: how many findings of which grade.
        raise_by: what would raise it.
    """

    dimension: str
    level: int
    word: str
    evidence: str
    raise_by: list[str]

    def plain(self) -> dict[str, object]:
        """As JSON has it."""
        return asdict(self)


def scores(findings: Sequence[Finding]) -> list[Score]:
    """One score for each dimension, in the order of the findings."""
    return [
        _score(name, [f for f in findings if f.dimension == name])
        for name in dict.fromkeys(f.dimension for f in findings)
    ]


def _score(dimension: str, findings: list[Finding]) -> Score:
    count = {grade: sum(f.grade == grade for f in findings) for grade in ("failure", "warning", "note", "good")}
    if count["failure"]:
        level = 2 if count["failure"] == 1 else 1
    elif count["warning"]:
        level = max(3, 5 - count["warning"])
    else:
        level = 4 if count["note"] else 5
    worst = [f for grade in ("failure", "warning", "note") for f in findings if f.grade == grade and f.advice]
    evidence = ", ".join(f"{n} {grade}" for grade, n in count.items() if n)
    return Score(dimension, level, LEVELS[level], evidence, list(dict.fromkeys(f.advice for f in worst)))


def overall(found: Sequence[Score]) -> int:
    """The level of the weakest dimension."""
    return min(score.level for score in found)
