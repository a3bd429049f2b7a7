"""Norms of several families are found by their kind."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from torch import nn
from transformers import AutoModel

from rec_lightning.tuning.norm_tuning import NormTuning


@pytest.mark.parametrize(("family", "count"), [("bert", 2 * 7), ("llama", 7)])
def test_all_norms_and_nothing_else(family: str, count: int, language_model: Callable[..., str]) -> None:
    trunk = NormTuning()(AutoModel.from_pretrained(language_model(family)), "items=X", True)
    trained = [n for n, p in trunk.named_parameters() if p.requires_grad]
    assert len(trained) == count  # of 3 layers two each, and one outside; those of BERT have a bias
    assert all("norm" in n.lower() for n in trained)


def test_norms_of_torch() -> None:
    trunk = NormTuning()(nn.Sequential(nn.Linear(2, 2), nn.LayerNorm(2), nn.RMSNorm(2)), "items=X", True)
    assert [n for n, p in trunk.named_parameters() if p.requires_grad] == ["1.weight", "1.bias", "2.weight"]
