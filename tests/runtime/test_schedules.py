from __future__ import annotations

import pytest
import torch

from rec_lightning.runtime.schedules import warmup


def optimizer() -> torch.optim.SGD:
    return torch.optim.SGD([torch.zeros(1)], lr=2.0)


def test_cosine_by_hand() -> None:
    schedule = warmup(optimizer(), 8, share=0.0, then="cosine", floor=0.1)
    factor = schedule.lr_lambdas[0]
    assert [round(factor(s), 6) for s in (0, 4, 8, 100)] == [1.0, 0.55, 0.1, 0.1]


def test_constant_stays_and_multiplies_the_optimizers_rate() -> None:
    used = optimizer()
    schedule = warmup(used, 10, share=0.2, then="constant")
    rates = []
    for _ in range(4):
        rates.append(used.param_groups[0]["lr"])
        used.step()
        schedule.step()
    assert rates == [1.0, 2.0, 2.0, 2.0]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"share": 1.0}, r"scheduler.share must be in \[0, 1\), got 1.0. Set scheduler.share."),
        ({"floor": -0.5}, r"scheduler.floor must be in \[0, 1\], got -0.5. Set scheduler.floor."),
    ],
)
def test_values_out_of_range(options: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        warmup(optimizer(), 10, **options)  # type: ignore[arg-type]
