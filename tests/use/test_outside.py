"""Lists of another program: the numbers of a run from its own lists, metrics by hand, and what contradicts itself."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from rec_lightning.cli import main
from rec_lightning.runtime.refusal import Refusal
from rec_lightning.use.list_table import read_lists

Finish = Callable[..., Path]
NAMES = {"user": "user", "item": "item", "rank": "rank", "score": "score"}


@pytest.fixture
def measure(source: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[Any, str]]:
    """``(file, *options)`` -> metrics, what was told."""

    def evaluate(file: Path, *options: str) -> tuple[dict[str, float], str]:
        place = tmp_path / f"measured{len(list(tmp_path.glob('measured*')))}"
        code = main(["evaluate", f"file={file}", *source, f"run_dir={place}", *options])
        told = capsys.readouterr()
        assert code == (2 if "error: " in told.err else 0)
        return ({} if code else json.loads((place / "metrics.json").read_text())), told.out + told.err

    return evaluate


@pytest.fixture(scope="session")
def run(finish: Finish) -> Path:
    """Measured by every metric that needs no column, at 1, 5 and 20."""
    return finish("items=id", "tuning=full", "metrics=all", "top_k=[1,5,20]")


def long(run: Path) -> pl.DataFrame:
    table = pl.read_parquet(run / "rankings.parquet").explode("items", "scores", empty_as_null=False)
    ranked = table.with_columns(place=pl.int_range(1, pl.len() + 1).over("user"))
    return ranked.select("user", item="items", rank="place", score="scores")


@pytest.mark.parametrize("form", ["rankings", "rank", "score", "lines", "named"])
def test_a_runs_own_lists_give_its_own_numbers(
    form: str, run: Path, measure: Callable[..., tuple[Any, str]], tmp_path: Path
) -> None:
    options = ["metrics=all", "top_k=[1,5,20]"]
    file, table = tmp_path / "lists.csv", long(run).sample(fraction=1.0, shuffle=True, seed=0)
    if form == "rankings":
        file = run / "rankings.parquet"
    elif form == "lines":
        file = tmp_path / "lists.jsonl"
        table.sort("rank").group_by("user").agg(items="item").write_ndjson(file)
    elif form == "named":
        file = tmp_path / "lists.tsv"
        table.rename({"user": "uid", "item": "film", "rank": "nth"}).drop("score").write_csv(file, separator="\t")
        options += ["columns.user=uid", "columns.item=film", "columns.rank=nth"]
    else:
        table.drop("rank" if form == "score" else "score").write_csv(file)
    found, told = measure(file, *options)
    own = json.loads((run / "metrics.json").read_text())
    assert "auc is left out: it needs the rank of every target, also beyond the lists" in told
    assert "test/auc" not in found
    del own["test/auc"]
    assert found == pytest.approx(own, abs=1e-6, nan_ok=True)
    assert len(found) > 30


def test_by_hand(run: Path, measure: Callable[..., tuple[Any, str]], tmp_path: Path) -> None:
    targets = dict(pl.read_parquet(run / "rankings.parquet").select("user", "target").iter_rows())
    wrong = {user: f"i{(int(target[1:]) + 1) % 24}" for user, target in targets.items()}
    rows = [("u1", targets["u1"], 2.0), ("u1", wrong["u1"], 1.0)]  # first
    rows += [("u2", wrong["u2"], 2.0), ("u2", targets["u2"], 1.0)]  # second
    rows += [("u3", targets["u3"], 1.0), ("u3", wrong["u3"], 1.0)]  # a tie counts against it: second
    rows += [("u4", targets["u4"], 1.0)]  # a list of one
    pl.DataFrame(rows, ["user", "item", "score"], orient="row").write_csv(tmp_path / "a.csv")
    found, told = measure(tmp_path / "a.csv", "top_k=[1,2]")
    assert found["test/hr@1"] == pytest.approx(2 / 30)
    assert found["test/hr@2"] == pytest.approx(4 / 30)
    assert found["test/ndcg@2"] == pytest.approx((2 + 2 / np.log2(3)) / 30)
    assert "26 of 30 users with a target have no list and count as missed" in told
    assert "1 users have fewer than 2 items: the empty places count as misses" in told
    found, told = measure(tmp_path / "a.csv", "top_k=[1,2]", "missing=skip")
    assert found["test/hr@1"] == 0.5
    assert "26 of 30 users with a target have no list and are left out" in told
    _, told = measure(tmp_path / "a.csv", "top_k=[1,2]", "missing=refuse")
    assert "error: every user with a target must have a list, and 26 of 30 have none (first: u0)." in told


def test_unknown_ids(run: Path, measure: Callable[..., tuple[Any, str]], tmp_path: Path) -> None:
    table = long(run).filter(pl.col("rank") <= 5)
    before, _ = measure(run / "rankings.parquet", "top_k=[5]")
    nobody = pl.DataFrame({"user": ["who"], "item": ["i1"], "rank": [1], "score": [0.0]}).cast(table.schema)
    pl.concat([table, nobody]).write_csv(tmp_path / "a.csv")
    _, told = measure(tmp_path / "a.csv", "top_k=[5]")
    assert "error: users must be known to the data, and user who is not. Leave it out, or set unknown=skip." in told
    found, told = measure(tmp_path / "a.csv", "top_k=[5]", "unknown=skip")
    assert found == before
    assert "1 rows were left out: the data do not know their user (first: who)" in told
    first = pl.when(pl.col("rank") == 1).then(pl.lit("zz")).otherwise(pl.col("item")).alias("item")
    table.with_columns(first).write_csv(tmp_path / "b.csv")
    _, told = measure(tmp_path / "b.csv", "top_k=[5]")
    assert "error: items must be known to the data, and item zz is not." in told
    found, told = measure(tmp_path / "b.csv", "top_k=[1,5]", "unknown=skip")
    assert found["test/hr@1"] == 0  # they keep their place
    assert found["test/hr@5"] <= before["test/hr@5"]
    assert "rows keep their place as misses: the data do not know their item (first: zz)" in told


def test_what_the_user_had_is_told_and_users_without_a_target_are_left_out(
    source: list[str], measure: Callable[..., tuple[Any, str]], tables: Path, tmp_path: Path
) -> None:
    events = pl.read_csv(tables / "events.csv").sort("timestamp", maintain_order=True)
    had = events.group_by("user", maintain_order=True).agg(pl.col("item").head(2)).explode("item")
    had.with_columns(rank=pl.int_range(1, pl.len() + 1).over("user")).write_csv(tmp_path / "a.csv")
    found, told = measure(tmp_path / "a.csv", "top_k=[2]")
    assert found["test/hr@2"] == 0
    assert "60 rows recommend what the user had already (a run leaves such items out)" in told
    _, told = measure(tmp_path / "a.csv", "top_k=[2]", "data/split=cold_users")
    assert "users of the file have no test target and are left out" in told


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("user,item,rank\na,x,1\na,x,2\n", "an item must be once in a list, and 2 rows of "),
        ("user,item,rank\na,x,1\na,y,1\n", "a rank must be given once in a list, and 2 rows of "),
        ("user,item,rank\na,x,0\n", r"rank must be a whole number from 1, and 1 rows of .* \(first: user a, 0\)"),
        ("user,item,rank\na,x,1.5\n", "rank must be a whole number from 1, and 1 rows of "),
        (
            "user,item,score\na,x,NaN\na,y,1\n",
            r"score must be a number in every row, and 1 of 2 rows of .*row 1, 'NaN'",
        ),
        ("user,item,score\na,x,high\n", "score must be a number in every row, and 1 of 1 rows of"),
        ("user,item,score\na,,1\n", "file must have a user and an item in every row, and 1 rows of"),
        ("user,item\na,x\n", r"file needs the columns item and rank or score \(or a list items for each user\)"),
        ("who,item,rank\na,x,1\n", "file needs the columns user, and user is not among those of"),
    ],
)
def test_files_that_contradict_themselves(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(Refusal, match=message):
        read_lists(str(tmp_path / "a.csv"), NAMES, "refuse")


def test_a_duplicate_may_count_at_its_better_place(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("user,item,score\na,x,1\na,y,3\na,x,2\nb,x,5\na,z,0\n")
    found = read_lists(str(tmp_path / "a.csv"), NAMES, "first")
    assert found.rows() == [("a", "y", 1, 1), ("a", "x", 2, 2), ("a", "z", 3, 3), ("b", "x", 1, 1)]


def test_equal_scores_count_against_the_target_unless_the_list_was_re_ranked(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text("user,item,rank,score\na,x,1,2\na,y,2,2\na,z,3,1\nb,x,1,2\nb,y,2,2\n")
    assert read_lists(str(file), NAMES, "refuse")["worst"].to_list() == [2, 2, 3, 2, 2]
    file.write_text("user,item,rank,score\na,x,1,2\na,y,2,1\na,z,3,2\n")
    assert read_lists(str(file), NAMES, "refuse")["worst"].to_list() == [1, 2, 3]
    lists = pl.DataFrame({"user": ["a", "b"], "items": [["x", "y"], ["z"]], "scores": [[1.0, 1.0], [2.0]]})
    lists.write_ndjson(tmp_path / "a.jsonl")
    assert read_lists(str(tmp_path / "a.jsonl"), NAMES, "refuse")["worst"].to_list() == [2, 2, 1]


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (["top_k=[30]"], "top_k must be 1..longest list of the file (20), got 30. Set top_k, or make longer lists."),
        (["stage=train"], "stage must be one of test, val, got train. Set stage."),
        (["run=x"], "file=... is measured without a run. Drop run=..."),
        (["~metrics.hit_rate", "~metrics.ndcg", "+metrics.auc={_target_: rec_lightning.metrics.auc.AUC, _partial_: "
          "true}"], "metrics must be those of lists, and auc needs ranks beyond them. Set metrics."),
    ],
)  # fmt: skip
def test_refused(options: list[str], text: str, run: Path, measure: Callable[..., tuple[Any, str]]) -> None:
    assert text in measure(run / "rankings.parquet", *options)[1]


def test_the_data_must_be_named(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", f"file={run}/rankings.parquet"]) == 2
    assert "file=... needs the data set it is measured on. Set data=..." in capsys.readouterr().err
