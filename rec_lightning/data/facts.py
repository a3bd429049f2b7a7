"""What is known of prepared data without reading them; it goes into the cache, the card and the audit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Facts:
    """What is known of prepared data without reading them.

    Args:
        name, licence, source, fingerprint: as in ``Tables``; the fingerprint is of what is left after the steps.
        key: of the cache; empty when not cached.
        steps: what each step of preparation removed.
        guards: what was done for privacy.
        features: columns of users and items that were computed from training events.
        split: name and options.
        leaks: what the split lets training know; empty when nothing.
        users, items, interactions: left.
        roles: events that train, validate, test and are input only.
        origin: kind and content of the source, as a digest.
        forgotten: people on the list of those who must be left out, when the data were prepared.
    """

    name: str
    licence: str
    source: str
    fingerprint: str
    key: str
    steps: list[dict[str, Any]]
    guards: list[str]
    features: list[str]
    split: str
    leaks: str
    users: int
    items: int
    interactions: int
    roles: list[int]
    origin: str = ""
    forgotten: int = 0
