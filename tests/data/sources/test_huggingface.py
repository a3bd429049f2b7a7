from __future__ import annotations

import importlib.util
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from rec_lightning.data.module import RecData
from rec_lightning.data.sources.hub_table import HubTable
from rec_lightning.data.sources.huggingface import HuggingFace
from rec_lightning.data.split import LeaveOneOut
from tests.members import composed

datasets = pytest.importorskip("datasets")

COLUMNS = {"user": "uid", "item": "iid", "timestamp": "ts", "rating": "stars", "label": None}
FRAME = pl.DataFrame({"uid": [7, 7, 9], "iid": ["A1", "B2", "A1"], "ts": [100, 200, 300], "stars": [4.0, 2.5, 5.0]})
COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "arrow")


def read(path: object, **options: Any) -> HuggingFace:
    """A source of interactions alone."""
    table = HubTable(str(path), **({"columns": COLUMNS} | options))
    return HuggingFace(table, HubTable(), HubTable())


def folder(place: Path) -> Path:
    """Two files, which the library takes for two splits by their names."""
    place.mkdir()
    FRAME.write_parquet(place / "train.parquet")
    FRAME[:1].write_parquet(place / "test.parquet")
    return place


def saved(place: Path) -> Path:
    dataset = datasets.load_dataset("parquet", data_files=str(folder(place.with_name("raw")) / "train.parquet"))
    dataset["train"].save_to_disk(place)
    return place


def saved_splits(place: Path) -> Path:
    datasets.load_dataset(str(folder(place.with_name("raw")))).save_to_disk(place)
    return place


def file(ending: str, write: Callable[[pl.DataFrame, Path], Any]) -> Callable[[Path], Path]:
    def make(place: Path) -> Path:
        write(FRAME, place.with_suffix(ending))
        return place.with_suffix(ending)

    return make


FORMS = {
    "parquet": file(".parquet", pl.DataFrame.write_parquet),
    "csv": file(".csv", pl.DataFrame.write_csv),
    "tsv": file(".tsv", lambda frame, place: frame.write_csv(place, separator="\t")),
    "jsonl": file(".jsonl", pl.DataFrame.write_ndjson),
    "folder": folder,
    "save_to_disk": saved,
    "save_to_disk of splits": saved_splits,
}


@pytest.mark.parametrize("make", FORMS.values(), ids=FORMS)
def test_the_same_tables_of_every_form(make: Callable[[Path], Path], tmp_path: Path) -> None:
    tables = read(make(tmp_path / "x")).fetch()
    assert tables.interactions.columns == ["user", "item", "timestamp", "rating"]
    assert tables.interactions.rows() == [(7, "A1", 100, 4.0), (7, "B2", 200, 2.5), (9, "A1", 300, 5.0)]
    assert (tables.items.columns, tables.users.columns) == (["item"], ["user"])


def test_items_and_users_of_other_splits_and_files(tmp_path: Path) -> None:
    place = folder(tmp_path / "x")
    pl.DataFrame({"id": ["B2", "A1"], "name": ["bee", "ant"], "tags": [["x"], []]}).write_parquet(
        tmp_path / "i.parquet"
    )
    pl.DataFrame({"id": ["9", "x"], "age": ["20", "30"]}).write_csv(tmp_path / "u.csv")
    source = HuggingFace(
        HubTable(str(place), COLUMNS, split="test"),
        HubTable(str(tmp_path / "i.parquet"), {"item": "id", "title": "name", "genres": "tags"}),
        HubTable(str(tmp_path / "u.csv"), {"user": "id", "age": "age"}, split="train[:1]"),
    )
    tables = source.fetch()
    assert tables.interactions.height == 1
    assert source.item_columns == tuple(tables.items.columns) == ("item", "title", "genres")
    assert tables.items.rows() == [("B2", "bee", ["x"]), ("A1", "ant", [])]
    assert source.user_columns == tuple(tables.users.columns) == ("user", "age")
    assert tables.users.rows() == [(9, 20)]


def test_a_glob_of_shards(tmp_path: Path) -> None:
    FRAME[:1].write_parquet(tmp_path / "b-0.parquet")
    FRAME[1:].write_parquet(tmp_path / "b-1.parquet")
    source = read(tmp_path / "b-*.parquet")
    assert source.fetch().interactions["timestamp"].to_list() == [100, 200, 300]


def test_the_identity_is_of_the_content_or_of_the_commit(tmp_path: Path) -> None:
    place = folder(tmp_path / "x")
    before = read(place).identity()
    assert read(place).identity() == before
    assert read(place, split="test").identity() != before
    assert read(place, columns=COLUMNS | {"rating": None}).identity() != before
    FRAME[:2].write_parquet(place / "train.parquet")
    assert read(place).identity() != before
    assert len({read("a/b", revision=commit).identity() for commit in (COMMIT, COMMIT, COMMIT[::-1])}) == 2


def test_a_data_set_of_the_hub_is_asked_for_by_its_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = {}

    def load(path: str, **options: Any) -> Any:
        asked[path] = options
        return datasets.Dataset.from_dict(FRAME.to_dict(as_series=False))

    monkeypatch.setattr(datasets, "load_dataset", load)
    tables = read("owner/ratings", config="five_star", split="full", revision=COMMIT).fetch()
    assert asked == {"owner/ratings": {"name": "five_star", "split": "full", "revision": COMMIT}}
    assert tables.source == f"owner/ratings at {COMMIT}"
    assert tables.interactions.height == 3


