"""Random numbers that depend on what they are for, and not on the batch or the process: hashes.

The hash is the finaliser of SplitMix64: G. Steele, D. Lea and C. Flood, "Fast Splittable Pseudorandom Number
Generators", OOPSLA 2014, https://doi.org/10.1145/2660193.2660195, on int64, whose products wrap around.

Relations: read by ``sampled`` and ``rerank.bandit``.
"""

from __future__ import annotations

from torch import Tensor


def mixed(x: Tensor) -> Tensor:
    """Int64 numbers -> as many that look random; equal ones stay equal."""
    x = x + _signed(0x9E3779B97F4A7C15)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        x = (x ^ _shifted(x, shift)) * _signed(factor)
    return x ^ _shifted(x, 31)


def uniform(bits: Tensor) -> Tensor:
    """Mixed int64 -> double between 0 and 1, never either."""
    return (((bits >> 11) & ((1 << 53) - 1)).double() + 0.5) * 2.0**-53


def _shifted(x: Tensor, by: int) -> Tensor:
    return (x >> by) & ((1 << (64 - by)) - 1)


def _signed(word: int) -> int:
    return word - (1 << 64) if word >> 63 else word
