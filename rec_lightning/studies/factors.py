"""Factors of a study as rows: every combination of their levels, but for those that are excluded.

A factor is a list of values, which become ``factor=value``, or a mapping of names to lists of overrides. An exclusion
names a level of some factors; a combination that holds all of them is left out.

Relations: ``reading`` adds these rows to those that are written out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product

# a factor -> its levels -> their overrides
Factors = Mapping[str, Mapping[str, tuple[str, ...]]]


def parse_factors(content: object) -> Factors:
    """Factors from the plain content of a study.

    Raises:
        ValueError: a factor that is neither a list of values nor a mapping of overrides, or one without levels.

    Example:
        >>> parse_factors({"loss": ["bce", "bpr"]})
        {'loss': {'bce': ('loss=bce',), 'bpr': ('loss=bpr',)}}
    """
    if not isinstance(content, Mapping):
        raise ValueError(f"factors must map a name to its levels, got {content!r}.")
    return {str(name): _levels(str(name), levels) for name, levels in content.items()}


def combine(factors: Factors, exclude: Sequence[Mapping[str, object]] = ()) -> list[dict[str, str]]:
    """Every combination that is not excluded, the last factor changing fastest.

    Raises:
        ValueError: an exclusion names a factor or a level that is unknown, or nothing is left.

    Example:
        >>> factors = parse_factors({"a": [1, 2], "b": [3]})
        >>> combine(factors, [{"a": 2}])
        [{'a': '1', 'b': '3'}]
    """
    out = [{str(name): _text(level) for name, level in one.items()} for one in exclude]
    for one in out:
        for name, level in one.items():
            if name not in factors:
                raise ValueError(f"exclude must name factors, one of {list(factors)}, got {name!r}.")
            if level not in factors[name]:
                raise ValueError(f"exclude must name a level of {name}, one of {list(factors[name])}, got {level!r}.")
    every = [dict(zip(factors, levels, strict=True)) for levels in product(*factors.values())]
    left = [one for one in every if not any(ex.items() <= one.items() for ex in out)]
    if not left:
        raise ValueError("exclude must leave at least one combination of the factors, got none.")
    return left


def overrides_of(factors: Factors, levels: Mapping[str, str]) -> tuple[str, ...]:
    """The overrides of a combination, in the factors' order."""
    return tuple(override for name, level in levels.items() for override in factors[name][level])


def _levels(name: str, content: object) -> dict[str, tuple[str, ...]]:
    if isinstance(content, Mapping) and content:
        return {str(level): _overrides(name, level, given) for level, given in content.items()}
    if isinstance(content, Sequence) and not isinstance(content, str) and content:
        levels: dict[str, tuple[str, ...]] = {_text(value): (f"{name}={_text(value)}",) for value in content}
        if len(levels) == len(content):
            return levels
    raise ValueError(f"factor {name} must be a list of different values or map names to overrides, got {content!r}.")


def _overrides(name: str, level: object, content: object) -> tuple[str, ...]:
    if isinstance(content, str) or not isinstance(content, Sequence) or not all(isinstance(o, str) for o in content):
        raise ValueError(f"level {level!r} of factor {name} must be a list of overrides, got {content!r}.")
    return tuple(content)


def _text(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return "null" if value is None else str(value)
