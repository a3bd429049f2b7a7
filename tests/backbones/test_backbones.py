"""What every backbone of ``conf/backbone`` promises: no look ahead, no influence of padding, the same answer twice."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace

import pytest
import torch
from torch import Tensor, nn

from rec_lightning.contracts import Backbone, Batch
from tests.members import backbone as members_backbone
from tests.members import members

BACKBONES = members("backbone")
CAUSAL = [choice for choice in BACKBONES if choice != "bert4rec"]  # those that are asked for every target at once
Make = Callable[..., Batch]
Made = Callable[[str], Backbone]


@pytest.fixture
def made(language_model: Callable[..., str]) -> Made:
    """A choice in eval mode, with the tiny language model wherever a model is asked for."""

    def make(choice: str) -> Backbone:
        torch.manual_seed(0)
        backbone: Backbone = members_backbone(choice, language_model)
        assert isinstance(backbone, nn.Module)
        for parameter in backbone.parameters():  # so that zero initial values hide nothing
            if parameter.ndim == 1:
                nn.init.normal_(parameter, std=0.1)
        return backbone.eval()

    return make


def states(backbone: Backbone, batch: Batch, vectors: Tensor) -> Tensor:
    return backbone.states(batch, nn.functional.embedding(batch.history, vectors))


def cut(many: Batch, row: int, length: int) -> Batch:
    """One row alone, without padding."""
    groups = ((row, many.history.shape[1]), (1, length), (len(many) - row - 1, many.history.shape[1]))
    return replace(many, groups=groups).parts()[1]


@pytest.fixture
def batch(batch: Make) -> Make:
    """As everywhere, and it carries times for those who read them."""

    def make(lengths: list[int], items: int) -> Batch:
        many = batch(lengths, items)
        time = 10**9 + 1000 * torch.arange(many.history.shape[1] + 1) ** 3
        return replace(many, time=time[:-1] * (many.history > 0), target_time=time[1:] * (many.target > 0))

    return make


@pytest.fixture
def vectors() -> Tensor:
    generator = torch.Generator().manual_seed(1)
    table = torch.randn(31, 16, generator=generator)
    table[0] = 0
    return table


@pytest.mark.parametrize("choice", BACKBONES)
def test_shape_and_the_same_answer_twice_in_eval(choice: str, made: Made, batch: Make, vectors: Tensor) -> None:
    backbone, many = made(choice), batch([8, 3, 1, 5], 30)
    found = states(backbone, many, vectors)
    assert found.shape == (4, 8, 16)
    assert torch.equal(found, states(backbone, many, vectors))


@pytest.mark.parametrize("choice", CAUSAL)
def test_a_later_item_never_changes_an_earlier_state(choice: str, made: Made, batch: Make, vectors: Tensor) -> None:
    backbone, many = made(choice), batch([8, 8], 30)
    before = states(backbone, many, vectors)
    for t in range(1, 8):
        history = many.history.clone()
        history[:, t:] = history[:, t:] % 30 + 1  # every later item is another one
        changed = replace(many, history=history)
        after = states(backbone, changed, vectors)
        assert torch.allclose(after[:, :t], before[:, :t], rtol=0, atol=1e-6)
        assert (after[:, t] - before[:, t]).abs().amax() > 1e-4  # and the item itself does


@pytest.mark.parametrize("choice", CAUSAL)
def test_no_gradient_reaches_a_later_item(choice: str, made: Made, batch: Make, vectors: Tensor) -> None:
    backbone, many = made(choice), batch([8], 30)
    inputs = nn.functional.embedding(many.history, vectors).requires_grad_()
    backbone.states(many, inputs)[:, 3].sum().backward()
    assert inputs.grad is not None
    assert not inputs.grad[:, 4:].any()
    assert inputs.grad[:, :4].abs().sum(2).all()


@pytest.mark.parametrize("choice", BACKBONES)
def test_no_state_sees_its_own_target(choice: str, made: Made, batch: Make, vectors: Tensor) -> None:
    backbone, many = made(choice), batch([8, 5, 1], 30)
    torch.manual_seed(0)
    posed = backbone.pose(many)
    assert (posed is many) == (choice in CAUSAL)
    inputs = nn.functional.embedding(many.history, vectors).requires_grad_()
    states = backbone.states(posed, inputs)
    for row, t in (posed.target > 0).nonzero().tolist():
        (gradient,) = torch.autograd.grad(states[row, t].sum(), inputs, retain_graph=True)
        assert not gradient[row, t + 1 : t + 2].any()
        assert gradient[row].any() or choice not in CAUSAL
        assert not gradient[[r for r in range(3) if r != row]].any()  # nor anything of another user


@pytest.mark.parametrize("choice", BACKBONES)
def test_a_batch_is_posed_without_being_changed(choice: str, made: Made, batch: Make) -> None:
    many = batch([8, 5, 1], 30)
    many = replace(many, time=many.history * 60, target_time=many.target * 60)
    before = many.target.clone()
    posed = made(choice).pose(many)
    assert all(getattr(posed, f.name) is getattr(many, f.name) for f in fields(many) if f.name != "target")
    assert torch.equal(many.target, before)
    assert (posed.target > 0).any(1).all()
    assert torch.equal(posed.target[posed.target > 0], before[posed.target > 0])


@pytest.mark.parametrize("choice", BACKBONES)
def test_padding_and_its_width_and_the_others_never_change_a_real_state(
    choice: str, made: Made, batch: Make, vectors: Tensor
) -> None:
    backbone, lengths = made(choice), [8, 3, 1, 5]
    many = batch(lengths, 30)
    found = states(backbone, many, vectors)
    for row, length in enumerate(lengths):
        assert torch.allclose(
            states(backbone, cut(many, row, length), vectors)[0], found[row, :length], rtol=0, atol=1e-5
        )


@pytest.mark.parametrize("choice", CAUSAL)
def test_evaluation_gives_the_last_state_of_training(choice: str, made: Made, batch: Make, vectors: Tensor) -> None:
    backbone, many = made(choice), batch([8, 3, 1, 5], 30)
    row, last = torch.arange(4), many.length - 1
    whole = states(backbone, many, vectors)
    assert many.target_time is not None
    asked = replace(many, target=many.target[row, last], target_time=many.target_time[row, last])
    found = states(backbone, asked, vectors)
    assert found.shape == whole.shape
    assert torch.allclose(found[row, last], whole[row, last], rtol=0, atol=1e-6)


@pytest.mark.parametrize("choice", ["sasrec", "bert4rec", "hstu"])
def test_evaluation_asks_the_topmost_block_for_one_place(choice: str, made: Made, batch: Make, vectors: Tensor) -> None:
    backbone, many = made(choice), batch([8, 3], 30)
    seen = list[int]()
    backbone.trunk[-1].register_forward_hook(lambda *given: seen.append(given[-1].shape[1]))  # type: ignore[index, operator]
    states(backbone, many, vectors)
    states(backbone, replace(many, target=many.target[:, 0], target_time=many.target[:, 0]), vectors)
    assert seen == [9 if choice == "bert4rec" else 8, 1]


@pytest.mark.parametrize("choice", BACKBONES)
def test_an_empty_history_has_a_finite_state_and_disturbs_nobody(
    choice: str, made: Made, batch: Make, vectors: Tensor
) -> None:
    backbone, many = made(choice), batch([0, 5], 30)
    many = replace(many, target=torch.tensor([7, 8]), target_time=torch.tensor([10**9, 10**9]))
    found = states(backbone, many, vectors)
    assert torch.isfinite(found[0]).all()
    assert torch.allclose(states(backbone, cut(many, 1, 5), vectors)[0, 4], found[1, 4], rtol=0, atol=1e-5)


@pytest.mark.parametrize("choice", BACKBONES)
def test_is_put_together_without_weights(choice: str, made: Made) -> None:
    with torch.device("meta"):
        backbone = made(choice)
    assert all(p.is_meta for p in backbone.parameters())  # type: ignore[attr-defined]


@pytest.mark.parametrize("choice", BACKBONES)
def test_everything_in_it_gets_a_gradient(choice: str, made: Made, batch: Make, vectors: Tensor) -> None:
    backbone, many = made(choice), batch([8, 8], 30)
    weight = torch.randn(2, 8, 16, generator=torch.Generator().manual_seed(2))
    (states(backbone, many, vectors) * weight).sum().backward()
    assert isinstance(backbone, nn.Module)
    dead = [name for name, p in backbone.named_parameters() if p.grad is None or not p.grad.any()]
    assert not dead


@pytest.mark.parametrize("choice", BACKBONES)
def test_its_trunk_can_be_taken_out_and_put_back(choice: str, made: Made) -> None:
    backbone = made(choice)
    names = set(backbone.state_dict())  # type: ignore[attr-defined]
    backbone.set_trunk(backbone.trunk)
    assert set(backbone.state_dict()) == names  # type: ignore[attr-defined]
    assert any(True for _ in backbone.trunk.parameters())


@pytest.mark.parametrize("choice", BACKBONES)
def test_a_history_beyond_its_length_is_refused_or_read(choice: str, made: Made, batch: Make, vectors: Tensor) -> None:
    backbone, many = made(choice), batch([9], 30)
    if not hasattr(backbone, "max_length"):
        assert states(backbone, many, vectors).shape == (1, 9, 16)
        return
    with pytest.raises(ValueError, match=r"^a history of 9 is longer than max_length 8. Set max_length.$"):
        states(backbone, many, vectors)
