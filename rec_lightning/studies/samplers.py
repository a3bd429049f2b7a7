"""A search's memory in Optuna: its storage, its sampler and its pruner.

TPE: Bergstra et al., NeurIPS 2011; CMA-ES: Hansen and Ostermeier, *Evolutionary Computation* 9, 2001; NSGA-II: Deb et
al., *IEEE Transactions on Evolutionary Computation* 6, 2002; ASHA: Li et al., MLSys 2020; the median rule: Golovin et
al., KDD 2017. Optuna: Akiba et al., KDD 2019. Here a sampler is seeded anew for each try, by the number of tries that
are there, so that a second launcher or a second start draws nothing twice.

Relations: ``search`` asks and tells; ``ranges`` says what may be tried. Needs the extra ``sweep``.
"""

from __future__ import annotations

import time
import warnings
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from rec_lightning.studies.ranges import Range, Sweep

if TYPE_CHECKING:
    import optuna

JOURNAL = "search.journal"
HEARTBEAT = 60  # seconds between two signs of life of a try on another machine; three times as long is dead


def require_optuna(sweep: Sweep) -> None:
    """Refuses a search where its packages are missing.

    Raises:
        ValueError: they are not installed.
    """
    needed = ["optuna", *(["cmaes"] if sweep.sampler == "cma_es" else [])]
    if missing := [name for name in needed if find_spec(name) is None]:
        raise ValueError(
            f"a search over ranges needs the packages {', '.join(needed)}, and {', '.join(missing)} is not installed. "
            "Install rec_lightning[sweep], or give lists under tune."
        )


def open_search(name: str, sweep: Sweep, folder: Path, more: bool = True) -> optuna.Study:
    """The search of this name, from the storage or new.

    Args:
        name: changes with what is searched.
        sweep: ranges, aims and storage.
        folder: of the study, for a storage of its own.
        more: whether a larger metric is better.

    Raises:
        ValueError: a storage that cannot be opened.
    """
    import optuna
    from optuna.study import StudyDirection

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    first = StudyDirection.MAXIMIZE if more else StudyDirection.MINIMIZE
    directions = [first] + [StudyDirection.MINIMIZE] * (sweep.cost is not None)
    return optuna.create_study(
        storage=_storage(sweep.storage, folder), study_name=name, directions=directions,
        pruner=_pruner(sweep), load_if_exists=True,
    )  # fmt: skip


def sampler(sweep: Sweep, number: int) -> optuna.samplers.BaseSampler:
    """The sampler of a try.

    Args:
        sweep: which sampler, and its seed.
        number: of tries that are there.
    """
    import numpy as np
    from optuna import samplers

    seed = int(np.random.SeedSequence([sweep.seed, number]).generate_state(1)[0])
    if sweep.sampler == "tpe":
        return samplers.TPESampler(seed=seed)
    if sweep.sampler == "cma_es":
        return samplers.CmaEsSampler(seed=seed)
    if sweep.sampler == "nsga2":
        # Optuna's 50 would leave a short search with a single random generation
        return samplers.NSGAIISampler(seed=seed, population_size=max(4, min(50, sweep.trials // 4)))
    return samplers.RandomSampler(seed=seed)  # the points of a grid are enqueued


def suggest(trial: optuna.Trial, key: str, one: Range) -> None:
    """Gives a try a value of a range, where it has none.

    Args:
        trial: that runs.
        key: that the value is for.
        one: its range.
    """
    if one.choices:
        trial.suggest_categorical(key, one.choices)
    elif one.whole:
        trial.suggest_int(key, int(one.low), int(one.high), log=one.log, step=int(one.step or 1))
    else:
        trial.suggest_float(key, one.low, one.high, log=one.log, step=one.step)


def _pruner(sweep: Sweep) -> optuna.pruners.BasePruner:
    from optuna import pruners

    if sweep.pruner == "median":
        return pruners.MedianPruner(n_startup_trials=4, n_warmup_steps=sweep.warmup)
    if sweep.pruner == "asha":
        return pruners.SuccessiveHalvingPruner(min_resource=sweep.warmup, reduction_factor=3)
    return pruners.NopPruner()


def _storage(text: str, folder: Path) -> optuna.storages.BaseStorage:
    from optuna import storages
    from optuna.storages.journal import JournalFileBackend

    if "://" not in text:
        path = Path(text).expanduser() if text else folder / JOURNAL
        path.parent.mkdir(parents=True, exist_ok=True)
        return storages.JournalStorage(JournalFileBackend(str(path)))
    from optuna.exceptions import OptunaError
    from sqlalchemy.exc import SQLAlchemyError

    try:
        return _database(text)
    except (SQLAlchemyError, OptunaError, ImportError) as error:  # the url is not told: it may hold a password
        kind = text.partition("://")[0]
        lacks = getattr(error.__cause__ or error, "name", None)
        what, step = (f"it needs the package {lacks}", f"Install {lacks}") if lacks else (type(error).__name__, "")
        raise ValueError(
            f"sweep.storage must be a database that can be opened, and that at {kind}://... is not ({what}). "
            f"{step or 'Check the url and that its server answers'}, or leave sweep.storage out."
        ) from None


def _database(url: str, again: int = 3) -> optuna.storages.RDBStorage:
    from optuna import storages
    from optuna.exceptions import ExperimentalWarning
    from sqlalchemy.exc import IntegrityError, ProgrammingError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)  # signs of life are one of Optuna's newer parts
            return storages.RDBStorage(url, heartbeat_interval=HEARTBEAT, grace_period=3 * HEARTBEAT)
    except (IntegrityError, ProgrammingError):  # another launcher makes the tables at this moment
        if not again:
            raise
        time.sleep(0.5)
        return _database(url, again - 1)
