"""The crossing: ten users are learnt by heart, and neither batches nor the way of scoring change a number."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from lightning import Trainer, seed_everything
from torch import Tensor, nn

from rec_lightning.backbones.sasrec import SASRec
from rec_lightning.contracts import Batch, Catalog, Negatives, Ranking, Sequences
from rec_lightning.data import windows
from rec_lightning.data.batches import EvalBatches, TrainBatches
from rec_lightning.heads.dot import DotHead
from rec_lightning.items.id import IdItems
from rec_lightning.items.text import TextItems
from rec_lightning.losses.full_softmax import FullSoftmax
from rec_lightning.losses.sampled_softmax import SampledSoftmax
from rec_lightning.metrics.coverage import Coverage
from rec_lightning.metrics.hit_rate import HitRate
from rec_lightning.metrics.ndcg import NDCG
from rec_lightning.ranking.topk import TopK
from rec_lightning.runtime.schedules import warmup
from rec_lightning.tasks.sequence import SequenceTask
from rec_lightning.tuning.apply import apply
from rec_lightning.tuning.frozen import Frozen
from rec_lightning.tuning.lora import Lora
from tests.members import backbone, composed, member, members

N = 30


def ten_users() -> Sequences:
    """Each walks through the items in steps of its own; the last step is the target."""
    rows = [[1 + (u * 3 + t * (1 + u % 3)) % N for t in range(8)] for u in range(10)]
    role = np.tile(np.array([0] * 6 + [1, 2], np.int8), 10)
    return Sequences(np.array(rows).ravel(), np.arange(0, 81, 8), role, pl.Series(range(10)))


def numbered(size: int = N) -> Catalog:
    return Catalog(pl.DataFrame({"item": range(size)}), np.ones(size + 1, np.int64))


def task(loss: Any = None, items: Any = None, backbone: Any = None, lr: float = 0.01, **changes: Any) -> SequenceTask:
    torch.manual_seed(0)
    items = items or IdItems(numbered(), 16)
    loss = loss or FullSoftmax()
    loss.prepare(numbered(items.size))
    return SequenceTask(
        items=items,
        backbone=backbone or SASRec(16, max_length=8, blocks=1, dropout=0.0),
        head=changes.get("head") or DotHead(),
        loss=loss,
        ranking=TopK(k=5, exclude_seen=False, chunk=changes.get("chunk", 1000)),
        metrics=changes.get("metrics") or {"hr": HitRate([1, 5]), "ndcg": NDCG([5])},
        optimizer=lambda groups: torch.optim.AdamW(groups, lr=lr),
        scheduler=lambda optimizer, steps: warmup(optimizer, steps, share=0.0, then="constant"),
        companion=changes.get("companion"),
    )


def trainer(folder: Path, epochs: int, precision: Any = "32-true") -> Trainer:
    return Trainer(
        precision=precision,
        max_epochs=epochs,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=folder,
        use_distributed_sampler=False,
        inference_mode=False,
        num_sanity_val_steps=0,
    )


@pytest.mark.parametrize("choice", members("loss"))
def test_ten_users_are_learnt_by_heart_with_every_loss(choice: str, tmp_path: Path) -> None:
    seed_everything(0, verbose=False)
    sequences = ten_users()
    # the training part's own last event is the target, so that nothing but memory is asked for
    known = Sequences(
        sequences.items, sequences.offsets, np.tile(np.array([0] * 5 + [1, 2, 2], np.int8), 10), sequences.users
    )
    few = ["loss.count=4"] if "count" in composed("loss", choice) else []
    learner, fit = task(member("loss", choice, *few), lr=0.005), trainer(tmp_path, 300)
    batches = TrainBatches(sequences, 8, 10, seed=0)
    losses = list[float]()
    learner.on_train_batch_end = lambda outputs, *_: losses.append(float(outputs["loss"]))  # type: ignore[method-assign]
    fit.fit(learner, batches)
    assert np.mean(losses[-5:]) < 0.3 * np.mean(losses[:3])
    (found,) = fit.validate(learner, EvalBatches(known, 1, 8, 10), verbose=False)
    assert found["val/hr@1"] > 0.85


@pytest.mark.parametrize("choice", members("backbone"))
def test_ten_users_are_learnt_by_heart_with_every_backbone(
    choice: str, tmp_path: Path, language_model: Callable[..., str]
) -> None:
    seed_everything(0, verbose=False)
    sequences = ten_users()
    known = Sequences(
        sequences.items, sequences.offsets, np.tile(np.array([0] * 5 + [1, 2, 2], np.int8), 10), sequences.users
    )
    torch.manual_seed(0)
    inner = composed("backbone", choice).get("trunk", {})
    quiet = ["backbone.dropout=0.0", *["backbone.trunk.dropout=0.0"] * ("dropout" in inner)]
    learner, fit = task(backbone=backbone(choice, language_model, *quiet), lr=0.005), trainer(tmp_path, 300)
    if learner.needs_time:
        sequences, known = (replace(s, timestamp=60 * np.arange(80)) for s in (sequences, known))
    fit.fit(learner, TrainBatches(sequences, 8, 10, seed=0))
    (found,) = fit.validate(learner, EvalBatches(known, 1, 8, 10), verbose=False)
    assert found["val/hr@1"] > 0.85


@pytest.mark.parametrize("chunk", [7, 1000])
def test_metrics_and_ranks_do_not_depend_on_the_evaluation_batch(chunk: int, tmp_path: Path) -> None:
    learner, fit = task(chunk=chunk), trainer(tmp_path, 1)
    found, ranks = [], []
    for size in (1, 3, 10):
        (values,) = fit.test(learner, EvalBatches(ten_users(), 2, 8, size), verbose=False)
        found.append(values)
        ranks.append(torch.cat([r.rank for r in learner.rankings]))
        assert torch.equal(torch.cat([r.users for r in learner.rankings]), torch.arange(10))
    assert found[0] == found[1] == found[2]
    assert torch.equal(ranks[0], ranks[2])
    assert set(found[0]) == {"test/hr@1", "test/hr@5", "test/ndcg@5"}


class Everything(nn.Module):
    """A sampled loss whose negatives are every item once."""

    def __init__(self) -> None:
        super().__init__()
        self.softmax = SampledSoftmax()

    def prepare(self, catalog: Catalog) -> None:
        self.size = catalog.size

    def negatives(self, target: Tensor) -> Negatives:
        return Negatives(torch.arange(1, self.size + 1).flip(0), torch.ones(self.size))

    def forward(self, queries: Tensor, keys: Tensor, target: Tensor, negatives: Negatives) -> Tensor:
        assert keys.shape[0] == N + 1
        found: Tensor = self.softmax(queries, keys, target, negatives)
        return found


def silent(learner: SequenceTask) -> SequenceTask:
    learner.log = lambda *_, **__: None  # type: ignore[method-assign]
    return learner


def test_validation_makes_lists_only_where_a_metric_reads_them(tmp_path: Path) -> None:
    catalog = numbered()
    both = task(metrics={"ndcg": NDCG([5]), "coverage": Coverage(catalog, [5])})
    bare = task(metrics={"ndcg": NDCG([5])})
    found = []
    for learner in (both, bare):
        widths: list[int] = []
        original = learner.val_metrics.update
        learner.val_metrics.update = lambda r, f=original, w=widths: (w.append(r.items.shape[1]), f(r))  # type: ignore[method-assign,misc]
        (values,) = trainer(tmp_path, 1).validate(learner, EvalBatches(ten_users(), 1, 8, 4), verbose=False)
        found.append((set(widths), values["val/ndcg@5"]))
    assert found == [({5}, found[0][1]), ({0}, found[0][1])]
    assert "val/coverage@5" in trainer(tmp_path, 1).validate(both, EvalBatches(ten_users(), 1, 8, 4), verbose=False)[0]


def training_batch() -> Batch:
    return next(iter(TrainBatches(ten_users(), 8, 10, seed=0)))


def test_negatives_that_are_all_items_give_the_full_path() -> None:
    full, sampled = silent(task()), silent(task(Everything()))
    losses = [learner.training_step(training_batch(), 0) for learner in (full, sampled)]
    assert losses[0].item() == pytest.approx(losses[1].item(), abs=1e-6)
    for loss in losses:
        loss.backward()
    for (name, one), two in zip(full.named_parameters(), sampled.parameters(), strict=True):
        assert one.grad is not None, name
        assert two.grad is not None, name
        assert torch.allclose(one.grad, two.grad, atol=1e-6), name


@pytest.mark.parametrize("shared", [True, False])
def test_a_sampled_step_hands_over_the_rows_that_were_drawn(shared: bool) -> None:
    seen: dict[str, Any] = {}

    class Spy(SampledSoftmax):
        def negatives(self, target: Tensor) -> Negatives:
            seen["drawn"], seen["target"] = super().negatives(target), target
            return seen["drawn"]  # type: ignore[no-any-return]

        def forward(self, queries: Tensor, keys: Tensor, target: Tensor, negatives: Negatives) -> Tensor:
            seen["keys"], seen["rows"], seen["at"] = keys, negatives, target
            return super().forward(queries, keys, target, negatives)

    learner = silent(task(Spy(count=4, shared=shared)))
    learner.training_step(training_batch(), 0)
    table = learner.items.table()
    assert torch.equal(seen["keys"][seen["rows"].items], table[seen["drawn"].items])
    assert torch.equal(seen["keys"][seen["at"]], table[seen["target"]])
    assert torch.equal(seen["rows"].rate, seen["drawn"].rate)
    assert not seen["keys"][0].any()


def test_only_positions_with_a_target_count() -> None:
    learner, batch = silent(task()), training_batch()
    loss = learner.training_step(batch, 0)
    states = learner.backbone.states(batch, learner.items.table()[batch.history])
    total, count = torch.zeros(()), 0
    for row in range(len(batch)):
        for t in range(int(batch.length[row])):
            logits = states[row, t] @ learner.items.table()[1:].T
            total, count = total - logits.log_softmax(0)[batch.target[row, t] - 1], count + 1
    assert loss.item() == pytest.approx((total / count).item(), abs=1e-5)


@pytest.mark.parametrize("choice", members("backbone"))
def test_groups_of_rows_change_no_loss_and_no_gradient(
    choice: str, language_model: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(windows, "OVERHEAD", 0)  # else rows as short as these stay together
    sequences = ten_users()
    uneven = np.tile(np.array([0] * 6 + [1, 2], np.int8), (10, 1))
    for user in range(10):
        uneven[user, 2 + user % 5 :] = 3
    sequences = replace(sequences, role=uneven.ravel(), timestamp=60 * np.arange(80))
    inner = composed("backbone", choice).get("trunk", {})
    quiet = ["backbone.dropout=0.0", *["backbone.trunk.dropout=0.0"] * ("dropout" in inner)]
    learner = silent(task(backbone=backbone(choice, language_model, *quiet)))
    found = []
    for most in (1, 4):
        batch = next(iter(TrainBatches(sequences, 8, 10, seed=0, groups=most)))
        learner.zero_grad()
        torch.manual_seed(0)  # a backbone may draw which targets it asks for
        loss = learner.training_step(batch, 0)
        loss.backward()
        grads = {n: p.grad.clone() for n, p in learner.named_parameters() if p.grad is not None}
        found.append((len(batch.parts()), loss.item(), grads))
    (one, loss, grads), (several, again, others) = found
    assert (one, several) == (1, 4)  # of five lengths
    assert again == pytest.approx(loss, rel=1e-5)
    assert grads.keys() == others.keys()
    for name, grad in grads.items():
        assert torch.allclose(grad, others[name], atol=1e-5), name


@pytest.mark.parametrize("choice", [c for c in members("companion") if c != "none"])
@pytest.mark.parametrize("sampled", [True, False])
@pytest.mark.parametrize("backbone", ["sasrec", "bert4rec"])
def test_a_companion_is_added_with_its_weight_and_told(choice: str, sampled: bool, backbone: str) -> None:
    part = member("companion", choice, "companion.weight=0.5")
    loss = SampledSoftmax(4) if sampled else FullSoftmax()
    learner, told = task(loss, backbone=member("backbone", backbone), companion=part), dict[str, Tensor]()
    learner.log = lambda key, value, **_: told.update({key: value})  # type: ignore[method-assign]
    total = learner.training_step(training_batch(), 0)
    assert total.item() == pytest.approx(float(told["train/loss_main"] + 0.5 * told["train/loss_companion"]))
    assert told["train/loss"].item() == total.item()
    total.backward()
    assert all(p.grad is not None for name, p in learner.named_parameters() if "mask" not in name)


def test_a_companion_encodes_as_evaluation_does() -> None:
    class Spy(nn.Module):
        weight = 1.0

        def forward(self, batch: Batch, vectors: Tensor, encode: Any) -> Tensor:
            self.found = encode(batch, nn.functional.embedding(batch.history, vectors))
            return self.found.sum()

    learner, batch = silent(task(SampledSoftmax(4), companion=Spy())), training_batch()
    learner.training_step(batch, 0)
    assert torch.allclose(learner.companion.found, learner.states(batch, learner.items.table()), atol=1e-6)


def test_a_companion_beside_a_backbone_that_reads_times_is_refused() -> None:
    timed = SASRec(16, max_length=8)
    timed.needs_time = True
    text = "companion=DuoRec changes histories and knows no times, and backbone=SASRec reads them. Set companion=none"
    with pytest.raises(ValueError, match=f"^{text} or another backbone.$"):
        task(backbone=timed, companion=member("companion", "duorec"))


def test_a_loss_that_is_not_finite_stops_the_run() -> None:
    learner = silent(task())
    with torch.no_grad():
        learner.items.table()[3] = torch.nan
    with pytest.raises(ValueError, match=r"^the loss is nan at step 0: lower optimizer.lr.$"):
        learner.training_step(training_batch(), 0)


def test_a_checkpoint_is_lean_makes_a_fresh_task_the_same_and_refuses_another(
    tmp_path: Path, cache: Path, catalog: Catalog, language_model: Callable[..., str]
) -> None:
    def tuned(layers: int = 1) -> SequenceTask:
        torch.manual_seed(0)
        items = TextItems(catalog, 16, language_model("bert"), max_tokens=20, fresh=4)
        apply(Lora(layers=layers), {"items": items})
        return task(items=items)

    sequences = Sequences(ten_users().items % 12 + 1, ten_users().offsets, ten_users().role, ten_users().users)
    learner, fit = tuned(), trainer(tmp_path, 2)
    fit.fit(learner, TrainBatches(sequences, 8, 10, seed=0))
    fit.save_checkpoint(tmp_path / "lean.ckpt", weights_only=True)
    saved = torch.load(tmp_path / "lean.ckpt", weights_only=True)["state_dict"]
    assert set(saved) == {name for name, p in learner.named_parameters() if p.requires_grad}
    assert not [name for name in saved if "bank" in name or "base_layer" in name or "metrics" in name]
    other, evaluation = tuned(), EvalBatches(sequences, 2, 8, 10)
    (before,) = fit.test(learner, evaluation, verbose=False)
    scores = learner.rankings[0].scores
    (after,) = trainer(tmp_path, 1).test(other, evaluation, ckpt_path=tmp_path / "lean.ckpt", verbose=False)
    assert before == after
    assert torch.allclose(other.rankings[0].scores, scores, atol=1e-6)
    with pytest.raises(ValueError, match=r"^the checkpoint belongs to another configuration: lacks items.encoder"):
        trainer(tmp_path, 1).test(tuned(2), evaluation, ckpt_path=tmp_path / "lean.ckpt", verbose=False)


def test_metrics_with_equal_states_are_not_taken_for_one() -> None:
    learner = task(metrics={"a": HitRate([1]), "b": HitRate([5])})
    for rank in (torch.tensor([9, 9]), torch.tensor([3, 1])):  # equal after the first batch, not after the second
        learner.val_metrics.update(Ranking(rank, rank.unsqueeze(1), rank.unsqueeze(1).float(), rank, rank))
    assert {key: float(v) for key, v in learner.val_metrics.compute().items()} == {"hr@1": 0.25, "hr@5": 0.5}


@pytest.mark.parametrize("choice", members("head"))
def test_every_head_trains(choice: str) -> None:
    learner = silent(task(head=member("head", choice)))
    learner.training_step(training_batch(), 0).backward()
    assert all(p.grad is not None for p in learner.parameters())


@pytest.mark.parametrize("precision", ["bf16-mixed", "bf16-true"])
@pytest.mark.parametrize("layers", [0, 1])
def test_other_precisions_train_and_evaluate(
    precision: Any, layers: int, tmp_path: Path, cache: Path, catalog: Catalog, language_model: Callable[..., str]
) -> None:
    items = TextItems(catalog, 16, language_model("bert"), max_tokens=20, fresh=4)
    apply(Lora(layers=1) if layers else Frozen(), {"items": items})
    learner, fit = task(items=items), trainer(tmp_path, 2, precision)
    sequences = Sequences(ten_users().items % 12 + 1, ten_users().offsets, ten_users().role, ten_users().users)
    fit.fit(learner, TrainBatches(sequences, 8, 10, seed=0))
    (found,) = fit.test(learner, EvalBatches(sequences, 2, 8, 10), verbose=False)
    assert 0 <= found["test/ndcg@5"] <= 1
    assert all(torch.isfinite(p).all() for p in learner.parameters())
