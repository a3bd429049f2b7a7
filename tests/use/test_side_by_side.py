"""Runs side by side: the tests of a study on them, the sentence, seeds as one row, and what cannot be compared."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import yaml

from rec_lightning.cli import main
from rec_lightning.studies.intervals import paired_difference
from rec_lightning.studies.ranked import Ranks, ndcg
from rec_lightning.studies.significance import effect_size, holm, sign_flip
from tests.studies.conftest import manifest, ranks_of

Finish = Callable[..., Path]
RANKING = {"_target_": "rec_lightning.ranking.topk.TopK", "k": 20, "exclude_seen": True}


def write(folder: Path, strength: float, seed: int = 42, width: int = 8, **changes: Any) -> Path:
    """A complete run of 400 users; the stronger, the better."""
    folder.mkdir(parents=True)
    ranks = ranks_of(strength, seed=int(1000 * strength) + seed)
    users = pl.Series("user", range(len(ranks)))
    pl.DataFrame({"user": users, "target": users + 1, "rank": ranks}).write_parquet(folder / "rankings.parquet")
    values = {
        f"test/{m}": float(Ranks(np.arange(len(ranks)), ranks).metric(m))
        for m in ("hr@5", "ndcg@5", "hr@10", "ndcg@10")
    }
    (folder / "metrics.json").write_text(json.dumps(values | {"test/mrr@10": 0.1, "val/hr@5": 0.2}))
    config = {"seed": seed, "width": width, "data": {"inputs": "past", "seed": seed}, "ranking": RANKING}
    (folder / "config.yaml").write_text(yaml.safe_dump(config | {"run_dir": str(folder)}))
    (folder / "manifest.json").write_text(json.dumps(manifest(seed=seed, **changes)))
    return folder


@pytest.fixture
def compare(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """``(*runs, options)`` -> what was told."""

    def told(*runs: Path, options: tuple[str, ...] = ()) -> str:
        named = ",".join(map(str, runs))
        code = main(["compare", f"runs=[{named}]", f"run_dir={tmp_path}/out", *options])
        out = capsys.readouterr()
        assert code == (2 if "error: " in out.err else 0)
        return out.out + out.err

    return told


def test_numbers_are_those_of_the_tests_applied_by_hand(tmp_path: Path, compare: Callable[..., str]) -> None:
    runs = [write(tmp_path / name, s, width=w) for name, s, w in (("a", 1.2, 1), ("b", 2.5, 2), ("c", 1.25, 3))]
    told = " ".join(compare(*runs, options=("values=[hr@10,ndcg@10]",)).split())
    values = [ndcg(pl.read_parquet(run / "rankings.parquet")["rank"].to_numpy(), 10) for run in runs]
    p = holm([sign_flip(values[1] - values[0]), sign_flip(values[2] - values[0])])
    results = json.loads((tmp_path / "out/results.json").read_text())
    assert [row["name"] for row in results["rows"]] == ["a", "b", "c"]
    interval = paired_difference(values[1], values[0])
    share = [100 * x / values[0].mean() for x in (interval.mean, interval.low, interval.high)]
    assert p[0] < 0.001
    assert f"b beats a by {share[0]:.1f} % NDCG@10 (95 % interval {share[1]:.1f} to {share[2]:.1f} %, p < .001 " in told
    assert "after Holm over 2 comparisons)." in told
    assert "No difference between c and a is supported" in told
    assert f"b: effect size {effect_size(values[1] - values[0]):+.3f} standard deviations" in told
    assert "HR@10" in told
    assert "HR@5" not in told
    files = {path.name for path in (tmp_path / "out").iterdir()}
    assert {"results.json", "table.md", "table.tex", "table.csv", "comparison.svg", "report.html"} <= files


def test_runs_that_differ_in_the_seed_are_one_row(tmp_path: Path, compare: Callable[..., str]) -> None:
    seeds = [write(tmp_path / f"new/{seed}", 1.8, seed) for seed in (1, 2, 3)]
    old = write(tmp_path / "old", 1.2, width=99)
    told = " ".join(compare(old, *seeds, options=("names=[old,new,x,y]", "primary=hr@5")).split())
    assert "Rows with several seeds show the mean over them" in told
    assert "Student's t with seeds and users as crossed sources of variance" in told
    rows = json.loads((tmp_path / "out/results.json").read_text())["rows"]
    assert [(row["name"], row["seeds"]) for row in rows] == [("old", [42]), ("new", [1, 2, 3])]


def test_seeds_of_one_row_are_named_by_the_folder_that_they_share(tmp_path: Path, compare: Callable[..., str]) -> None:
    kinds = (("old", 1.2, 99), ("new", 1.8, 8))
    runs = [write(tmp_path / f"{name}/seed-{n}", power, n, width) for name, power, width in kinds for n in (1, 2)]
    compare(*runs, options=("primary=hr@5", "reference=old"))
    rows = json.loads((tmp_path / "out/results.json").read_text())["rows"]
    assert [(row["name"], row["seeds"]) for row in rows] == [("old", [1, 2]), ("new", [1, 2])]


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"data": manifest()["data"] | {"fingerprint": "e" * 64}}, "differ in data: toy with fingerprint ffffffffffff "
         "and toy with fingerprint eeeeeeeeeeee. Compare runs of one protocol"),
        ({"data": manifest()["data"] | {"split": "ByTime()"}}, None),
        ({"stage": "val"}, "differ in stage: test and val."),
        ({"status": "running"}, "runs must be complete, and "),
    ],
)  # fmt: skip
def test_other_data_or_protocols_are_refused(
    changes: dict[str, Any], text: str | None, tmp_path: Path, compare: Callable[..., str]
) -> None:
    first = write(tmp_path / "a", 1.2, data=manifest()["data"] | {"split": "LeaveOneOut()"})
    told = compare(first, write(tmp_path / "b", 1.5, width=9, **changes))
    assert (text or "differ in split: LeaveOneOut() and ByTime().") in told
    assert not (tmp_path / "out").exists()


def test_another_ranking_and_other_users_are_refused(tmp_path: Path, compare: Callable[..., str]) -> None:
    first, other = write(tmp_path / "a", 1.2), write(tmp_path / "b", 1.5, width=9)
    config = yaml.safe_load((other / "config.yaml").read_text())
    (other / "config.yaml").write_text(yaml.safe_dump(config | {"ranking": RANKING | {"exclude_seen": False}}))
    assert "differ in ranking: TopK, exclude_seen True and TopK, exclude_seen False." in compare(first, other)
    (other / "config.yaml").write_text(yaml.safe_dump(config | {"ranking": RANKING | {"k": 100}}))
    compare(first, other)  # a longer list changes no rank
    shutil.rmtree(tmp_path / "out")
    table = pl.read_parquet(other / "rankings.parquet")
    table.with_columns(target=pl.col("target") + 1).write_parquet(other / "rankings.parquet")
    assert "runs must be tested on the same users and targets, and " in compare(first, other)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (("values=[hr@7]",), "values must be logged by every run, and hr@7 is not: hr@5, ndcg@5, hr@10, ndcg@10 are."),
        (("primary=mrr@10",), "primary must be one of hr@5, ndcg@5, hr@10, ndcg@10, got mrr@10. Set primary."),
        (("reference=best",), "reference must be one of a, b, got best. Set reference."),
        (("names=[x]",), "names must be as many as runs (2), got 1. Set names."),
    ],
)
def test_refused(options: tuple[str, ...], text: str, tmp_path: Path, compare: Callable[..., str]) -> None:
    assert text in compare(write(tmp_path / "a", 1.2), write(tmp_path / "b", 1.5, width=9), options=options)


def test_too_few_or_the_same_runs(tmp_path: Path, compare: Callable[..., str]) -> None:
    a = write(tmp_path / "a", 1.2)
    assert "runs must name at least two directories, got 1. Set runs=[a,b]." in compare(a)
    assert "runs must be different directories" in compare(a, a)
    shutil.copytree(a, tmp_path / "copy")
    assert "runs of one configuration must have different seeds, and " in compare(a, tmp_path / "copy")
    b = write(tmp_path / "b", 1.3, seed=7)
    assert "runs must differ in more than the seed, and these are seeds of one row." in compare(a, b)
    (b / "metrics.json").write_text(json.dumps({"test/sampled_uniform9_hr@5": 0.5}))
    assert "runs must share test/hr@K, ndcg@K, user_recall@K or user_ndcg@K of the whole catalogue" in compare(a, b)


def test_real_runs_a_baseline_and_the_lists_of_another_program(
    finish: Finish, source: list[str], tmp_path: Path, compare: Callable[..., str], capsys: pytest.CaptureFixture[str]
) -> None:
    trained, fitted = finish("items=id", "tuning=full"), finish("baseline=popularity")
    options = [f"file={fitted}/rankings.parquet", *source, "top_k=[5]", f"run_dir={tmp_path}/theirs"]
    assert main(["evaluate", *options]) == 0
    capsys.readouterr()
    told = compare(trained, fitted, tmp_path / "theirs", options=("names=[mine,popular,theirs]", "reference=popular"))
    rows = {row["name"]: row for row in json.loads((tmp_path / "out/results.json").read_text())["rows"]}
    assert rows["theirs"]["scores"] == rows["popular"]["scores"]  # the same lists, the same numbers
    assert "0.0 % NDCG@5" in told or "+0.0000 NDCG@5" in told
    assert np.isfinite(rows["mine"]["scores"]["ndcg@5"]["mean"])
