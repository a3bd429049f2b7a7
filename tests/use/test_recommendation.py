"""Lists from complete runs: those that were measured, of every part; new users, new items, filters; what is refused."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from rec_lightning.cli import main
from rec_lightning.runtime.refusal import Refusal
from rec_lightning.use.history_file import HistoryFile
from rec_lightning.use.ids import Ids
from rec_lightning.use.new_items import read_new_items
from tests.members import members

Finish = Callable[..., Path]
ID = ("items=id", "tuning=full")


@pytest.fixture
def ask(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., Any]:
    """``(run, *options)`` -> rows of the written lines, what was told; ``error`` where the code is 2."""

    def recommend(run: Path, *options: str) -> tuple[list[dict[str, Any]], str]:
        place = tmp_path / "lists.jsonl"
        given = [] if any(o.startswith("output=") for o in options) else [f"output={place}", "overwrite=true"]
        code = main(["recommend", f"run={run}", *given, *options])
        told = capsys.readouterr().err
        assert code == (2 if "error: " in told else 0)
        return [json.loads(line) for line in place.read_text().splitlines()] if code == 0 and given else [], told

    return recommend


def same_as_measured(run: Path, rows: list[dict[str, Any]]) -> None:
    """Items and scores of ``rankings.parquet``; equal vectors may change places."""
    table = pl.read_parquet(run / "rankings.parquet")
    assert [row["user"] for row in rows] == table["user"].to_list()
    for row, items, scores in zip(rows, table["items"].to_list(), table["scores"].to_list(), strict=True):
        count = len(row["items"])
        assert row["scores"] == pytest.approx(scores[:count], abs=1e-4)
        if len({round(score, 3) for score in scores}) == len(scores):
            assert row["items"] == items[:count]


@pytest.mark.parametrize("backbone", members("backbone"))
def test_the_lists_that_were_measured_of_every_backbone(
    backbone: str, finish: Finish, ask: Callable[..., Any], language_model: Callable[..., str]
) -> None:
    tiny = [f"backbone.trunk.model={language_model('llama')}"] if backbone == "hf_pretrained" else []
    tiny += ["backbone.asked=false"] if backbone == "hstu" else []  # the moment of the target is not known here
    run = finish(f"backbone={backbone}", *ID, *tiny)
    same_as_measured(run, ask(run, "upto=test", "k=20")[0])


@pytest.mark.parametrize("items", ["text", "id_text", "features", "id_features", "pretrained", "text_init"])
def test_the_lists_that_were_measured_of_items(
    items: str, finish: Finish, items_of: Callable[[str], list[str]], ask: Callable[..., Any]
) -> None:
    run = finish(*items_of(items), "tuning=full")
    same_as_measured(run, ask(run, "upto=test", "k=5")[0])


@pytest.mark.parametrize("baseline", ["popularity", "ease", "markov", "item_knn"])
def test_the_lists_of_a_baseline(baseline: str, finish: Finish, ask: Callable[..., Any]) -> None:
    run = finish(f"baseline={baseline}")
    rows, _ = ask(run, "upto=test", "k=3")
    same_as_measured(run, rows)


def test_a_user_and_the_same_events_from_a_file_get_the_same_list(
    finish: Finish, ask: Callable[..., Any], tables: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = finish("backbone=hstu", *ID)
    known, _ = ask(run, "users=u3,u7")
    events = pl.read_csv(tables / "events.csv").filter(pl.col("user").is_in(["u3", "u7"]))
    events = events.with_columns(pl.col("user").replace({"u3": "ann", "u7": "bob"}))
    events.sample(fraction=1.0, shuffle=True, seed=0).write_csv(tmp_path / "new.csv")
    from_table, _ = ask(run, f"history={tmp_path}/new.csv")
    lists = events.group_by("user", maintain_order=True).agg(items="item", timestamps="timestamp")
    lists.write_ndjson(tmp_path / "new.jsonl")
    from_lines, _ = ask(run, f"history={tmp_path}/new.jsonl")
    events.write_parquet(tmp_path / "new.parquet")
    from_parquet, _ = ask(run, f"history={tmp_path}/new.parquet")
    found = [from_lines]
    for text in (events.write_csv(), (tmp_path / "new.jsonl").read_text()):
        monkeypatch.setattr("sys.stdin", io.StringIO(text))
        found.append(ask(run, "history=-")[0])
    expected = {name: (row["items"], row["scores"]) for name, row in zip(("ann", "bob"), known, strict=True)}
    for rows in (from_table, from_parquet, *found):
        assert [row["user"] for row in rows] == ["ann", "bob"]
        for row in rows:
            assert row["items"] == expected[row["user"]][0]
            assert row["scores"] == pytest.approx(expected[row["user"]][1], abs=1e-5)


def test_unknown_items_and_users_are_counted_or_refused(
    finish: Finish, ask: Callable[..., Any], tmp_path: Path
) -> None:
    run = finish(*ID)
    lines = [{"user": "ann", "items": ["i3", "zz"]}, {"user": "bob", "items": ["yy"]}, {"user": "cy", "items": []}]
    (tmp_path / "h.jsonl").write_text("\n".join(map(json.dumps, lines)))
    rows, told = ask(run, f"history={tmp_path}/h.jsonl", "k=2")
    assert [row["user"] for row in rows] == ["ann"]
    assert "2 events were skipped: the run does not know their item (first: zz)" in told
    assert "2 users have no list: no event of theirs is known" in told
    _, told = ask(run, f"history={tmp_path}/h.jsonl", "unknown=refuse")
    assert told == "error: items must be known to the run, and item zz is not. Leave it out, or set unknown=skip.\n"
    rows, told = ask(run, "users=u1,nobody")
    assert [row["user"] for row in rows] == ["u1"]
    assert "1 users were skipped: the run does not know them (first: nobody)" in told
    (tmp_path / "who").write_text("u2\n\nu1\n")
    assert [row["user"] for row in ask(run, f"users=@{tmp_path}/who", "unknown=refuse")[0]] == ["u2", "u1"]


def test_seen_items_are_left_out_unless_asked_for(finish: Finish, ask: Callable[..., Any], tables: Path) -> None:
    run = finish(*ID)
    events = pl.read_csv(tables / "events.csv")
    seen = dict(events.group_by("user").agg("item").iter_rows())
    rows, told = ask(run, "k=24")
    assert all(set(row["items"]).isdisjoint(seen[row["user"]]) for row in rows)
    assert all(len(row["items"]) == 24 - len(set(seen[row["user"]])) for row in rows)
    assert "30 users have fewer than 24 items, since no more candidates are left" in told
    rows, _ = ask(run, "k=24", "exclude_seen=false")
    assert all(len(set(row["items"])) == 24 for row in rows)


def test_filters_choose_the_candidates(finish: Finish, ask: Callable[..., Any], tmp_path: Path) -> None:
    run = finish(*ID)
    (tmp_path / "stock").write_text("\n".join(f"i{i}" for i in range(12)))
    rows, told = ask(
        run,
        "filters=[category,between,listed]",
        "filters.category.values=[drama]",
        "filters.between.high=9.5",
        f"filters.listed.path={tmp_path}/stock",
        "exclude_seen=false",
        "k=2",
    )
    allowed = {f"i{i}" for i in range(10) if i % 3 in (0, 2) and i != 5}
    assert {item for row in rows for item in row["items"]} <= allowed
    assert f"{len(allowed)} candidates" in told
    whole, _ = ask(run, "exclude_seen=false", "k=24")
    for row, every in zip(rows, whole, strict=True):
        assert row["items"] == [i for i in every["items"] if i in allowed][:2]


def test_lists_are_re_ranked_as_those_that_were_measured(finish: Finish, ask: Callable[..., Any]) -> None:
    mmr = ["rerank=mmr", "rerank.weight=0.6", "rerank.candidates=12"]
    run = finish(*ID, *mmr, "ranking.k=12")
    rows, _ = ask(run, *mmr, "upto=test", "k=12")
    plain, _ = ask(run, "upto=test", "k=12")
    table = pl.read_parquet(run / "rankings.parquet")
    assert [row["items"] for row in rows] == [items[:12] for items in table["items"].to_list()]
    assert [row["items"] for row in plain] != [row["items"] for row in rows]
    assert [set(row["items"]) for row in plain] == [set(row["items"]) for row in rows]
    _, told = ask(run, "rerank=mmr")
    assert "error: rerank.candidates must be k (10)..number of candidates (24), got 100. Set rerank.candidates." in told
    _, told = ask(finish("baseline=ease"), "rerank=mmr", "rerank.candidates=12")
    assert "error: rerank=MMR compares items by the model's vectors, and a baseline has scores only." in told
    rows, _ = ask(finish("baseline=ease"), "rerank=mmr", "rerank.candidates=12", "rerank.by=genres", "k=3")
    assert len(rows[-1]["items"]) == 3


def test_new_items_are_found_by_their_text_alone(
    finish: Finish, items_of: Callable[[str], list[str]], ask: Callable[..., Any], tables: Path, tmp_path: Path
) -> None:
    run = finish(*items_of("text"), "tuning=full")
    twin = pl.read_ndjson(tables / "items.jsonl").filter(pl.col("item") == "i4")["title"][0]
    (tmp_path / "new.csv").write_text(f'item,title\nfresh,"{twin}"\nother,omega zz\n')
    options = [f"new_items={tmp_path}/new.csv", "exclude_seen=false"]
    rows, told = ask(run, *options, "k=26")
    assert "26 candidates" in told
    for row in rows:
        score = dict(zip(row["items"], row["scores"], strict=True))
        assert score["fresh"] == pytest.approx(score["i4"], abs=1e-4)  # the same text, the same vector
        assert twin in row["titles"]
    before = {row["user"]: row["items"] for row in ask(run, "exclude_seen=false", "k=24")[0]}
    for row in rows:  # the others keep their order
        assert [i for i in row["items"] if i not in ("fresh", "other")] == before[row["user"]]
    only, _ = ask(run, *options, "among=new", "k=2")
    assert all(set(row["items"]) == {"fresh", "other"} for row in only)
    old, _ = ask(run, *options, "among=known", "k=24")
    assert all(row["scores"] == pytest.approx(sorted(row["scores"], reverse=True)) for row in old)
    assert not any({"fresh", "other"} & set(row["items"]) for row in old)


def test_new_items_by_their_features(
    finish: Finish, items_of: Callable[[str], list[str]], ask: Callable[..., Any], tmp_path: Path
) -> None:
    run = finish(*items_of("features"), "tuning=full")
    (tmp_path / "new.csv").write_text("item,year,genres\nfresh,1991,war\nodd,2050,opera|drama\n")  # as i1; unknown
    rows, _ = ask(run, f"new_items={tmp_path}/new.csv", "exclude_seen=false", "k=26")
    for row in rows:
        score = dict(zip(row["items"], row["scores"], strict=True))
        assert score["fresh"] == pytest.approx(score["i1"], abs=1e-4)


@pytest.mark.parametrize(
    ("items", "who"),
    [
        ("id", "new_items: IdItems has learnt a row for each item"),
        ("id_text", "items.parts.id (IdItems) has learnt a row for each item"),
        ("pretrained", "new_items: PretrainedItems has learnt a row for each item"),
    ],
)
def test_new_items_are_refused_by_models_of_ids(
    items: str, who: str, finish: Finish, items_of: Callable[[str], list[str]], ask: Callable[..., Any], tmp_path: Path
) -> None:
    (tmp_path / "new.csv").write_text("item,title\nfresh,alpha\n")
    _, told = ask(finish(*items_of(items), "tuning=full"), f"new_items={tmp_path}/new.csv")
    assert f"error: {who}" in told
    _, told = ask(finish("baseline=ease"), f"new_items={tmp_path}/new.csv")
    assert told.startswith("error: new_items: Ease has learnt a row for each item of its catalogue")


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("item,title\ni3,alpha\n", "new_items must be new to the run, and 1 of 1 in "),
        ("item,title\na,x\na,y\n", "has a twice. Mend it."),
        ("item,colour\na,x\n", "shares no column but item with the run's item table \\(item, title, year, genres\\)."),
        ("item,year\na,soon\n", "the column year of "),
        ("id,title\na,x\n", "new_items needs the columns item, and item is not among those of "),
        ("item,title\n", "new_items must have rows, and "),
    ],
)
def test_tables_of_new_items_that_are_refused(content: str, text: str, tmp_path: Path) -> None:
    (tmp_path / "new.csv").write_text(content)
    known = pl.DataFrame({"item": ["i3"], "title": ["a"], "year": [1990], "genres": [["war"]]})
    with pytest.raises(ValueError, match=text):
        read_new_items(str(tmp_path / "new.csv"), known)


def test_the_three_formats_hold_the_same(finish: Finish, ask: Callable[..., Any], tmp_path: Path) -> None:
    run = finish(*ID)
    lines, _ = ask(run, "k=4")
    for ending in ("csv", "parquet"):
        ask(run, "k=4", f"output={tmp_path}/a.{ending}")
    table, same = pl.read_csv(tmp_path / "a.csv"), pl.read_parquet(tmp_path / "a.parquet")
    assert table.columns == same.columns == ["user", "rank", "item", "score", "title"]
    assert table.drop("score").equals(same.drop("score").with_columns(pl.col("rank").cast(pl.Int64)))
    assert table["item"].to_list() == [item for row in lines for item in row["items"]]
    assert same["title"].to_list() == [title for row in lines for title in row["titles"]]
    assert same["score"].to_list() == pytest.approx([score for row in lines for score in row["scores"]])
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.csv", "a.parquet", "lists.jsonl"]  # no scratch is left


def test_lists_do_not_depend_on_how_many_users_go_together(finish: Finish, ask: Callable[..., Any]) -> None:
    run = finish(*ID)
    one, _ = ask(run, "batch_size=1")
    many, _ = ask(run, "batch_size=500")
    assert [(row["user"], row["items"]) for row in one] == [(row["user"], row["items"]) for row in many]


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (["k=0"], "k must be at least 1, got 0. Set k."),
        (["k=25"], "k must be 1..number of candidates (24), got 25. Set k."),
        (["upto=never"], "upto must be one of all, test, val, got never. Set upto."),
        (["users=u1", "history=x.csv"], "users names users of the run, and history those of a file, got both."),
        (["history=missing.csv"], "history must be a file, or - for standard input, and missing.csv is none."),
        (["history=h.xls"], "the ending of history must tell its format (.jsonl, .ndjson, .csv, .tsv, .parquet), got"),
        (["among=new"], "among=new needs new items, got none. Set new_items=FILE, or among=all."),
        (["output=lists.txt"], "output must end with .csv, .jsonl, .parquet, or be - for lines of JSON on standard"),
        (["output=/nowhere/at/all.csv"], "output must lie in a folder that exists, and /nowhere/at does not."),
        (["users=nobody"], "users must name users of the run, and none of 1 is one. Set users."),
        (["filters=categry"], "unknown choice filters=categry; nearest: category."),
        (["filters=category", "filters.category.values=[opera]"], "must occur in the column genres, and 'opera' does"),
        (["filters=between"], "filters.between must have a lower or an upper end, got neither."),
        (["filters=between", "filters.between.low=99"], "filters must leave an item, and none of 24 is left after b"),
    ],
)
def test_refused(options: list[str], text: str, finish: Finish, ask: Callable[..., Any]) -> None:
    assert text in ask(finish(*ID), *options)[1]


@pytest.mark.parametrize(
    ("name", "content", "text"),
    [
        ("h.csv", "who,item\nann,i1\n", "history needs the columns user, item, and user is not among those of"),
        ("h.csv", "user,item\nann,\n", "history must have user and item in every row, and 1 rows lack one."),
        ("h.csv", "user,item,timestamp\nann,i1,noon\n", "timestamp in history must be seconds since 1970, got 'noon'."),
        ("h.jsonl", '{"user": "ann"\n', "line 1 of history is no JSON"),
        ("h.jsonl", '{"user": "ann"}\n', "a line of history must have the form"),
        ("h.jsonl", '{"user": "a", "items": ["i1"], "timestamps": []}', "timestamps in line 1 of history must be one"),
        (
            "h.jsonl",
            '{"user": "a", "items": ["i1"], "timestamps": [1]}\n{"user": "b", "items": ["i1"]}',
            "history must have timestamps in all lines or in none, and line 2 differs.",
        ),
    ],
)
def test_histories_that_are_refused(name: str, content: str, text: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(content)
    items, people = (Ids(pl.Series([f"{what}1"]), what, "skip") for what in ("item", "user"))
    with pytest.raises(Refusal) as told:
        list(HistoryFile(str(tmp_path / name)).read(items, people))
    assert text in str(told.value)


def test_lines_are_read_some_at_a_time(tmp_path: Path) -> None:
    lines = [json.dumps({"user": f"u{n}", "items": ["i1"] if n % 7 else []}) for n in range(20)]
    (tmp_path / "h.jsonl").write_text("\n\n".join(lines))
    items, people = (Ids(pl.Series(["i1"]), what, "skip", first=1) for what in ("item", "user"))
    file = HistoryFile(str(tmp_path / "h.jsonl"), users=4)
    pieces = [piece.users.to_list() for piece in file.read(items, people)]
    assert [user for piece in pieces for user in piece] == [f"u{n}" for n in range(20) if n % 7]
    assert max(map(len, pieces)) <= 4
    assert file.empty == 3


def test_nothing_is_left_of_a_file_that_was_not_made_to_its_end(
    finish: Finish, ask: Callable[..., Any], tmp_path: Path
) -> None:
    (tmp_path / "h.jsonl").write_text('{"user": "a", "items": ["i1"]}\nno json\n')
    assert "line 2 of history is no JSON" in ask(finish(*ID), f"history={tmp_path}/h.jsonl")[1]
    assert not (tmp_path / "lists.jsonl").exists()
    assert not list(tmp_path.glob(".lists*"))


def test_a_model_that_reads_times_refuses_a_history_without(
    finish: Finish, ask: Callable[..., Any], tmp_path: Path
) -> None:
    (tmp_path / "h.csv").write_text("user,item\nann,i1\n")
    _, told = ask(finish("backbone=hstu", *ID), f"history={tmp_path}/h.csv")
    assert told.startswith("error: the backbone of the run reads when events happened, and history has no timestamp.")


def test_no_run(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["recommend"]) == 2
    assert "run must be given, it has no default. Set run=DIR" in capsys.readouterr().err


def test_a_file_that_is_there_stays(finish: Finish, ask: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "mine.csv").write_text("precious")
    _, told = ask(finish(*ID), f"output={tmp_path}/mine.csv")
    assert f"output must be new, and {tmp_path}/mine.csv exists. Set output, or overwrite=true." in told
    assert (tmp_path / "mine.csv").read_text() == "precious"
