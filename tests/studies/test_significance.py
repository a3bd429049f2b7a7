from __future__ import annotations

from collections.abc import Callable
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from rec_lightning.studies.significance import (
    benjamini_hochberg,
    effect_size,
    holm,
    paired_t,
    sign_flip,
    wilcoxon,
)

P_VALUES = st.lists(st.floats(1e-6, 1), min_size=1, max_size=12)


def differences(users: int = 300, shift: float = 0.02, seed: int = 0) -> NDArray[np.float64]:
    generator = np.random.default_rng(seed)
    gains = np.array([0, 0, 0, 0.3, 0.5, 1.0])
    return np.asarray(generator.choice(gains, users) - generator.choice(gains, users) + shift)


def test_sign_flip_is_that_of_all_patterns() -> None:
    values = np.array([0.5, 0.25, -0.25, 1.0, 0.0, 0.3])
    signs = np.array(list(product([-1, 1], repeat=len(values))))
    exact = (np.abs(signs @ values) >= abs(values.sum()) - 1e-9).mean()
    assert sign_flip(values, 200_000) == pytest.approx(exact, abs=0.004)


def test_sign_flip_agrees_with_scipy() -> None:
    values = differences(80, 0.05)
    theirs = stats.permutation_test(
        (values,), lambda x, axis: x.mean(axis), permutation_type="samples", n_resamples=20_000, rng=1
    ).pvalue
    assert sign_flip(values, 20_000) == pytest.approx(theirs, abs=0.015)


def test_sign_flip_is_bounded_and_decided_by_its_seed() -> None:
    assert sign_flip(np.full(60, 0.1), 999) == 1 / 1000
    assert sign_flip(np.zeros(5)) == 1
    values = differences()
    assert sign_flip(values, 500, seed=3) == sign_flip(values, 500, seed=3)


def test_memory_is_bounded_by_chunks() -> None:
    values = np.random.default_rng(0).normal(0.01, 1, 5000)  # all sizes differ
    assert sign_flip(values, 2000) == pytest.approx(paired_t(values), abs=0.04)


def test_t_and_wilcoxon_are_scipys() -> None:
    values = differences()
    reference = np.random.default_rng(9).random(len(values))
    assert paired_t(values) == pytest.approx(stats.ttest_rel(values + reference, reference).pvalue, rel=1e-9)
    assert wilcoxon(values) == pytest.approx(stats.wilcoxon(values[values != 0]).pvalue, rel=1e-9)
    assert paired_t(np.zeros(4)) == wilcoxon(np.zeros(4)) == 1


@pytest.mark.parametrize("test", [sign_flip, paired_t, wilcoxon], ids=["sign_flip", "paired_t", "wilcoxon"])
def test_no_difference_is_found_as_rarely_as_the_level_says(test: Callable[[NDArray[np.float64]], float]) -> None:
    found = sum(test(differences(60, 0.0, seed)) < 0.05 for seed in range(300))
    assert 5 <= found <= 27


def test_effect_size_by_hand() -> None:
    assert effect_size(np.array([1.0, 3.0])) == pytest.approx(2 / 2**0.5)
    assert effect_size(np.zeros(3)) == 0


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]) == [1, 1]
    assert holm([]) == []


@settings(max_examples=60, deadline=None)
@given(P_VALUES)
def test_holm_rejects_as_the_steps_do(p_values: list[float]) -> None:
    adjusted = holm(p_values)
    for level in (0.01, 0.05, 0.2):
        rejected, ordered = set[int](), sorted(range(len(p_values)), key=p_values.__getitem__)
        for step, index in enumerate(ordered):
            if (len(p_values) - step) * p_values[index] > level:
                break
            rejected.add(index)
        assert {i for i, p in enumerate(adjusted) if p <= level} == rejected


@settings(max_examples=60, deadline=None)
@given(P_VALUES)
def test_benjamini_hochberg_rejects_as_the_steps_do(p_values: list[float]) -> None:
    ordered = sorted(range(len(p_values)), key=p_values.__getitem__)
    adjusted = benjamini_hochberg(p_values)
    expected = [0.0] * len(p_values)
    smallest = 1.0
    for rank in range(len(ordered), 0, -1):
        smallest = min(smallest, p_values[ordered[rank - 1]] * len(ordered) / rank)
        expected[ordered[rank - 1]] = smallest
    assert adjusted == pytest.approx(expected)
    assert all(h >= b - 1e-12 for h, b in zip(holm(p_values), adjusted, strict=True))


def test_refusals() -> None:
    with pytest.raises(ValueError, match=r"at least 2 finite differences, got shape \(1,\) with 0"):
        sign_flip(np.zeros(1))
    with pytest.raises(ValueError, match="with 1 that are not finite"):
        wilcoxon(np.array([0.0, np.nan]))
