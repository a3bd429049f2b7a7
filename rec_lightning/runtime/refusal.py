"""Wrong input, told apart from a fault of the program: a message for people, without a traceback.

A verb wraps what it does before the work starts (compose, check, instantiate, prepare) in ``refusing``; what is
raised later is a fault and keeps its traceback. Hydra's report of a failing constructor is taken off its cause.

Relations: ``cli`` prints a ``Refusal`` as ``error: ...`` and ends with code 2.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager


class Refusal(ValueError):
    """Input that cannot work; the text says the rule, the value and the next step."""


@contextmanager
def refusing() -> Iterator[None]:
    """Turns a ValueError, an OSError or Lightning's word for wrong options into a ``Refusal`` with the same text.

    Raises:
        Refusal: the block raised one of them, directly or inside a constructor called by Hydra.

    Example:
        >>> with refusing():
        ...     raise ValueError("top_k must be at least 1, got 0. Set ranking.k.")
        Traceback (most recent call last):
        ...
        rec_lightning.runtime.refusal.Refusal: top_k must be at least 1, got 0. Set ranking.k.
    """
    try:
        yield
    except Exception as error:
        cause = _cause(error)
        if not isinstance(cause, ValueError | OSError) and not _is_misconfiguration(cause):
            raise
        raise Refusal(_text(cause)) from error


def _cause(error: BaseException) -> BaseException:
    from hydra.errors import InstantiationException  # here, so that --help does not load Hydra

    while isinstance(error, InstantiationException) and error.__cause__ is not None:
        error = error.__cause__
    return error


def _is_misconfiguration(error: BaseException) -> bool:
    lightning = sys.modules.get("lightning.fabric.utilities.exceptions")  # not loaded, so none of its own
    return lightning is not None and isinstance(error, lightning.MisconfigurationException)


def _text(error: BaseException) -> str:
    if isinstance(error, OSError) and error.strerror and error.filename:
        return f"{error.filename}: {error.strerror}"
    return str(error)
