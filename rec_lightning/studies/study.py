"""What a study says: its question, its metrics and its rows.

Relations: ``reading`` reads it from ``experiments/<slug>/study.yaml``, ``plan`` turns a row into commands,
``comparison`` puts the finished rows side by side.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from rec_lightning.studies.ranges import Sweep

TESTS = ("sign_flips", "t", "wilcoxon")
CORRECTIONS = {"holm": "Holm", "benjamini_hochberg": "Benjamini and Hochberg"}  # and as a sentence says them
CODE_POLICIES = ("any", "version", "commit")
VERBS = ("train", "baseline", "fuse", "evaluate")
MADE = {"fuse": "fuses", "evaluate": "measures"}  # verbs of rows that are made of others, and what they do to them
DEFAULT_SEEDS = (42,)


@dataclass(frozen=True)
class Published:
    """What a paper reports for a row.

    Args:
        scores: by metric, as ``ndcg@10``.
        source: where the numbers stand.
    """

    scores: Mapping[str, float]
    source: str


@dataclass(frozen=True)
class Trial:
    """A candidate of the search inside a row.

    Args:
        overrides: that it tries.
        value: the primary metric on validation; None without a result.
        chosen: whether it became the row.
        state: ``complete``, ``pruned`` (ended early, ``value`` is its last), ``failed`` or ``running``.
        cost: its second aim; None where there is none.
    """

    overrides: tuple[str, ...]
    value: float | None
    chosen: bool
    state: str = "complete"
    cost: float | None = None


@dataclass(frozen=True)
class RowSpec:
    """One row of a study.

    Args:
        name: as the table shows it.
        verb: ``train``, ``baseline``, ``fuse`` or ``evaluate``.
        overrides: Hydra overrides of that verb.
        seconds: expected wall time of one run on the machine of the experiment's header, for the time left; None
            when unknown.
        seeds: of its runs, the first one first; a baseline without randomness needs one only.
        published: to be shown beside the row's own numbers.
        levels: of the study's factors, where the row is one of their combinations.
        tune: grid that is searched on validation before the row runs: a key and the values to try.
        folder: below the study's, in place of the slug.
        trials: what the search tried.
        sweep: search over ranges before the row runs, in place of the grid.
        importance: of each searched key for the metric on validation; the shares add up to 1.
        hopeless: why it cannot run, where its search found nothing to run; empty for a row that can.
        without: the part of the ablation that it lacks; empty for any other row.
        last: overrides that nothing given beside the study takes the place of.
        parent: name of the row for which this one is a try; empty for a row of the table.
        of: names of the rows that a ``fuse`` makes one ranking of: for each seed those of several rows, or all the
            seeds of a single one; the one row that an ``evaluate`` measures again, each of its seeds.
        fold_of: name of the row of which this is one fold; empty for a whole row.
        shown: whether it is a row of the table; one that is not runs for those that fuse it, and measures what it may.
    """

    name: str
    verb: str
    overrides: tuple[str, ...]
    seconds: float | None = None
    seeds: tuple[int, ...] = DEFAULT_SEEDS
    published: Published | None = None
    levels: Mapping[str, str] = field(default_factory=dict)
    tune: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    folder: str = ""
    trials: tuple[Trial, ...] = ()
    sweep: Sweep | None = None
    importance: Mapping[str, float] = field(default_factory=dict)
    hopeless: str = ""
    without: str = ""
    last: tuple[str, ...] = ()
    parent: str = ""
    of: tuple[str, ...] = ()
    fold_of: str = ""
    shown: bool = True

    @property
    def searched(self) -> frozenset[str]:
        """The keys that are searched before it runs."""
        return frozenset((*self.tune, *(self.sweep.ranges if self.sweep else ())))

    @property
    def slug(self) -> str:
        """The name as a folder: lower case, words joined by a hyphen."""
        return re.sub(r"[^a-z0-9]+", "-", self.name.lower()).strip("-")

    def run_name(self, seed: int) -> str:
        """The name of a run: the row's, with the seed where there are several."""
        return self.name if len(self.seeds) == 1 else f"{self.name}, seed {seed}"


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
        test: of the difference to the reference: ``sign_flips``, ``t`` or ``wilcoxon``.
        correction: for several rows: ``holm`` or ``benjamini_hochberg``.
        code: which complete runs are kept: of ``any`` code, or of the same ``version`` or ``commit``.
        also: further metrics that the runs log, told as they are: no interval and no test, since they are no mean over
            users, as the share of the catalogue that anybody is shown.
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
    test: str = "sign_flips"
    correction: str = "holm"
    code: str = "any"
    also: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        names = [row.name for row in self.rows]
        if not names:
            raise ValueError("a study needs at least one row, got none. Add rows.")
        slugs = [row.slug for row in self.rows]
        if "" in slugs or len(set(slugs)) < len(slugs):
            raise ValueError(f"each row needs a folder name of its own, got {slugs} from {names}. Rename a row.")
        if self.primary not in self.metrics:
            raise ValueError(f"primary must be one of metrics {list(self.metrics)}, got {self.primary!r}.")
        if twice := [metric for metric in self.also if metric in self.metrics or self.also.count(metric) > 1]:
            raise ValueError(f"also must hold metrics that stand nowhere else, got {twice[0]!r} twice. Leave one out.")
        choices = (("code", CODE_POLICIES), ("test", TESTS), ("correction", CORRECTIONS))
        for name, known in choices:
            if (value := getattr(self, name)) not in known:
                raise ValueError(f"{name} must be one of {list(known)}, got {value!r}.")
        for row in self.rows:
            _check_row(row, self.metrics)
            _check_sources(row, {one.name: one for one in self.rows})
        whole = list(dict.fromkeys(row.fold_of or row.name for row in self.rows if row.shown))
        if self.reference is not None and self.reference not in whole:
            raise ValueError(f"reference must be the name of a row, one of {whole}, got {self.reference!r}.")

    @property
    def runs(self) -> list[tuple[RowSpec, int]]:
        """Every row with each of its seeds, in order."""
        return [(row, seed) for row in self.rows for seed in row.seeds]

    def with_seeds(self, seeds: Sequence[int]) -> Study:
        """The same study with other seeds for what trains, and the first of them for what runs once."""
        own = {row.name: tuple(seeds)[: None if row.verb == "train" or len(row.of) > 1 else 1] for row in self.rows}
        rows = (replace(row, seeds=own[row.of[0] if row.verb == "evaluate" else row.name]) for row in self.rows)
        return replace(self, rows=tuple(rows))

    def sources(self, row: RowSpec, seed: int) -> list[tuple[RowSpec, int]]:
        """The runs that a run of a ``fuse`` or ``evaluate`` reads; a row without this seed gives its first."""
        rows = [next(one for one in self.rows if one.name == name) for name in row.of]
        if len(rows) == 1 and row.verb == "fuse":
            return [(rows[0], one) for one in rows[0].seeds]
        return [(one, seed if seed in one.seeds else one.seeds[0]) for one in rows]


