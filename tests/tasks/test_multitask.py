"""The crossing of several objectives: masks, products, gradients taken apart, accumulation, precision, processes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from lightning import Trainer

from rec_lightning.contracts import Batch
from rec_lightning.data.labels.at_least import AtLeast
from rec_lightning.tasks.apart import carry, gradients
from rec_lightning.tasks.multitask import MultiTask
from rec_lightning.tasks.objectives import Scores, both
from tests.members import members
from tests.tasks import joint_processes
from tests.tasks.joint import NAMES, Given, T, U, batch_of, examples, objectives, silent, task

METHODS = members("balancing")


def fit(learner: MultiTask, folder: Path, rows: list[Any], **options: Any) -> MultiTask:
    given = {"max_epochs": 1, "accelerator": "cpu", "logger": False, "enable_checkpointing": False}
    quiet = {"enable_progress_bar": False, "enable_model_summary": False, "default_root_dir": folder}
    Trainer(**(given | quiet | options)).fit(learner, Given(rows))
    return learner


def grads(learner: MultiTask, batch: Batch) -> dict[str, torch.Tensor]:
    silent(learner).zero_grad()
    learner.training_step(batch, 0).backward()
    return {n: torch.zeros_like(p) if p.grad is None else p.grad.clone() for n, p in learner.named_parameters()}


def weights(learner: MultiTask) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in learner.parameters()])


def masked(batch: Batch, column: int) -> Batch:
    assert batch.label is not None
    label = batch.label.clone()
    label[..., column] = float("nan")
    return replace(batch, label=label)


def test_rows_without_a_label_count_for_nothing() -> None:
    learner, batch = silent(task()), batch_of()
    means, counts = learner.losses(batch)
    assert batch.label is not None
    known = ~batch.label[:, 0].isnan()  # (B, 2)
    assert counts == [U * (T - 1), int(known[:, 0].sum()), int(known[:, 1].sum())]
    for column in (0, 1):
        few, _ = learner.losses(batch_of(np.flatnonzero(known[:, column].numpy())))
        assert torch.allclose(few[column + 1], means[column + 1], atol=1e-6)


@pytest.mark.parametrize("method", METHODS)
def test_a_task_whose_labels_are_all_masked_adds_exactly_zero(method: str) -> None:
    found = grads(task(balancing=method), masked(batch_of(), 0))
    assert all(torch.isfinite(grad).all() for grad in found.values())
    assert not any(grad.any() for name, grad in found.items() if "objectives.rating" in name)
    if method == "fixed":
        alone = grads(task(parts=objectives(rating=0.0)), batch_of())
        assert all(torch.equal(found[name], alone[name]) for name in found)


@pytest.mark.parametrize("method", METHODS)
def test_a_batch_without_any_label_is_no_error(method: str) -> None:
    parts = {name: part for name, part in objectives().items() if name != "next"}
    found = grads(task(balancing=method, parts=parts), masked(masked(batch_of(), 0), 1))
    assert not any(grad.any() for grad in found.values())


def test_esmm_multiplies_the_probabilities_and_reaches_both_heads() -> None:
    one, two = torch.tensor([-30.0, -1.0, 0.0, 5.0, 60.0]), torch.tensor([2.0, -3.0, 0.0, 40.0, 60.0])
    product = one.double().sigmoid() * two.double().sigmoid()
    assert torch.allclose(both(one, two).double().sigmoid(), product, rtol=1e-4)
    one.requires_grad_(True)
    both(one, two).sum().backward()
    assert one.grad is not None
    assert torch.isfinite(one.grad).all()
    parts = {"click": objectives()["like"], "conversion": objectives()["like"]}
    parts["conversion"].given = "click"  # type: ignore[assignment, union-attr]
    learner = silent(task(parts=parts, structure="shared_bottom"))
    for objective in learner.scores.values():
        torch.nn.init.normal_(objective.head.item.weight)  # type: ignore[union-attr, arg-type]
    batch = batch_of()
    assert batch.candidate is not None
    assert batch.label is not None
    assert batch.feedback is not None
    batch = replace(batch, label=batch.label[..., [1, 1]], feedback=batch.feedback[..., [1, 1]])
    _, found = learner._forward(batch, learner.items.table(), batch.candidate, batch.history)
    alone = learner.objectives["conversion"]
    trunk = learner.losses(batch)
    assert len(trunk[0]) == 2
    alone.given = None  # type: ignore[assignment]
    _, apart = learner._forward(batch, learner.items.table(), batch.candidate, batch.history)
    expected = apart["click"].sigmoid() * apart["conversion"].sigmoid()
    assert torch.allclose(found["conversion"].sigmoid(), expected, atol=1e-6)
    alone.given = "click"  # type: ignore[assignment]
    _, own = learner.parameters_apart()
    assert own[0] == []  # the head of clicks is reached by conversions too
    assert {id(p) for p in own[1]} == {id(p) for p in alone.parameters()}


def test_what_is_carried_is_the_gradient() -> None:
    one, two = torch.nn.Parameter(torch.ones(2, 2)), torch.nn.Parameter(torch.ones(3))
    wanted = torch.arange(7.0)
    (carry(torch.tensor(5.0), [one, two], wanted) * 0.5).backward()
    assert one.grad is not None
    assert two.grad is not None
    assert torch.equal(torch.cat([one.grad.flatten(), two.grad]), wanted / 2)


@pytest.mark.parametrize("structure", members("structure"))
def test_shared_gradients_are_put_together_and_own_ones_left_alone(structure: str) -> None:
    batch, plain, surgical = batch_of(), task(structure), task(structure, "pcgrad")
    expected, found = grads(plain, batch), grads(surgical, batch)
    shared, own = surgical.parameters_apart()
    names = {id(p): name for name, p in surgical.named_parameters()}
    for parameter in [p for mine in own for p in mine]:
        assert torch.allclose(found[names[id(parameter)]], expected[names[id(parameter)]], atol=1e-6)
    means, _ = surgical.losses(batch)
    rows = torch.stack([gradients(mean, shared) for mean in means])
    torch.manual_seed(3)
    inner = rows.double() @ rows.double().T
    mixed = surgical.balancing.directions(inner, torch.tensor([True] * 3)).float() @ rows
    torch.manual_seed(3)
    again = grads(surgical, batch)
    assert torch.allclose(torch.cat([again[names[id(p)]].flatten() for p in shared]), mixed, atol=1e-5)


@pytest.mark.parametrize("method", METHODS)
def test_accumulated_batches_are_one_step_of_them_all(method: str, tmp_path: Path) -> None:
    # equal numbers of each label in both halves, and in both no order that a method draws
    label = examples().label
    known = ~np.isnan(label)
    kinds = [np.flatnonzero((known == kind).all(1)) for kind in ((True, True), (True, False), (False, True))]
    kinds = [k[examples().begin[k] < examples().end[k]] for k in kinds]
    one = np.concatenate([k[0 : 2 * (len(k) // 2) : 2] for k in kinds])
    two = np.concatenate([k[1 : 2 * (len(k) // 2) : 2] for k in kinds])
    whole, halves = task(balancing=method), task(balancing=method)
    torch.manual_seed(0)
    fit(whole, tmp_path, [np.concatenate([one, two])] * 3)
    torch.manual_seed(0)
    fit(halves, tmp_path, [one, two] * 3, accumulate_grad_batches=2)
    assert torch.allclose(weights(whole), weights(halves), atol=2e-4)
    assert not torch.allclose(weights(whole), weights(task(balancing=method)), atol=1e-3)


@pytest.mark.parametrize("method", ["uncertainty", "gradnorm", "upgrad", "nash_mtl"])
def test_mixed_precision_descends_in_the_same_direction(method: str, tmp_path: Path) -> None:
    start = weights(task(balancing=method))
    moves = [
        weights(fit(task(balancing=method), tmp_path, [range(U * T)], precision=precision)) - start  # type: ignore[arg-type]
        for precision in ("32-true", "bf16-mixed")
    ]
    assert torch.cosine_similarity(*moves, dim=0) > 0.99


def test_cosines_are_those_of_the_shared_gradients(tmp_path: Path) -> None:
    logged = dict[str, float]()
    for method in ("fixed", "upgrad"):
        learner = task(balancing=method, cosines_every=1)
        learner.log = lambda key, value, **_: logged.update({key: float(value)})  # type: ignore[method-assign, assignment]
        learner.training_step(batch_of(), 0)
        shared, _ = learner.parameters_apart()
        means, _ = learner.losses(batch_of())
        one, two = (gradients(means[place], shared) for place in (0, 2))
        expected = float(torch.cosine_similarity(one, two, dim=0))
        assert logged.pop("train/cosine/next/like") == pytest.approx(expected, abs=1e-5)


def test_ten_users_are_learnt_by_heart() -> None:
    learner = silent(task(optimizer=None)).train()
    optimizer, batch = torch.optim.AdamW(learner.parameters(), lr=0.02), batch_of()
    for _ in range(150):
        optimizer.zero_grad()
        learner.training_step(batch, 0).backward()
        optimizer.step()
    learner.eval()
    learner.on_validation_epoch_start()
    learner.measure(batch_of(role=1), "val")
    logged = dict[str, float]()
    learner.log_dict = lambda values, **_: logged.update(values)  # type: ignore[method-assign, assignment]
    learner.on_validation_epoch_end()
    assert logged["val/next/hr@5"] > 0.9
    assert logged["val/rating/rmse"] < 0.7
    assert logged["val/like/auc"] > 0.97


def test_two_processes_end_where_one_does(tmp_path: Path) -> None:
    alone, (one, two) = joint_processes.run(1, tmp_path)[0], joint_processes.run(2, tmp_path)
    assert one.keys() == set(joint_processes.METHODS)
    for method in joint_processes.METHODS:
        assert one[method]["weights"] == pytest.approx(two[method]["weights"], abs=1e-6)
        assert one[method]["weights"] == pytest.approx(alone[method]["weights"], abs=2e-4)
        assert one[method]["losses"] == pytest.approx(alone[method]["losses"], rel=1e-4)
        assert one[method]["cosine"] == pytest.approx(alone[method]["cosine"], abs=1e-3)


def test_objectives_that_do_not_go_together_are_refused() -> None:
    with pytest.raises(ValueError, match=r"weight must be at least 0, got -1\.0\. Set weight"):
        objectives(like=-1.0)
    with pytest.raises(ValueError, match=r"a weight of next, rating, like must be above 0, and all are 0"):
        task(parts=objectives(next=0.0, rating=0.0, like=0.0))
    with pytest.raises(ValueError, match=r"task.objectives must name one at least, got none"):
        MultiTask(**without_objectives())
    for name in ("Like", "a/b", "2"):
        with pytest.raises(ValueError, match=r"an objective's name must be a word of a-z, 0-9 and _, got '"):
            task(parts={name: objectives()["like"]})
    with pytest.raises(ValueError, match=r"one objective at most may rank, got next, more"):
        task(parts={"next": objectives()["next"], "more": objectives()["next"]})
    for given in ("like", "rating", "next", "none"):
        parts = objectives()
        parts["like"].given = given  # type: ignore[assignment, union-attr]
        with pytest.raises(ValueError, match=rf"task.objectives.like.given must name another .*, got '{given}'"):
            task(parts=parts)
    rating = objectives()["rating"]
    with pytest.raises(ValueError, match=r"given=like multiplies probabilities, and label=Rating is number"):
        Scores(None, rating.label, None, rating.loss, {}, given="like")  # type: ignore[arg-type, union-attr]
    with pytest.raises(ValueError, match=r"task.cosines_every must be at least 0, got -1"):
        task(cosines_every=-1)


def test_candidates_that_one_task_draws_have_no_label_for_another() -> None:
    batch = examples(drawn=(0, 2)).gather(np.arange(6), 1)
    assert batch.label is not None
    assert batch.label.shape == (6, 3, 2)
    assert batch.label[:, 1:, 0].isnan().all()
    assert not batch.label[:, 1:, 1].any()
    means, counts = silent(task()).losses(batch)
    assert all(torch.isfinite(mean) for mean in means)
    assert AtLeast().kind == "binary"
    assert len(NAMES) == len(counts)


def without_objectives() -> dict[str, Any]:
    one = task()
    return {
        "items": one.items,
        "backbone": one.backbone,
        "objectives": {},
        "structure": one.structure,
        "balancing": one.balancing,
        "optimizer": one.optimizer,
        "scheduler": one.scheduler,
    }
