"""A whole run on one base, and what happens when the files of the base change under it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from transformers import AutoModel

from rec_lightning.cli import main

SMALL = (
    "data=synthetic data.source.users=30 data.source.items=20 data.source.events_per_user=8 data.batch_size=8 "
    "max_length=8 width=16 trainer.max_epochs=1 logger=[] tuning=lora tuning.layers=1 items=text items.max_tokens=8"
).split()


def test_a_run_is_bound_to_the_weights_of_its_base(
    cache: Path, tmp_path: Path, language_model: Callable[..., str], capsys: pytest.CaptureFixture[str]
) -> None:
    base, run = tmp_path / "base", tmp_path / "run"
    shutil.copytree(language_model("bert"), base)
    line = ["train", *SMALL, f"items.model={base}", f"run_dir={run}"]
    assert main(line) == 0
    manifest = json.loads((run / "manifest.json").read_text())
    saved = torch.load(run / "checkpoints" / "best.ckpt", weights_only=True)
    assert saved["bases"] == manifest["bases"]
    assert saved["bases"]["items"]["name"] == str(base)
    encoder = AutoModel.from_pretrained(base)
    with torch.no_grad():
        encoder.get_input_embeddings().weight.add_(0.01)
    encoder.save_pretrained(base)
    manifest["status"] = "running"
    (run / "manifest.json").write_text(json.dumps(manifest))
    capsys.readouterr()
    assert main(line) == 2
    message = capsys.readouterr().err
    assert "the checkpoint was trained on another base: items had" in message
    assert manifest["bases"]["items"]["weights"][:16] in message


def test_a_run_is_bound_to_its_data(cache: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def write(shift: int) -> None:
        lines = (" ".join(str(k) for k in (u, *((u + shift + 2 * t) % 10 for t in range(6)))) for u in range(20))
        (tmp_path / "seq.txt").write_text("\n".join(lines) + "\n")

    run = tmp_path / "run"
    options = "data=sequences items=id tuning=full max_length=8 width=8 trainer.max_epochs=1 logger=[] ranking.k=5"
    line = ["train", *options.split(), f"data.source.path={tmp_path / 'seq.txt'}", f"run_dir={run}"]
    write(0)
    assert main(line) == 0
    manifest = json.loads((run / "manifest.json").read_text())
    (run / "manifest.json").write_text(json.dumps(manifest | {"status": "running"}))
    write(1)  # as many users and items, other histories
    capsys.readouterr()
    assert main(line) == 2
    message = capsys.readouterr().err
    assert f"had the fingerprint {manifest['data']['fingerprint'][:16]} there and has" in message
    assert "Give it the same data, or choose another run_dir." in message
    write(0)
    assert main(line) == 0
