from __future__ import annotations

from typing import Any

import pytest

from rec_lightning.contracts import Catalog
from rec_lightning.data.module import RecData
from rec_lightning.data.sources.synthetic import Synthetic
from rec_lightning.data.split import LeaveOneOut
from rec_lightning.runtime.build import rehearse
from rec_lightning.runtime.composition import compose


class WithAges(Synthetic):
    """Says that users have an age."""

    user_columns: Any = ("user", "age")

    def fetch(self) -> Any:
        raise AssertionError("a rehearsal reads nothing")


def test_parts_know_the_columns_of_items_and_users_before_data_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    def ask(catalog: Catalog, width: int, std: float) -> None:
        raise ValueError(f"{catalog.size} items; columns {catalog.items.columns} and {catalog.users.columns}")

    monkeypatch.setattr("rec_lightning.items.id.IdItems", ask)
    told = r"0 items; columns \['item', 'title', 'year', 'genres'\] and \['user', 'age'\]"
    with pytest.raises(Exception, match=told):
        rehearse(compose("train", ["items=id", "tuning=full"]), RecData(WithAges(), LeaveOneOut(), 10))
