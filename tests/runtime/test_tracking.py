from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from lightning.pytorch.loggers import CSVLogger, WandbLogger

from rec_lightning.runtime.composition import compose
from rec_lightning.runtime.tracking import open_loggers, run_id, tensorboard

FAST = "data=synthetic data.source.users=30 data.source.items=20 items=id tuning=full width=8 max_length=5".split()


def loggers(choice: str, place: Path) -> list[object]:
    return list(open_loggers(compose("train", [f"logger={choice}", f"run_dir={place}"]).get("logger")))


def test_each_choice_and_several(tmp_path: Path) -> None:
    assert [type(x) for x in loggers("csv", tmp_path)] == [CSVLogger]
    assert {type(x) for x in loggers("[csv,wandb]", tmp_path)} == {CSVLogger, WandbLogger}
    assert loggers("[]", tmp_path) == []


def test_wandb_is_offline_unless_told_otherwise(tmp_path: Path) -> None:
    assert compose("train", []).logger.wandb.offline is True
    assert compose("train", ["logger=wandb", "logger.offline=false"]).logger.wandb.offline is False


def test_a_directory_keeps_its_id_and_a_new_run_in_its_place_gets_another(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("seed: 1")
    first = run_id(str(tmp_path))
    assert run_id(str(tmp_path)) == first
    (tmp_path / "config.yaml").unlink()
    (tmp_path / "config.yaml").write_text("seed: 1")
    assert run_id(str(tmp_path)) != first


def test_tensorboard_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import lightning.pytorch.loggers.tensorboard as module

    def missing(*_: object, **__: object) -> None:
        raise ModuleNotFoundError("tensorboard")

    monkeypatch.setattr(module.TensorBoardLogger, "__init__", missing)
    with pytest.raises(
        ValueError, match=r"Install rec_lightning\[tensorboard\], or choose logger=wandb or logger=csv."
    ):
        tensorboard(str(tmp_path))


def test_a_run_logs_config_metrics_table_and_checkpoint_offline(train: Callable[..., int], tmp_path: Path) -> None:
    run = tmp_path / "run"
    line = [*FAST, "logger=[csv,wandb,tensorboard]", "trainer.max_epochs=2", f"run_dir={run}"]
    assert train(*line, kill="on_train_epoch_end@1") == -9
    # the service that a parent process hands down may be gone, or still hold the killed run
    assert train(*line, environment={"WANDB_SERVICE": f"3-1-unix-{tmp_path}/gone"}) == 0
    names = {p.name for p in run.iterdir()}
    files = {
        "config.yaml",
        "manifest.json",
        "metrics.json",
        "history.csv",
        "baselines.json",
        "rankings.parquet",
        "checkpoints",
    }
    assert names == files | {"wandb", "csv", "tensorboard"}
    assert {p.name for p in (run / "checkpoints").iterdir()} == {"best.ckpt", "last.ckpt"}
    table = json.loads(next((run / "wandb").rglob("results*.table.json")).read_text())
    assert table["columns"] == ["metric", "value", "popularity", "ease"]
    assert all(isinstance(row[3], float) for row in table["data"] if row[0].startswith("test/"))
    # both sessions wrote under one id
    ids = {p.name.rsplit("-", 1)[1] for p in (run / "wandb").glob("offline-run-*")}
    assert ids == {run_id(str(run))}
    assert "val/ndcg@10" in (run / "csv/metrics.csv").read_text().splitlines()[0]
    assert list((run / "tensorboard").glob("events.out.tfevents.*"))
    # the offline log is what `wandb sync` uploads: records with their names and values in plain bytes
    log = b"".join(f.read_bytes() for f in sorted((run / "wandb").glob("offline-run-*/*.wandb")))
    metrics = json.loads((run / "metrics.json").read_text())
    assert str(metrics["test/ndcg@10"]).encode() in log
    for told in ("max_epochs", f"checkpoint-{run_id(str(run))}", "best.ckpt", "results.table.json", "val/ndcg@10"):
        assert told.encode() in log, told
