"""Ablations: a full model and the same without one part at a time, as rows of a study and as a table of their own.

``ablation: {of: ROW, without: {PART: [overrides]}}`` adds a row for each part, with the row's own overrides but for
those given. The table compares each with the full row, largest loss first, corrected over the parts alone.

Relations: ``reading`` adds the rows, ``publish`` writes the table with ``markdown`` and ``latex``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from rec_lightning.studies.aims import direction
from rec_lightning.studies.override import override_key
from rec_lightning.studies.study import RowSpec

if TYPE_CHECKING:
    from rec_lightning.studies.entries import Comparison


def ablated(content: object, rows: Sequence[RowSpec]) -> tuple[RowSpec, ...]:
    """The rows without a part.

    Args:
        content: of ``ablation`` in a study's file.
        rows: of the study.

    Raises:
        ValueError: another form, or a row that is none.

    Example:
        >>> full = RowSpec("Full", "train", ("items=id", "loss=bce"))
        >>> [(row.name, row.overrides) for row in ablated({"of": "Full", "without": {"bce": ["loss=bpr"]}}, [full])]
        [('Full without bce', ('items=id', 'loss=bpr'))]
    """
    if not isinstance(content, Mapping) or set(content) != {"of", "without"}:
        raise ValueError(
            f"ablation must have the keys of (a row) and without (parts and their overrides), got {content!r}."
        )
    full = next((row for row in rows if row.name == content["of"]), None)
    if full is None:
        raise ValueError(
            f"ablation.of must be the name of a row, one of {[r.name for r in rows]}, got {content['of']!r}."
        )
    parts = content["without"]
    if not isinstance(parts, Mapping) or not parts:
        raise ValueError(f"ablation.without must map parts to lists of overrides, got {parts!r}.")
    return tuple(_without(full, str(part), given) for part, given in parts.items())


def _without(full: RowSpec, part: str, given: object) -> RowSpec:
    if (
        not isinstance(given, Sequence)
        or isinstance(given, str)
        or not all(isinstance(o, str) for o in given)
        or not given
    ):
        raise ValueError(f"ablation.without.{part} must be a list of overrides, got {given!r}.")
    overrides = tuple({override_key(o): o for o in (*full.overrides, *given)}.values())
    return replace(full, name=f"{full.name} without {part}", overrides=overrides, published=None, without=part)


def ablation(comparison: Comparison) -> Comparison | None:
    """The full row and those without a part, compared with the full row.

    Args:
        comparison: the study's outcome.

    Returns:
        None for a study without an ablation, or one whose full row has no result.
    """
    from rec_lightning.studies.comparison import compare
    from rec_lightning.studies.entries import Finished

    lines = [line for line in comparison.lines if line.spec.without]
    names = {line.spec.name.removesuffix(f" without {line.spec.without}") for line in lines}
    full = next((line for line in comparison.lines if line.spec.name in names), None)
    if full is None:
        return None
    primary = comparison.study.primary
    mean = {line.spec.name: direction(primary) * line.scores[primary].mean for line in lines}
    ordered = [full, *sorted(lines, key=lambda line: mean[line.spec.name])]
    specs = {line.spec.name: replace(line.spec, name=f"without {line.spec.without}") for line in lines}
    specs[full.spec.name] = full.spec
    study = replace(
        comparison.study, title=f"{comparison.study.title}: {full.spec.name} without one part at a time",
        rows=tuple(specs[line.spec.name] for line in ordered), reference=full.spec.name,
    )  # fmt: skip
    entries = [Finished(specs[line.spec.name], run) for line in ordered for run in line.runs]
    return compare(study, entries, comparison.overrides)
