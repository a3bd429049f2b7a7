"""Runs a study, a question with rows and seeds, and writes its table and report: study SLUG_OR_PATH [option=value ...].

``run_dir=PATH`` is the folder of the whole study (runs/SLUG), ``jobs=N`` processes run at a time (1; 64 on SLURM and
Ray), ``launch=slurm launch.time=240 launch.partition=gpu`` starts them as arrays of a cluster's jobs, ``launch=ray
launch.gpus=0.5`` as tasks of a Ray of this machine, or of the one at ``launch.address=HOST:PORT``, ``seeds=[1,2]``
takes the place of the study's, ``calibrate=true`` measures a short run of each row first, so that the plan can tell
time and memory, ``publish=true`` also writes table, picture, report and results beside the study's
file. Any other option goes to every row that trains, and one that the baselines know too (``data``) to them as well.
Each row and seed is a ``train``, ``baseline``, ``fuse`` or ``evaluate`` in a process of its own. Complete runs are
kept, stopped ones are resumed, failed ones are tried again and do not stop the others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from rich.console import Console

    from rec_lightning.studies.entries import Comparison
    from rec_lightning.studies.job import Job
    from rec_lightning.studies.options import Options
    from rec_lightning.studies.plan import Known, Tracked
    from rec_lightning.studies.study import RowSpec, Study

_LOG_WIDTH = 100  # what is no terminal has no width of its own


def run(words: list[str], only_report: bool = False) -> int:
    """Trains and evaluates what is missing, then prints the table and the report's path.

    Args:
        words: the study, then options and Hydra overrides.
        only_report: starts nothing; the table shows the runs that are there.

    Returns:
        0 when every run has a result, 1 when one failed, 130 when stopped.

    Raises:
        Refusal: an override that no row takes or that sets what the rows differ in, a row that cannot be composed,
            or a folder that cannot be written.
    """
    from rich.console import Console  # here, so that --help stays light

    from rec_lightning.runtime.refusal import Refusal, refusing
    from rec_lightning.studies.conduct import conduct, prepare, rebuild
    from rec_lightning.studies.launching import place_of
    from rec_lightning.studies.options import parse_options
    from rec_lightning.studies.plan import Tracked, jobs_of
    from rec_lightning.studies.reading import load_study
    from rec_lightning.studies.wandb_sweep import write_sweeps

    console = Console()
    if not console.is_terminal:
        console = Console(width=_LOG_WIDTH)
    with refusing():
        options = parse_options(words)
        place = place_of(options.launch, options.settings, options.folder)
        study, known = load_study(options.study), known_keys()
        if options.seeds:
            study = study.with_seeds(options.seeds)
        starts = options.launch == "local" and not options.wandb_sweep and not only_report
        here = options.folder if starts else None
        tracked = Tracked(options.slug, check(study, options.overrides, known, here))
        if options.wandb_sweep:
            for path in write_sweeps(study, Path(options.wandb_sweep), options.overrides):
                console.print(f"wandb sweep {path}", markup=False, highlight=False, soft_wrap=True)
            return 0
        prepare(options.folder)

    def make_jobs(rows: Study) -> list[Job]:
        return jobs_of(rows, options.folder, options.overrides, known, resolve=resolve, tracked=tracked)

    try:
        act = (
            rebuild
            if only_report
            else partial(conduct, parallel=options.jobs, place=place, calibrate=options.calibrate)
        )
        comparison = act(study, make_jobs, options.folder, console, options.overrides)
    except OSError as error:  # a disk that fills up, a folder that goes away
        raise Refusal(
            f"the study's folder must stay writable, and {options.folder} is not any more: {error}. Make room, then "
            "the same line again keeps the runs that are complete."
        ) from error
    except KeyboardInterrupt:
        console.print("Stopped. The same line again keeps the runs that are complete and resumes those that ran.")
        return 130
    if tracked.rows and not only_report:
        tell_wandb(comparison, options, tracked, known, console)
    if options.publish:
        with refusing():
            publish_source(options, console)
    return 1 if comparison.failures else 0


def tell_wandb(comparison: Comparison, options: Options, tracked: Tracked, known: Known, console: Console) -> None:
    """Logs table and pictures to W&B where a run is new, and says how to upload what is offline."""
    from rec_lightning.studies.plan import row_overrides
    from rec_lightning.studies.wandb_summary import log_summary, upload_command

    line = next((one for one in comparison.lines if one.spec.name in tracked.rows), None)
    if line is not None and not all(run.kept for one in comparison.lines for run in one.runs):
        given = row_overrides(comparison.study, line.spec, options.overrides, known)
        log_summary(comparison, options.folder, tracked.group, resolve(line.spec.verb, given)["logger"])
    if (command := upload_command(options.folder)) is not None:
        console.print(f"upload to W&B: {command}", markup=False, highlight=False, soft_wrap=True)


def publish_source(options: Options, console: Console) -> None:
    """Writes table, picture, report and results beside the study's file.

    Raises:
        OSError: its folder cannot be written.
    """
    from rec_lightning.studies.options import private_paths
    from rec_lightning.studies.publish import publish_beside
    from rec_lightning.studies.reading import study_path

    place = study_path(options.study).parent
    publish_beside(options.folder, place, private_paths(options))
    console.print(f"published: {place}", markup=False, highlight=False, soft_wrap=True)


def known_keys() -> dict[str, frozenset[str]]:
    """First parts of the keys that the verbs beside ``train`` know, and of Hydra's search path."""
    from rec_lightning.runtime.options import conf_dir, read_root

    found = {}
    for verb in ("baseline", "fuse"):  # an evaluation takes nothing: its run has the study's
        root = read_root(conf_dir(), verb)
        groups = {group.partition("/")[0] for group in root.defaults}
        found[verb] = frozenset({"hydra", *groups, *(name for name, _, _ in root.options)})
    return found | {"evaluate": frozenset({"hydra"})}


