from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from rec_lightning.runtime.refusal import Refusal
from rec_lightning.studies.reading import load_study
from rec_lightning.study import check, known_keys, run


def test_baselines_know_the_data_and_the_seed() -> None:
    known = known_keys()
    assert {"data", "seed", "baseline"} <= known["baseline"]
    assert "trainer" not in known["baseline"]
    assert {"fuse", "top_k"} <= known["fuse"]
    assert "data" not in known["fuse"]


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("trainer.max_epoch=1", "nearest: trainer.max_epochs"),
        ("data=movielens100", "unknown choice data=movielens100"),
        ("tuning=full", "cannot be set for all, got 'tuning=full'"),
        ("fast", "one slug or path of a study"),
    ],
)
def test_a_wrong_override_stops_before_the_first_row(override: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(Refusal, match=message):
        run(["demo", override, f"run_dir={tmp_path / 'demo'}"])
    assert not (tmp_path / "demo").exists()


def test_every_row_composes() -> None:
    check(load_study("demo"), ["data=synthetic"], known_keys())


STUDY = """
title: t
question: q
protocol: p
metrics: [ndcg@10]
primary: ndcg@10
common: {train: [data=sequences], baseline: [data=sequences]}
rows:
  - {name: Popularity, verb: baseline}
  - {name: Ids, verb: train, overrides: [items=id, tuning=full]}
"""


def test_a_path_that_is_not_given_stops_before_the_first_row(tmp_path: Path) -> None:
    path = tmp_path / "study.yaml"
    path.write_text(STUDY)
    with pytest.raises(Refusal, match=r"row 'Popularity': data\.source\.path must be given, .*Set data\.source\.path="):
        run([str(path), f"run_dir={tmp_path / 'run'}"])
    assert not (tmp_path / "run").exists()
    check(load_study(path), ["data.source.path=x"], known_keys())


def test_data_that_are_not_there_stop_before_the_first_row(tmp_path: Path) -> None:
    path = tmp_path / "study.yaml"
    path.write_text(STUDY)
    (tmp_path / "x.txt").write_text("1 2 3\n")
    for option, given in (("path", []), ("items", [f"data.source.path={tmp_path / 'x.txt'}"])):
        rule = rf"^row 'Popularity': data\.source\.{option} must be .*, and no\.txt does not exist\. "
        with pytest.raises(Refusal, match=rf"{rule}Set data\.source\.{option}\.$"):
            run([str(path), *given, f"data.source.{option}=no.txt", f"run_dir={tmp_path / 'run'}"])
        assert not (tmp_path / "run").exists()
    # another machine may have the file
    check(load_study(path), ["data.source.path=no.txt"], known_keys())


def test_a_pattern_that_matches_nothing_stops_before_the_first_row(tmp_path: Path) -> None:
    path = tmp_path / "study.yaml"
    path.write_text(STUDY.replace("data=sequences", "data=table"))
    with pytest.raises(
        Refusal, match=r"row 'Popularity': a file or a pattern that matches files is needed, and .*x\*\.csv"
    ):
        run([str(path), f"data.source.path='{tmp_path}/x*.csv'", f"run_dir={tmp_path / 'run'}"])
    (tmp_path / "x1.csv").write_text("user,item\n1,2\n")
    check(load_study(path), [f"data.source.path='{tmp_path}/x*.csv'"], known_keys(), tmp_path / "run")


def test_a_start_that_is_not_there_stops_before_the_first_row(tmp_path: Path) -> None:
    path, folder = tmp_path / "study.yaml", tmp_path / "run"
    lines = STUDY.replace("items=id, tuning=full", f"items=id, tuning=full, init={tmp_path}/earlier")
    path.write_text(lines)
    file = tmp_path / "earlier/checkpoints/best.ckpt"
    for _ in range(2):
        rule = (
            f"row 'Ids': init must be the run_dir of a complete run, and {file} is not there. Train it to its end, or"
        )
        with pytest.raises(Refusal, match=rule):
            run([str(path), f"data.source.path={path}", f"run_dir={folder}"])
        assert not folder.exists()
        file.parent.mkdir(parents=True, exist_ok=True)  # a run that has not ended lacks it as well
    # another machine may have it, and a row of the study may make it
    check(load_study(path), ["data.source.path=x"], known_keys())
    path.write_text(lines.replace(f"{tmp_path}/earlier", f"{folder}/ids/seed-42"))
    check(load_study(path), [f"data.source.path={path}"], known_keys(), folder)
    file.touch()
    (tmp_path / "earlier/config.yaml").touch()
    path.write_text(lines)
    check(load_study(path), [f"data.source.path={path}"], known_keys(), folder)


def test_two_rows_that_are_the_same(tmp_path: Path) -> None:
    path = tmp_path / "study.yaml"
    again = "  - {name: Again, verb: train, overrides: [items=id, tuning=full, data.batch_size=64]}\n"
    path.write_text(STUDY + again)
    with pytest.raises(Refusal, match="two rows must not resolve to the same configuration, got 'Ids' and 'Again'"):
        run([str(path), f"data.source.path={path}", f"run_dir={tmp_path / 'run'}"])
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("metric", "message"),
    [
        ("mrr@10", r"must be one of hr@K, ndcg@K, user_recall@K, user_ndcg@K with K at least 1, got 'mrr@10'"),
        (
            "ndcg@7",
            r"row 'Popularity': metrics must have a cut-off that the runs log, one of \[1, 5, 10, 20\], got 'ndcg@7'",
        ),
    ],
)
def test_a_metric_that_no_run_logs_stops_before_the_first_row(metric: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "study.yaml"
    path.write_text(STUDY.replace("ndcg@10", metric))
    with pytest.raises(Refusal, match=message):
        run([str(path), f"data.source.path={path}", f"run_dir={tmp_path / 'run'}"])
    assert not (tmp_path / "run").exists()


def test_rows_that_log_to_wandb_are_told(tmp_path: Path) -> None:
    path = tmp_path / "study.yaml"
    path.write_text(STUDY.replace("tuning=full]", "tuning=full, 'logger=[csv]']"))
    assert check(load_study(path), ["data.source.path=x"], known_keys()) == {"Popularity"}


def test_a_row_in_folds_is_told_as_the_row_it_becomes(tmp_path: Path) -> None:
    content = {
        "title": "t", "question": "q", "protocol": "p", "metrics": ["ndcg@10"], "primary": "ndcg@10",
        "folds": ["data.source.seed=1", "data.source.seed=2"],
        "rows": [{"name": "A", "verb": "train", "overrides": ["data=synthetic", "items=id", "tuning=full"]}],
    }  # fmt: skip
    (tmp_path / "study.yaml").write_text(json.dumps(content))  # yaml reads it
    study = load_study(tmp_path / "study.yaml")
    assert check(study, ["logger=wandb"], known_keys()) == {"A", *(row.name for row in study.rows)}


def test_the_launcher_stays_light() -> None:
    modules = "rec_lightning.studies.conduct, rec_lightning.studies.reading"
    code = f"import sys, {modules}; print({{'torch', 'polars', 'numpy', 'matplotlib'}} & set(sys.modules))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.strip() == "set()"


def test_complete_runs_are_kept_with_the_options_of_their_baselines(tmp_path: Path) -> None:
    path = tmp_path / "study.yaml"
    small = "data.source.users=30, data.source.items=20"
    path.write_text(
        STUDY.replace("train: [data=sequences]", f"train: [data=synthetic, {small}, width=8, trainer.max_epochs=1]")
        .replace("baseline: [data=sequences]", f"baseline: [data=synthetic, {small}]")
        .replace("tuning=full]", "tuning=full, 'logger=[]', 'compare=[popularity]']")
    )
    command = [str(path), f"run_dir={tmp_path / 'run'}"]
    assert run(command) == 0
    manifests = [tmp_path / "run" / row / "seed-42" / "manifest.json" for row in ("popularity", "ids")]
    before = [file.stat().st_mtime_ns for file in manifests]
    assert run(command) == 0
    assert [file.stat().st_mtime_ns for file in manifests] == before
    assert not list(tmp_path.glob("run/*/*.replaced-*"))


def test_an_unknown_factor_stops_before_the_first_row(tmp_path: Path) -> None:
    path = tmp_path / "study.yaml"
    path.write_text(STUDY.partition("rows:")[0] + "factors: {backbon: [sasrec, gru4rec]}\n")
    with pytest.raises(Refusal, match=r"row 'backbon=sasrec': .*nearest: backbone"):
        run([str(path), f"data.source.path={path}", f"run_dir={tmp_path / 'run'}"])
    assert not (tmp_path / "run").exists()


def test_a_disk_that_fills_up_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*words: object, **options: object) -> None:
        raise OSError(28, "No space left on device", str(tmp_path / "run/table.md"))

    monkeypatch.setattr("rec_lightning.studies.conduct.rebuild", full)
    path = tmp_path / "study.yaml"
    path.write_text(STUDY)
    with pytest.raises(Refusal, match=r"must stay writable, and .*run is not any more: .*No space left .*table\.md"):
        run([str(path), "data.source.path=x", f"run_dir={tmp_path / 'run'}"], only_report=True)


