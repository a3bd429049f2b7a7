"""Every ``_target_`` bound to its signature, every plain value to its annotation."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

import pytest
from omegaconf import OmegaConf

from rec_lightning.runtime.check import check_signatures

if TYPE_CHECKING:
    from decimal import Decimal  # a name that does not exist when the program runs


class Part:
    def __init__(
        self,
        size: int,
        rate: float = 0.1,
        unit: Literal["user", "time"] = "user",
        name: str | None = None,
        on: bool = False,
        sizes: Sequence[int] = (),
        pair: tuple[int, int] = (1, 2),
        table: dict[str, float] | None = None,
        share: Annotated[float, "0..1"] = 0.5,
        inner: Part | None = None,
        price: Decimal | None = None,
        implicit: int = None,  # type: ignore[assignment]  # noqa: RUF013
    ) -> None: ...

    class Nested:
        def __init__(self, width: int = 1) -> None: ...


class Child(Part):
    """Takes its parent's arguments."""


def free(size: int, **rest: int) -> None: ...


def positional(first: int, /, second: int) -> None: ...


def check(node: dict[str, Any], target: str = "Part") -> None:
    check_signatures(OmegaConf.create({"part": {"_target_": f"{__name__}.{target}", **node}}))


@pytest.mark.parametrize(
    "node",
    [
        {"size": 1},
        {"size": 1, "rate": 2, "unit": "time", "name": None, "on": True},
        {"size": 1, "sizes": [1, 2], "pair": [3, 4], "table": {"a": 1, "b": 0.5}, "share": 1},
        {"size": 1, "price": "not checked", "implicit": None},
        {"_partial_": True},
        {"_args_": [3]},
        {"size": 1, "inner": {"_target_": f"{__name__}.Part", "size": 2}},
    ],
)
@pytest.mark.parametrize("target", ["Part", "Child"])
def test_what_fits(node: dict[str, Any], target: str) -> None:
    check(node, target)


@pytest.mark.parametrize(
    ("node", "message"),
    [
        ({}, "part.size must be given: Part needs it. Set part.size."),
        ({"size": "a"}, "part.size must be int, got 'a'. Set part.size."),
        ({"size": True}, "part.size must be int, got true. Set part.size."),
        ({"size": 1.5}, "part.size must be int, got 1.5. Set part.size."),
        ({"size": None}, "part.size must be int, got null. Set part.size."),
        ({"size": 1, "rate": "fast"}, "part.rate must be float, got 'fast'. Set part.rate."),
        ({"size": 1, "rate": True}, "part.rate must be float, got true. Set part.rate."),
        ({"size": 1, "on": 1}, "part.on must be bool, got 1. Set part.on."),
        ({"size": 1, "name": 3}, "part.name must be str or null, got 3. Set part.name."),
        (
            {"size": 1, "unit": "usr"},
            "part.unit must be one of 'user', 'time', got 'usr'; nearest: user. Set part.unit.",
        ),
        ({"size": 1, "sizes": "12"}, "part.sizes must be a list of int, got '12'. Set part.sizes."),
        ({"size": 1, "sizes": [1, "b"]}, "part.sizes must be a list of int, got [1, 'b']. Set part.sizes."),
        ({"size": 1, "pair": [1]}, "part.pair must be a list of int, int, got [1]. Set part.pair."),
        (
            {"size": 1, "table": {"a": "b"}},
            "part.table must be a mapping to float or null, got {'a': 'b'}. Set part.table.",
        ),
        ({"size": 1, "share": "x"}, "part.share must be float, got 'x'. Set part.share."),
        ({"size": 1, "rat": 1}, "unknown option part.rat; nearest: part.rate (Part has no argument rat)"),
        (
            {"size": 1, "inner": {"_target_": f"{__name__}.Part", "size": "a"}},
            "part.inner.size must be int, got 'a'. Set part.inner.size.",
        ),
        ({"_partial_": True, "rate": "x"}, "part.rate must be float, got 'x'. Set part.rate."),
    ],
)
@pytest.mark.parametrize("target", ["Part", "Child"])
def test_what_does_not_fit(node: dict[str, Any], message: str, target: str) -> None:
    with pytest.raises(
        ValueError, match=f"^{re.escape(message.replace('Part ', f'{target} ').replace('Part:', f'{target}:'))}$"
    ):
        check(node, target)


def test_without_a_near_argument_all_are_listed() -> None:
    message = "unknown option part.zzz; nearest: part.second (positional has no argument zzz)"
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        check({"_args_": [1], "second": 2, "zzz": 3}, "positional")


def test_further_keywords_and_nested_classes() -> None:
    check({"size": 1, "anything": 3}, "free")
    check({"width": 3}, "Part.Nested")
    with pytest.raises(ValueError, match=r"^part\.width must be int, got 'a'\. Set part\.width\.$"):
        check({"width": "a"}, "Part.Nested")


@pytest.mark.parametrize(
    ("target", "message"),
    [
        (
            "nowhere.Part",
            "part._target_ must name what can be imported, got 'nowhere.Part': No module named 'nowhere'.",
        ),
        ("torch.nn.Linar", "part._target_ must name what can be imported, got 'torch.nn.Linar'"),
        ("math.pi", "part._target_ must name a class or a function, got 'math.pi'. Set part._target_."),
    ],
)
def test_targets_that_are_not_there(target: str, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        check_signatures(OmegaConf.create({"part": {"_target_": target}}))


def test_targets_inside_lists_are_checked() -> None:
    node = {"_target_": f"{__name__}.Part", "size": "a"}
    with pytest.raises(ValueError, match=r"^parts\.1\.size must be int, got 'a'\. Set parts\.1\.size\.$"):
        check_signatures(OmegaConf.create({"parts": [1, node]}))


@pytest.mark.parametrize(
    ("node", "message"),
    [
        ({"max_epochs": "abc"}, "trainer.max_epochs must be int or null, got 'abc'. Set trainer.max_epochs."),
        ({"max_epoch": 3}, "unknown option trainer.max_epoch; nearest: trainer.max_epochs (Trainer has no argument"),
        ({"precision": "bf16-mixd"}, "trainer.precision must be one of 64, 32, 16, "),
        ({"use_distributed_sampler": 0}, "trainer.use_distributed_sampler must be bool"),
    ],
)
def test_lightning_trainer(node: dict[str, Any], message: str) -> None:
    good = {"_target_": "lightning.Trainer", "max_epochs": 3, "precision": "bf16-mixed", "accelerator": "cpu"}
    check_signatures(OmegaConf.create({"trainer": {**good, "gradient_clip_val": 1, "logger": False}}))
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        check_signatures(OmegaConf.create({"trainer": {**good, **node}}))


def test_torch_optimizer_as_a_partial() -> None:
    node = {"_target_": "torch.optim.AdamW", "_partial_": True, "lr": 1e-3, "betas": [0.9, 0.98]}
    check_signatures(OmegaConf.create({"optimizer": node}))
    with pytest.raises(ValueError, match=r"^optimizer\.lr must be float .*got 'x'"):
        check_signatures(OmegaConf.create({"optimizer": {**node, "lr": "x"}}))
