"""What a study says: its question, its metrics and its rows, read from ``experiments/<slug>/study.yaml``.

Relations: ``plan`` turns a row into a command, ``comparison`` puts the finished rows side by side.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

VERBS = ("train", "baseline")


@dataclass(frozen=True)
class RowSpec:
    """One row of a study.

    Args:
        name: as the table shows it.
        verb: ``train`` or ``baseline``.
        overrides: Hydra overrides of that verb.
        seconds: expected wall time on the machine of the experiment's header, for the time left; None when unknown.
    """

    name: str
    verb: str
    overrides: tuple[str, ...]
    seconds: float | None = None

    @property
    def slug(self) -> str:
        """The name as a folder: lower case, words joined by a hyphen."""
        return re.sub(r"[^a-z0-9]+", "-", self.name.lower()).strip("-")


@dataclass(frozen=True)
class Study:
    """A question and the rows that answer it.

    Args:
        title: heading of the table and the report.
        question: what the rows are to answer.
        protocol: how every row is evaluated, in words.
        metrics: as ``hr@10``, in the order of the columns.
        primary: the metric of the paired difference; one of ``metrics``.
        reference: name of the row to which the others are compared, fixed before the runs; None for no such column.
        rows: in the order of the table.
        fixed: keys in which the rows differ by design, so that no override beside the study may set them for all.
        resamples: of the bootstrap.
        seed: of the bootstrap.
    """

    title: str
    question: str
    protocol: str
    metrics: tuple[str, ...]
    primary: str
    reference: str | None
    rows: tuple[RowSpec, ...]
    fixed: tuple[str, ...] = ()
    resamples: int = 10_000
    seed: int = 0

    def __post_init__(self) -> None:
        names = [row.name for row in self.rows]
        if not names:
            raise ValueError("a study needs at least one row, got none. Add rows.")
        slugs = [row.slug for row in self.rows]
        if "" in slugs or len(set(slugs)) < len(slugs):
            raise ValueError(f"each row needs a folder name of its own, got {slugs} from {names}. Rename a row.")
        if self.primary not in self.metrics:
            raise ValueError(f"primary must be one of metrics {list(self.metrics)}, got {self.primary!r}.")
        if self.reference is not None and self.reference not in names:
            raise ValueError(f"reference must be the name of a row, one of {names}, got {self.reference!r}.")


def experiments_dir() -> Path:
    """The folder of the experiments: inside the package when installed, beside it in a checkout.

    Raises:
        ValueError: neither is there.
    """
    package = Path(__file__).resolve().parents[1]
    for folder in (package / "experiments", package.parent / "experiments"):
        if folder.is_dir():
            return folder
    raise ValueError(
        f"the experiments must lie in the package or beside it, got neither at {package}. "
        "Reinstall rec_lightning, or name a study.yaml by its path."
    )


def load_study(slug_or_path: str | Path) -> Study:
    """Reads a study by its folder's name under the experiments, or by the path of a yaml file.

    Raises:
        ValueError: no such file, a key too many or too few, or values that do not fit together.
    """
    from omegaconf import OmegaConf  # the front door stays light

    path = Path(slug_or_path)
    if path.suffix not in (".yaml", ".yml"):
        path = experiments_dir() / slug_or_path / "study.yaml"
    if not path.is_file():
        known = sorted(p.parent.name for p in experiments_dir().glob("*/study.yaml"))
        raise ValueError(f"a study must be one of {known} or the path of a yaml file, got {str(slug_or_path)!r}.")
    content = OmegaConf.to_container(OmegaConf.load(path), resolve=True)
    try:
        return parse_study(content)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def parse_study(content: object) -> Study:
    """A study from the plain content of its yaml. ``common`` holds overrides of all rows of a verb.

    Raises:
        ValueError: a key too many or too few, or values that do not fit together.
    """
    fields = _mapping(content, "a study", {"title", "question", "protocol", "metrics", "primary", "rows"},
                      {"reference", "fixed", "common", "resamples", "seed"})  # fmt: skip
    common = _mapping(fields.get("common", {}), "common", set(), set(VERBS))
    return Study(
        title=str(fields["title"]),
        question=str(fields["question"]).strip(),
        protocol=str(fields["protocol"]).strip(),
        metrics=_strings(fields["metrics"], "metrics"),
        primary=str(fields["primary"]),
        reference=fields.get("reference"),
        rows=tuple(_row(row, common) for row in fields["rows"] or ()),
        fixed=_strings(fields.get("fixed", []), "fixed"),
        resamples=int(fields.get("resamples", Study.resamples)),
        seed=int(fields.get("seed", Study.seed)),
    )


def _row(content: object, common: Mapping[str, Any]) -> RowSpec:
    fields = _mapping(content, "a row", {"name", "verb"}, {"overrides", "seconds"})
    name, verb = str(fields["name"]), str(fields["verb"])
    if verb not in VERBS:
        raise ValueError(f"the verb of row {name!r} must be one of {list(VERBS)}, got {verb!r}.")
    shared = _strings(common.get(verb, []), f"common.{verb}")
    own = _strings(fields.get("overrides", []), f"overrides of row {name!r}")
    seconds = fields.get("seconds")
    return RowSpec(name, verb, shared + own, None if seconds is None else float(seconds))


def _mapping(content: object, what: str, needed: set[str], optional: set[str]) -> Mapping[str, Any]:
    if not isinstance(content, Mapping):
        raise ValueError(f"{what} must be a mapping, got {content!r}.")
    unknown, missing = set(content) - needed - optional, needed - set(content)
    if unknown or missing:
        raise ValueError(
            f"{what} must have the keys {sorted(needed)} and may have {sorted(optional)}, "
            f"got unknown {sorted(unknown)} and missing {sorted(missing)}."
        )
    return content


def _strings(content: object, what: str) -> tuple[str, ...]:
    if not isinstance(content, Sequence) or isinstance(content, str) or not all(isinstance(c, str) for c in content):
        raise ValueError(f"{what} must be a list of strings, got {content!r}.")
    return tuple(content)
