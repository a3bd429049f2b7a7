"""Lists of ids as people write them on a command line: ``a,b,c``, ``[a,b]`` or ``@file`` with one a line.

Relations: ``forget`` and ``recommend`` name users so.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path


def quoted(overrides: Sequence[str], *keys: str) -> list[str]:
    """The same with the values of these options in quotes: ``a,b,c`` is a sweep to Hydra, and 007 or 1e5 a number.

    Example:
        >>> quoted(["users=a,b", "seed=1"], "users")
        ["users='a,b'", 'seed=1']
    """
    found = []
    for text in overrides:
        key, _, value = text.partition("=")
        plain = key in keys and value[:1] not in tuple("['\"") and value != "null"
        found.append("{}='{}'".format(key, value.replace("'", "\\'")) if plain else text)
    return found


def listed_ids(given: object) -> list[str]:
    """The ids as texts, blank ones left out.

    Raises:
        OSError: the file cannot be read.
    """
    if isinstance(given, str) and given.startswith("@"):
        lines = Path(given[1:]).expanduser().read_text(encoding="utf8").splitlines()
        return [line.strip() for line in lines if line.strip()]
    parts = given.split(",") if isinstance(given, str) else list(given)  # type: ignore[call-overload]
    return [str(part).strip() for part in parts if str(part).strip()]
