"""Plain values against annotations."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from pathlib import Path
from typing import Any, Literal, Protocol

import pytest
from torch import Tensor

from rec_lightning.runtime.annotations import describe, literals, matches


class Colour(Enum):
    RED = "red"


class Speaks(Protocol):
    def speak(self) -> None: ...


@pytest.mark.parametrize(
    ("value", "hint"),
    [
        (1, int),
        (1, float),
        (True, bool),
        ("a", str),
        (None, int | None),
        (None, None),
        (3, Literal[1, 3] | None),
        ([1, 2], Sequence[int]),
        ([1, 2], list),
        ([1, 2, 3], tuple[int, ...]),
        ([1, "a"], tuple[int, str]),
        ({"a": [1]}, Mapping[str, list[int]]),
        ({"_target_": "x.Y"}, int),
        ([{"_target_": "x.Y"}], list[Tensor]),
        ("anything", Any),
        (None, Any),
        (None, object),
        (None, Speaks | None),
        ("anything", Tensor),
        ("anything", Callable[[int], int]),
        ("a/b", Path),
        ("a/b", int | Path),
        ("red", int | Colour),
        ("a", int | Speaks),
        (0.1, float | Tensor),
    ],
)
def test_fits(value: object, hint: object) -> None:
    assert matches(value, hint)


@pytest.mark.parametrize(
    ("value", "hint", "words"),
    [
        (True, int, "int"),
        (1, bool, "bool"),
        (1.0, int, "int"),
        (None, int, "int"),
        (1, str | None, "str or null"),
        (True, Literal[1], "one of 1"),
        ("b", Literal["a"] | None, "one of 'a' or null"),
        ("c", Literal["a"] | Literal["b"] | bool, "one of 'a', 'b' or bool"),
        ({"x": "b"}, dict[str, Literal["a"]] | None, "a mapping to one of 'a' or null"),
        ("12", Sequence[str], "a list of str"),
        ([1, True], list[int], "a list of int"),
        ([1], tuple[int, str], "a list of int, str"),
        ({"a": "b"}, dict[str, int], "a mapping to int"),
        ("x", float | Tensor, "float or Tensor"),
        (None, float | Tensor, "float or Tensor"),
        (None, Speaks, "Speaks"),
        ([None], list[Tensor], "a list of Tensor"),
    ],
)
def test_does_not_fit(value: object, hint: object, words: str) -> None:
    assert not matches(value, hint)
    assert describe(hint) == words


def test_literals_of_a_union() -> None:
    assert literals(Literal[1, "a"] | list[Literal["b"]] | None) == [1, "a", "b"]
