"""Which errors are wrong input and how they are told."""

from __future__ import annotations

import pytest
from hydra.utils import instantiate

from rec_lightning.runtime.refusal import Refusal, refusing


def fails(depth: int = 0) -> None:
    if depth:
        instantiate({"_target_": f"{__name__}.fails", "depth": depth - 1})
    raise ValueError("top_k must be at least 1, got 0. Set ranking.k.")


@pytest.mark.parametrize("depth", [0, 1, 2])
def test_a_constructor_is_told_in_its_own_words(depth: int) -> None:
    with pytest.raises(Refusal, match=r"^top_k must be at least 1, got 0\. Set ranking\.k\.$"), refusing():
        instantiate({"_target_": f"{__name__}.fails", "depth": depth})


def test_a_file_that_is_not_there() -> None:
    with pytest.raises(Refusal, match=r"^not_there\.csv: No such file or directory$"), refusing():
        open("not_there.csv")  # noqa: PTH123, SIM115


def test_what_lightning_calls_misconfigured_is_wrong_input() -> None:
    with pytest.raises(Refusal, match=r"^You have passed invalid value 1\.5 for limit_val_batches"), refusing():
        instantiate({"_target_": "lightning.Trainer", "limit_val_batches": 1.5, "logger": False})


def test_a_refusal_stays_itself() -> None:
    with pytest.raises(Refusal, match=r"^once$"), refusing(), refusing():
        raise Refusal("once")


@pytest.mark.parametrize("error", [TypeError("a fault"), KeyError("a fault"), RuntimeError("a fault")])
def test_a_fault_stays_a_fault(error: Exception) -> None:
    with pytest.raises(type(error), match="a fault"), refusing():
        raise error
