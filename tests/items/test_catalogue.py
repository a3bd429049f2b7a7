"""Weights that belong to items are never taken for those of others; those of a text encoder may be."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from torch import nn

from rec_lightning.contracts import Catalog
from rec_lightning.items.features import FeatureItems
from rec_lightning.items.fused import FusedItems
from rec_lightning.items.id import IdItems
from rec_lightning.items.pretrained import PretrainedItems
from rec_lightning.items.text import TextItems
from rec_lightning.tasks.lean import bases, check_bases

Make = Callable[[Catalog], nn.Module]


def frame(catalog: Catalog, **changes: Any) -> Catalog:
    return Catalog(catalog.items.with_columns(**changes), catalog.popularity)


def check(make: Make, there: Catalog, here: Catalog) -> None:
    check_bases(nn.ModuleDict({"part": make(here)}), bases(nn.ModuleDict({"part": make(there)})))


def rows(catalog: Catalog) -> torch.Tensor:
    return torch.ones(catalog.size, 3) * float(catalog.items["year"][0])


MAKES: dict[str, Make] = {
    "id": lambda c: IdItems(c, 4),
    "pretrained": lambda c: PretrainedItems(c, 4, rows),
    "fused": lambda c: FusedItems(c, 4, {"a": IdItems, "b": lambda **k: PretrainedItems(**k, vectors=rows)}),
}


@pytest.mark.parametrize("name", MAKES)
def test_other_items_are_refused_even_if_as_many(name: str, catalog: Catalog) -> None:
    check(MAKES[name], catalog, frame(catalog))
    text = r"^the checkpoint was trained on another base: part\S* had a catalogue of 12 items with catalogue "
    with pytest.raises(ValueError, match=text):
        check(MAKES[name], catalog, frame(catalog, item=pl.col("item").reverse()))
    smaller = Catalog(catalog.items.head(11), catalog.popularity[:12])
    with pytest.raises(ValueError, match=r"here it has a catalogue of 11 items with catalogue "):
        check(MAKES[name], catalog, smaller)


def test_other_vectors_of_the_same_items_are_refused(catalog: Catalog) -> None:
    check(MAKES["id"], catalog, frame(catalog, year=pl.col("year") + 1))
    with pytest.raises(ValueError, match=r"had a catalogue of 12 items with vectors "):
        check(MAKES["pretrained"], catalog, frame(catalog, year=pl.col("year") + 1))


def test_features_are_bound_to_their_values_and_not_to_the_items(catalog: Catalog) -> None:
    def make(which: Catalog) -> nn.Module:
        return FeatureItems(which, 4, ["title"], numbers={"year": "standardise"}, max_distinct=1)

    check(make, catalog, frame(catalog, item=pl.col("item").reverse()))
    for change in ({"title": pl.col("title") + "s"}, {"year": pl.col("year") * 2}):
        with pytest.raises(ValueError, match=r"had features with values "):
            check(make, catalog, frame(catalog, **change))


def test_a_text_encoder_goes_from_one_catalogue_to_another(
    cache: Path, catalog: Catalog, language_model: Callable[..., str]
) -> None:
    other = Catalog(pl.DataFrame({"item": ["x"], "title": ["tau"]}), np.ones(2, np.int64))
    check(lambda c: TextItems(c, 4, language_model("bert"), max_tokens=20), catalog, other)


def test_without_items_nothing_is_bound() -> None:
    assert bases(IdItems(Catalog.empty(()), 4)) == {"": {}}
