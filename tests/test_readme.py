"""The README's example of a method in three files works as it stands, in somebody else's package."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from rec_lightning.cli import VERBS, main

README = (Path(__file__).parents[1] / "README.md").read_text()


def test_a_third_party_adds_a_method_with_the_readmes_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, language_model: Callable[..., str]
) -> None:
    part = README.split("## Add a fine-tuning method in three files")[1]
    code, conf = (re.search(rf"```{kind}\n(.*?)```", part, re.S) for kind in ("python", "yaml"))
    assert code is not None
    assert conf is not None
    package = tmp_path / "my_package"
    (package / "conf" / "tuning").mkdir(parents=True)
    for folder in (package, package / "conf"):
        (folder / "__init__.py").touch()
    (package / "bias_only.py").write_text(code[1])
    (package / "conf/tuning/bias_only.yaml").write_text(conf[1].replace("rec_lightning.tuning", "my_package"))
    monkeypatch.syspath_prepend(str(tmp_path))
    options = ["data=synthetic", "data.source.users=20", "data.source.items=20", "width=8", "logger=[]"]
    options += [f"items.model={language_model('bert')}", "items.max_tokens=8", "trainer.max_epochs=1"]
    options += ['hydra.searchpath=["pkg://my_package.conf"]', "tuning=bias_only", f"run_dir={tmp_path / 'run'}"]
    assert main(["train", *options]) == 0
    trained = torch.load(tmp_path / "run/checkpoints/best.ckpt", weights_only=True)["state_dict"]
    inside = [name for name in trained if name.startswith("items.encoder.")]
    assert inside
    assert all("bias" in name for name in inside)
    sys.modules.pop("my_package", None)


def test_every_verb_is_told() -> None:
    for verb in VERBS:
        assert f"rec-lightning {verb}" in README or f"make {verb}" in README, verb
