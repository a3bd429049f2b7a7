"""Keyed pseudonyms: user ids become HMAC-SHA256 digests, which nobody without the key can compute or join.

A plain hash would not do: ids are few, so all could be hashed and compared. With the key lost the pseudonyms are as
good as random; with another key they are others. Not anonymity: the same user keeps one pseudonym, and behaviour can
tell who it is.

RFC 2104, "HMAC: Keyed-Hashing for Message Authentication", 1997.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import stat
from dataclasses import dataclass, field, replace
from pathlib import Path

import polars as pl

from rec_lightning.contracts import USER, Tables

VARIABLE = "REC_PSEUDONYM_KEY"
_LEAST = 16  # bytes


@dataclass(frozen=True)
class Pseudonyms:
    """Replaces user ids in interactions and users by 128-bit digests.

    Args:
        key_file: file with the key, readable by its owner only; null for the environment variable REC_PSEUDONYM_KEY.
            The key is neither logged nor stored.
        key_check: digest of a fixed text under the key, so that another key is noticed; found, never given.

    Raises:
        ValueError: there is no key, it is short, or others may read its file.
    """

    key_file: str | None = field(default=None, repr=False)
    key_check: str = field(default="", init=False)

    def __post_init__(self) -> None:
        check = hmac.new(self._key(), b"rec_lightning key check", hashlib.sha256).hexdigest()[:8]
        object.__setattr__(self, "key_check", check)

    def _key(self) -> bytes:
        if self.key_file is None:
            key, where = os.environ.get(VARIABLE, "").encode(), VARIABLE
            if not key:
                raise ValueError(
                    f"pseudonyms need a key, and {VARIABLE} is not set. Set it, or data.privacy.*.key_file."
                )
        else:
            file = Path(self.key_file).expanduser()
            if not file.is_file():
                raise ValueError(f"pseudonyms need a key, and {file} does not exist. Set key_file, or {VARIABLE}.")
            mode = stat.S_IMODE(file.stat().st_mode)
            if mode & 0o077:
                raise ValueError(
                    f"a key file must be for its owner only (mode 600), got {mode:o} for {file}. Run chmod 600."
                )
            key, where = file.read_bytes().strip(), str(file)
        if len(key) < _LEAST:
            raise ValueError(f"a key must have at least {_LEAST} bytes, got {len(key)} in {where}. Draw a longer one.")
        return key

    def __call__(self, tables: Tables) -> Tables:
        """The tables with pseudonyms, rows in the same order; no other column is touched."""
        key = self._key()
        ids = pl.concat([frame[USER].cast(pl.String) for frame in (tables.interactions, tables.users)]).drop_nulls()
        known = ids.unique()
        names = [hmac.new(key, text.encode(), hashlib.sha256).hexdigest()[:32] for text in known]
        swap = (
            pl.col(USER).cast(pl.String).replace_strict(known, pl.Series(names), return_dtype=pl.String, default=None)
        )
        interactions, users = tables.interactions.with_columns(swap), tables.users.with_columns(swap)
        return replace(tables, interactions=interactions, users=users)
