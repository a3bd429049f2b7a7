"""Item texts from the columns of the item table.

Example:
    >>> import polars as pl
    >>> frame = pl.DataFrame({"title": ["Heat"], "year": [None], "genres": [["Crime", "Drama"]]})
    >>> render("{title} ({year}), {genres}", frame)
    ['Heat (), Crime, Drama']
"""

from __future__ import annotations

from string import Formatter

import polars as pl

_NO_TABLE = "Give the data an item table, such as data.source.items=FILE where data=table, or set items=id"


def render(template: str, items: pl.DataFrame) -> list[str]:
    """One text a row; lists are joined by commas, a missing value is empty.

    Args:
        template: text with ``{column}`` fields.
        items: the item table.

    Raises:
        ValueError: the template is malformed, has no field, or names a column that is not there.
    """
    try:
        fields = [name for _, name, _, _ in Formatter().parse(template) if name is not None]
        unknown = [f for f in fields if f not in items.columns]
        if fields and not unknown:
            template.format(**dict.fromkeys(fields, ""))  # values are texts, so a number's format does not fit
    except (ValueError, KeyError) as error:
        raise ValueError(f"items.template {template!r} is malformed ({error}). Write fields as {{title}}.") from error
    if unknown or not fields:
        problem = f"names {unknown[0]!r}, which the item table does not have" if unknown else "names no column"
        others = [name for name in items.columns if name != "item"]
        step = f"""Name some of them, as in 'items.template="{{{others[0]}}}"'""" if others else _NO_TABLE
        raise ValueError(f"items.template {template!r} {problem}. Columns: {', '.join(items.columns)}. {step}.")
    columns = {
        f: (_joined(items[f]) if items[f].dtype == pl.List else items[f].cast(pl.String)).fill_null("")
        for f in dict.fromkeys(fields)
    }
    rows = zip(*columns.values(), strict=True)
    return [template.format(**dict(zip(columns, row, strict=True))) for row in rows]


def _joined(column: pl.Series) -> pl.Series:
    return column.cast(pl.List(pl.String)).list.join(", ")
