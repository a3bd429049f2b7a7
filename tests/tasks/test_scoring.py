"""The crossing of scoring: ten users are learnt by heart, nothing later is seen, and batches change no number."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from lightning import seed_everything
from torch import nn
from torchmetrics import MetricCollection

from rec_lightning.backbones.mean_pooling import MeanPooling
from rec_lightning.companions.augmentations.crop import Crop
from rec_lightning.companions.augmentations.mask import Mask
from rec_lightning.companions.augmentations.reorder import Reorder
from rec_lightning.companions.cl4srec import CL4SRec
from rec_lightning.contracts import Batch, Catalog, Sequences
from rec_lightning.data.examples import EvalExamples, Examples, TrainExamples
from rec_lightning.data.labels.at_least import AtLeast
from rec_lightning.data.labels.classes import Classes
from rec_lightning.data.labels.rating import Rating
from rec_lightning.items.id import IdItems
from rec_lightning.items.text import TextItems
from rec_lightning.metrics.at_threshold import AtThreshold
from rec_lightning.metrics.class_scores import ClassScores
from rec_lightning.metrics.errors import Errors
from rec_lightning.metrics.label_slices import LabelSlices
from rec_lightning.metrics.roc_auc import RocAUC
from rec_lightning.runtime.predictions import gather_predictions
from rec_lightning.runtime.schedules import warmup
from rec_lightning.tasks.feedback import Feedback
from rec_lightning.tasks.scoring import ScoringTask
from rec_lightning.tuning.apply import apply
from rec_lightning.tuning.lora import Lora
from tests.members import backbone as any_backbone
from tests.members import member, members
from tests.tasks.test_sequence import trainer

N, U, T = 12, 10, 8
LABELS = {"binary": AtLeast(least=4), "number": Rating(), "classes": Classes(["1", "2", "3", "4", "5"], "rating")}
LOSSES = {"binary": "log_loss", "number": "squared_error", "classes": "cross_entropy"}
METRICS = {"binary": RocAUC, "number": Errors, "classes": ClassScores}


def catalog() -> Catalog:
    users = pl.DataFrame({"user": range(U)})
    events = pl.DataFrame({"trains": [True] * U * T, "known": [T] * U * T})
    return Catalog(pl.DataFrame({"item": range(N)}), np.ones(N + 1, np.int64), users, events)


def sequences(role: int = 0) -> Sequences:
    generator = np.random.default_rng(0)
    items = generator.integers(1, N + 1, U * T)
    time = 1000 * np.arange(U * T)
    return Sequences(items, np.arange(0, U * T + 1, T), np.full(U * T, role, np.int8), pl.Series(range(U)), time)


def examples(kind: str, role: int = 0, drawn: int = 0) -> Examples:
    rating = np.random.default_rng(1).integers(1, 6, U * T)
    labels = LABELS[kind](pl.DataFrame({"rating": rating}))
    return Examples(sequences(role), labels, role, 6, role, drawn)


def task(
    kind: str = "binary", head: Any = None, items: Any = None, backbone: Any = None, **changes: Any
) -> ScoringTask:
    torch.manual_seed(0)
    label, loss = LABELS[kind], changes.get("loss") or member("loss", LOSSES[kind])
    outputs = loss.prepare(label)
    made = head or member("head", "mlp", "head.dropout=0.0")
    return ScoringTask(
        items=items or IdItems(catalog(), 16),
        backbone=backbone or MeanPooling(16, dropout=0.0),
        head=made(catalog=catalog(), outputs=outputs),
        loss=loss,
        label=label,
        metrics={"own": METRICS[kind]()},
        optimizer=lambda groups: torch.optim.AdamW(groups, lr=changes.get("lr", 0.01)),
        scheduler=lambda optimizer, steps: warmup(optimizer, steps, share=0.0, then="constant"),
        feedback=changes.get("feedback", True),
        regularizer=changes.get("regularizer"),
        companion=changes.get("companion"),
    )


def silent(learner: ScoringTask) -> ScoringTask:
    learner.log = lambda *_, **__: None  # type: ignore[method-assign]
    return learner


def batch_of(kind: str = "binary", rows: Any = range(U * T)) -> Batch:
    return examples(kind).gather(np.asarray(rows), 0)


@pytest.mark.parametrize("choice", ["sasrec", "hstu"])  # whose topmost block computes nothing else
def test_the_state_after_the_history_is_all_that_is_computed_and_the_same(
    choice: str, language_model: Callable[..., str]
) -> None:
    """A target a row asks a backbone for the last state alone; asked for all, it says the same there."""
    torch.manual_seed(0)
    backbone: Any = any_backbone(choice, language_model).eval()
    batch = batch_of(rows=range(3, 40, 5))
    vectors = torch.randn(N + 1, 16)[batch.history] * (batch.history > 0).unsqueeze(-1)
    row, last = torch.arange(len(batch)), batch.length - 1
    wide = batch.target.unsqueeze(1).expand(-1, batch.history.shape[1])
    whole = replace(batch, target=wide, target_time=batch.target_time.unsqueeze(1).expand_as(wide))  # type: ignore[union-attr]
    one, all_of_them = (backbone.states(b, vectors)[row, last] for b in (batch, whole))
    assert torch.allclose(one, all_of_them, atol=1e-5)


def learnt(learner: ScoringTask, batch: Batch, steps: int = 100) -> dict[str, float]:
    """What its metrics say of a batch that it was trained on."""
    silent(learner).train()
    optimizer = torch.optim.AdamW(learner.parameters(), lr=0.02)
    for _ in range(steps):
        optimizer.zero_grad()
        learner.training_step(batch, 0).backward()
        optimizer.step()
    learner.eval()
    learner.on_validation_epoch_start()
    learner.val_metrics.update(learner.predict(batch))
    return {key: float(value) for key, value in learner.val_metrics.compute().items()}


@pytest.mark.parametrize("choice", members("head", scoring=True))
def test_ten_users_are_learnt_by_heart_with_every_head(choice: str) -> None:
    # biases and weights of ids alone cannot tell apart what a user said of one item at two times
    # nor does a tower or a constant read the candidate
    least = {"bias": 0.75, "linear": 0.75, "constant": 0.49, "tower": 0.6}.get(choice, 0.97)
    assert learnt(task(head=member("head", choice)), batch_of())["auc"] > least


def test_numbers_and_classes_are_learnt_by_heart() -> None:
    assert learnt(task("number"), batch_of("number"))["rmse"] < 0.6
    assert learnt(task("classes"), batch_of("classes"), 200)["accuracy"] > 0.9


def test_a_fit_by_the_trainer_learns(tmp_path: Path) -> None:
    seed_everything(0, verbose=False)
    learner, fit = task(lr=0.02), trainer(tmp_path, 12)
    fit.fit(learner, TrainExamples(examples("binary"), 20, seed=0))
    (found,) = fit.validate(learner, EvalExamples(examples("binary"), 64), verbose=False)
    assert found["val/auc"] > 0.85


class Beside:
    """A companion whose part can be told by hand: the sum of all states after the histories, each backwards."""

    weight = 0.5

    def __call__(self, batch: Batch, vectors: torch.Tensor, encode: Any) -> torch.Tensor:
        column = torch.arange(batch.history.shape[1])
        turned = batch.history.gather(1, (batch.length.unsqueeze(1) - 1 - column) % batch.length.unsqueeze(1))
        turned = torch.where(column < batch.length.unsqueeze(1), turned, 0)
        total: torch.Tensor = encode(replace(batch, history=turned), nn.functional.embedding(turned, vectors)).sum()
        return total


def test_a_companion_sees_the_history_and_adds_its_part() -> None:
    alone, beside = (silent(task(companion=companion)) for companion in (None, Beside()))
    batch = batch_of(rows=[0, 3, 9, 40])  # a row without any history is among them
    table = beside.items.table()
    states = beside.backbone.states(replace(batch, feedback=None), table[batch.history])  # a mean knows no order
    by_hand = states[torch.arange(4), batch.length - 1].sum()
    loss = beside.training_step(batch, 0)
    assert loss.item() == pytest.approx((alone.training_step(batch, 0) + 0.5 * by_hand).item(), rel=1e-5)


def test_changed_histories_train_beside_the_labels() -> None:
    companion = CL4SRec(16, {"crop": Crop(), "mask": Mask(), "reorder": Reorder()})
    learner = task(companion=companion)
    assert learnt(learner, batch_of())["auc"] > 0.97
    assert companion.hidden.grad is not None
    assert companion.hidden.grad.abs().sum() > 0


@pytest.mark.parametrize("choice", members("backbone"))
def test_every_backbone_scores_and_no_state_sees_the_candidate(choice: str, language_model: Callable[..., str]) -> None:
    torch.manual_seed(0)
    learner = silent(task(backbone=any_backbone(choice, language_model)))
    batch = batch_of(rows=[0, 3, 9, 40])  # a row without any history is among them
    learner.training_step(batch, 0).backward()
    assert all(torch.isfinite(p.grad).all() for p in learner.parameters() if p.grad is not None)
    learner.eval()
    learner.on_validation_epoch_start()
    seen: list[torch.Tensor] = []
    learner.head.register_forward_hook(lambda _, given, __: seen.append(given[1]))
    for change in (0, 1):
        assert batch.candidate is not None
        moved = batch.candidate % N + 1 if change else batch.candidate
        learner.predict(Batch(**{**vars(batch), "candidate": moved, "target": moved[:, 0]}))
    assert torch.equal(seen[0], seen[1])


def test_predictions_do_not_depend_on_the_batch(tmp_path: Path) -> None:
    learner, fit = task(), trainer(tmp_path, 1)
    found, values = [], []
    for size in (1, 7, 80):
        (got,) = fit.test(learner, EvalExamples(examples("binary", 2), size), verbose=False)
        found.append(got)
        values.append(torch.cat([p.value for p in learner.predictions]))
        assert torch.cat([p.event for p in learner.predictions]).tolist() == list(range(U * T))
    assert found[0].keys() == found[1].keys() == {"test/auc"}
    assert torch.allclose(values[0], values[2], atol=1e-6)
    assert found[0] == found[1] == found[2]


def test_training_and_evaluation_give_one_score() -> None:
    learner = silent(task().eval())
    batch = batch_of()
    scores: list[torch.Tensor] = []
    learner.head.register_forward_hook(lambda *given: scores.append(given[2].detach()))
    learner.training_step(batch, 0)
    learner.on_validation_epoch_start()
    learner.predict(batch)
    assert torch.allclose(scores[0], scores[1], atol=1e-6)


def test_feedback_is_what_was_said_and_nothing_where_nothing_was() -> None:
    number, binary = Feedback(Rating(), 4), Feedback(AtLeast(), 4)
    given = torch.tensor([[1.0, 5.0, float("nan")]])
    slope, there = number.weight.detach()
    expected = torch.stack([there - slope, there + slope, torch.zeros(4)])
    assert torch.allclose(number(given)[0], expected)
    said = binary(torch.tensor([[1.0, 0.0, float("nan")]]))[0]
    assert torch.equal(said, torch.cat([binary.weight.flip(0), torch.zeros(1, 4)]))


def test_without_feedback_labels_of_the_past_change_nothing() -> None:
    batch = batch_of()
    other = Batch(**{**vars(batch), "feedback": 1 - batch.feedback})  # type: ignore[operator]
    for feedback, equal in ((False, True), (True, False)):
        learner = task(feedback=feedback).eval()
        learner.on_validation_epoch_start()
        same = torch.equal(learner.predict(batch).value, learner.predict(other).value)
        assert same == equal


def test_text_under_lora_is_encoded_once_per_item_of_a_batch(
    catalog: Catalog, language_model: Callable[..., str]
) -> None:
    items = TextItems(catalog, 16, language_model("bert"), max_tokens=20)
    apply(Lora(layers=1), {"items": items})
    learner, asked = silent(task(items=items)), list[int]()
    encode = items.vectors
    items.vectors = lambda rows: (asked.append(len(rows)), encode(rows))[1]  # type: ignore[method-assign, func-returns-value]
    learner.training_step(batch_of(), 0).backward()
    assert asked == [N + 1]
    lora = [p for name, p in learner.named_parameters() if "lora_B" in name]
    assert lora
    assert all(p.grad is not None and p.grad.any() for p in lora)


def test_rows_with_several_candidates(tmp_path: Path) -> None:
    learner = silent(task(loss=member("loss", "log_loss")))
    batch = examples("binary", drawn=3).gather(np.arange(20), 1)
    learner.training_step(batch, 0).backward()
    learner.eval()
    learner.on_validation_epoch_start()
    found = learner.predict(batch)
    assert found.event.tolist() == [e for e in range(20) for _ in range(4)]
    assert batch.candidate is not None
    assert found.item.tolist() == batch.candidate.flatten().tolist()


def test_a_prediction_that_is_no_number_is_refused() -> None:
    learner = task().eval()
    with torch.no_grad():
        next(p for p in learner.head.parameters()).fill_(float("nan"))
    learner.on_validation_epoch_start()
    with pytest.raises(ValueError, match=r"predictions must be finite, and some are not\. Lower optimizer.lr"):
        learner.predict(batch_of())


def test_loss_parameters_train(tmp_path: Path) -> None:
    learner = task("number", loss=member("loss", "ordinal"))
    before = learner.loss.bounds.detach().clone()  # type: ignore[union-attr, operator]
    trainer(tmp_path, 2).fit(learner, TrainExamples(examples("number"), 40, seed=0))
    assert not torch.equal(before, learner.loss.bounds)  # type: ignore[arg-type]
    assert isinstance(learner.loss, nn.Module)


def _measured(rank: int, world: int, folder: str, results: Any) -> None:
    """Validation and test of one process; what it says of metrics, and the events it predicted."""
    torch.set_num_threads(1)
    if world > 1:
        meet = f"file://{folder}/meet"
        torch.distributed.init_process_group("gloo", init_method=meet, rank=rank, world_size=world)
    learner = silent(task())
    slices = LabelSlices(catalog(), RocAUC(), few=4)
    metrics = MetricCollection({"own": RocAUC(), "slices": slices, "cut": AtThreshold()}, compute_groups=[["own"]])
    learner.val_metrics, learner.test_metrics = metrics, metrics.clone()
    learner.val_metrics["cut"].choosing = True
    said: dict[str, float] = {}
    learner.log_dict = lambda values, **_: said.update({k: float(v) for k, v in values.items()})  # type: ignore[method-assign]
    learner.eval()
    for stage in ("validation", "test"):
        getattr(learner, f"on_{stage}_epoch_start")()
        for number, batch in enumerate(EvalExamples(examples("binary"), 7, rank, world)):
            getattr(learner, f"{stage}_step")(batch, number)
        getattr(learner, f"on_{stage}_epoch_end")()
    found = gather_predictions(learner.predictions)
    if world > 1:
        torch.distributed.destroy_process_group()
    results.put((said, found.event.tolist(), found.value.tolist()))


def test_two_processes_score_each_example_once_with_the_metrics_of_one(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    results = context.Queue()
    given = [(rank, 2, str(tmp_path), results) for rank in (0, 1)]
    processes = [context.Process(target=_measured, args=one, daemon=True) for one in given]
    for process in processes:
        process.start()
    both = [results.get(timeout=300) for _ in processes]
    for process in processes:
        process.join(60)
    _measured(0, 1, "", results)
    alone = results.get(timeout=60)
    assert len(alone[0]) == 2 * (1 + 10 + 5)
    assert len(alone[1]) == U * T
    # to the last bit, NaN where NaN is
    assert [repr(told) for told in both] == [repr(alone)] * 2
