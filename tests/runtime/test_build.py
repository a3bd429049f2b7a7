from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest
from hydra.utils import instantiate

from rec_lightning.contracts import Catalog
from rec_lightning.data.module import RecData
from rec_lightning.data.sources.synthetic import Synthetic
from rec_lightning.data.split import LeaveOneOut
from rec_lightning.runtime.build import build_task, choices, rehearse
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


def catalog(popularity: list[int]) -> Catalog:
    return Catalog(pl.DataFrame({"item": range(len(popularity) - 1)}), np.array(popularity))


def test_the_loss_sees_the_catalogue_and_tells_what_it_chose() -> None:
    task = build_task(compose("train", ["items=id", "tuning=full", "loss=auto"]), catalog([0, 1, 2, 3]))
    assert choices(task) == {
        "loss": "full softmax, since 3 copies of the logits of 3,200 positions and 3 items take 0.1 MB of at most 4 "
        "(loss.memory_mb)"
    }


def test_a_loss_that_cannot_work_with_the_catalogue_is_refused_before_training() -> None:
    config = compose("train", ["items=id", "tuning=full", "loss=bce", "loss/negatives=popularity"])
    with pytest.raises(ValueError, match=r"^negatives by popularity need at least 2 items with interactions in train"):
        build_task(config, catalog([0, 0, 0, 0]))


def test_weights_set_between_steps_need_an_optimizer_without_copies() -> None:
    config = compose("train", ["data=synthetic", "tuning=adalora", "optimizer=schedule_free"])
    text = r"^tuning=AdaLora sets weights to zero between steps, and AdamWScheduleFree keeps .* Set optimizer=adamw, or"
    with pytest.raises(ValueError, match=text):
        rehearse(config, instantiate(config.data))
    config = compose("train", ["data=synthetic", "tuning=lora", "optimizer=schedule_free"])
    rehearse(config, instantiate(config.data))
