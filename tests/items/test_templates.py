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


@pytest.mark.parametrize(
    ("template", "problem"),
    [
        ("{film}", "names 'film', which the item table does not have. Columns: item, title, year, genres, n."),
        ("{}", "names '', which the item table does not have. Columns: item, title, year, genres, n."),
        ("{title.x}", "names 'title.x', which the item table does not have. Columns: item, title, year, genres, n."),
        ("a film", "names no column. Columns: item, title, year, genres, n."),
        ("{title", "is malformed (expected '}' before end of string). Write fields as {title}."),
        ("{year:d}", "is malformed (Unknown format code 'd' for object of type 'str'). Write fields as {title}."),
        ("{title:{w}}", "is malformed ('w'). Write fields as {title}."),
    ],
)
@pytest.mark.parametrize("rows", [0, 2])
def test_templates_that_do_not_fit(template: str, problem: str, rows: int) -> None:
    with pytest.raises(ValueError, match="^" + re.escape(f"items.template {template!r} {problem}") + "$"):
        render(template, FRAME.head(rows))
