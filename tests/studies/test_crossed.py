from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from rec_lightning.studies.crossed import crossed_difference, crossed_mean, crossed_test


def drawn(
    generator: np.random.Generator, seeds: int, users: int, spread: tuple[float, float, float]
) -> NDArray[np.float64]:
    by_seed, by_user, rest = spread
    values = by_seed * generator.standard_normal((seeds, 1)) + by_user * generator.standard_normal((1, users))
    return np.asarray(values + rest * generator.standard_normal((seeds, users)))


def test_by_hand() -> None:
    # two seeds that differ by 1 for everyone, two users that differ by 2: no rest
    interval = crossed_mean(np.array([[0.0, 2.0], [1.0, 3.0]]))
    variance = 2 / 2 + 0.5 / 2  # users, seeds
    freedom = variance**2 / ((2 / 2) ** 2 / 1 + (0.5 / 2) ** 2 / 1)
    half = stats.t.ppf(0.975, freedom) * variance**0.5
    assert interval.mean == 1.5
    np.testing.assert_allclose([interval.low, interval.high], [1.5 - half, 1.5 + half], rtol=1e-12)


def test_seeds_that_agree_leave_the_interval_over_users() -> None:
    values = np.random.default_rng(0).random(50)
    ours = crossed_mean(np.stack([values] * 3))
    theirs = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    np.testing.assert_allclose([ours.low, ours.high], [theirs.low, theirs.high], rtol=1e-9)


def test_users_that_agree_leave_the_interval_over_seeds() -> None:
    values = np.repeat(np.random.default_rng(0).random((4, 1)), 30, axis=1)
    ours = crossed_mean(values)
    theirs = stats.ttest_1samp(values[:, 0], 0).confidence_interval(0.95)
    np.testing.assert_allclose([ours.low, ours.high], [theirs.low, theirs.high], rtol=1e-9)


def test_paired_over_users_when_there_is_one_seed_each() -> None:
    a, b = np.random.default_rng(0).random((2, 1, 60))
    ours = crossed_difference(a, b)
    theirs = stats.ttest_rel(a[0], b[0]).confidence_interval(0.95)
    np.testing.assert_allclose([ours.low, ours.high], [theirs.low, theirs.high], rtol=1e-9)


@pytest.mark.parametrize("spread", [(0.0, 1.0, 1.0), (0.02, 1.0, 1.0), (0.05, 0.5, 1.0)])
@pytest.mark.parametrize("paired", [False, True])
def test_covers_the_truth_as_often_as_it_says(spread: tuple[float, float, float], paired: bool) -> None:
    generator, covered = np.random.default_rng(3), 0
    for _ in range(400):
        values = drawn(generator, 3, 400, spread)
        other = drawn(generator, 3, 400, spread)
        interval = crossed_difference(values, other) if paired else crossed_mean(values)
        covered += interval.low <= 0 <= interval.high
    assert 0.89 <= covered / 400 <= 0.985  # Satterthwaite is a little short where seeds and users weigh alike


def test_users_alone_would_cover_too_rarely() -> None:
    generator, covered = np.random.default_rng(3), 0
    for _ in range(200):
        means = drawn(generator, 3, 400, (0.2, 0.5, 1.0)).mean(0)
        covered += abs(means.mean()) < 1.96 * means.std() / 20
    assert covered / 200 < 0.8


def test_equal_values() -> None:
    interval = crossed_mean(np.full((2, 5), 0.25))
    assert (interval.low, interval.high) == (0.25, 0.25)


def test_refusals() -> None:
    with pytest.raises(ValueError, match=r"at least 2 of each, got shape \(1, 5\)"):
        crossed_mean(np.zeros((1, 5)))
    with pytest.raises(ValueError, match="same users on both sides, at least 2, got 5 and 4"):
        crossed_difference(np.zeros((2, 5)), np.zeros((2, 4)))


def test_p_agrees_with_the_interval() -> None:
    generator = np.random.default_rng(5)
    for _ in range(20):
        values, other = drawn(generator, 3, 50, (0.05, 0.5, 1.0)) + 0.1, drawn(generator, 2, 50, (0.05, 0.5, 1.0))
        p = crossed_test(values, other)
        interval = crossed_difference(values, other, 1 - p)
        assert min(abs(interval.low), abs(interval.high)) == pytest.approx(0, abs=1e-9)
    a, b = generator.random((2, 1, 60))
    assert crossed_test(a, b) == pytest.approx(stats.ttest_rel(a[0], b[0]).pvalue)
    assert crossed_test(a, a) == 1
