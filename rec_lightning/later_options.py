"""Options that a part has got since a run was written, so that an update of the code does not void finished runs.

An option that comes to a part later has a default that leaves what the part does as it was. So a configuration from
before and one of now that has the option at this default compute the same.

Relations: ``rundir`` asks when a run is resumed, ``studies.store`` when a study looks for runs that it can keep.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from typing import Any


def later_options(old: Mapping[str, Any], new: Mapping[str, Any]) -> frozenset[str]:
    """``a.b.c`` of each option that ``old`` lacks and that ``new`` has at the default of its part.

    Only options of parts, so beside a ``_target_``, that is the same in both; others have no default to compare with.

    Args:
        old: a resolved configuration, as a run keeps it.
        new: the one of now.
    """
    return frozenset(_found("", old, new))


def _found(prefix: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    lacking = new.keys() - old.keys()
    part = new.get("_target_")
    if lacking and part is not None and part == old.get("_target_"):
        defaults = _defaults(str(part))
        yield from (prefix + key for key in lacking if key in defaults and _is(new[key], defaults[key]))
    for key in new.keys() & old.keys():
        if isinstance(old[key], Mapping) and isinstance(new[key], Mapping):
            yield from _found(f"{prefix}{key}.", old[key], new[key])


def _defaults(part: str) -> dict[str, Any]:
    from hydra.errors import HydraException
    from hydra.utils import get_object  # here: it imports the part, with torch

    try:
        parameters = inspect.signature(get_object(part)).parameters
    except (HydraException, ImportError, AttributeError, TypeError, ValueError):
        return {}  # moved or gone: nothing is known of it
    return {name: given.default for name, given in parameters.items() if given.default is not given.empty}


def _is(value: Any, default: Any) -> bool:
    # a configuration has lists for tuples; True is not 1 in it, and 1 is 1.0
    default = list(default) if isinstance(default, tuple) else default
    return isinstance(value, bool) == isinstance(default, bool) and bool(value == default)
