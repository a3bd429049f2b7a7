"""Baselines of the same data beside a trained run, so that no table shows a model alone.

They are fitted and ranked after the run's own test, in the first process. Their rankings are kept under the cache
folder by data, protocol, options and code, so that they cost something only once; metrics are counted anew.

Relations: ``baseline_options`` reads their options; ``training`` asks for them, ``rundir`` shows them;
``baselining`` makes a run of its own of one baseline.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from rec_lightning.contracts import Ranking
from rec_lightning.data.batches import EvalBatches
from rec_lightning.data.cache import place_of, rankings_dir
from rec_lightning.data.module import RecData
from rec_lightning.runtime.measures import build_metrics, build_ranking
from rec_lightning.runtime.paired import difference, values_of
from rec_lightning.runtime.results import by_user

_COLUMNS = ("users", "items", "scores", "target", "rank")


class Beside:
    """Construction tries the options.

    Args:
        config: of the run, with resolved baselines.

    Raises:
        ValueError: a value out of range.
    """

    def __init__(self, config: DictConfig) -> None:
        self.config = config
        self.baselines = {str(name): instantiate(node) for name, node in config.compare.items()}

    def measure(self, data: RecData, own: Ranking) -> dict[str, dict[str, Any]]:
        """Every baseline's test metrics and the run's paired difference to it; an error's text for one that cannot run.

        Args:
            data: of the run.
            own: the run's test ranking, sorted by user.
        """
        found: dict[str, dict[str, Any]] = {}
        for name, baseline in self.baselines.items():
            start = time.monotonic()
            try:
                ranking, kept = self._ranking(name, baseline, data)
            except (ValueError, MemoryError) as error:
                found[name] = {"error": str(error) or "out of memory"}
                continue
            values, difference = self._values(data, ranking, own)
            found[name] = {
                "metrics": values,
                "difference": difference,
                "kept": kept,
                "seconds": round(time.monotonic() - start, 3),
            }
        return found

    def _ranking(self, name: str, baseline: Any, data: RecData) -> tuple[Ranking, bool]:
        ranker = build_ranking(self.config.ranking, data.catalog)
        file = self._file(name, baseline, ranker, data)
        if file is not None and file.is_file():
            with np.load(file) as kept:
                return Ranking(*(torch.from_numpy(kept[column]) for column in _COLUMNS)), True
        baseline.fit(data.sequences, data.catalog)
        # all targets, whatever the number of processes
        rows = EvalBatches(data.sequences, 2, data.max_length, data.eval_batch_size, inputs=data.inputs)
        ranking = by_user(Ranking.cat(ranker.from_scores(batch, baseline.scores(batch)) for batch in rows))
        if file is not None:
            _keep(file, ranking)
        return ranking, False

    def _file(self, name: str, baseline: Any, ranker: Any, data: RecData) -> Path | None:
        if not data.facts.key:  # data that are not kept are not known again
            return None
        options = OmegaConf.to_container(self.config)
        assert isinstance(options, dict)
        told = [data.facts.key, data.inputs, data.max_length, options["compare"][name], options["ranking"]]
        code = hashlib.sha256(json.dumps(told, sort_keys=True).encode())
        for part in (baseline, ranker):
            for file in sorted(Path(str(sys.modules[type(part).__module__].__file__)).parent.glob("*.py")):
                code.update(file.read_bytes())
        return rankings_dir() / place_of(data.facts.key).name / f"{name}-{code.hexdigest()[:24]}.npz"

    def _values(self, data: RecData, ranking: Ranking, own: Ranking) -> tuple[dict[str, float], dict[str, Any] | None]:
        prefix = build_ranking(self.config.ranking, data.catalog).prefix
        metrics = build_metrics(self.config.metrics, data.catalog)
        values = values_of(metrics, ranking, f"test/{prefix}")
        key = str(self.config.monitor).replace("val/", "test/", 1)
        found = difference(metrics, key.removeprefix(f"test/{prefix}"), own, ranking)
        return values, None if found is None else {"metric": key, **found}


def _keep(file: Path, ranking: Ranking) -> None:
    scratch = file.with_name(f".{file.name}.{os.getpid()}.npz")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        np.savez(scratch, **{column: getattr(ranking, column).numpy() for column in _COLUMNS})
        scratch.replace(file)
    except OSError:  # a full disk costs time the next time, and no result now
        scratch.unlink(missing_ok=True)
