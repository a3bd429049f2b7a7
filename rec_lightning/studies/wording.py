"""The sentences that the table, the picture and the report share.

Said once, so that the terminal and the report never describe a study differently.

Relations: numbers are written by ``formats``.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

from rec_lightning.studies.aims import direction
from rec_lightning.studies.entries import LEVEL, Comparison, Line
from rec_lightning.studies.formats import count, memory, metric_label, percent, seconds
from rec_lightning.studies.manifest import read_energy
from rec_lightning.studies.ranked import Ranks
from rec_lightning.studies.study import CORRECTIONS, RowSpec, Trial

_TOLD = 12  # tries that a sentence names


def versus_label(comparison: Comparison) -> str:
    """Heading of the column of paired differences."""
    return f"Δ {metric_label(comparison.study.primary)} to {comparison.study.reference}"


def protocol(comparison: Comparison) -> str:
    """What was measured, on what, and how the intervals came about. Needs at least one line."""
    study, first = comparison.study, comparison.lines[0]
    data = first.row.manifest.data
    sentences = [
        f"{data.name}: {data.users:,} users, {data.items:,} items, {data.interactions:,} interactions.",
        study.protocol,
        *_intervals(comparison),
    ]
    if comparison.reference is not None:
        sentences.append(
            f"Δ: paired difference in {metric_label(study.primary)} to {study.reference}, the same users on both sides."
        )
    elif study.reference is not None:
        sentences.append(f"No differences: the reference row {study.reference} has no result.")
    if comparison.overrides:
        sentences.append(f"Changed from the study's file: {' '.join(comparison.overrides)}.")
    return " ".join(sentences)


def _intervals(comparison: Comparison) -> list[str]:
    study, level = comparison.study, f"{100 * LEVEL:.0f} %"
    row = comparison.lines[0].row
    users = f"{len(row.users):,} tested users"
    if isinstance(row.result, Ranks) and len(row.targets) > len(row.users):
        users += f" with {len(row.targets):,} targets"
    single = [line for line in comparison.lines if len(line.runs) == 1]
    several = len(single) < len(comparison.lines)
    told = []
    if several:
        told.append(
            f"Rows with several seeds show the mean over them; intervals: {level}, Student's with Satterthwaite's "
            f"degrees of freedom, over seeds and the {users} as crossed sources of variance."
        )
    if single:
        which = "Rows with one run" if several else "Intervals"
        told.append(
            f"{which}: {level} percentile bootstrap over the {users}, {study.resamples:,} resamples, "
            f"bootstrap seed {study.seed}."
        )
    return told


def interval_label(comparison: Comparison) -> str:
    """Which interval a picture draws, in a few words."""
    over = "users and seeds" if any(len(line.runs) > 1 for line in comparison.lines) else "users"
    return f"{100 * LEVEL:.0f} % interval over {over}"


def caution(comparison: Comparison) -> str:
    """What the intervals do not show."""
    several = [line for line in comparison.lines if len(line.runs) > 1]
    single = [line for line in comparison.lines if len(line.runs) == 1 and (not several or line.spec.verb == "train")]
    told = []
    if several:
        seeds = sorted({run.seed for line in several for run in line.runs})
        fewest = min(len(line.runs) for line in several)
        told.append(f"Seeds {', '.join(map(str, seeds))}; an interval from {fewest} seeds is itself rough.")
    if single:
        seeds = sorted({line.runs[0].seed for line in single})
        who = ", ".join(line.spec.name for line in single) if several else "every row"
        ran = f"one seed ({seeds[0]})" if len(seeds) == 1 else f"one seed each ({', '.join(map(str, seeds))})"
        told.append(
            f"{who} ran with {ran}, so {'these' if several else 'the'} intervals hold the chance of which users were "
            "tested, not that of training again."
        )
    paired = "; the paired Δ is the sharper comparison" if comparison.reference is not None else ""
    told.append(f"Overlapping intervals show neither a difference nor equality{paired}. {_correction(comparison)}")
    return f"Caution: {' '.join(told)}"


def searched(comparison: Comparison) -> list[str]:
    """What was tried inside each row, and what validation chose; nothing where nothing was tried."""
    metric = metric_label(comparison.study.primary)
    return [
        f"{row.name}: of {len(row.trials)} candidates{_ends(row)}, {metric} on validation with seed {row.seeds[0]}: "
        + "; ".join(_trial(trial) for trial in _best_first(row.trials, direction(comparison.study.primary)))
        + f"{_rest(row.trials)}."
        for row in (entry.spec for entry in comparison.entries)
        if row.trials
    ]


def _ends(row: RowSpec) -> str:
    states = {"pruned": "ended early", "failed": "failed", "running": "not ended"}
    counts = {text: sum(trial.state == state for trial in row.trials) for state, text in states.items()}
    told = [f"{number} {text}" for text, number in counts.items() if number]
    return f" ({', '.join(told)})" if told else ""


def _best_first(trials: Sequence[Trial], sign: int) -> Sequence[Trial]:
    """All of a few in their order, else the best of those that came to their end."""
    if len(trials) <= _TOLD:
        return trials
    ended = [trial for trial in trials if trial.state == "complete" and trial.value is not None]
    return sorted(ended, key=lambda trial: (not trial.chosen, -sign * (trial.value or 0.0)))[:_TOLD]


def _rest(trials: Sequence[Trial]) -> str:
    return f"; {len(trials) - _TOLD} more in results.json" if len(trials) > _TOLD else ""


def _trial(trial: Trial) -> str:
    value = "no result" if trial.value is None else f"{trial.value:.4f}"
    return f"{' '.join(trial.overrides)} {value}{' (chosen)' if trial.chosen else ''}"


def _correction(comparison: Comparison) -> str:
    if any(line.evidence for line in comparison.lines):
        by = CORRECTIONS[comparison.study.correction]
        return f"A star marks a difference that holds at 5 % after {by}'s correction over all rows."
    return "Several rows are compared without a test."


def mark(line: Line) -> str:
    """A star where the difference to the reference holds after the correction."""
    return "*" if line.evidence and line.evidence.supported else ""


def cost(line: Line) -> tuple[str, str, str, str]:
    """Trainable parameters, their share, wall time of a run and peak memory of a row; means and largest of its runs."""
    manifest = line.row.manifest
    return count(manifest.trainable), percent(manifest.share), seconds(wall(line)), memory(peak(line))


def wall(line: Line) -> float:
    """Mean seconds of the row's runs."""
    return fmean(run.row.manifest.wall for run in line.runs)


