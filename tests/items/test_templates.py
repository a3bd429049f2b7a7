"""Texts of every kind of column, and templates that do not fit."""

from __future__ import annotations

import re

import polars as pl
import pytest

from rec_lightning.items.templates import render

FRAME = pl.DataFrame(
    {
        "item": ["a", "b"],
        "title": ["Heat", None],
        "year": [1995, None],
        "genres": [["Crime", "Drama"], []],
        "n": [[1, 2], []],
    }
)


@pytest.mark.parametrize(
    ("template", "texts"),
    [
        ("{title} ({year})", ["Heat (1995)", " ()"]),
        ("{genres}: {title}, {title}", ["Crime, Drama: Heat, Heat", ": , "]),
        ("{{{n}}} {title:>6}!", ["{1, 2}   Heat!", "{}       !"]),
    ],
)
def test_texts(template: str, texts: list[str]) -> None:
    assert render(template, FRAME) == texts


COLUMNS = """Columns: item, title, year, genres, n. Name some of them, as in 'items.template="{title}"'."""


@pytest.mark.parametrize(
    ("template", "problem"),
    [
        ("{film}", f"names 'film', which the item table does not have. {COLUMNS}"),
        ("{}", f"names '', which the item table does not have. {COLUMNS}"),
        ("{title.x}", f"names 'title.x', which the item table does not have. {COLUMNS}"),
        ("a film", f"names no column. {COLUMNS}"),
        ("{title", "is malformed (expected '}' before end of string). Write fields as {title}."),
        ("{year:d}", "is malformed (Unknown format code 'd' for object of type 'str'). Write fields as {title}."),
        ("{title:{w}}", "is malformed ('w'). Write fields as {title}."),
    ],
)
@pytest.mark.parametrize("rows", [0, 2])
def test_templates_that_do_not_fit(template: str, problem: str, rows: int) -> None:
    with pytest.raises(ValueError, match="^" + re.escape(f"items.template {template!r} {problem}") + "$"):
        render(template, FRAME.head(rows))


def test_without_an_item_table_it_says_how_to_give_one() -> None:
    with pytest.raises(
        ValueError, match=r"Columns: item\. Give the data an item table, such as data\.source\.items=FILE"
    ):
        render("{title}", pl.DataFrame({"item": ["a"]}))
