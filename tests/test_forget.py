"""Who was forgotten is nowhere in prepared data any more, and comes back in none."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from rec_lightning.cli import main
from rec_lightning.data import erase
from rec_lightning.data.cache import place_of
from rec_lightning.data.module import RecData
from rec_lightning.data.privacy.pseudonyms import VARIABLE, Pseudonyms
from rec_lightning.data.sources.table import Table
from rec_lightning.data.split import LeaveOneOut

pytestmark = pytest.mark.usefixtures("cache")
KEY = "a key of many bytes"
COLUMNS: dict[str, str | None] = {"user": "user", "item": "item", "timestamp": "timestamp"}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "events.tsv"
    rows = [f"{user}\t{(user + n) % 7}\t{n}" for user in range(10) for n in range(5)]
    rows = [f"u{row}" for row in rows] + [f"007\t{n}\t{n}" for n in range(5)]
    file.write_text("\n".join(["user\titem\ttimestamp", *rows]) + "\n")
    return file


def data(file: Path, **options: Any) -> RecData:
    made = RecData(Table(str(file), COLUMNS), LeaveOneOut(), max_length=10, **options)
    made.prepare()
    return made


def forget(file: Path, tmp_path: Path, *options: str) -> tuple[int, dict[str, Any]]:
    (tmp_path / "runs").mkdir(exist_ok=True)
    told = [f"run_dir={tmp_path / 'out'}", f"runs={tmp_path / 'runs'}", "data=table", f"data.source.path={file}"]
    told += ["data.source.columns={user: user, item: item, timestamp: timestamp}"]
    code = main(["forget", *told, *options])
    page = tmp_path / "out" / "forgotten.json"
    return code, json.loads(page.read_text()) if page.exists() else {}


def _killed(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


def held(cache: Path) -> set[str]:
    """Users in any file of the prepared data."""
    files = [f for f in cache.rglob("*.parquet") if f.name in ("users.parquet", "interactions.parquet")]
    return {str(user) for f in files for user in pl.read_parquet(f)["user"]}


def test_every_entry_of_the_source_goes_and_no_other(file: Path, cache: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.tsv"
    other.write_text(file.read_text() + "u3\t2\t9\n")
    old, kept = data(file), data(other)
    renamed = RecData(Table(str(file), COLUMNS, name="renamed"), LeaveOneOut(), max_length=10)
    renamed.prepare()  # the same people read with another option
    spoilt = place_of("f" * 64)
    spoilt.mkdir()
    code, told = forget(file, tmp_path, "users=u3,007")
    assert code == 0
    assert not place_of(old.facts.key).exists()
    assert not place_of(renamed.facts.key).exists()
    assert not spoilt.exists()
    assert place_of(kept.facts.key).exists()
    assert (told["asked"], told["already"], told["unknown"], told["suppressed"]) == (2, 0, 0, 2)
    assert sorted(told["entries"]) == sorted(
        place.name for place in (place_of(old.facts.key), place_of(renamed.facts.key), spoilt)
    )
    again = data(file)
    assert {"u3", "007"}.isdisjoint(again.sequences.users.to_list())
    assert "u7" in again.sequences.users.to_list()
    shutil.rmtree(place_of(kept.facts.key))
    assert {"u3", "007"}.isdisjoint(held(cache))
    assert "u3" not in (tmp_path / "out" / "forgotten.json").read_text()


def test_rankings_kept_beside_runs_go_with_the_data(
    file: Path, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other.tsv"
    other.write_text(file.read_text() + "u3\t2\t9\n")
    table = ["data=table", "data.source.columns={user: user, item: item, timestamp: timestamp}", "max_length=6"]
    table += (
        "items=id tuning=full width=8 trainer.max_epochs=1 logger=[] top_k=[5] ranking.k=5 monitor=val/ndcg@5".split()
    )
    keys = []
    for path in (file, other):
        run = tmp_path / "trained" / path.stem
        assert main(["train", *table, f"data.source.path={path}", f"run_dir={run}"]) == 0
        keys.append(json.loads((run / "manifest.json").read_text())["data"]["key"])
    old, kept = (place_of(key).name for key in keys)
    (cache / "baselines" / "ease-of-an-earlier-version.npz").write_text("")

    def rankings() -> list[tuple[str, str]]:
        return sorted((f.parent.name, f.name.split("-")[0]) for f in (cache / "baselines").rglob("*.npz"))

    before = [(key, name) for key in sorted([old, kept, "baselines"]) for name in ("ease", "popularity")]
    before.remove(("baselines", "popularity"))
    assert rankings() == before
    with monkeypatch.context() as patch:  # killed in between, and ended by the same line
        patch.setattr(f"{erase.__name__}.erase_rankings", _killed)
        assert forget(file, tmp_path, "users=u3") == (130, {})
    code, told = forget(file, tmp_path, "users=u3")
    assert (code, told["rankings"]) == (0, 3)
    assert rankings() == [(kept, "ease"), (kept, "popularity")]


def test_the_same_line_again_changes_nothing(file: Path, tmp_path: Path) -> None:
    forget(file, tmp_path, "users=u3")
    fresh = data(file)
    code, told = forget(file, tmp_path, "users=u3")
    assert (code, told["already"], told["suppressed"], told["entries"]) == (0, 1, 1, [])
    assert place_of(fresh.facts.key).exists()


@pytest.mark.parametrize("step", ["_runs", "shutil.rmtree"])
def test_a_killed_command_is_ended_by_the_same_line(
    step: str, file: Path, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data(file)
    with monkeypatch.context() as patch:
        patch.setattr(f"{erase.__name__}.{step}", _killed)
        assert forget(file, tmp_path, "users=u3") == (130, {})
    assert "u3" not in data(file).sequences.users.to_list()  # already not used
    code, told = forget(file, tmp_path, "users=u3")
    assert (code, told["suppressed"]) == (0, 1)
    assert "u3" not in held(cache)
    assert not [f for f in (cache / "prepared").iterdir() if f.name.startswith(".")]


def run_of(folder: Path, made: RecData, users: list[str], left: str = "rankings") -> None:
    (folder / "checkpoints").mkdir(parents=True)
    (folder / "checkpoints" / "best.ckpt").write_text("")
    facts = vars(made.facts)
    (folder / "manifest.json").write_text(json.dumps({"status": "complete", "verb": "train", "data": facts}))
    pl.DataFrame({"user": users}).write_parquet(folder / f"{left}.parquet")


@pytest.mark.parametrize("left", ["rankings", "predictions"])
def test_runs_that_may_have_seen_them_are_listed(left: str, file: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.tsv"
    other.write_text(file.read_text() + "u3\t2\t9\n")
    run_of(tmp_path / "runs" / "saw", data(file), ["u1", "u3"], left)
    run_of(tmp_path / "runs" / "elsewhere", data(other), ["u3"])
    (tmp_path / "runs" / "broken").mkdir()
    (tmp_path / "runs" / "broken" / "manifest.json").write_text("{")
    code, told = forget(file, tmp_path, "users=u3,u4")
    assert code == 0
    (seen,) = told["runs"]
    assert (Path(seen["run"]).name, seen["users"], seen["ranked"], len(seen["checkpoints"])) == ("saw", 2, 1, 1)
    assert [Path(f).parent.name for f in told["unreadable"]] == ["broken"]
    run_of(tmp_path / "runs" / "clean", data(file), ["u1"])
    assert [Path(seen["run"]).name for seen in forget(file, tmp_path, "users=u3")[1]["runs"]] == ["saw"]
    _, told = forget(file, tmp_path, "users=u5")
    assert sorted(Path(seen["run"]).name for seen in told["runs"]) == ["clean", "saw"]


def test_pseudonyms_are_found_with_the_key_that_nobody_reads(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(VARIABLE, KEY)
    made = data(file, privacy={"pseudonyms": Pseudonyms()})
    known = set(made.sequences.users)
    run_of(tmp_path / "runs" / "hidden", made, sorted(known))
    _, told = forget(file, tmp_path, "users=u3", "data/privacy=pseudonyms")
    assert [(seen["users"], seen["ranked"]) for seen in told["runs"]] == [(1, 1)]
    assert len(known - set(data(file, privacy={"pseudonyms": Pseudonyms()}).sequences.users)) == 1
    shown = capsys.readouterr()
    assert KEY not in shown.out + shown.err + json.dumps(told)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (["users=u3,nobody"], "users must be in the source, and 1 of 2 are not in table. Check them, or set unknown="),
        (["users=[]"], "users must name at least one id, got none. Set users=a,b,c or users=@file."),
        (["users=@/not/there"], "/not/there: No such file or directory"),
        (["users=u3", "unknown=skip"], "unknown must be refuse or count, got skip. Set unknown."),
        (["users=u3", "runs=/not/there"], "runs must be a folder, and /not/there is none. Set runs."),
    ],
    ids=["unknown", "none", "file", "word", "runs"],
)
def test_refused_before_anything_changes(
    options: list[str], text: str, file: Path, cache: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = data(file)
    base = [f"run_dir={tmp_path / 'out'}", "data=table", f"data.source.path={file}"]
    base += [] if any(o.startswith("runs=") for o in options) else [f"runs={tmp_path}"]
    assert main(["forget", *base, *options]) == 2
    assert text in capsys.readouterr().err
    assert place_of(made.facts.key).exists()
    assert not (cache / "forgotten").exists()


def test_ids_from_a_file_and_those_aside(file: Path, tmp_path: Path) -> None:
    (tmp_path / "ids").write_text("u1\n\n u2 \nnobody\n")
    code, told = forget(file, tmp_path, f"users=@{tmp_path / 'ids'}", "unknown=count")
    assert (code, told["asked"], told["unknown"], told["suppressed"]) == (0, 3, 1, 2)


def test_the_data_set_must_be_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["forget", "users=1"]) == 2
    assert "forget erases, so the data set must be named. Set data=<choice>." in capsys.readouterr().err