def check(study: Study, overrides: Sequence[str], known: Known, here: Path | None = None) -> frozenset[str]:
    """Composes every row, so that a typing error or a missing path stops all before the first one.

    Args:
        study: its rows.
        overrides: for all of them.
        known: first parts of the keys that the other verbs know.
        here: folder of the study where its runs start on this machine, which must have what they start from.

    Returns:
        Names of the rows that log to W&B, or to another logger with groups and names.

    Raises:
        ValueError: as ``compose`` says, with the row's name; two rows resolve to the same configuration; a metric that
            a row would not log; or an ``init`` or data that are not there.
    """
    from rec_lightning.studies.aims import check_of
    from rec_lightning.studies.attempt import corners
    from rec_lightning.studies.inner import tries
    from rec_lightning.studies.plan import row_overrides
    from rec_lightning.studies.samplers import require_optuna
    from rec_lightning.studies.store import flat

    for row in study.rows:
        row_overrides(study, row, overrides, known)  # refuses what is searched or fixed
        if row.sweep:
            require_optuna(row.sweep)
    seen, tracked, found = dict[str, str](), set[str](), dict[str, Mapping[str, Any]]()
    there = set[str]()
    searched = {row.name: row.sweep for row in study.rows}
    for row in chain.from_iterable(tries(r) if r.tune else corners(r) if r.sweep else [r] for r in study.rows):
        try:
            config = _expected(study, row, overrides, known, found)
            found[row.name] = config
            check_init(config.get("init"), here)
            if here is not None:
                check_data(config.get("data"), there)
            for metric in study.metrics if row.shown else ():
                check_of(metric, config)
            if study.also and row.shown:
                # what is fused is measured on the data of its first run
                source = config if "data" in config else _found(study, _first(study, row), overrides, known, found)
                check_also(study.also, config, source["data"])
        except ValueError as error:
            raise ValueError(f"row {row.name!r}: {error}") from error
        key = repr((row.verb, row.of, sorted(flat(config).items()), repr(searched.get(row.parent))))
        if row.verb != "evaluate" and {"group", "name", "job_type"} <= set(config.get("logger") or ()):
            tracked |= {row.parent or row.name, row.fold_of or row.name}  # a fold, and the row whose line it is part of
        if key in seen:
            raise ValueError(
                f"two rows must not resolve to the same configuration, got {seen[key]!r} and {row.name!r}. "
                "Change the overrides of one, or remove it."
            )
        seen[key] = row.name
    return frozenset(tracked)


