"""Two columns of a file, TSV or Parquet, as key -> texts: of synonyms and of paraphrases; and the draw of one of them.

Relations: ``synonyms`` and ``paraphrases`` read their files so.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl
import torch


def read_pairs(path: str, key: str, value: str) -> dict[str, list[str]]:
    """The values of each key, in the order of the rows, without empty ones and without repetition.

    Args:
        path: ends in ``.parquet``, or in ``.tsv`` with a line of names.
        key: column of the keys.
        value: column of the texts.

    Raises:
        ValueError: another ending, a column that is not there, or no row.
        FileNotFoundError: there is no such file.
    """
    place = Path(path).expanduser()
    if place.suffix not in (".tsv", ".parquet"):
        raise ValueError(f"augmentation.path must end in .tsv or .parquet, got {path}. Set augmentation.path.")
    if not place.is_file():
        raise FileNotFoundError(f"augmentation.path must be a file, and {path} does not exist. Set augmentation.path.")
    if place.suffix == ".tsv":
        frame = pl.read_csv(place, separator="\t", infer_schema=False, quote_char=None, raise_if_empty=False)
    else:
        frame = pl.read_parquet(place)
    for column in (key, value):
        if frame.width and column not in frame.columns:
            raise ValueError(
                f"augmentation.path must have the columns {key} and {value}, and {path} has "
                f"{', '.join(frame.columns)}. Rename its columns."
            )
    found: dict[str, list[str]] = {}
    for name, text in frame.select(pl.col(key, value).cast(pl.String)).iter_rows() if frame.width else ():
        known = found.setdefault(name, []) if name and text and text.strip() else None
        if known is not None and text not in known:
            known.append(text)
    if not found:
        raise ValueError(f"augmentation.path must have a row at least, and {path} has none. Set augmentation.path.")
    return found


def check_share(share: float) -> float:
    """The share of what is replaced.

    Raises:
        ValueError: it is not in (0, 1].
    """
    if not 0 < share <= 1:
        raise ValueError(f"augmentation.share must be above 0 and at most 1, got {share}. Set augmentation.share.")
    return share


def drawn(others: Sequence[str] | None, share: float) -> str | None:
    """One of these with the probability ``share``; None for what stays, and where there are none."""
    if others is None or float(torch.rand((), device="cpu")) >= share:
        return None
    return others[int(torch.randint(len(others), (), device="cpu"))]
