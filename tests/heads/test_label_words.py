from __future__ import annotations

import numpy as np
import polars as pl
import pytest
import torch

from rec_lightning.contracts import Batch, Catalog
from rec_lightning.heads.label_words import LabelWords

CATALOG = Catalog(pl.DataFrame({"item": [1]}), np.ones(2, np.int64))
BATCH = Batch(*(torch.zeros(1),) * 4)


def test_the_score_of_two_words_is_the_log_odds_of_the_second() -> None:
    logits = torch.randn(3, 2, 2)
    scores = LabelWords(CATALOG, 1, 2)(BATCH, logits, logits, logits)
    assert scores.shape == (3, 2, 1)
    assert torch.allclose(scores.squeeze(-1).sigmoid(), logits.softmax(-1)[..., 1], atol=1e-6)


def test_words_of_classes_stay_as_they_are() -> None:
    logits = torch.randn(3, 2, 4)
    assert torch.equal(LabelWords(CATALOG, 4, 4)(BATCH, logits, logits, logits), logits)


@pytest.mark.parametrize(("outputs", "inputs", "wanted"), [(1, 3, 2), (4, 2, 4)])
def test_as_many_words_as_labels(outputs: int, inputs: int, wanted: int) -> None:
    message = f"^backbone.words must be {wanted} words, one a label, got {inputs}. Set backbone.words.$"
    with pytest.raises(ValueError, match=message):
        LabelWords(CATALOG, outputs, inputs)
