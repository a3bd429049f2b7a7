"""The rows of a study side by side: means, intervals over users, and the paired difference to the reference.

Relations: from ``rows`` to ``entries``, with the intervals and tests of ``contrast``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from statistics import fmean

from rec_lightning.studies.contrast import difference_of, mean_of, p_of, user_values
from rec_lightning.studies.entries import Comparison, Failure, Finished, Line, Missing, Run
from rec_lightning.studies.evidence import corrected, weigh
from rec_lightning.studies.pooled import joined
from rec_lightning.studies.study import RowSpec, Study


def compare(study: Study, entries: Sequence[Finished | Failure], overrides: Sequence[str] = ()) -> Comparison:
    """Puts the rows side by side; a run over other data or users than the first has no result here.

    Args:
        study: metrics, reference and bootstrap.
        entries: the runs, in any order.
        overrides: given beside the study.
    """
    study, entries = joined(study, entries)
    first = next((entry for entry in entries if isinstance(entry, Finished)), None)
    fitting = [_fitting(first, entry) if first and isinstance(entry, Finished) else entry for entry in entries]
    runs, failed = dict[str, tuple[Run, ...]](), dict[str, tuple[Failure, ...]]()
    for row in study.rows:
        mine = [entry for entry in fitting if entry.spec.name == row.name]
        runs[row.name] = tuple(entry.run for entry in mine if isinstance(entry, Finished))
        failed[row.name] = tuple(entry for entry in mine if isinstance(entry, Failure))
    reference = runs[study.reference] if study.reference is not None else ()
    lines = [
        _line(study, row, runs[row.name], reference, failed[row.name])
        if runs[row.name]
        else Missing(row, failed[row.name])
        for row in study.rows
        if row.shown
    ]
    return Comparison(study, tuple(_corrected(lines, study.correction)), tuple(overrides))


def _line(
    study: Study, spec: RowSpec, runs: tuple[Run, ...], reference: tuple[Run, ...], failures: tuple[Failure, ...]
) -> Line:
    values = {metric: user_values(metric, runs) for metric in study.metrics}
    scores = {metric: mean_of(study, metric, runs) for metric in study.metrics}
    spread = {metric: float(v.mean(1).std(ddof=1)) for metric, v in values.items() if len(runs) > 1}
    versus = evidence = None
    if reference and reference is not runs:
        versus = difference_of(study, study.primary, runs, reference)
        name, p = p_of(study, study.primary, runs, reference)
        evidence = weigh(values[study.primary], user_values(study.primary, reference), versus, name, p)
    also = {metric: fmean(run.row.metrics[f"test/{metric}"] for run in runs) for metric in study.also}
    return Line(spec, runs, scores, spread, versus, evidence, failures, also)


def _corrected(entries: Sequence[Line | Missing], correction: str) -> list[Line | Missing]:
    found = [entry.evidence for entry in entries if isinstance(entry, Line) and entry.evidence]
    after = iter(corrected(found, correction))
    return [replace(e, evidence=next(after)) if isinstance(e, Line) and e.evidence else e for e in entries]


def _fitting(first: Finished, other: Finished) -> Finished | Failure:
    try:
        _same_users(first, other)
    except ValueError as error:
        return Failure(other.spec, other.run.seed, other.run.command, None, (str(error),))
    return other


def _same_users(first: Finished, other: Finished) -> None:
    a, b = first.run.row, other.run.row
    names = " and ".join(repr(entry.spec.run_name(entry.run.seed)) for entry in (first, other))
    prints = [row.manifest.data.fingerprint[:12] for row in (a, b)]
    if prints[0] != prints[1]:
        raise ValueError(
            f"rows must come from the same data, got {names} with fingerprints {prints[0]} and {prints[1]}. "
            "Run the study in a new folder."
        )
    if not (a.users.equals(b.users) and a.targets.equals(b.targets)):
        raise ValueError(
            f"rows must be tested on the same users and targets, got {names} with {len(a.users)} and {len(b.users)} "
            "users that differ. Give both the same data options."
        )
