from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from scipy import stats

from rec_lightning.studies.reproduction import compared_by, judge, neighbours

WriteRun = Callable[..., Path]
HALF = [1] * 20 + [50] * 20


def test_equal_to_the_last_rank(write_run: WriteRun) -> None:
    verdict = judge(write_run("a", HALF), write_run("b", HALF), "hr@10")
    assert (verdict.equal, verdict.reproduced) == (True, True)
    assert verdict.sentence == "Equal: all 40 targets have the same rank."


def test_within_the_interval_over_users(write_run: WriteRun) -> None:
    other = HALF[:]
    other[0], other[39], other[38] = 50, 1, 1  # one lost, two won
    verdict = judge(write_run("a", HALF), write_run("b", other), "hr@10")
    assert (verdict.equal, verdict.reproduced) == (False, True)
    assert verdict.sentence.startswith("Not equal, but within the 95 % interval over users: [-")
    assert verdict.sentence.endswith("holds 0. HR@10 0.5250, was 0.5000, difference +0.0250.")


def test_a_difference_that_chance_does_not_explain(write_run: WriteRun) -> None:
    verdict = judge(write_run("a", HALF), write_run("b", [1] * 40), "hr@10")
    assert (verdict.equal, verdict.reproduced) == (False, False)
    assert "Not reproduced: outside the 95 % interval over users" in verdict.sentence
    assert "misses 0" in verdict.sentence


def seeds(write_run: WriteRun, hits: dict[int, int]) -> list[Path]:
    found = []
    for seed, hit in hits.items():
        folder = write_run(f"row/seed-{seed}", [1] * hit + [50] * (40 - hit), seed=seed)
        (folder / "config.yaml").write_text(f"seed: {seed}\nmonitor: val/hr@10\nrun_dir: {folder}\n")
        found.append(folder)
    return found


def test_the_seeds_say_how_far_a_further_run_may_be(write_run: WriteRun) -> None:
    runs = seeds(write_run, {1: 20, 2: 24, 3: 16})
    assert neighbours(runs[0]) == runs[1:]
    means = np.array([20, 24, 16]) / 40
    reach = stats.t.ppf(0.975, 2) * means.std(ddof=1) * (4 / 3) ** 0.5
    verdict = judge(runs[0], write_run("b", [1] * 32 + [50] * 8), "hr@10", neighbours(runs[0]))
    assert verdict.reproduced
    assert f"spread of 3 seeds [{0.5 - reach:.4f}, {0.5 + reach:.4f}]" in verdict.sentence
    runs = seeds(lambda *a, **k: write_run(f"tight-{a[0]}", *a[1:], **k), {1: 20, 2: 20, 3: 21})
    assert not judge(runs[0], write_run("c", [1] * 32 + [50] * 8), "hr@10", runs[1:]).reproduced


def test_a_neighbour_of_another_configuration_is_none(write_run: WriteRun) -> None:
    runs = seeds(write_run, {1: 20, 2: 20, 3: 20})
    (runs[1] / "config.yaml").write_text("seed: 2\nmonitor: val/hr@10\nwidth: 3\nrun_dir: x\n")
    assert neighbours(runs[0]) == [runs[2]]
    assert neighbours(write_run("alone", HALF)) == []


def test_other_users_are_other_data(write_run: WriteRun) -> None:
    verdict = judge(write_run("a", HALF), write_run("b", HALF, users=range(1, 41)), "hr@10")
    assert "other users or targets were tested (40 and 40 users)" in verdict.sentence
    assert not verdict.reproduced


def test_what_is_compared(write_run: WriteRun) -> None:
    (run,) = seeds(write_run, {1: 20})
    assert compared_by(run) == "hr@10"
    (run / "config.yaml").write_text("seed: 1\n")
    assert compared_by(run) == "ndcg@10"
