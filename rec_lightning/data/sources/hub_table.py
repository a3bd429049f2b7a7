"""One table of a Hugging Face data set: on the hub at a commit, or in local files that the library reads.

Relations: ``huggingface`` puts interactions, items and users together.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl

from rec_lightning.data.sources.identity import content_of
from rec_lightning.data.sources.mapping import check_named
from rec_lightning.data.sources.rows import Rows, find_files, wanted_columns

_NAME = re.compile(r"\w[\w.-]*(/\w[\w.-]*)?")
_BUILDERS = {".parquet": "parquet", ".csv": "csv", ".tsv": "csv", ".json": "json", ".jsonl": "json"}


@dataclass(frozen=True)
class HubTable:
    """One table: which rows of which data set, and what its columns mean.

    Args:
        path: name on the hub, or a local folder, file or glob of files; null for no table.
        columns: canonical name -> name in the data set; null leaves one out.
        config: one of the data set's configurations; null for its default.
        split: its split, or a slice of it such as ``train[:10%]``.
        revision: commit of a data set on the hub, 40 hex digits, so that the data stay what they are.
    """

    path: str | None = None
    columns: Mapping[str, str | None] | None = None
    config: str | None = None
    split: str = "train"
    revision: str | None = None
    mapping: Mapping[str, str] = field(init=False)

    def __post_init__(self) -> None:
        mapping = {ours: theirs for ours, theirs in (self.columns or {}).items() if theirs is not None}
        object.__setattr__(self, "mapping", mapping)

    def check(self, option: str, needed: tuple[str, ...]) -> None:
        """Refuses what cannot work.

        Args:
            option: the table's own, such as ``data.source.items``.
            needed: columns that must be named.

        Raises:
            ValueError: a needed column is not named, or the revision is missing, no commit or without effect.
        """
        if self.path is None:
            if self.mapping or self.config is not None or self.revision is not None:
                raise ValueError(f"{option} has no effect without a path. Set {option}.path.")
            return
        check_named(f"{option}.columns", self.mapping, needed)
        if self.local:
            if self.revision is not None:
                raise ValueError(f"{option}.revision has no effect on local files ({self.path}). Leave it out.")
        elif not re.fullmatch("[0-9a-f]{40}", self.revision or ""):
            raise ValueError(
                f"{self.path} is no file here, and a data set of the hub needs its commit (40 hex digits, on its page "
                f"under Files, History), got {self.revision or 'none'}. Set {option}.revision, or {option}.path."
            )

    @property
    def local(self) -> bool:
        """Whether the path means files here."""
        path = str(self.path)
        # ./data/x can only be a path, and so can x.csv
        known = Path(path).suffix in _BUILDERS or _NAME.fullmatch(path) is None
        return known or Path(path).expanduser().exists()

    def identity(self) -> str:
        """Options, and the commit or the content of the files."""
        told = f"{self.path} {self.mapping} {self.config} {self.split} {self.revision}"
        return f"{told} {content_of(self._files())}" if self.path is not None and self.local else told

    def _files(self) -> list[Path]:
        place = Path(str(self.path)).expanduser()
        if not place.is_dir():
            return find_files(str(self.path))
        return sorted(file for file in place.rglob("*") if file.is_file())

    def read(self) -> Rows:
        """The wanted columns.

        Raises:
            ValueError: no such split, configuration or column, or the files cannot be read.
            OSError: they cannot be had.
        """
        from datasets import Dataset
        from datasets.exceptions import DatasetsError

        try:
            found = self._load()
        except OSError as error:
            raise OSError(f"{self._named()}: {_told(error)} Set path, or HF_TOKEN if it is not public.") from error
        except (ValueError, DatasetsError) as error:
            raise ValueError(f"{self._named()}: {_told(error)} Set path, config or split.") from error
        assert isinstance(found, Dataset)
        theirs = list(dict.fromkeys(self.mapping.values()))
        names = wanted_columns(found.column_names, theirs, str(self.path), "the columns of that table in data.source")
        frame = found.select_columns(names).to_polars()
        assert isinstance(frame, pl.DataFrame)
        return Rows(frame)

    def _named(self) -> str:
        config = f", configuration {self.config}," if self.config is not None else ""
        return f"the split {self.split} of {self.path}{config} cannot be read"

    def _load(self) -> Any:
        from datasets import load_dataset

        place, load = Path(str(self.path)).expanduser(), partial(load_dataset, name=self.config, split=self.split)
        if (place / "dataset_dict.json").exists() or (place / "state.json").exists():
            return self._saved(place)
        if place.is_dir():
            return load(str(place))
        if not self.local:
            return load(str(self.path), revision=self.revision)
        files = find_files(str(self.path))
        builder = _BUILDERS.get(files[0].suffix)
        if builder is None:
            raise ValueError(f"the ending must be one of {', '.join(_BUILDERS)}, got {files[0].name}.")
        options = {"sep": "\t"} if files[0].suffix == ".tsv" else {}
        return load(builder, data_files=[str(file) for file in files], **options)

    def _saved(self, place: Path) -> Any:
        """What ``save_to_disk`` wrote: one split, or a dictionary of splits."""
        from datasets import DatasetDict, load_from_disk

        found = load_from_disk(str(place))
        splits = list(found) if isinstance(found, DatasetDict) else [str(found.split or self.split)]
        if self.config is not None:
            raise ValueError("what save_to_disk wrote has no configurations.")
        if self.split not in splits:
            raise ValueError(f"its splits are {', '.join(splits)}.")
        return found[self.split] if isinstance(found, DatasetDict) else found


def _told(error: Exception) -> str:
    """The first line of what the library says, and of what lies beneath."""
    lines = [str(e).strip().partition("\n")[0].rstrip(".") for e in (error, error.__cause__) if e is not None]
    return "; ".join(line for line in lines if line) + "."
