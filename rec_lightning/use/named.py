"""An item as a person names it: by its id, its title, or a part of the title that only one has.

Relations: ``similarity`` and ``explanation`` are asked so.
"""

from __future__ import annotations

from difflib import get_close_matches

import polars as pl

from rec_lightning.contracts import ITEM
from rec_lightning.use.lists_file import title_column


def find_item(items: pl.DataFrame, name: str) -> int:
    """Its index, 1..N.

    Args:
        items: the item table.
        name: id or title; upper and lower case are the same in a title.

    Raises:
        ValueError: no item, or several, have this name.

    Example:
        >>> find_item(pl.DataFrame({"item": [7, 8], "title": ["Heat (1995)", "Fargo (1996)"]}), "fargo")
        2
    """
    ids = items[ITEM].cast(pl.String)
    own = (ids == name).arg_true()
    if len(own):
        return int(own[0]) + 1
    column = title_column(items)
    if column is None:
        raise ValueError(f"item must be an id of the catalogue (it has no titles), got {name!r}. Set item.")
    titles = items[column].fill_null("").str.to_lowercase()
    for fits in (titles == name.lower(), titles.str.contains(name.lower(), literal=True)):
        found = fits.arg_true()
        if len(found) == 1:
            return int(found[0]) + 1
        if len(found) > 1:
            some = "; ".join(f"{ids[i]}: {items[column][i]}" for i in found[:5])
            raise ValueError(
                f"item must name one item, and {name!r} fits {len(found)} ({some}, ...). Set item to an id."
            )
    near = get_close_matches(name.lower(), titles.to_list(), n=1)
    hint = f"; nearest: {items[column][titles.to_list().index(near[0])]}" if near else ""
    raise ValueError(f"item must be an id or a title of the catalogue, got {name!r}{hint}. Set item.")
