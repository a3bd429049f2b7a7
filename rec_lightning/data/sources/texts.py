"""Texts with a label, one a row: opinions, alarms, messages. No users, no histories.

Every row is a user with one event, and every different text an item, so that a text that comes twice is encoded once.
Such a text may fall into training and test alike: leave doubles out of the file where that is not wanted. Licence and
checksum are the owner's.

Relations: ``table`` reads who did what; ``census_income`` has columns in the place of the text.
"""

from __future__ import annotations

from pathlib import Path

import polars as pl

from rec_lightning.contracts import ITEM, LABEL, USER, Tables
from rec_lightning.data.sources.identity import content_of
from rec_lightning.data.sources.rows import find_files, read_rows
from rec_lightning.data.tables import fingerprint


class Texts:
    """Reads texts and labels from tables.

    Args:
        path: file or glob; the ending says the format (``.csv .tsv .parquet .jsonl``, the text formats with ``.gz``).
        text: name of the column of the texts.
        label: name of the column of the labels, words or numbers; an empty one is a row without a label.
        name: of the data set.
        licence: what its owner allows.

    Raises:
        ValueError: both are one column.
    """

    item_columns = (ITEM, "text")
    user_columns = (USER,)
    histories = False

    def __init__(
        self, path: str, text: str = "text", label: str = "label", name: str = "texts", licence: str = "not stated"
    ) -> None:
        if text == label:
            raise ValueError(f"data.source.text and label must be different columns, got {text!r} twice. Set one.")
        self.path, self.text, self.label, self.name, self.licence = path, text, label, name, licence

    def identity(self) -> str:
        """Options and the content of all files."""
        return f"{self.text} {self.label} {self.name} {content_of(find_files(self.path))}"

    def fetch(self) -> Tables:
        """The canonical tables; the label stands in the column ``label`` of the interactions.

        Raises:
            FileNotFoundError: no file is at the path.
            ValueError: a column is not there, a file cannot be read, or a row has no text.
        """
        rows = pl.concat([self._rows(file) for file in find_files(self.path)], how="vertical_relaxed").with_row_index(
            USER, offset=1
        )
        texts = rows["text"].unique(maintain_order=True)
        items = pl.DataFrame({ITEM: pl.int_range(1, len(texts) + 1, eager=True), "text": texts})
        events = rows.join(items, on="text", how="left", maintain_order="left")
        interactions = events.select(pl.col(USER).cast(pl.Int64), ITEM, LABEL)
        users = pl.DataFrame(schema={USER: pl.Int64})
        return Tables(
            interactions=interactions,
            items=items,
            users=users,
            name=self.name,
            licence=self.licence,
            source=self.path,
            fingerprint=fingerprint(interactions, items, users),
        )

    def _rows(self, file: Path) -> pl.DataFrame:
        # columns text and label
        read = read_rows(file, [self.text, self.label])
        if read.ragged:
            raise ValueError(
                f"every row must have as many fields as the header, and line {read.line(read.ragged[0])} of {file} has "
                "not. Mend it."
            )
        frame = read.frame.select(text=pl.col(self.text).cast(pl.String), label=pl.col(self.label))
        empty = (frame["text"].fill_null("").str.strip_chars() == "").arg_true()
        if len(empty):
            raise ValueError(
                f"every row must have a text, and {len(empty)} of {file} have none (first: line "
                f"{read.line(int(empty[0]))}). Leave them out of the file."
            )
        if frame["label"].dtype == pl.String:
            said = pl.col("label").str.strip_chars()
            frame = frame.with_columns(label=pl.when(said != "").then(said))
        return frame
