from __future__ import annotations

import gzip
import os
import re
from pathlib import Path
from typing import Any

import pytest

from rec_lightning.data.batches import EvalBatches
from rec_lightning.data.module import RecData
from rec_lightning.data.sources.sequences import SequenceFiles
from rec_lightning.data.split.given import Given
from rec_lightning.data.split.global_time import GlobalTime
from rec_lightning.data.split.leave_one_out import LeaveOneOut

SHARED = os.environ.get("REC_SHARED_DATA")


def written(place: Path, text: str) -> str:
    place.write_bytes(gzip.compress(text.encode()) if place.suffix == ".gz" else text.encode())
    return str(place)


@pytest.mark.parametrize("name", ["s.txt", "s.txt.gz"])
def test_lines_become_events_in_their_order(name: str, tmp_path: Path) -> None:
    file = written(tmp_path / name, "9 30 10 30\n\n2 10 20\n")
    tables = SequenceFiles(file).fetch()
    assert tables.interactions.rows() == [(9, 30, 0), (9, 10, 1), (9, 30, 2), (2, 10, 0), (2, 20, 1)]
    assert tables.interactions.columns == ["user", "item", "order"]
    assert (tables.items.columns, tables.items.height) == (["item"], 0)


def test_item_fields_and_lists(tmp_path: Path) -> None:
    file = written(tmp_path / "s.txt", "1 7 8\n")
    items = written(tmp_path / "i.tsv", 'item\ttitle\tcats\tprice\n8\tA "b"\tX | Y\t1.5\n7\t\tZ\t2\n')
    source = SequenceFiles(file, items, ["title", "cats", "price"], {"cats": " | "})
    assert source.item_columns == ("item", "title", "cats", "price")
    assert source.user_columns == ("user",)
    assert source.fetch().items.rows() == [(8, 'A "b"', ["X", "Y"], 1.5), (7, None, ["Z"], 2.0)]


def test_parts_in_files_of_their_own(tmp_path: Path) -> None:
    files = {
        part: written(tmp_path / part, text)
        for part, text in (("a", "1 5 6\n2 7 8\n"), ("b", "1 9\n"), ("c", "2 5\n1 8\n"))
    }
    data = RecData(SequenceFiles(files["a"], validation=files["b"], test=files["c"]), Given(), 5, inputs="train")
    assert data.facts.roles == [4, 1, 2, 0]
    (batch,) = data.test_dataloader()
    assert data.catalog.items["item"][batch.target.numpy() - 1].to_list() == [8, 5]
    assert data.catalog.items["item"][batch.history[0].numpy() - 1].to_list() == [
        5,
        6,
    ]  # and not 9, the validation item


def test_no_time_no_split_by_time(tmp_path: Path) -> None:
    data = RecData(SequenceFiles(written(tmp_path / "s.txt", "1 2 3 4\n")), GlobalTime(), 5)
    with pytest.raises(ValueError, match="a split by global time needs the column timestamp, and the data have none"):
        data.prepare()


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("", {}, "has no lines: every user needs one"),
        ("1 2\n1 3\n", {}, "every user must have one line, and user 1 has several in"),
        (
            "1 2\n",
            {"fields": ["title"]},
            "data.source.fields ['title'] must come from an item table. Set data.source.items",
        ),
        ("1 2\n", {"items": "no.tsv"}, "separated by tabs, and no.tsv does not exist. Set data.source.items."),
        (
            "1 2\n",
            {"lists": {"cats": ","}},
            "data.source.lists must name some of data.source.fields, got cats. Set both.",
        ),
    ],
)
def test_bad_input(text: str, options: dict[str, Any], message: str, tmp_path: Path) -> None:
    file = written(tmp_path / "s.txt", text)
    with pytest.raises((ValueError, FileNotFoundError), match=re.escape(message)):
        SequenceFiles(file, **options).fetch()


def test_an_item_table_without_the_fields(tmp_path: Path) -> None:
    items = written(tmp_path / "i.tsv", "item\tname\n1\tx\n")
    with pytest.raises(ValueError, match=r"must have the columns item, title, and its header is item, name. Set"):
        SequenceFiles(written(tmp_path / "s.txt", "1 2\n"), items, ["title"]).fetch()


def test_a_cut_off_file(tmp_path: Path) -> None:
    (tmp_path / "s.txt.gz").write_bytes(gzip.compress(b"1 2 3\n" * 99)[:-9])
    with pytest.raises(ValueError, match=r"s\.txt\.gz cannot be read as lines of text \(Compressed file ended"):
        SequenceFiles(str(tmp_path / "s.txt.gz")).fetch()


@pytest.mark.skipif(SHARED is None, reason="REC_SHARED_DATA names no folder with amazon-beauty-2014")
def test_amazon_beauty_has_its_known_counts() -> None:
    folder = Path(str(SHARED)) / "amazon-beauty-2014"
    source = SequenceFiles(
        str(folder / "sequences.txt.gz"), str(folder / "items.tsv.gz"), ["title", "categories"], {"categories": " | "}
    )
    data = RecData(source, LeaveOneOut(), 50)
    facts = data.facts
    assert (facts.users, facts.items, facts.interactions) == (22_363, 12_101, 198_502)
    assert facts.roles == [153_776, 22_363, 22_363, 0]
    assert sum(len(b) for b in EvalBatches(data.sequences, 2, 50, 256)) == 22_363


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(
        FileNotFoundError, match=r"^data\.source\.path must be .*, and .* is a folder\. Set data\.source\.path\.$"
    ):
        SequenceFiles(str(tmp_path)).fetch()
