"""Plain values against type annotations: does it fit, and how is the annotation told to a person.

Only what a yaml file can hold is judged: numbers, words, true and false, null, lists and mappings of them, and
``Literal``. An ``int`` is a ``float`` but a ``bool`` is no ``int``; a string is no list. Every other annotation
(a class, a callable, a path) fits everything but null, except that ``Tensor | float`` takes no word.

Relations: ``check`` finds the annotations.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from enum import Enum
from pathlib import PurePath
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

_LISTS = (list, tuple, set, frozenset, Sequence, Collection, Iterable)
_DICTS = (dict, Mapping)
_WORDS = (bool, int, float, str)


def matches(value: Any, hint: Any) -> bool:
    """Whether a plain value fits a type annotation; True for annotations that say nothing about plain values.

    Example:
        >>> matches(True, int), matches(3, float | None), matches("a", Literal["b"]), matches([1], list[int])
        (False, True, False, True)
    """
    if isinstance(value, dict) and "_target_" in value:
        return True  # checked at its own node
    origin, args = get_origin(hint) or hint, get_args(hint)
    if origin is Annotated:
        return matches(value, args[0])
    if origin in (Union, UnionType):
        return any(matches(value, arg) for arg in args if not _is_ready_part(value, arg, args))
    if origin is Literal:
        return any(value == arg and type(value) is type(arg) for arg in args)
    if hint in (None, NoneType):
        return value is None
    if hint is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    if hint in (int, bool, str):
        return type(value) is hint
    if origin in _LISTS:
        return isinstance(value, list) and _elements_match(value, origin, args)
    if origin in _DICTS:
        inner = args[1] if len(args) == 2 else Any
        return isinstance(value, dict) and all(matches(v, inner) for v in value.values())
    return value is not None or hint in (Any, object)


def describe(hint: Any) -> str:
    """An annotation in words.

    Example:
        >>> describe(int | None), describe(list[Literal["a", "b"]])
        ('int or null', "a list of one of 'a', 'b'")
    """
    origin, args = get_origin(hint) or hint, get_args(hint)
    if origin is Annotated:
        return describe(args[0])
    if origin in (Union, UnionType):
        words = [word for arg in args if get_origin(arg) is Literal for word in get_args(arg)]
        others = [describe(a) for a in args if get_origin(a) is not Literal and a is not NoneType]
        listed = [f"one of {_quoted(words)}"] if words else []
        return " or ".join(dict.fromkeys([*listed, *others, *(["null"] if NoneType in args else [])]))
    if origin is Literal:
        return f"one of {_quoted(list(args))}"
    if origin in _LISTS:
        inner = [a for a in args if a is not ...]
        return f"a list of {', '.join(map(describe, inner))}" if inner else "a list"
    if origin in _DICTS:
        return f"a mapping to {describe(args[1])}" if len(args) == 2 else "a mapping"
    return "null" if hint in (None, NoneType) else str(getattr(hint, "__name__", hint))


def literals(hint: Any) -> list[Any]:
    """All words of the ``Literal`` s inside an annotation."""
    if get_origin(hint) is Literal:
        return list(get_args(hint))
    return [word for arg in get_args(hint) for word in literals(arg)]


def _is_ready_part(value: Any, hint: Any, beside: tuple[Any, ...]) -> bool:
    # beside a number or a word, a class (a tensor, a strategy) means a ready part, which no plain value is
    named = any(arg in _WORDS or get_origin(arg) is Literal for arg in beside)
    if not (named and isinstance(value, _WORDS) and isinstance(hint, type)) or hint in (*_WORDS, object):
        return False
    return not issubclass(hint, (PurePath, Enum)) and not getattr(hint, "_is_protocol", False)


def _elements_match(value: list[Any], origin: Any, args: tuple[Any, ...]) -> bool:
    if origin is tuple and args and args[-1] is not ...:
        return len(value) == len(args) and all(map(matches, value, args))
    return all(matches(v, args[0]) for v in value) if args else True


def _quoted(words: list[Any]) -> str:
    return ", ".join(repr(word) for word in words)
