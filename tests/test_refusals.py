"""Wrong input as a new user would give it: exit code 2, one message with rule, value and next step, nothing trained."""

from __future__ import annotations

from pathlib import Path

import pytest

from rec_lightning.cli import main

SMALL = "data=synthetic data.source.users=30 data.source.items=20 items=id tuning=full width=8 logger=[]".split()

# options -> what the message says; all are refused before any data is read
REFUSED = {
    ("trainer.max_epoch=3",): "unknown option trainer.max_epoch; nearest: trainer.max_epochs",
    ("max_epochs=3",): "trainer.max_epochs",
    ("tuning=loar",): "unknown choice tuning=loar; nearest: lora. Choices: ",
    ("backbone=sasrek",): "sasrec",
    ("trainer.max_epochs=abc",): "trainer.max_epochs must be int",
    ("backbone.dropout=1.5",): "backbone.dropout must be in [0, 1), got 1.5. Set backbone.dropout.",
    ("backbone.heads=3",): "backbone.heads must divide the width 8, got 3. Set backbone.heads or width.",
    (
        "backbone=hstu",
        "backbone.heads=3",
    ): "backbone.heads must divide the width 8, got 3. Set backbone.heads or width.",
    (
        "backbone=hf_sequence",
        "backbone.trunk.architecture=distilbert",
    ): "must be a causal language model, and distilbert",
    ("backbone=hf_sequence", "backbone.trunk.options={rope: 1}"): "backbone.trunk.options.rope is no option of llama",
    (
        "backbone=hf_pretrained",
        "backbone.trunk.model=no.gguf",
    ): "there is no GGUF file no.gguf. Set backbone.trunk.model",
    ("backbone=hf_pretrained", "backbone.trunk.model=no/such"): "the model no/such is not on this machine",
    ("backbone=two_tower",): "backbone.users: categories names 'gender', which the table does not have. Columns: user.",
    ("data.batch_size=0",): "data.batch_size must be at least 1, got 0. Set data.batch_size.",
    ("max_length=1",): "max_length must be at least 2, got 1. Set max_length.",
    ("ranking.k=0",): "ranking.k must be at least 1, got 0. Set ranking.k.",
    ("top_k=[0]",): "top_k must be positive cut-offs, got [0]",
    ("monitor=val/ndcg@7",): "monitor must be a metric of validation (",
    ("optimizer.lr=-1",): "optimizer.lr must be positive, got -1. Set optimizer.lr.",
    ("scheduler.share=2",): "scheduler.share must be in [0, 1), got 2",
    ("checkpoint_seconds=-1",): "checkpoint_seconds must not be negative, got -1. Set it to 0 or more.",
    ("tuning=lora",): "tuning=lora needs linear layers, and items=IdItems (Embedding) has none. Set tuning=full",
    ("tuning=frozen",): "tuning=frozen would keep items=IdItems at its random initial values",
    ("tuning=lora", "tuning.target=backbone", "tuning.layers=9"): "tuning.layers must be 1..2",
    ("tuning=lora", "tuning.target=backbone", "tuning.modules=[attn]"): "of the topmost 2 layers of backbone",
    ("items=text", "items.model=no/such-model"): "the model no/such-model is not on this machine",
    ("items=features", "items.lists=[tags]"): "lists names 'tags', which the table does not have. Columns: item, ",
    ("items=id_features", "items.parts.features.categories=[]", "items.parts.features.lists=[]"): "need a column",
    ("items=features", "items.numbers={title: root}"): "items.numbers must be a mapping to one of 'standardise'",
    ("items=text_init", "items.reduction=ica"): "items.reduction must be one of 'whitening', 'pca', got 'ica'",
    ("items=text_init", "items.vectors.template='{plot}'"): "'{plot}' names 'plot', which the item table does not",
    ("items=pretrained",): "items.vectors.path must be given, it has no default. Set items.vectors.path=<value>.",
    ("items=pretrained", "items.vectors.path=no.npy"): "vectors of items are needed, and no.npy does not exist.",
    ("items=pretrained_init", "items.vectors.path=no.csv"): "must end in .npy or .parquet, got no.csv.",
    ("items=id_pretrained", "items.parts.pretrained.vectors.path=no.parquet"): "no.parquet does not exist.",
    ("items=id_text", "items.fusion=max"): "items.fusion must be one of 'sum', 'concat', 'gate', got 'max'",
    ("data.source.users=0",): "data.source.users must be at least 1, got 0",
    ("~backbone",): "backbone was dropped",
    ("trainer.accelerator=tup",): "accelerator",
    ("trainer.precision=17",): "precision",
}


@pytest.mark.parametrize("options", REFUSED, ids=" ".join)
def test_refused_before_any_data_is_read(
    options: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from rec_lightning.data.sources.synthetic import Synthetic

    monkeypatch.setattr(Synthetic, "fetch", lambda self: pytest.fail("data were read"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    groups = {o.partition("=")[0].lstrip("~") for o in options}
    kept = [o for o in SMALL if o.partition("=")[0] not in groups]
    code = main(["train", *kept, *options, f"run_dir={tmp_path / 'run'}"])
    message = capsys.readouterr().err
    assert code == 2
    assert message.startswith("error: ")
    assert REFUSED[options] in message
    assert "Traceback" not in message
    assert not (tmp_path / "run").exists()


def test_k_above_the_catalogue_is_refused_when_the_catalogue_is_known(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", *SMALL, "ranking.k=50", f"run_dir={tmp_path / 'run'}"]) == 2
    assert "ranking.k must be 1..catalogue size (20), got 50. Set ranking.k." in capsys.readouterr().err


@pytest.mark.parametrize("verb", ["train", "baseline"])
def test_a_place_that_cannot_be_written(verb: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("x")
    options = SMALL if verb == "train" else ["data=synthetic", "logger=[]"]
    assert main([verb, *options, f"run_dir={tmp_path}/file/run"]) == 2
    assert "run_dir must be a directory that can be written" in capsys.readouterr().err


def test_data_that_are_nowhere_say_which_file_to_put_where(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    missing = tmp_path / "nowhere" / "ml-100k.zip"
    options = ["data=ml_100k", f"data.source.path={missing}", "logger=[]", f"run_dir={tmp_path / 'run'}"]
    assert main(["baseline", *options]) == 2
    message = capsys.readouterr().err
    assert str(missing) in message
    assert "Set data.source.path" in message


def test_baseline_values_out_of_range(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["data=synthetic", "baseline=ease", "baseline.regularization=0", f"run_dir={tmp_path / 'run'}"]
    assert main(["baseline", *options]) == 2
    assert "baseline.regularization must be positive, got 0" in capsys.readouterr().err


def test_another_configuration_in_the_same_directory(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["data=synthetic", "logger=[]", f"run_dir={tmp_path / 'run'}"]
    assert main(["baseline", *options]) == 0
    assert main(["baseline", *options, "seed=7"]) == 2
    message = capsys.readouterr().err
    assert "belongs to another configuration (data.seed: 42 there, 7 now; seed: 42 there, 7 now)" in message