def cpu(line: Line) -> float:
    """Mean seconds of processor time of the row's runs."""
    return fmean(run.row.manifest.cpu for run in line.runs)


def peak(line: Line) -> float:
    """Largest memory of the row's runs, in MB."""
    return max(run.row.manifest.peak_memory_mb for run in line.runs)


def energy(line: Line) -> dict[str, float]:
    """Mean kWh and kg of CO2-equivalent of the row's runs; empty where a run did not measure them."""
    told = [read_energy(run.row.folder) for run in line.runs]
    if not all(told):
        return {}
    return {head: fmean(one[key] for one in told) for head, key in (("kWh", "kwh"), ("kg CO2e", "kg_co2e"))}


def published_cell(line: Line, metric: str) -> tuple[str, str]:
    """A published number and by how much the row's own differs from it; empty where there is none.

    Args:
        line: of the table.
        metric: of the study.
    """
    if line.spec.published is None or metric not in line.spec.published.scores:
        return "", ""
    theirs = line.spec.published.scores[metric]
    return f"{theirs:.4f}", f"{100 * (line.scores[metric].mean / theirs - 1):+.1f} %"


def published_metrics(comparison: Comparison) -> list[str]:
    """The metrics for which a row names published numbers, in the study's order."""
    named = {metric for row in comparison.study.rows if row.published for metric in row.published.scores}
    return [metric for metric in comparison.study.metrics if metric in named]


def sources(comparison: Comparison) -> str:
    """Where the published numbers stand; empty without any."""
    told = [f"{row.name}: {row.published.source}" for row in comparison.study.rows if row.published]
    return f"Published numbers, and ours relative to them: {'; '.join(told)}." if told else ""
