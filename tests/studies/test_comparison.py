from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rec_lightning.studies.comparison import compare
from rec_lightning.studies.crossed import crossed_difference, crossed_mean
from rec_lightning.studies.entries import Comparison, Failure, Finished, Run
from rec_lightning.studies.intervals import bootstrap_mean, paired_difference
from rec_lightning.studies.markdown import markdown_table
from rec_lightning.studies.ranked import ndcg
from rec_lightning.studies.rows import read_row
from rec_lightning.studies.study import Published, Study
from rec_lightning.studies.wording import caution, protocol, published_cell, published_metrics, sources

WriteRun = Callable[..., Path]


def finished(study: Study, number: int, folder: Path) -> Finished:
    return Finished(study.rows[number], Run(42, f"command {number}", read_row(folder, study.metrics)))


@pytest.fixture
def comparison(study: Study, write_run: WriteRun) -> Comparison:
    ranks = np.random.default_rng(0).integers(1, 40, (3, 300))
    return compare(study, [finished(study, n, write_run(str(n), ranks[n])) for n in range(3)], ["seed=42"])


def test_numbers_are_those_of_the_rankings(comparison: Comparison, study: Study) -> None:
    ease, trained = (line.row.by_user("ndcg@10") for line in comparison.lines[1:])
    line = comparison.lines[2]
    assert line.scores["ndcg@10"] == bootstrap_mean(trained, study.resamples, seed=study.seed)
    assert line.versus == paired_difference(trained, ease, study.resamples, seed=study.seed)
    assert comparison.lines[1].versus is None
    assert comparison.reference is comparison.lines[1]


def test_users_are_joined_whatever_their_order(study: Study, write_run: WriteRun) -> None:
    first = finished(study, 1, write_run("a", [1, 5, 20], users=[1, 2, 3]))
    other = finished(study, 2, write_run("b", [20, 1, 5], users=[3, 1, 2]))
    line = compare(study, [first, other]).lines[1]
    assert line.versus is not None
    assert (line.versus.mean, line.versus.low, line.versus.high) == (0, 0, 0)


def test_a_row_over_other_users_is_no_result(study: Study, write_run: WriteRun) -> None:
    first = finished(study, 0, write_run("a", [1, 5], users=[1, 2]))
    other = finished(study, 1, write_run("b", [1, 5], users=[1, 3]))
    (failure,) = compare(study, [first, other]).failures
    assert "same users and targets, got 'Popularity' and 'EASE' with 2 and 2 users that differ" in failure.error[0]


def test_a_row_over_other_data_is_no_result(study: Study, write_run: WriteRun) -> None:
    first = finished(study, 0, write_run("a", [1, 5]))
    data = {**first.run.row.manifest.raw["data"], "fingerprint": "e" * 64}
    other = finished(study, 1, write_run("b", [1, 5], data=data))
    (failure,) = compare(study, [first, other]).failures
    assert "fingerprints ffffffffffff and eeeeeeeeeeee" in failure.error[0]


def test_without_the_reference_there_is_no_difference(study: Study, write_run: WriteRun) -> None:
    entries: list[Finished | Failure] = [
        finished(study, 0, write_run("a", [1, 5])),
        Failure(study.rows[1], 42, "c", 2, ("error: x",)),
    ]
    comparison = compare(study, entries)
    assert comparison.reference is None
    assert comparison.lines[0].versus is None
    assert "No differences: the reference row EASE has no result." in protocol(comparison)


def test_the_protocol_is_told_in_full(comparison: Comparison) -> None:
    text = protocol(comparison)
    for part in (
        "toy: 400 users, 100 items, 9,000 interactions.",
        "Leave-one-out, full ranking, seen items excluded.",
        "95 % percentile bootstrap over the 300 tested users, 500 resamples, bootstrap seed 0.",
        "paired difference in NDCG@10 to EASE",
        "Changed from the study's file: seed=42.",
    ):
        assert part in text


def test_the_caution_names_the_seed(comparison: Comparison) -> None:
    assert "one seed (42)" in caution(comparison)
    assert "Overlapping intervals show neither a difference nor equality" in caution(comparison)


def test_seeds_are_a_source_of_variance(study: Study, write_run: WriteRun) -> None:
    rows = tuple(replace(row, seeds=(1, 2, 3) if row.verb == "train" else (1,)) for row in study.rows)
    ranks = np.random.default_rng(0).integers(1, 40, (4, 300))
    folders = [write_run(str(n), ranks[n]) for n in range(4)]
    runs = [Run(n, "c", read_row(folder, study.metrics)) for n, folder in enumerate(folders)]
    entries: list[Finished | Failure] = [Finished(rows[1], runs[0]), *(Finished(rows[2], run) for run in runs[1:])]
    comparison = compare(replace(study, rows=rows), [*entries, Failure(rows[0], 1, "c", 1, ("x",))])
    values = np.stack([ndcg(ranks[n], 10) for n in (1, 2, 3)])
    line = comparison.lines[1]
    assert line.scores["ndcg@10"] == crossed_mean(values)  # well inside 0..1
    assert line.spread["ndcg@10"] == pytest.approx(values.mean(1).std(ddof=1))
    assert line.versus == crossed_difference(values, ndcg(ranks[0], 10)[None])
    assert comparison.lines[0].spread == {}
    assert [failure.spec.name for failure in comparison.failures] == ["Popularity"]
    assert "over seeds and the 300 tested users as crossed sources" in protocol(comparison)
    assert "Rows with one run: 95 % percentile bootstrap" in protocol(comparison)
    assert "Seeds 1, 2, 3; an interval from 3 seeds is itself rough." in caution(comparison)


def test_a_seed_that_failed_leaves_the_others(study: Study, write_run: WriteRun) -> None:
    row = replace(study.rows[2], seeds=(1, 2))
    done = Finished(row, Run(1, "c", read_row(write_run("a", [1, 5]), study.metrics)))
    comparison = compare(replace(study, rows=(row,), reference=None), [done, Failure(row, 2, "c", -9, ("gone",))])
    (line,) = comparison.lines
    assert len(line.runs) == 1
    assert [failure.name for failure in comparison.failures] == ["SASRec, ids + <text>, seed 2"]
    assert "one seed (1)" in caution(comparison)


def test_published_numbers_stand_beside_ours(study: Study, write_run: WriteRun) -> None:
    row = replace(study.rows[2], published=Published({"hr@10": 0.4}, "a paper, table 2"))
    done = Finished(row, Run(42, "c", read_row(write_run("a", [1, 50]), study.metrics)))
    comparison = compare(replace(study, rows=(row,), reference=None), [done])
    assert published_cell(comparison.lines[0], "hr@10") == ("0.4000", "+25.0 %")
    assert published_metrics(comparison) == ["hr@10"]
    assert sources(comparison).endswith("SASRec, ids + <text>: a paper, table 2.")
    assert ".4000 (+25.0 %)" in markdown_table(comparison)
