from __future__ import annotations

import re
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from rec_lightning.studies.intervals import Interval, bootstrap_mean, paired_difference
from rec_lightning.studies.ranked import hit, ndcg


def test_agrees_with_scipy() -> None:
    values = ndcg(np.random.default_rng(1).integers(1, 60, 943), 10)
    ours = bootstrap_mean(values, resamples=20_000, seed=1)
    theirs = stats.bootstrap((values,), np.mean, n_resamples=20_000, method="percentile", rng=2).confidence_interval
    width = theirs.high - theirs.low
    assert abs(ours.low - theirs.low) < 0.03 * width
    assert abs(ours.high - theirs.high) < 0.03 * width


def test_agrees_with_the_normal_approximation() -> None:
    values = hit(np.random.default_rng(3).integers(1, 50, 4000), 10)
    ours = bootstrap_mean(values, resamples=20_000)
    half = NormalDist().inv_cdf(0.975) * values.std() / np.sqrt(len(values))
    np.testing.assert_allclose([ours.low, ours.high], [values.mean() - half, values.mean() + half], atol=0.03 * half)


def test_resamples_are_those_of_users() -> None:
    # all 4 ** 4 resamples of four users, one by one: the exact distribution of the mean
    values = np.array([0.0, 0.0, 0.5, 1.0])
    grid = np.stack(np.meshgrid(*[values] * 4), -1).reshape(-1, 4).mean(1)
    exact = np.quantile(grid, [0.1, 0.9])
    ours = bootstrap_mean(values, resamples=50_000, level=0.8)
    np.testing.assert_allclose([ours.low, ours.high], exact, atol=1e-9)  # a lattice, so the ends are equal


def test_memory_is_bounded_by_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(0).random(200)
    whole = bootstrap_mean(values, resamples=1000)
    monkeypatch.setattr("rec_lightning.studies.intervals._CELLS", 2000)  # 10 resamples at a time
    assert bootstrap_mean(values, resamples=1000) == whole


def test_covers_the_truth_as_often_as_it_says() -> None:
    generator = np.random.default_rng(7)
    truth = 0.2
    covered = [
        (interval := bootstrap_mean((generator.random(400) < truth).astype(float), 1000, seed=n)).low <= truth
        and truth <= interval.high
        for n in range(300)
    ]
    assert 0.91 <= np.mean(covered) <= 0.985


def test_pairing_narrows_the_difference() -> None:
    generator = np.random.default_rng(5)
    shared = generator.random(500)
    better, worse = shared + 0.1, shared + 0.02 * generator.random(500)
    paired = paired_difference(better, worse)
    alone = bootstrap_mean(better)
    assert paired.high - paired.low < 0.1 * (alone.high - alone.low)
    assert paired.low > 0
    theirs = stats.bootstrap(
        (better, worse), lambda a, b, axis: (a - b).mean(axis), paired=True, method="percentile", rng=1
    ).confidence_interval
    np.testing.assert_allclose([paired.low, paired.high], [theirs.low, theirs.high], atol=1e-4)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=2, max_size=60), st.integers(0, 1000))
def test_the_mean_lies_inside_and_the_seed_decides(values: list[float], seed: int) -> None:
    array = np.array(values)
    interval = bootstrap_mean(array, 200, 0.99, seed)
    assert array.min() - 1e-9 <= interval.low <= interval.high <= array.max() + 1e-9
    assert interval == bootstrap_mean(array, 200, 0.99, seed)
    mirrored = bootstrap_mean(np.full_like(array, interval.mean), 200)
    assert mirrored.low == pytest.approx(interval.mean)


def test_a_row_equal_to_its_reference_differs_by_nothing() -> None:
    values = np.random.default_rng(0).random(50)
    assert paired_difference(values, values) == Interval(0, 0, 0)


@pytest.mark.parametrize(
    ("values", "options", "message"),
    [
        ([1.0], {}, "at least 2 users, got 1"),
        ([1.0, 0.0], {"resamples": 10}, "at least 100 resamples and a level between 0 and 1, got 10 and 0.95"),
        ([1.0, 0.0], {"level": 95.0}, "got 10000 and 95.0"),
        ([1.0, float("nan")], {}, "must be finite, got 1"),
    ],
)
def test_refusals(values: list[float], options: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        bootstrap_mean(np.array(values), **options)  # type: ignore[arg-type]


def test_paired_needs_the_same_users() -> None:
    with pytest.raises(ValueError, match="same users on both sides, got 3 and 2"):
        paired_difference(np.zeros(3), np.zeros(2))
