"""MovieLens' movies.dat as a table with a header, which data=table reads beside interactions without times.

python experiments/transfer/titles.py movies.dat.gz movies.tsv
"""

from __future__ import annotations

import gzip
import re
import sys
from pathlib import Path

import polars as pl


def main(source: Path, target: Path) -> None:
    """``id::title (year)::genre|genre`` -> columns movie, title, year, genres."""
    opened = gzip.open if source.suffix == ".gz" else open
    with opened(source, "rt", encoding="latin-1") as file:
        rows = [line.rstrip("\n").split("::") for line in file]
    found = [(movie, re.fullmatch(r"(.*?)\s*\((\d{4})\)\s*", title), genres) for movie, title, genres in rows]
    columns = {
        "movie": [int(movie) for movie, _, _ in found],
        "title": [title[1] if title else "" for _, title, _ in found],
        "year": [title[2] if title else "" for _, title, _ in found],
        "genres": [genres.replace("|", ", ") for _, _, genres in found],
    }
    pl.DataFrame(columns).write_csv(target, separator="\t")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
