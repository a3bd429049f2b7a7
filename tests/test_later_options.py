from __future__ import annotations

from typing import Any

import pytest

from rec_lightning.later_options import later_options

SASREC = {"_target_": "rec_lightning.backbones.sasrec.SASRec", "width": 64, "max_length": 50}


def test_what_a_part_has_at_its_default_came_later() -> None:
    now = {"seed": 1, "backbone": {**SASREC, "positions": "from_start", "std": None, "dropout": 0.2, "heads": 1}}
    found = later_options({"seed": 1, "backbone": SASREC}, now)
    assert found == {"backbone.positions", "backbone.std", "backbone.dropout", "backbone.heads"}


@pytest.mark.parametrize(
    ("there", "now"),
    [
        (SASREC, {**SASREC, "positions": "from_end"}),  # no default
        (SASREC, {**SASREC, "heads": True}),  # equal to 1 in Python only
        ({"_target_": SASREC["_target_"]}, SASREC),  # the width has no default
        (SASREC, {**SASREC, "_partial_": True}),  # no option of the part
        ({**SASREC, "heads": 2}, {**SASREC, "heads": 1}),  # set there
        ({**SASREC, "heads": 1}, SASREC),  # gone
        ({**SASREC, "_target_": "other.Part"}, {**SASREC, "dropout": 0.2}),  # another part
        ({"_target_": "gone.Part"}, {"_target_": "gone.Part", "dropout": 0.2}),  # a part that cannot be asked
        ({"width": 64}, {"width": 64, "dropout": 0.2}),  # no part at all
    ],
)
def test_anything_else_is_a_difference(there: dict[str, Any], now: dict[str, Any]) -> None:
    assert later_options({"backbone": there}, {"backbone": now}) == frozenset()


def test_tuples_are_lists_in_a_configuration() -> None:
    adam = {"_target_": "torch.optim.AdamW"}
    assert later_options(adam, {**adam, "betas": [0.9, 0.999], "eps": 1e-8}) == {"betas", "eps"}
    assert later_options(adam, {**adam, "betas": [0.9, 0.95]}) == frozenset()
