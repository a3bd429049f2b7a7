"""A cache of its own for every test of this room, and small sequences made by hand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from rec_lightning.contracts import Sequences


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("REC_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def make_sequences() -> Callable[..., Sequences]:
    """``make_sequences([[1, 2], [3]])``: items of each user, and optionally role and time of each event."""

    def make(
        users: Sequence[Sequence[int]], role: Sequence[int] | None = None, time: Sequence[int] | None = None
    ) -> Sequences:
        items = np.array([i for user in users for i in user], np.int64)
        offsets = np.cumsum([0, *map(len, users)]).astype(np.int64)
        roles = np.zeros(len(items), np.int8) if role is None else np.array(role, np.int8)
        timestamp = None if time is None else np.array(time, np.int64)
        return Sequences(items, offsets, roles, pl.Series("user", range(len(users))), timestamp)

    return make
