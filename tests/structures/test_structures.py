"""Structures: MMoE and PLE equal the papers' formulas written row by row; all hold what they promise."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from rec_lightning.structures.cross_stitch import CrossStitch
from rec_lightning.structures.mmoe import MMoE
from rec_lightning.structures.ple import PLE
from rec_lightning.structures.shared_bottom import SharedBottom
from tests.members import member, members

B, D, TASKS = 7, 16, ("next", "rating", "like")
Vector = Any


def expert(nets: Any, number: int, x: Vector) -> Vector:
    """One net of several on one row, in NumPy."""
    for depth, weight in enumerate(nets.weights):
        x = x if depth == 0 else np.maximum(x, 0)
        bias = nets.biases[depth].detach().double().numpy().reshape(nets.count, -1)[number]
        x = x @ weight[number].detach().double().numpy() + bias
    return x


def softmax(gate: Any, x: Vector) -> Vector:
    scores = np.exp(gate.weight.detach().double().numpy() @ x)
    return scores / scores.sum()


def states() -> Tensor:
    return torch.randn(B, D, generator=torch.Generator().manual_seed(1))


def test_mmoe_is_the_formula_of_the_paper() -> None:
    torch.manual_seed(0)
    made = MMoE(TASKS, D, experts=3, hidden=[8, 5])
    found = made(states()).detach().numpy()
    for row, x in enumerate(states().double().numpy()):
        outs = [expert(made.experts, e, x) for e in range(3)]
        for task in range(3):
            mix = softmax(made.gate[task], x)
            assert np.allclose(found[task, row], sum(w * y for w, y in zip(mix, outs, strict=True)), atol=1e-6)


@pytest.mark.parametrize(("levels", "own", "shared"), [(1, 1, 1), (2, 2, 1), (3, 1, 2)])
def test_ple_is_the_formula_of_the_paper(levels: int, own: int, shared: int) -> None:
    torch.manual_seed(0)
    made = PLE(TASKS, D, levels, own, shared, hidden=[8])
    found = made(states()).detach().numpy()
    for row, x in enumerate(states().double().numpy()):
        of_tasks, common = [x, x, x], x
        for number, level in enumerate(made.levels):
            mine = [[expert(level.own[t], e, of_tasks[t]) for e in range(own)] for t in range(3)]
            ours = [expert(level.shared, e, common) for e in range(shared)]
            new = [softmax(level.gate[t], of_tasks[t]) @ np.stack(mine[t] + ours) for t in range(3)]
            if number < levels - 1:
                common = softmax(level.all, common) @ np.stack([*mine[0], *mine[1], *mine[2], *ours])
            of_tasks = new
        for task in range(3):
            assert np.allclose(found[task, row], of_tasks[task], atol=1e-6)


def test_cross_stitch_mixes_the_nets_after_every_layer() -> None:
    torch.manual_seed(0)
    made = CrossStitch(TASKS[:2], D, hidden=[8], keep=0.7)
    found = made(states()).detach().numpy()
    nets, mix = made.nets, np.array([[0.7, 0.3], [0.3, 0.7]])
    for row, x in enumerate(states().double().numpy()):
        now = [x, x]
        for depth, weight in enumerate(nets.weights):
            bias = nets.biases[depth].detach().double().numpy().reshape(2, -1)
            now = [np.maximum(y, 0) if depth else y for y in now]
            now = [y @ weight[t].detach().double().numpy() + bias[t] for t, y in enumerate(now)]
            now = list(mix @ np.stack(now))
        assert np.allclose(found[:, row], now, atol=1e-6)


def test_a_shared_bottom_without_a_net_hands_the_state_on() -> None:
    assert torch.equal(SharedBottom(TASKS, D)(states()), states().expand(3, B, D))
    assert not list(SharedBottom(TASKS, D).parameters())


@pytest.mark.parametrize(("choice", "levels"), [*[(choice, None) for choice in members("structure")], ("ple", 3)])
def test_own_parameters_reach_one_task_and_all_others_more(choice: str, levels: int | None) -> None:
    made = PLE(TASKS, D, levels) if levels else member("structure", choice)(tasks=TASKS)
    found = made(states())
    assert found.shape == (3, B, D)
    every = list(made.parameters())
    reached = [torch.autograd.grad(y.sum(), every, retain_graph=True, allow_unused=True) for y in found if every]
    own = {id(p): task for task in range(3) for p in made.own(task)}
    for place, parameter in enumerate(made.parameters()):
        tasks = [task for task, grads in enumerate(reached) if grads[place] is not None and grads[place].any()]
        assert tasks == ([own[id(parameter)]] if id(parameter) in own else [0, 1, 2])


@pytest.mark.parametrize("choice", members("structure"))
def test_gates_are_named_and_sum_to_one(choice: str) -> None:
    made = member("structure", choice)(tasks=TASKS)
    for gates in made.gates(states()).values():
        assert gates.weight.shape == (len(gates.rows), len(gates.columns))
        assert gates.rows[:3] == TASKS
        assert torch.allclose(gates.weight.sum(1), torch.ones(len(gates.rows)), atol=1e-5)


def test_a_gate_of_ple_does_not_see_the_experts_of_another_task() -> None:
    gates = PLE(TASKS, D, levels=2).gates(states())
    assert list(gates) == ["gates_1", "gates_2"]
    assert gates["gates_1"].rows == (*TASKS, "shared")
    assert gates["gates_2"].columns == ("next 1", "rating 1", "like 1", "shared 1")
    off = gates["gates_2"].weight[:, :3] * (1 - torch.eye(3))
    assert not off.any()


def test_values_out_of_range_are_refused() -> None:
    with pytest.raises(ValueError, match=r"structure.experts must be at least 1, got 0\. Set structure.experts"):
        MMoE(TASKS, D, experts=0)
    with pytest.raises(ValueError, match=r"structure.levels must be at least 1, got 0"):
        PLE(TASKS, D, levels=0)
    with pytest.raises(ValueError, match=r"structure.hidden must be widths of at least 1, got \[0\]"):
        SharedBottom(TASKS, D, hidden=[0])
    with pytest.raises(ValueError, match=r"structure.keep must be in \(0, 1\], got 0"):
        CrossStitch(TASKS, D, keep=0.0)
