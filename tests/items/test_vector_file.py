"""Vectors from files of both kinds, in any order, and files that do not fit."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch

from rec_lightning.contracts import Catalog
from rec_lightning.items.vector_file import VectorFile

VECTORS = np.arange(36, dtype=np.float64).reshape(12, 3)
IDS = [f"i{i}" for i in range(12)]
ORDER = np.random.default_rng(0).permutation(12)


def saved(folder: Path, array: Any = VECTORS, name: str = "vectors.npy") -> str:
    np.save(folder / name, np.asarray(array))
    return str(folder / name)


def parquet(folder: Path, **columns: Any) -> str:
    frame = pl.DataFrame({"item": [IDS[i] for i in ORDER]} | columns)
    frame.write_parquet(folder / "vectors.parquet")
    return str(folder / "vectors.parquet")


def with_text_ids(folder: Path) -> VectorFile:
    (folder / "ids.txt").write_text("\n".join(["nobody", *(IDS[i] for i in ORDER)]) + "\n")
    return VectorFile(saved(folder, [[9, 9, 9], *VECTORS[ORDER]]), ids=str(folder / "ids.txt"))


def with_array_ids(folder: Path) -> VectorFile:
    ids = saved(folder, np.array([IDS[i] for i in ORDER]), "ids.npy")
    return VectorFile(saved(folder, VECTORS[ORDER].astype(np.float16)), ids=ids)


def with_lists(folder: Path) -> VectorFile:
    return VectorFile(parquet(folder, v=VECTORS[ORDER].tolist()))


def with_arrays(folder: Path) -> VectorFile:
    column = pl.Series(VECTORS[ORDER].tolist(), dtype=pl.Array(pl.Float32, 3))
    return VectorFile(parquet(folder, note=["x"] * 12, v=column), columns=["v"])


def with_columns(folder: Path) -> VectorFile:
    a, b, c = VECTORS[ORDER].T
    return VectorFile(parquet(folder, a=a.astype(np.int32), b=b, c=c))


@pytest.mark.parametrize(
    "make",
    [
        lambda folder: VectorFile(saved(folder)),
        with_text_ids,
        with_array_ids,
        with_lists,
        with_arrays,
        with_columns,
    ],
    ids=["rows of the catalogue", "ids in a text", "ids in an array", "lists", "arrays", "columns"],
)
def test_each_item_gets_its_own_row(make: Callable[[Path], VectorFile], tmp_path: Path, catalog: Catalog) -> None:
    ids = catalog.items["item"]
    assert ids.to_list() == IDS
    found = make(tmp_path)(catalog)
    assert found.dtype == torch.float32
    assert np.array_equal(found, VECTORS)
    assert make(tmp_path)(Catalog.empty(["title"])).shape == (0, 3)


def test_numbers_and_texts_name_the_same_item(tmp_path: Path) -> None:
    catalog = Catalog(pl.DataFrame({"item": [7, 30]}), np.ones(3, np.int64))
    frame = pl.DataFrame({"id": ["30", "7", "8"], "v": [[3.0], [7.0], [8.0]]})
    frame.write_parquet(tmp_path / "v.parquet")
    assert VectorFile(str(tmp_path / "v.parquet"), item_column="id")(catalog).tolist() == [[7.0], [3.0]]


def test_missing_items_get_the_mean_and_are_counted(
    tmp_path: Path, catalog: Catalog, caplog: pytest.LogCaptureFixture
) -> None:
    ids = saved(tmp_path, np.array(IDS[:9]), "ids.npy")
    file = VectorFile(saved(tmp_path, VECTORS[:9]), ids=ids, max_missing=0.25)
    with caplog.at_level(logging.WARNING):
        found = file(catalog)
    assert np.array_equal(found[:9], VECTORS[:9])
    assert np.allclose(found[9:], VECTORS[:9].mean(0))
    assert "has no vector for 3 of 12 items; they get the mean" in caplog.text


def test_what_is_not_finite_may_lie_outside_the_catalogue(tmp_path: Path, catalog: Catalog) -> None:
    ids = saved(tmp_path, np.array([*IDS, "other"]), "ids.npy")
    rows = np.vstack([VECTORS, [np.nan] * 3])
    assert np.array_equal(VectorFile(saved(tmp_path, rows), ids=ids)(catalog), VECTORS)


def with_nan(array: Any) -> Any:
    array[4, 1] = np.nan
    return array


FILES: dict[str, tuple[Callable[[Path], VectorFile], str]] = {
    "rows": (
        lambda f: VectorFile(saved(f, VECTORS[:5])),
        "has 5 rows and no ids, so it must be the whole catalogue, which has 12 items. Set items.vectors.ids.",
    ),
    "number of ids": (
        lambda f: VectorFile(saved(f), ids=saved(f, np.array(IDS[:9]), "ids.npy")),
        "has 9 ids for the 12 rows of",
    ),
    "twice": (
        lambda f: VectorFile(saved(f), ids=saved(f, np.array(["i3", *IDS[1:]]), "ids.npy")),
        "must hold each id once, and 'i3' comes twice. Remove a row.",
    ),
    "missing": (
        lambda f: VectorFile(saved(f, VECTORS[:9]), ids=saved(f, np.array(IDS[:9]), "ids.npy"), max_missing=0.2),
        "has no vector for 3 of 12 items (first: 'i9'; ids in it are such as 'i0'), more than max_missing=0.2 allows.",
    ),
    "no item": (
        lambda f: VectorFile(saved(f), ids=saved(f, np.arange(12), "ids.npy"), max_missing=0.99),
        "has no vector for 12 of 12 items (first: 'i0'; ids in it are such as '0'), more than max_missing=0.99 allows.",
    ),
    "nan": (
        lambda f: VectorFile(saved(f, with_nan(VECTORS.copy()))),
        "vectors must be finite, and FILE has 1 rows that are not (first: item 'i4'). Repair or remove them.",
    ),
    "null": (
        lambda f: VectorFile(parquet(f, a=[None, *range(11)])),
        "vectors must be finite, and FILE has 1 rows that are not",
    ),
    "dimensions": (
        lambda f: VectorFile(saved(f, VECTORS[0])),
        "must hold numbers in 2 dimensions, got float64 of shape (3,).",
    ),
    "texts": (lambda f: VectorFile(saved(f, [["a"]])), "must hold numbers in 2 dimensions, got <U1 of shape (1, 1)."),
    "ids of another kind": (
        lambda f: VectorFile(saved(f), ids=saved(f, VECTORS, "ids.npy")),
        "must hold whole numbers or texts in 1 dimension, got float64",
    ),
    "ragged": (
        lambda f: VectorFile(parquet(f, v=[[1.0, 2.0]] * 11 + [[1.0]])),
        "all lists of v in FILE must have 2 values as the first has.",
    ),
    "column": (
        lambda f: VectorFile(parquet(f, v=[1.0] * 12), columns=["w"]),
        "FILE has no column 'w'. Columns: item, v.",
    ),
    "words": (
        lambda f: VectorFile(parquet(f, v=["a"] * 12)),
        "vectors must be one column of lists or many of numbers, and FILE has v (String) beside item.",
    ),
    "several lists": (
        lambda f: VectorFile(parquet(f, v=[[1.0]] * 12, w=[[1.0]] * 12)),
        "and FILE has v (List(Float64)), w (List(Float64)) beside item.",
    ),
}


@pytest.mark.parametrize("case", FILES)
def test_files_that_do_not_fit(case: str, tmp_path: Path, catalog: Catalog) -> None:
    make, text = FILES[case]
    file = make(tmp_path)
    with pytest.raises(ValueError, match=re.escape(text.replace("FILE", str(file.path)))):
        file(catalog)


@pytest.mark.parametrize("name", ["vectors.npy", "vectors.parquet"])
def test_what_is_no_such_file_is_refused_without_data(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text("nonsense")
    with pytest.raises(ValueError, match=f"{name} must be an? (.npy|Parquet) file"):
        VectorFile(str(tmp_path / name))(Catalog.empty(()))
    with pytest.raises(FileNotFoundError, match=f"vectors of items are needed, and .*no{name} does not exist"):
        VectorFile(str(tmp_path / f"no{name}"))(Catalog.empty(()))


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"path": "v.csv"}, "items.vectors.path must end in .npy or .parquet, got v.csv. Set items.vectors.path."),
        ({"path": "v.npy", "max_missing": 1.0}, "items.vectors.max_missing must be in [0, 1), got 1.0."),
        ({"path": "v.parquet", "ids": "x"}, "items.vectors.ids has no effect: v.parquet holds its ids."),
        ({"path": "v.npy", "columns": ["a"]}, "v.npy has no columns, so none can be named. Set items.vectors.ids."),
        ({"path": "v.npy", "item_column": "a"}, "v.npy has no columns, so none can be named. Set items.vectors.ids."),
    ],
)
def test_options_that_do_not_fit(options: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(text)}"):
        VectorFile(**options)
