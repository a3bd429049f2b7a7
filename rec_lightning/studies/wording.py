"""The sentences that the table, the picture and the report share.

Said once, so that the terminal and the report never describe a study differently.

Relations: numbers are written by ``formats``.
"""

from __future__ import annotations

from rec_lightning.studies.comparison import LEVEL, Comparison, Line
from rec_lightning.studies.formats import count, memory, metric_label, percent, seconds


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
        f"Intervals: {100 * LEVEL:.0f} % percentile bootstrap over the {len(first.row.users):,} tested users, "
        f"{study.resamples:,} resamples, bootstrap seed {study.seed}.",
    ]
    if comparison.reference is not None:
        sentences.append(
            f"Δ: paired difference in {metric_label(study.primary)} to {study.reference}, "
            "the same users resampled on both sides."
        )
    elif study.reference is not None:
        sentences.append(f"No differences: the reference row {study.reference} has no result.")
    if comparison.overrides:
        sentences.append(f"Changed from the study's file: {' '.join(comparison.overrides)}.")
    return " ".join(sentences)


def caution(comparison: Comparison) -> str:
    """What the intervals do not show."""
    seeds = sorted({line.row.manifest.seed for line in comparison.lines})
    ran = f"one seed ({seeds[0]})" if len(seeds) == 1 else f"one seed each ({', '.join(map(str, seeds))})"
    paired = "; the paired Δ is the sharper comparison" if comparison.reference is not None else ""
    return (
        f"Caution: every row ran with {ran}, so the intervals hold the chance of which users were tested, not that "
        "of training again. Overlapping intervals show neither a difference nor equality"
        f"{paired}. Several rows are compared without correction."
    )


def cost(line: Line) -> tuple[str, str, str, str]:
    """Trainable parameters, their share, wall time and peak memory of a row."""
    manifest = line.row.manifest
    return count(manifest.trainable), percent(manifest.share), seconds(manifest.wall), memory(manifest.peak_memory_mb)
