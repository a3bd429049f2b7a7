"""A backbone of an earlier run is the start of another, as pretrained weights that LoRA leaves alone."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from omegaconf import OmegaConf

from rec_lightning.backbones.gru4rec import GRU4Rec
from rec_lightning.backbones.sasrec import SASRec
from rec_lightning.cli import main
from rec_lightning.runtime.composition import compose
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
    told = start_from(str(first), {"backbone": backbone})
    assert told[0] == f"init: backbone loaded {len(backbone.state_dict())} tensors from {first}"
    assert told[1] == "init: skipped items, which only that task has"
    assert backbone.pretrained
    for name, tensor in backbone.state_dict().items():
        assert torch.equal(tensor, one["state_dict"][f"backbone.{name}"])
    # what the second run learnt lies on what it started from, and comes along
    both = SASRec(16, 8)
    start_from(str(second), {"backbone": both})
    rank, added = 8, two["state_dict"]
    name = next(n.split(".lora_A")[0] for n in added if ".lora_A" in n)
    update = added[f"{name}.lora_B.default.weight"] @ added[f"{name}.lora_A.default.weight"] * 16 / rank
    place = f"{name.removeprefix('backbone.')}.weight"
    assert torch.allclose(both.state_dict()[place], backbone.state_dict()[place] + update, atol=1e-6)
    assert not any("lora" in n for n in both.state_dict())


def test_items_of_one_catalogue_go_along_and_those_of_another_are_new(
    cache: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = tmp_path / "first"
    assert main(["train", *SMALL, "tuning=full", "data.source.items=20", f"run_dir={first}"]) == 0
    capsys.readouterr()
    same = ["train", *SMALL, "tuning=full", "compare=[]", f"init={first}"]
    assert main([*same, "data.source.items=20", f"run_dir={tmp_path / 'same'}"]) == 0
    assert f"init: items loaded 1 tensors from {first}" in capsys.readouterr().err
    kept = torch.load(tmp_path / "same/checkpoints/best.ckpt", weights_only=True)
    assert "items.embedding.weight" in kept["state_dict"]
    assert not any("backbone.blocks" in name for name in kept["state_dict"])  # outside of the target it stays
    assert {"catalogue", "init"} <= set(kept["bases"]["items"])
    assert main([*same, "data.source.items=25", f"run_dir={tmp_path / 'other'}"]) == 0
    assert "skipped all (rows of another catalogue, new here)" in capsys.readouterr().err


def test_refusals(tmp_path: Path) -> None:
    file = tmp_path / "checkpoints/best.ckpt"
    text = f"init must be the run_dir of a complete run, and {file} is not there. Train it to its end, or set init."
    with pytest.raises(ValueError, match="^" + re.escape(text) + "$"):
        start_from(str(tmp_path), {"backbone": SASRec(16, 8)})
    OmegaConf.save(compose("train", ["items=id", "tuning=full"]), tmp_path / "config.yaml")
    (tmp_path / "checkpoints").mkdir()
    state = {f"backbone.{name}": tensor for name, tensor in SASRec(16, 8, blocks=1).state_dict().items()}
    torch.save({"state_dict": state}, tmp_path / "checkpoints" / "best.ckpt")
    text = f"init must name a run whose backbone is built as this one, and {tmp_path} differs in blocks.1."
    for device in ("cpu", "meta"):
        with torch.device(device), pytest.raises(ValueError, match="^" + re.escape(text)):
            start_from(str(tmp_path), {"backbone": SASRec(16, 8)})
    # another length, another width, another backbone
    with pytest.raises(
        ValueError, match=r"differs in position.weight \(8, 16\) there, \(9, 16\) here. Set the options"
    ):
        start_from(str(tmp_path), {"backbone": SASRec(16, 9, blocks=1)})
    with pytest.raises(ValueError, match=r"\(8, 16\) there, \(8, 32\) here"):
        start_from(str(tmp_path), {"backbone": SASRec(32, 8, blocks=1)})
    with pytest.raises(
        ValueError, match=r"differs in .*Set the options of backbone and width as there, or another init"
    ):
        start_from(str(tmp_path), {"backbone": GRU4Rec(16)})


def test_a_method_that_keeps_what_it_added_cannot_be_started_from(tmp_path: Path) -> None:
    OmegaConf.save(compose("train", ["items=id", "tuning=houlsby", "tuning.target=backbone"]), tmp_path / "config.yaml")
    (tmp_path / "checkpoints").mkdir()
    torch.save({"state_dict": {"backbone.x": torch.zeros(1)}}, tmp_path / "checkpoints" / "best.ckpt")
    text = f"and {tmp_path} was trained with tuning=Houlsby, which keeps what it added. Set another init."
    with pytest.raises(ValueError, match=re.escape(text)):
        start_from(str(tmp_path), {"backbone": SASRec(16, 8)})
