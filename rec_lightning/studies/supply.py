"""Where a launcher takes its jobs from: a list, or a search that makes them one after another.

Relations: ``launch`` asks; ``search`` is the other supply.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from rec_lightning.studies.job import Job, Outcome


class Supply(Protocol):
    """Jobs that come one after another, as what has ended decides what is next."""

    @property
    def done(self) -> bool:
        """Whether no job will come any more and all have ended."""
        ...

    def offer(self, free: int) -> Sequence[Job]:
        """Jobs that may start now, in order; one that another launcher runs is passed over.

        Args:
            free: how many can start now, at least 1.
        """
        ...

    def goes_on(self, job: Job) -> bool:
        """Asked at every look while it runs; False ends it."""
        ...

    def started(self, job: Job) -> None:
        """It was taken from the offer."""
        ...

    def ended(self, outcome: Outcome) -> None:
        """It has ended, well or not."""
        ...


class Listed:
    """A supply of jobs that are known beforehand; ``outcomes`` holds how each ended, by its number.

    Args:
        jobs: in the order in which they start.
    """

    def __init__(self, jobs: Sequence[Job]) -> None:
        self.outcomes: dict[int, Outcome] = {}
        self._waiting, self._taken = list(enumerate(jobs)), list[tuple[int, Job]]()

    @property
    def done(self) -> bool:
        """Whether all have started."""
        return not self._waiting

    def offer(self, free: int) -> list[Job]:
        """All that have not started."""
        return [job for _, job in self._waiting]

    def goes_on(self, job: Job) -> bool:
        """Always: only what a search tries is ended early."""
        return True

    def started(self, job: Job) -> None:
        """It waits no longer."""
        _move(job, self._waiting, self._taken)

    def ended(self, outcome: Outcome) -> None:
        """Its outcome is kept."""
        number, _ = _move(outcome.job, self._taken, [])
        self.outcomes[number] = outcome


class Together:
    """Several supplies as one; the first has the first choice.

    Args:
        supplies: that share the launcher.
    """

    def __init__(self, supplies: Sequence[Supply]) -> None:
        self._supplies, self._whose = supplies, dict[int, Supply]()

    @property
    def done(self) -> bool:
        """Whether all are."""
        return all(supply.done for supply in self._supplies)

    def offer(self, free: int) -> list[Job]:
        """What they offer, one after another, until enough can start."""
        found: list[Job] = []
        for supply in self._supplies:
            if len(found) < free and not supply.done:
                offered = supply.offer(free - len(found))
                self._whose |= {id(job): supply for job in offered}
                found += offered
        return found

    def goes_on(self, job: Job) -> bool:
        """As its own supply says."""
        return self._whose[id(job)].goes_on(job)

    def started(self, job: Job) -> None:
        """Its own supply hears it."""
        self._whose[id(job)].started(job)

    def ended(self, outcome: Outcome) -> None:
        """Its own supply hears it."""
        self._whose[id(outcome.job)].ended(outcome)


def _move(job: Job, here: list[tuple[int, Job]], there: list[tuple[int, Job]]) -> tuple[int, Job]:
    found = next(one for one in here if one[1] is job)  # one job may stand in the list twice
    here.remove(found)
    there.append(found)
    return found
