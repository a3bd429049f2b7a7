"""Runs the study of experiments/demo from end to end: baselines, ids, frozen and tuned text, table and report.

``run_dir=PATH`` is the folder of the whole study. Any other option goes to every row that trains, and one that the
baselines know too (``data``, ``seed``) to them as well. Complete rows are kept, a stopped one is resumed.

Relations: ``studies`` does the work; each row is a ``train`` or ``baseline`` in a process of its own.
"""

from __future__ import annotations

from pathlib import Path

DEFAULT_FOLDER = "runs/demo"
_LOG_WIDTH = 100  # what is no terminal has no width of its own


def run(overrides: list[str]) -> int:
    """Trains and evaluates every row of the demo, then prints the table and the report's path.

    Args:
        overrides: ``run_dir=PATH`` and Hydra overrides.

    Returns:
        0 when every row has a result, 1 when one failed, 130 when stopped.

    Raises:
        Refusal: an override that no row takes or that sets what the rows differ in, or a folder that cannot be
            written.
    """
    from rich.console import Console  # here, so that --help stays light

    from rec_lightning.runtime.refusal import refusing
    from rec_lightning.studies.conduct import conduct, prepare
    from rec_lightning.studies.plan import jobs_of
    from rec_lightning.studies.study import load_study

    console = Console()
    if not console.is_terminal:
        console = Console(width=_LOG_WIDTH)
    with refusing():
        folder, passed_on = split_folder(overrides)
        study, shared = load_study("demo"), baseline_keys()
        check(passed_on, shared)
        jobs = jobs_of(study, folder, passed_on, shared)
        prepare(folder)
    try:
        return conduct(study, jobs, folder, console, passed_on)
    except KeyboardInterrupt:
        console.print("Stopped. The same line again keeps the rows that are complete and resumes the one that ran.")
        return 130


def split_folder(overrides: list[str]) -> tuple[Path, list[str]]:
    """Takes the folder out of the overrides.

    Raises:
        ValueError: no folder, or two.

    Example:
        >>> split_folder(["run_dir=x", "seed=7"])[1]
        ['seed=7']
    """
    folders = [o.partition("=")[2].strip("'\"") for o in overrides if o.partition("=")[0] == "run_dir"]
    if len(folders) > 1 or "" in folders:
        raise ValueError(f"run_dir must name one folder, got {folders}. Write for example run_dir={DEFAULT_FOLDER}.")
    folder = folders[0] if folders else DEFAULT_FOLDER
    return Path(folder), [o for o in overrides if o.partition("=")[0] != "run_dir"]


def baseline_keys() -> frozenset[str]:
    """First parts of the keys that ``conf/baseline.yaml`` knows, and of Hydra's search path."""
    from rec_lightning.runtime.options import conf_dir, read_root

    root = read_root(conf_dir(), "baseline")
    groups = {group.partition("/")[0] for group in root.defaults}
    return frozenset({"hydra", *groups, *(name for name, _, _ in root.options)})


def check(overrides: list[str], shared: frozenset[str]) -> None:
    """Composes each verb with the overrides it will get, so that a typing error stops all before the first row.

    Raises:
        ValueError: as ``compose`` says.
    """
    from rec_lightning.runtime.composition import compose
    from rec_lightning.studies.plan import first_part, override_key

    if overrides:
        compose("train", overrides)
        compose("baseline", [o for o in overrides if first_part(override_key(o)) in shared])