IN_TIME = """
title: t
question: q
protocol: p
metrics: [ndcg@5, user_recall@5]
primary: ndcg@5
reference: Popularity
resamples: 500
common:
  baseline:
    - data=synthetic
    - data.source.users=40
    - data.source.items=30
    - data/split=temporal_ratio
    - data.split.test=0.3
    - top_k=[5]
    - +metrics.user_recall={_target_:rec_lightning.metrics.user_recall.UserRecall,top_k:[5]}
    - logger=[]
rows:
  - {name: Popularity, verb: baseline, overrides: [baseline=popularity]}
  - {name: EASE, verb: baseline, overrides: [baseline=ease]}
"""


def test_users_with_several_targets_are_compared_as_users(
    cache: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "study.yaml").write_text(IN_TIME)
    assert run([str(tmp_path / "study.yaml"), f"run_dir={tmp_path / 'run'}"]) == 0
    results = json.loads((tmp_path / "run/results.json").read_text())
    for row in results["rows"]:
        logged = json.loads((tmp_path / "run" / row["slug"] / "seed-42/metrics.json").read_text())
        for metric in ("ndcg@5", "user_recall@5"):
            assert row["scores"][metric]["mean"] == pytest.approx(logged[f"test/{metric}"], abs=1e-5)
            assert row["scores"][metric]["low"] < row["scores"][metric]["mean"] < row["scores"][metric]["high"]
        assert row["users"] == 40
    told = " ".join(capsys.readouterr().out.split())
    targets = pl.read_parquet(tmp_path / "run/ease/seed-42/rankings.parquet").height
    assert targets > 100
    assert f"over the 40 tested users with {targets:,} targets" in told
