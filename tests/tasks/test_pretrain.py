"""What is hidden is asked for, what is wrong is noise, and a pretraining run is the start of another task."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoTokenizer

from rec_lightning.backbones.bert4rec import BERT4Rec
from rec_lightning.backbones.sasrec import SASRec
from rec_lightning.cli import main
from rec_lightning.contracts import Batch, Catalog
from rec_lightning.heads.dot import DotHead
from rec_lightning.items.id import IdItems
from rec_lightning.items.text import TextItems
from rec_lightning.losses.full_softmax import FullSoftmax
from rec_lightning.ranking.topk import TopK
from rec_lightning.runtime.composition import compose
from rec_lightning.runtime.family import check_family
from rec_lightning.tasks.pretrain import PretrainTask, asked
from rec_lightning.tasks.pretrain_text import PretrainTextTask
from tests.tasks.test_sequence import N, numbered

PARTS: dict[str, Any] = {"optimizer": torch.optim.AdamW, "scheduler": torch.optim.lr_scheduler.ConstantLR}


def task(objective: Any, share: float = 0.4, backbone: Any = None) -> PretrainTask:
    return PretrainTask(
        items=IdItems(numbered(), 16),
        backbone=backbone or SASRec(16, 8),
        head=DotHead(),
        loss=FullSoftmax(),
        ranking=TopK(5),
        metrics={},
        objective=objective,
        share=share,
        **PARTS,
    )


def window(batch: Callable[..., Batch]) -> Batch:
    """Rows whose targets are the items that follow."""
    many = batch([8, 5, 1], N)
    many.target[:, :-1] = torch.where(many.history[:, 1:] > 0, many.history[:, 1:], many.target[:, :-1])
    return many


def test_masked_asks_for_what_is_hidden_and_the_last(batch: Callable[..., Batch]) -> None:
    torch.manual_seed(0)
    many = window(batch)
    posed = task("masked").pose(many)
    hidden = (many.history > 0) & (posed.history == 0)
    assert hidden.any()
    assert torch.equal(posed.history[~hidden], many.history[~hidden])
    for row, length in enumerate(many.length.tolist()):
        wanted = {t for t in range(length - 1) if hidden[row, t + 1]} | {length - 1}
        assert set(posed.target[row].nonzero().flatten().tolist()) == wanted
    assert torch.equal(posed.target[posed.target > 0], many.target[posed.target > 0])
    assert torch.equal(asked(many, torch.zeros_like(hidden)).sum(1), many.target[range(3), many.length - 1])


def test_denoising_asks_for_all_and_changes_about_a_share(batch: Callable[..., Batch]) -> None:
    torch.manual_seed(0)
    many = batch([8] * 400, N)
    before = many.history.clone()
    posed = task("denoising").pose(many)
    assert torch.equal(posed.target, many.target)
    assert torch.equal(many.history, before)
    hidden, wrong = posed.history == 0, (posed.history > 0) & (posed.history != many.history)
    assert float(hidden.float().mean()) == pytest.approx(0.2, abs=0.03)
    assert float(wrong.float().mean()) == pytest.approx(0.2 * (N - 1) / N, abs=0.03)


def test_refusals_of_behaviour() -> None:
    with pytest.raises(ValueError, match=r"^task.share must be between 0 and 1, both excluded, got 1.0. Set"):
        task("masked", 1.0)
    with pytest.raises(ValueError, match=r"^backbone=BERT4Rec masks items by itself, .* Set task=sequence.$"):
        task("denoising", backbone=BERT4Rec(16, 8))


def with_mask(folder: str, place: Path) -> str:
    """The same model, one of whose words hides others."""
    import shutil

    shutil.copytree(folder, place)
    special = {"mask_token": "tau", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    AutoTokenizer.from_pretrained(folder, **special).save_pretrained(place)
    return str(place)


def text(
    catalog: Catalog, model: str, objective: Any = "masked", masked: float = 0.15, **more: Any
) -> PretrainTextTask:
    items = TextItems(catalog, 16, model, max_tokens=20)
    return PretrainTextTask(items, objective=objective, masked=masked, **(PARTS | more))


def test_hidden_tokens_are_asked_for_and_no_other(
    catalog: Catalog, language_model: Callable[..., str], tmp_path: Path
) -> None:
    learner = text(catalog, with_mask(language_model("bert"), tmp_path / "bert"))
    ids, mask = learner.items.tokens.padded(torch.arange(1, 13))
    given, wanted = learner._hidden(ids, mask, torch.Generator().manual_seed(0))
    chosen = wanted != -100
    assert chosen.any(1).all()  # every text is asked for something
    assert torch.equal(wanted[chosen], ids[chosen])
    assert torch.equal(given[~chosen], ids[~chosen])
    assert not (chosen & (ids <= 2)).any()  # neither padding nor [CLS] nor [SEP]
    assert (given != ids).any()


def test_causal_loss_is_that_of_the_library(catalog: Catalog, language_model: Callable[..., str]) -> None:
    from transformers import LlamaForCausalLM

    folder = language_model("llama")
    learner = text(catalog, folder, "causal", 0.0).eval()
    whole = LlamaForCausalLM.from_pretrained(folder, tie_word_embeddings=True).eval()
    whole.lm_head.weight = whole.model.embed_tokens.weight
    ids, mask = learner.items.tokens.padded(torch.tensor([6]))
    with torch.no_grad():
        loss, asked_for = learner._loss(torch.tensor([6]), None)
        assert asked_for == len(ids[0]) - 1
        assert float(loss) / asked_for == pytest.approx(
            float(whole(ids, attention_mask=mask, labels=ids).loss), abs=1e-4
        )


def test_refusals_of_texts(catalog: Catalog, language_model: Callable[..., str]) -> None:
    folder = language_model("bert")
    for given, found in (
        ({}, "task.objective=masked needs a token that hides others"),
        ({"objective": "causal"}, "task.masked has no effect with task.objective=causal, got 0.15. Set task.masked=0."),
        ({"masked": 1.5}, "task.masked must be between 0 and 1, both excluded, got 1.5. Set task.masked."),
        ({"texts": 0}, "task.texts must be at least 1, got 0. Set task.texts."),
        ({"held_out": 0.0}, "task.held_out must be between 0 and 1, both excluded, got 0.0. Set task.held_out."),
    ):
        with pytest.raises(ValueError, match="^" + re.escape(found)):
            text(catalog, folder, **given)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"^this task reads texts and needs items=text, got IdItems. Set items=text.$"):
        PretrainTextTask(IdItems(catalog, 16), **PARTS)


@pytest.mark.parametrize("choice", ["pretrain_masked", "pretrain_denoising", "pretrain_contrastive"])
def test_every_objective_composes_for_a_run(choice: str) -> None:
    config = compose("train", [f"task={choice}", "items=id", "tuning=full"])
    assert bool(config.companion) == (choice == "pretrain_contrastive")


def test_texts_then_a_recommender_on_them(
    cache: Path, tmp_path: Path, language_model: Callable[..., str], capsys: pytest.CaptureFixture[str]
) -> None:
    model = with_mask(language_model("bert", 3), tmp_path / "bert")
    common = (
        "data=synthetic data.source.users=40 data.source.items=40 data.source.events_per_user=8 max_length=8 width=16 "
        f"trainer.max_epochs=3 logger=[] items=text items.max_tokens=20 items.model={model} tuning=lora"
    ).split()
    first, second = tmp_path / "first", tmp_path / "second"
    assert main(["train", "task=pretrain_text", *common, "optimizer.lr=1e-2", f"run_dir={first}"]) == 0
    kept = torch.load(first / "checkpoints/best.ckpt", weights_only=True)["state_dict"]
    assert any(".lora_" in name for name in kept)
    assert not any("projection" in name or name.startswith("backbone") for name in kept)
    assert set(json.loads((first / "metrics.json").read_text())) == {"val/token_loss", "test/token_loss"}
    history = (first / "history.csv").read_text()
    assert history.count("val/token_loss") == 3
    assert main(["train", *common, "compare=[]", f"init={first}", f"run_dir={second}"]) == 0
    told = capsys.readouterr().err
    assert re.search(rf"init: items loaded \d+ tensors from {first}; new norm.bias", told)
    assert f"init: backbone new, {first} trained none" in told
    manifest = json.loads((second / "manifest.json").read_text())
    assert len(manifest["init"]) == 3
    assert "init" in manifest["bases"]["items"]
    # another language model is another vocabulary
    other = with_mask(language_model("bert", 4), tmp_path / "other")
    changed = [f"items.model={other}" if x.startswith("items.model") else x for x in common]
    assert main(["train", *changed, "compare=[]", f"init={first}", f"run_dir={tmp_path / 'x'}"]) == 2
    assert "init must name a run on the same language model and vocabulary" in capsys.readouterr().err
    # and a run that trained a text encoder only has nothing for ids
    line = [x for x in common if not x.startswith(("items", "tuning"))]
    ids = ["items=id", "tuning=full", "compare=[]", f"init={first}", f"run_dir={tmp_path / 'y'}"]
    assert main(["train", *line, *ids]) == 2
    assert "init must name a run that trained a part of this one" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("choice", "named"),
    [
        ("backbone=gru4rec", "GRU4Rec"),
        ("backbone=sasrec", "SASRec"),
        ("head=dot", "DotHead"),
        ("loss=bce", "BCE"),
        ("ranking=topk", "TopK"),
        ("metrics=ranking", None),
        ("rerank=mmr", "MMR"),
        ("companion=cl4srec", "CL4SRec"),
        ("regularizer=rdrop", "RDrop"),
        ("augmentation=word_dropout", "WordDropout"),
        ("compare=[ease, popularity]", "ease, popularity"),
    ],
)
def test_what_ranks_has_no_effect_on_texts(choice: str, named: str | None) -> None:
    config, group = compose("train", ["task=pretrain_text", choice]), choice.partition("=")[0]
    told = ", ".join(config.metrics) if named is None else named
    none = "[]" if group == "compare" else "none"
    with pytest.raises(ValueError) as refused:
        check_family(config)
    assert str(refused.value) == (
        f"{group}={told} has no effect with task=PretrainTextTask, which ranks nothing. Set {group}={none}."
    )


@pytest.mark.parametrize("option", ["backbone.layers=3", "loss.chunk=8", "head.temperature=0.1", "ranking.k=3"])
def test_options_of_parts_that_are_not_there_are_unknown_to_texts(option: str) -> None:
    with pytest.raises(ValueError, match=rf"^unknown option {option.partition('=')[0]}"):
        compose("train", ["task=pretrain_text", option])


def test_other_tasks_need_a_backbone() -> None:
    with pytest.raises(ValueError, match=r"^task=SequenceTask needs a backbone, got none. Set backbone="):
        check_family(compose("train", ["backbone=none"]))
