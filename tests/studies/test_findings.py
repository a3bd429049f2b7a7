from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rec_lightning.studies.comparison import compare, user_values
from rec_lightning.studies.crossed import crossed_test
from rec_lightning.studies.entries import Comparison, Failure, Finished, Run
from rec_lightning.studies.findings import findings
from rec_lightning.studies.rows import read_row
from rec_lightning.studies.significance import effect_size, holm, sign_flip
from rec_lightning.studies.study import Study
from rec_lightning.studies.testing import CROSSED, SIGN_FLIP
from rec_lightning.studies.wording import caution

WriteRun = Callable[..., Path]


@pytest.fixture
def comparison(study: Study, write_run: WriteRun) -> Comparison:
    generator = np.random.default_rng(0)
    ease = generator.integers(1, 40, 300)
    ranks = [generator.integers(1, 40, 300), ease, np.maximum(1, ease // 2)]  # chance, the reference, clearly better
    runs = [Run(42, "c", read_row(write_run(str(n), ranks[n]), study.metrics)) for n in range(3)]
    return compare(study, [Finished(spec, run) for spec, run in zip(study.rows, runs, strict=True)])


def test_each_row_is_tested_once_and_corrected_for_their_number(comparison: Comparison, study: Study) -> None:
    chance, ease, better = comparison.lines
    assert ease.evidence is None
    found = [line.evidence for line in (chance, better)]
    differences = [
        (user_values("ndcg@10", line.runs) - user_values("ndcg@10", ease.runs))[0] for line in (chance, better)
    ]
    p_values = [sign_flip(d, study.resamples, study.seed) for d in differences]
    assert [e.p for e in found if e] == p_values
    assert [e.holm for e in found if e] == holm(p_values)
    assert [e.effect for e in found if e] == [effect_size(d) for d in differences]
    assert {e.test for e in found if e} == {SIGN_FLIP}
    assert {e.comparisons for e in found if e} == {2}


def test_what_is_supported_is_said(comparison: Comparison) -> None:
    chance, better, reach = findings(comparison)
    line = comparison.lines[2]
    assert line.evidence is not None
    assert line.evidence.relative is not None
    relative = line.evidence.relative
    assert better == (
        f"SASRec, ids + <text> beats EASE by {100 * relative.mean:.1f} % NDCG@10 (95 % interval "
        f"{100 * relative.low:.1f} to {100 * relative.high:.1f} %, p = .004 after Holm over 2 comparisons)."
    )
    assert chance.startswith("No difference between Popularity and EASE is supported: ")
    assert "nor are they shown to be equal" in chance
    assert "Differences between other pairs of rows are not tested" in reach
    assert "training again with another seed" in reach
    assert "A star marks a difference that holds at 5 % after Holm" in caution(comparison)


def test_a_worse_row_is_said_to_be_worse(study: Study, write_run: WriteRun) -> None:
    runs = [Run(42, "c", read_row(write_run(str(n), [n] * 50), study.metrics)) for n in (9, 2)]
    entries = [Finished(spec, run) for spec, run in zip(study.rows[:2], runs, strict=True)]
    told = findings(compare(replace(study, rows=study.rows[:2]), entries))
    assert told[0].startswith(
        "Popularity is worse than EASE by 52.3 % NDCG@10 (95 % interval -52.3 to -52.3 %, p = .002"
    )
    assert "Holm over" not in told[0]


def test_several_seeds_are_tested_across_them(study: Study, write_run: WriteRun) -> None:
    rows = (study.rows[1], replace(study.rows[2], seeds=(1, 2)))
    ranks = np.random.default_rng(0).integers(1, 40, (3, 300))
    runs = [Run(n, "c", read_row(write_run(str(n), ranks[n]), study.metrics)) for n in range(3)]
    entries: list[Finished | Failure] = [Finished(rows[0], runs[0]), *(Finished(rows[1], run) for run in runs[1:])]
    comparison = compare(replace(study, rows=rows), entries)
    evidence = comparison.lines[1].evidence
    assert evidence is not None
    assert evidence.test == CROSSED
    assert evidence.p == crossed_test(user_values("ndcg@10", runs[1:]), user_values("ndcg@10", runs[:1]))
    assert "another seed" not in findings(comparison)[-1]


def test_without_a_reference_nothing_is_found(study: Study, write_run: WriteRun) -> None:
    run = Run(42, "c", read_row(write_run("a", [1, 20]), study.metrics))
    alone = replace(study, rows=study.rows[:1], reference=None)
    assert findings(compare(alone, [Finished(study.rows[0], run)])) == []