def check_init(init: str | None, here: Path | None) -> None:
    """Refuses a start from a run that is not complete; one inside the study's folder may be made on the way.

    Args:
        init: the run, or None.
        here: folder of the study; None where runs start on other machines.

    Raises:
        ValueError: a file of it is not there.
    """
    from rec_lightning.runtime.init_files import init_files

    if init is not None and here is not None and not Path(init).expanduser().resolve().is_relative_to(here.resolve()):
        init_files(init)


def check_data(data: Mapping[str, Any] | None, there: set[str]) -> None:
    """Refuses data whose files are not all there; they are opened and not read as tables, and nothing is downloaded.

    Args:
        data: the group, or None for a row without.
        there: sources that were looked at before; this one is added.

    Raises:
        ValueError: as the source says.
    """
    source = (data or {}).get("source")
    if source is None or repr(source) in there:
        return
    from hydra.utils import instantiate

    from rec_lightning.runtime.refusal import refusing

    with refusing():
        instantiate(dict(source)).identity()
    there.add(repr(source))


def check_also(also: Sequence[str], config: Mapping[str, Any], data: Mapping[str, Any]) -> None:
    """Refuses what a row is to tell beside the study's metrics and would not log.

    Args:
        also: the names.
        config: of the row.
        data: of what it is measured on.

    Raises:
        ValueError: one of them.
    """
    from difflib import get_close_matches

    from omegaconf import OmegaConf

    from rec_lightning.runtime.light import import_torchmetrics

    import_torchmetrics()

    from rec_lightning.runtime.logged import logged_keys

    parts = OmegaConf.create({"run": dict(config), "data": dict(data)})
    logged = logged_keys(parts.run, parts.data)
    for metric in also:
        if metric not in logged:
            near = get_close_matches(metric, sorted(logged), n=3, cutoff=0.3) or sorted(logged)[:3]
            raise ValueError(
                f"also must hold metrics that every row logs, and this one logs no {metric!r}; nearest: "
                f"{', '.join(near)}. Change also, or the row's metrics."
            )


def _expected(
    study: Study, row: RowSpec, overrides: Sequence[str], known: Known, found: Mapping[str, Mapping[str, Any]]
) -> Mapping[str, Any]:
    """As ``resolve``; what is measured again is not there yet, so its configuration is that of its row."""
    from rec_lightning.studies.plan import row_overrides

    own = row_overrides(study, row, overrides, known)
    if row.verb != "evaluate":
        return resolve(row.verb, own)
    from omegaconf import DictConfig, OmegaConf

    from rec_lightning.runtime.asked import expected

    source = _first(study, row)
    trained = OmegaConf.create(dict(_found(study, source, overrides, known, found)))
    assert isinstance(trained, DictConfig)
    config = expected(trained, source.verb, own)
    return cast(Mapping[str, Any], OmegaConf.to_container(config))


def _first(study: Study, row: RowSpec) -> RowSpec:
    """The first row that this one is made of, wherever it stands."""
    return study.sources(row, row.seeds[0])[0][0]


def _found(
    study: Study, row: RowSpec, overrides: Sequence[str], known: Known, found: Mapping[str, Mapping[str, Any]]
) -> Mapping[str, Any]:
    """As ``_expected``, but not composed again where it was."""
    return found.get(row.name) or _expected(study, row, overrides, known, found)


def resolve(verb: str, overrides: Sequence[str]) -> Mapping[str, Any]:
    """The configuration with which a verb would run, as plain values; what ``evaluate`` measures must be there.

    Raises:
        ValueError: as ``compose`` and ``check_ranges`` say.
    """
    from omegaconf import OmegaConf

    from rec_lightning.runtime.baseline_options import resolve_baselines
    from rec_lightning.runtime.composition import compose
    from rec_lightning.runtime.ranges import check_ranges

    if verb == "evaluate":
        from rec_lightning.runtime.asked import read_request

        return cast(Mapping[str, Any], OmegaConf.to_container(read_request(list(overrides)).config))
    config = compose(verb, list(overrides))
    check_ranges(config)
    if verb == "train":
        resolve_baselines(config, overrides)
    return cast(Mapping[str, Any], OmegaConf.to_container(config))
