"""Hydra overrides as text: the key of one, and a value that its grammar takes.

Relations: ``plan`` puts the overrides of runs together; Hydra itself parses them when a row is composed.
"""

from __future__ import annotations

import re
from pathlib import Path


def override_key(override: str) -> str:
    """Key of a Hydra override.

    Raises:
        ValueError: it has no key, or neither a value nor a leading ``~``.

    Example:
        >>> [override_key(o) for o in ("data=synthetic", "+data.path=x", "~logger")]
        ['data', 'data.path', 'logger']
    """
    match = re.match(r"(~|\+{0,2})([A-Za-z_][^=\s]*)(=?)", override)
    if match is None or (not match[3] and match[1] != "~"):
        raise ValueError(f"an override must have the form option=value, got {override!r}. Write for example seed=7.")
    return match[2]


def first_part(key: str) -> str:
    """The part of the configuration a key belongs to.

    Example:
        >>> [first_part(key) for key in ("data.path", "data/split", "logger@log", "seed")]
        ['data', 'data', 'logger', 'seed']
    """
    return re.split(r"[./@]", key, maxsplit=1)[0]


def quoted(path: Path | str) -> str:
    """A path or a text as a value of a Hydra override: quoted where its grammar needs it.

    Example:
        >>> quoted(Path("runs/demo")), quoted(Path("my runs/a=b"))
        ('runs/demo', "'my runs/a=b'")
    """
    text = str(path)
    if re.fullmatch(r"[\w./+-]+", text, re.ASCII):
        return text
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
