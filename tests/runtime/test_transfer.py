"""A backbone of an earlier run is the start of another, as pretrained weights that LoRA leaves alone."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch

from rec_lightning.backbones.sasrec import SASRec
from rec_lightning.cli import main
from rec_lightning.runtime.transfer import start_from

SMALL = (
    "data=synthetic data.source.users=30 data.source.events_per_user=8 data.batch_size=8 max_length=8 width=16 "
    "trainer.max_epochs=1 logger=[] items=id"
).split()


def test_lora_on_a_backbone_from_an_earlier_run(
    cache: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    assert main(["train", *SMALL, "tuning=full", "data.source.items=20", f"run_dir={first}"]) == 0
    line = ["train", *SMALL, "tuning=lora", "tuning.target=backbone", "data.source.items=30", f"run_dir={second}"]
    assert main(line) == 2  # new, it would stay at its random start
    assert "Set tuning=full" in capsys.readouterr().err
    assert main([*line, f"init={first}"]) == 0
    one, two = (torch.load(f / "checkpoints/best.ckpt", weights_only=True) for f in (first, second))
    trained = {name for name in two["state_dict"] if name.startswith("backbone.blocks")}
    assert trained
    assert all(".lora_" in name for name in trained)
    assert two["bases"]["backbone"]["name"] == str(first)
    # what the second run started from is the first's, and its own layers are those of the file
    backbone = SASRec(16, 8)
    start_from(str(first), backbone)
    assert backbone.pretrained
    for name, tensor in backbone.state_dict().items():
        assert torch.equal(tensor, one["state_dict"][f"backbone.{name}"])


def test_refusals(tmp_path: Path) -> None:
    text = f"init must be the run_dir of a complete run, and {tmp_path}/checkpoints/best.ckpt is not there. Set init."
    with pytest.raises(ValueError, match="^" + re.escape(text) + "$"):
        start_from(str(tmp_path), SASRec(16, 8))
    (tmp_path / "checkpoints").mkdir()
    state = {f"backbone.{name}": tensor for name, tensor in SASRec(16, 8, blocks=1).state_dict().items()}
    torch.save({"state_dict": state}, tmp_path / "checkpoints" / "best.ckpt")
    text = f"init must name a run whose backbone is this one and trained in full, and {tmp_path} differs in blocks.1."
    for device in ("cpu", "meta"):
        with torch.device(device), pytest.raises(ValueError, match="^" + re.escape(text)):
            start_from(str(tmp_path), SASRec(16, 8))
    with pytest.raises(ValueError, match=r"differs in position.weight"):
        start_from(str(tmp_path), SASRec(16, 9, blocks=1))
