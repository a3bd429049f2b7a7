"""Autoencoders of users: the paper's formulas in plain matrices, the rise of beta, and a run for held-out users."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import torch
from torch.nn import functional as F

from rec_lightning.backbones.autoencoder import Autoencoder
from rec_lightning.backbones.sasrec import SASRec
from rec_lightning.cli import main
from rec_lightning.companions.duorec import DuoRec
from rec_lightning.contracts import Batch
from rec_lightning.heads.dot import DotHead
from rec_lightning.items.id import IdItems
from rec_lightning.losses.full_softmax import FullSoftmax
from rec_lightning.losses.multinomial import Multinomial
from rec_lightning.ranking.topk import TopK
from rec_lightning.tasks.autoencoder import AutoencoderTask, drawn, interactions
from tests.tasks.test_sequence import numbered

N, WIDTH, LATENT = 30, 12, 5


def task(**changes: Any) -> AutoencoderTask:
    torch.manual_seed(0)
    given = {
        "items": IdItems(numbered(N), WIDTH, std=0.5),
        "backbone": Autoencoder(WIDTH, LATENT, dropout=0.0),
        "head": DotHead(),
        "loss": Multinomial(),
        "ranking": TopK(k=5),
        "metrics": {},
        "optimizer": torch.optim.Adam,
        "scheduler": lambda optimizer, steps: torch.optim.lr_scheduler.ConstantLR(optimizer),
    }
    return AutoencoderTask(**(given | changes))  # type: ignore[arg-type]


def test_whole_vectors_are_the_window_and_its_last_target(batch: Callable[..., Batch]) -> None:
    many = batch([4, 1], N)
    whole = interactions(many)
    assert whole.shape == (2, 5)
    assert whole[0].tolist() == [*many.history[0].tolist(), int(many.target[0, 3])]
    assert whole[1].tolist() == [int(many.history[1, 0]), int(many.target[1, 0]), 0, 0, 0]


def test_scores_are_those_of_the_paper_in_plain_matrices() -> None:
    learner = task().eval()
    history = torch.tensor([[3, 7, 9], [3, 7, 9], [5, 0, 0]])
    asked = Batch(torch.tensor([0, 0, 1]), history, torch.tensor([3, 3, 1]), torch.tensor([1, 2, 4]))
    vectors = learner.items.table()
    found = learner.head.queries(learner.states(asked, vectors)) @ learner.head.keys(vectors).T
    x = torch.zeros(3, N + 1).scatter_(1, history, 1.0)
    x[:, 0] = 0
    layers, head = learner.backbone.layers, learner.head  # type: ignore[attr-defined]
    hidden = torch.tanh(F.normalize(x) @ vectors + layers.bias)
    code = hidden @ layers.inward.weight.T + layers.inward.bias
    out = torch.tanh(code @ layers.outward.weight.T + layers.outward.bias)
    assert torch.allclose(found, out @ head.outputs.weight.T + head.bias, atol=1e-6)  # type: ignore[union-attr, operator]
    # and the state after a history is that of the causal backbone at its last place
    states = learner.backbone.states(asked, F.embedding(history, vectors))
    assert torch.allclose(states[torch.arange(3), asked.length - 1], learner.states(asked, vectors), atol=1e-6)


def test_divergence_and_likelihood_by_independent_formulas() -> None:
    mean, log_variance = torch.randn(4, LATENT), torch.randn(4, LATENT)
    code, divergence = drawn(mean, log_variance)
    normal = torch.distributions.Normal
    expected = torch.distributions.kl_divergence(normal(mean, (log_variance / 2).exp()), normal(0.0, 1.0)).sum(1)
    assert torch.allclose(divergence, expected, atol=1e-5)
    many = torch.stack([drawn(mean, log_variance)[0] for _ in range(4000)])
    assert torch.allclose(many.mean(0), mean, atol=0.25)
    assert torch.allclose(many.std(0), (log_variance / 2).exp(), rtol=0.1)
    assert code.shape == mean.shape
    queries, keys = torch.randn(2, WIDTH), torch.randn(N + 1, WIDTH)
    items = torch.tensor([[4, 9, 1], [7, 0, 0]])
    likely = (queries @ keys[1:].T).log_softmax(1)
    by_hand = -(likely[0, 3] + likely[0, 8] + likely[0, 0] + likely[1, 6]) / 2
    assert torch.allclose(Multinomial().of_sets(queries, keys, items), by_hand, atol=1e-5)


def test_beta_rises_to_its_height(batch: Callable[..., Batch]) -> None:
    learner, many = task(beta=0.4, anneal=0.5), batch([6, 4], N)

    class Told:
        estimated_stepping_batches = 100

    learner._trainer = Told()  # type: ignore[assignment]
    learner.log = lambda *_, **__: None  # type: ignore[assignment, method-assign]
    losses = {}
    for step in (0, 25, 50, 90):
        type(learner).global_step = step  # type: ignore[assignment, method-assign]
        torch.manual_seed(1)
        losses[step] = float(learner.training_step(many, 0).detach())
    del type(learner).global_step
    assert losses[50] == losses[90]
    assert losses[25] - losses[0] == pytest.approx((losses[50] - losses[0]) / 2, rel=1e-3)
    assert losses[50] > losses[0]


@pytest.mark.parametrize("choice", ["mult_vae", "mult_dae"])
def test_a_run_for_held_out_users_beats_popularity(choice: str, cache: Path, tmp_path: Path) -> None:
    common = (
        "data=synthetic data.source.users=200 data.source.items=60 data.source.events_per_user=20 data/split=fold_in "
        "metrics=users logger=[]"
    ).split()
    line = (
        f"task={choice} width=32 data.batch_size=20 data.eval_batch_size=8 trainer.max_epochs=15 "
        "monitor=val/user_ndcg@100 compare=[]"
    ).split()
    own, other = tmp_path / "own", tmp_path / "other"
    assert main(["train", *common, *line, f"run_dir={own}"]) == 0
    assert main(["baseline", *common, "baseline=popularity", f"run_dir={other}"]) == 0
    found, popular = (json.loads((run / "metrics.json").read_text()) for run in (own, other))
    assert found["test/user_recall@20"] > popular["test/user_recall@20"]
    table = pl.read_parquet(own / "rankings.parquet")
    assert table.height > table["user"].n_unique() == 20  # several targets a user


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"backbone": SASRec(WIDTH, 8)}, "needs backbone=autoencoder, got SASRec. Set backbone=autoencoder, or"),
        ({"loss": FullSoftmax()}, "needs loss=multinomial, got FullSoftmax. Set loss=multinomial, or task=sequence."),
        ({"companion": DuoRec()}, "companion=DuoRec compares histories"),
        ({"beta": -0.1}, "task.beta must be at least 0, got -0.1. Set task.beta."),
        ({"anneal": 2.0}, "task.anneal must be in [0, 1], got 2.0. Set task.anneal."),
        ({"beta": 0.0}, "task.anneal raises task.beta, which is 0, so 0.5 has no effect. Set task.anneal=0."),
        ({"backbone": Autoencoder(WIDTH, None)}, "task.beta=0.2 needs a code to spread, and backbone.latent is null."),
    ],
)
def test_refusals(changes: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match=re.escape(text)):
        task(**changes)