def test_prepared_data_are_found_again_without_the_library(tmp_path: Path, cache: Path, monkeypatch: Any) -> None:
    FRAME[[0, 1, 1, 0, 2, 2, 2]].with_columns(ts=pl.int_range(7)).write_parquet(tmp_path / "x.parquet")
    first = RecData(read(tmp_path / "x.parquet"), LeaveOneOut(), max_length=5)
    first.prepare()
    monkeypatch.setattr(HubTable, "read", None)
    again = RecData(read(tmp_path / "x.parquet"), LeaveOneOut(), max_length=5)
    again.prepare()
    assert again.sequences.items.tolist() == first.sequences.items.tolist() == [1, 2, 2, 1, 1, 1, 1]


def test_broken_rows_are_counted_and_shown(tmp_path: Path) -> None:
    FRAME.with_columns(ts=pl.Series([100, None, 300])).write_parquet(tmp_path / "x.parquet")
    with pytest.raises(ValueError, match=r"and 1 of 3 are \(x\.parquet line 2: ts is empty\)\. Mend them, or raise"):
        read(tmp_path / "x.parquet").fetch()


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (
            lambda: read("owner/ratings"),
            "owner/ratings is no file here, and a data set of the hub needs its commit (40 hex digits, on its page "
            "under Files, History), got none. Set data.source.interactions.revision, or data.source.interactions.path.",
        ),
        (lambda: read("owner/ratings", revision="main"), "under Files, History), got main. Set data.source."),
        (lambda: read("x.csv", revision=COMMIT), "revision has no effect on local files (x.csv). Leave it out."),
        (lambda: read("x.csv", columns={"user": "u"}), "data.source.interactions.columns must say which column is the"),
        (
            lambda: HuggingFace(HubTable("x.csv", COLUMNS), HubTable(columns={"item": "id"}), HubTable()),
            "data.source.items has no effect without a path. Set data.source.items.path.",
        ),
        (
            lambda: HuggingFace(HubTable(), HubTable(), HubTable()),
            "data.source.interactions.path must be given, got null. Set it.",
        ),
    ],
)
def test_options_that_cannot_work(make: Callable[[], Any], text: str) -> None:
    with pytest.raises(ValueError, match=re.escape(text)):
        make()


def test_a_missing_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(
        "rec_lightning.data.sources.huggingface.find_spec", lambda name: None if name == "datasets" else find(name)
    )
    with pytest.raises(ValueError, match=r"needs the package datasets, .* Install rec_lightning\[hf\], or"):
        read("x.csv")


@pytest.mark.parametrize(
    ("make", "options", "text"),
    [
        (folder, {"split": "trian"}, 'the split trian of {x} cannot be read: Unknown split "trian". Should be one of'),
        (folder, {"config": "big"}, "{x}, configuration big, cannot be read: BuilderConfig 'big' not found. Available"),
        (saved_splits, {"split": "trian"}, "of {x} cannot be read: its splits are train, test. Set path, config or"),
        (saved, {"split": "test"}, "of {x} cannot be read: its splits are train. Set path, config or split."),
        (saved, {"config": "big"}, "cannot be read: what save_to_disk wrote has no configurations. Set path, config"),
        (
            folder,
            {"columns": {"user": "uid", "item": "iidd"}},
            "the column iidd must be in {x}, and its columns are uid, iid, ts, stars; nearest: iid. Set the columns of",
        ),
        (lambda place: place.write_text("no parquet") and place, {}, "the ending must be one of .parquet, .csv, .tsv"),
    ],
)
def test_what_is_not_there(make: Callable[[Path], Path], options: Any, text: str, tmp_path: Path) -> None:
    source = read(make(tmp_path / "x"), **options)
    with pytest.raises(ValueError, match=re.escape(text.format(x=tmp_path / "x"))):
        source.fetch()


def test_a_file_that_is_no_table(tmp_path: Path) -> None:
    (tmp_path / "x.parquet").write_text("no parquet")
    with pytest.raises(ValueError, match=r"x\.parquet cannot be read: Parquet magic bytes not found"):
        read(tmp_path / "x.parquet").fetch()


@pytest.mark.parametrize("name", ["x.csv", "./x", "no/such/folder", "/no/x"])
def test_a_path_that_is_not_there(name: str) -> None:
    with pytest.raises(FileNotFoundError, match=r"a file or a pattern that matches files is needed, and .* is neither"):
        read(name).identity()


def test_one_line_of_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from hydra.utils import instantiate

    FRAME.write_parquet(tmp_path / "x.parquet")
    names = [f"data.source.interactions.columns.{ours}={theirs}" for ours, theirs in COLUMNS.items() if theirs]
    config = composed("data", "huggingface", f"data.source.interactions.path={tmp_path}/x.parquet", *names)
    source = instantiate(config).source
    assert source.fetch().interactions["timestamp"].to_list() == [100, 200, 300]
    assert (source.item_columns, source.user_columns) == (("item",), ("user",))
