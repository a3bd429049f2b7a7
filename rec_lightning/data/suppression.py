"""Who must not come back: a list beside the cache, so that the same source prepared again leaves them out.

It holds keyed digests and no ids: with its salt somebody can test whether a person is in it, but not read it. It only
grows, so that its length at the time of a preparation tells who was in it. A source whose files changed is another
source: its users must be forgotten again.

Relations: ``erase`` fills it; ``RecData`` applies it before anything else sees the data.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import secrets
import tempfile
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import polars as pl

from rec_lightning.contracts import USER, Source, Tables
from rec_lightning.data.tables import fingerprint
from rec_lightning.downloads import cache_dir


def origin_of(source: Source) -> str:
    """A name of the people in a source.

    A source whose options change its identity but not who is in it tells that by ``origin()``.
    """
    told = getattr(source, "origin", source.identity)()
    return hashlib.sha256(f"{type(source).__qualname__}\n{told}".encode()).hexdigest()[:24]


class Suppression:
    """The list of one source; empty where nobody was forgotten.

    Args:
        origin: of the source.

    Raises:
        ValueError: the list cannot be read, so that somebody might come back.
    """

    def __init__(self, origin: str) -> None:
        self.origin = origin
        self.file = cache_dir() / "forgotten" / f"{origin}.json"
        self.salt, self.digests = secrets.token_hex(16), list[str]()
        if self.file.exists():
            try:
                told = json.loads(self.file.read_text())
                self.salt, self.digests = str(told["salt"]), list(told["digests"])
            except (json.JSONDecodeError, KeyError, TypeError) as error:
                raise ValueError(
                    f"{self.file} lists who was forgotten, and it cannot be read ({error}). Restore it, or delete it "
                    "and run rec-lightning forget again."
                ) from error

    def __len__(self) -> int:
        return len(self.digests)

    @property
    def mark(self) -> str:
        """Changes with the list; empty when it is."""
        return hashlib.sha256("".join(self.digests).encode()).hexdigest() if self.digests else ""

    def places(self, users: Iterable[str]) -> dict[str, int]:
        """Id -> its place in the list, for those who are in it."""
        place = {digest: nth for nth, digest in enumerate(self.digests)}
        found = {user: place.get(self._digest(user)) for user in users}
        return {user: nth for user, nth in found.items() if nth is not None}

    def add(self, users: Sequence[str]) -> None:
        """Appends those who are not in it yet; the file is changed in one moment.

        Raises:
            OSError: it cannot be written.
        """
        known = self.places(users)
        self.digests += [self._digest(user) for user in dict.fromkeys(users) if user not in known]
        self.file.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self.file.parent, prefix=".writing-") as scratch:
            new = Path(scratch) / "list"
            new.write_text(json.dumps({"salt": self.salt, "digests": self.digests}) + "\n")
            new.chmod(0o600)
            with new.open() as stream:
                os.fsync(stream.fileno())
            new.replace(self.file)

    def drop(self, tables: Tables) -> Tables:
        """The tables without those in the list."""
        if not self.digests:
            return tables
        gone = self.places(user_ids(tables))
        return replace(
            tables,
            interactions=_without(tables.interactions, gone),
            users=_without(tables.users, gone),
            fingerprint=fingerprint(_without(tables.interactions, gone), tables.items, _without(tables.users, gone)),
        )

    def _digest(self, user: str) -> str:
        return hmac.new(self.salt.encode(), user.encode(), hashlib.sha256).hexdigest()[:32]


def user_ids(tables: Tables) -> list[str]:
    """Every user of either table, as text."""
    ids = [frame[USER].cast(pl.String) for frame in (tables.interactions, tables.users) if USER in frame.columns]
    return pl.concat(ids).drop_nulls().unique().to_list()


def _without(frame: pl.DataFrame, gone: Collection[str]) -> pl.DataFrame:
    if USER not in frame.columns or not gone:
        return frame
    return frame.filter(~pl.col(USER).cast(pl.String).is_in(pl.Series(list(gone), dtype=pl.String).implode()))
