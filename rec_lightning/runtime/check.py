"""Binds every ``_target_`` of a config to its signature and its plain values to the annotations, before any work.

What Hydra would find only on instantiation, or a constructor only in use, fails here in a fraction of a second:
a misspelt or missing argument, ``true`` for a number, a word that is not among a ``Literal``'s.

Relations: ``composition`` says which options exist, this module which values fit; rules about the range of one
value stay in its class.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from difflib import get_close_matches
from importlib import import_module
from types import SimpleNamespace
from typing import Any, get_type_hints

from omegaconf import DictConfig, OmegaConf

from rec_lightning.runtime.annotations import describe, literals, matches
from rec_lightning.runtime.overrides import shown

_VARIADIC = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


def check_signatures(cfg: DictConfig) -> None:
    """Checks every node with a ``_target_`` against what it names.

    Args:
        cfg: a config without missing values.

    Raises:
        ValueError: a target cannot be imported, an option is no argument of its target or has a value of another
            type, or a needed argument is missing (a node with ``_partial_: true`` may leave arguments out).
    """
    _walk(OmegaConf.to_container(cfg, resolve=True), "")


def _walk(node: Any, path: str) -> None:
    if isinstance(node, dict):
        if "_target_" in node:
            _check_node(node, path)
        for key, value in node.items():
            _walk(value, f"{path}.{key}" if path else str(key))
    elif isinstance(node, list):
        for index, value in enumerate(node):
            _walk(value, f"{path}.{index}")


def _check_node(node: dict[str, Any], path: str) -> None:
    target = _locate(str(node["_target_"]), f"{path}._target_".lstrip("."))
    try:
        parameters = inspect.signature(target).parameters
    except (ValueError, TypeError):  # some builtins have none
        return
    given = {str(k): v for k, v in node.items() if not str(k).startswith("_")}
    taken = [p.name for p in parameters.values() if p.kind not in (*_VARIADIC, p.POSITIONAL_ONLY)]
    positional = [n for n, p in parameters.items() if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    filled = positional[: len(node.get("_args_") or [])]
    free = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    name = str(node["_target_"]).rpartition(".")[2]
    prefix = f"{path}." if path else ""
    for key, value in given.items():
        if key in taken:
            _check_value(value, _hint(target, parameters[key]), parameters[key].default, prefix + key)
        elif not free:
            near = [prefix + n for n in get_close_matches(key, taken, n=1) or sorted(taken)]
            raise ValueError(f"unknown option {prefix}{key}; nearest: {', '.join(near)} ({name} has no argument {key})")
    if not node.get("_partial_"):
        for key, parameter in parameters.items():
            needed = parameter.default is parameter.empty and parameter.kind not in _VARIADIC
            if needed and key not in given and key not in filled:
                raise ValueError(f"{prefix}{key} must be given: {name} needs it. Set {prefix}{key}.")


def _locate(target: str, path: str) -> Callable[..., Any]:
    try:
        found = _import(target.split("."))
    except Exception as error:  # an import may raise anything
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ValueError(f"{path} must name what can be imported, got {target!r}: {reason}. Set {path}.") from error
    if not callable(found):
        raise ValueError(f"{path} must name a class or a function, got {target!r}. Set {path}.")
    return found  # type: ignore[no-any-return]


def _import(parts: list[str]) -> Any:
    # the longest prefix that is a module, then its attributes: a class may lie inside a class
    found, attributes = import_module(parts[0]), parts[1:]
    while attributes:
        if not hasattr(found, attributes[0]):
            found = import_module(f"{found.__name__}.{attributes[0]}")
        else:
            found = getattr(found, attributes[0])
        attributes = attributes[1:]
    return found


def _hint(target: Callable[..., Any], parameter: inspect.Parameter) -> Any:
    annotation = parameter.annotation
    if annotation is parameter.empty:
        return Any
    if not isinstance(annotation, str):
        return annotation
    home = next((c for c in getattr(target, "__mro__", [target]) if "__init__" in vars(c) or c is target), target)
    function = inspect.unwrap(vars(home).get("__init__", home) if isinstance(home, type) else home)
    scope = getattr(function, "__globals__", None) or vars(sys.modules[target.__module__])
    try:
        return get_type_hints(SimpleNamespace(__annotations__={"x": annotation}), scope, include_extras=True)["x"]
    except (NameError, AttributeError, TypeError):  # a name that exists for the type checker only
        return Any


def _check_value(value: Any, hint: Any, default: Any, path: str) -> None:
    if matches(value, hint) or (value is None and default is None):
        return
    words = [str(w) for w in literals(hint)]
    near = get_close_matches(str(value), words, n=1) if isinstance(value, str) else []
    hinted = f"; nearest: {near[0]}" if near else ""
    raise ValueError(f"{path} must be {describe(hint)}, got {shown(value)}{hinted}. Set {path}.")
