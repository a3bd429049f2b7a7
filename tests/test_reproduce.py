"""``reproduce`` trains again from what a run left, and tells what differs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from rec_lightning.cli import main
from rec_lightning.reproduce import run
from rec_lightning.runtime.refusal import Refusal

SMALL = "data=synthetic data.source.users=60 data.source.items=30 data.source.events_per_user=10".split()
TRAIN = "items=id tuning=full width=8 max_length=6 trainer.max_epochs=1 compare=[] logger=[csv]".split()


def test_a_run_is_equal_to_itself_and_a_changed_one_is_not(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = tmp_path / "run"
    assert main(["train", *SMALL, *TRAIN, f"run_dir={place}"]) == 0
    # as an older version left it
    config = OmegaConf.load(place / "config.yaml")
    config.pop("rerank")
    config.pop("test")
    (place / "config.yaml").write_text(OmegaConf.to_yaml(config))
    manifest = json.loads((place / "manifest.json").read_text())
    manifest["packages"]["torch"] = "2.0.0"
    (place / "manifest.json").write_text(json.dumps(manifest))
    capsys.readouterr()
    assert main(["reproduce", str(place)]) == 0
    told = capsys.readouterr().out
    assert "so at today's default: rerank." in told
    assert "Equal: all 60 targets have the same rank." in told
    assert "2.0.0" in told
    assert not (place / "reproduction/csv").exists()


def test_a_baseline_is_fitted_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["baseline", *SMALL, "logger=[]", f"run_dir={tmp_path / 'run'}"]) == 0
    assert main(["reproduce", str(tmp_path / "run"), f"run_dir={tmp_path / 'again'}"]) == 0
    assert "Equal: all 60 targets" in capsys.readouterr().out
    assert (tmp_path / "again/manifest.json").is_file()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "reproduce needs one run directory"),
        (["a", "b"], "reproduce needs one run directory"),
        (["a", "seed=3"], r"knows run_dir=PATH and metric=NAME, got \['a', 'seed=3'\]"),
        (["a", "metric=hr@5", "metric=hr@1"], "each option must be given once"),
        (["nowhere"], "run must be the directory of a complete run of train or baseline, and nowhere is none"),
    ],
)
def test_refusals(words: list[str], message: str) -> None:
    with pytest.raises(Refusal, match=message):
        run(words)