def _check_row(row: RowSpec, metrics: Sequence[str]) -> None:
    if not row.seeds or len(set(row.seeds)) < len(row.seeds) or min(row.seeds) < 0:
        raise ValueError(
            f"the seeds of row {row.name!r} must be different whole numbers from 0, got {list(row.seeds)}. Set seeds."
        )
    if unknown := sorted(set(row.published.scores if row.published else ()) - set(metrics)):
        raise ValueError(
            f"published numbers of row {row.name!r} must be of the study's metrics {list(metrics)}, got {unknown}."
        )


def _check_sources(row: RowSpec, rows: Mapping[str, RowSpec]) -> None:
    does = MADE.get(row.verb, "")
    if bool(does) != bool(row.of):
        need = f"must name in `of` what it {does}" if does else f"has no use for `of`, which {' and '.join(MADE)} have"
        raise ValueError(f"row {row.name!r} of verb {row.verb} {need}, got {list(row.of)}.")
    known = [name for name, one in rows.items() if one.verb not in MADE]
    if row.of and (set(row.of) - set(known) or len(set(row.of)) < len(row.of)):
        raise ValueError(
            f"`of` of row {row.name!r} must name different rows that train or are baselines, some of {known}, "
            f"got {list(row.of)}."
        )
    if row.verb == "fuse" and len(row.of) == 1:
        _check_fused_seeds(row, rows[row.of[0]])
    if row.verb == "evaluate":
        _check_measured(row, rows[row.of[0]])


def _check_fused_seeds(row: RowSpec, source: RowSpec) -> None:
    if len(source.seeds) < 2:
        raise ValueError(
            f"row {row.name!r} fuses the seeds of {source.name!r}, which must be at least two, got "
            f"{list(source.seeds)}. Set seeds, or name another row in `of`."
        )
    if len(row.seeds) > 1:
        raise ValueError(
            f"row {row.name!r} fuses all the seeds of {source.name!r} in one run, got seeds {list(row.seeds)}. "
            "Leave its seeds out."
        )


def _check_measured(row: RowSpec, source: RowSpec) -> None:
    if len(row.of) > 1:
        raise ValueError(f"row {row.name!r} measures one row, got {list(row.of)}. Write a row for each.")
    if not row.overrides:
        raise ValueError(
            f"row {row.name!r} must differ from {source.name!r}, which it measures, got no overrides. Add some, as "
            "rerank=mmr."
        )
    if unknown := sorted(set(row.seeds) - set(source.seeds)):
        raise ValueError(
            f"the seeds of row {row.name!r} must be among those of {source.name!r}, {list(source.seeds)}, got "
            f"{unknown}. Leave its seeds out."
        )
