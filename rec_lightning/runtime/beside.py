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
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from hydra.utils import instantiate
from numpy.typing import NDArray
from omegaconf import DictConfig, OmegaConf
from torch import Tensor
from torchmetrics import Metric

from rec_lightning.contracts import Ranking
from rec_lightning.data.batches import EvalBatches
from rec_lightning.data.cache import place_of, rankings_dir
from rec_lightning.data.module import RecData
from rec_lightning.runtime.measures import build_metrics, build_ranking

_COLUMNS = ("users", "items", "scores", "target", "rank")
_LEVEL = 0.95


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
        ranking = Ranking.cat(ranker.from_scores(batch, baseline.scores(batch)) for batch in rows)
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
        values: dict[str, float] = {}
        for metric in metrics.values():
            values |= {f"test/{prefix}{key}": value for key, value in _alone(metric, ranking).items()}
        key = str(self.config.monitor).replace("val/", "test/", 1)
        ours, theirs = (_per_target(metrics, key.removeprefix(f"test/{prefix}"), r) for r in (own, ranking))
        same = torch.equal(own.users, ranking.users) and torch.equal(own.target, ranking.target)
        if ours is None or theirs is None or not same or len(ours) < 2:
            return values, None
        return values, {"metric": key, **_interval(ours - theirs), "level": _LEVEL}


def _interval(change: NDArray[np.float64]) -> dict[str, float]:
    from scipy.special import stdtrit  # here, so that a run starts light

    mean, error = change.mean(), change.std(ddof=1) / len(change) ** 0.5
    reach = stdtrit(len(change) - 1, (1 + _LEVEL) / 2) * error
    return {"mean": float(mean), "low": float(mean - reach), "high": float(mean + reach)}


def _keep(file: Path, ranking: Ranking) -> None:
    scratch = file.with_name(f".{file.name}.{os.getpid()}.npz")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        np.savez(scratch, **{column: getattr(ranking, column).numpy() for column in _COLUMNS})
        scratch.replace(file)
    except OSError:  # a full disk costs time the next time, and no result now
        scratch.unlink(missing_ok=True)


def _alone(metric: Metric, ranking: Ranking) -> dict[str, float]:
    # in this process only: the others of a distributed run do not take part
    metric.sync_on_compute = metric._to_sync = False
    metric.reset()
    metric.update(ranking)
    return {key: float(value) for key, value in metric.compute().items()}


def _per_target(metrics: Mapping[str, Metric], key: str, ranking: Ranking) -> NDArray[np.float64] | None:
    """(U,) values whose mean is the metric; None where it is no mean of a function of the rank."""
    for metric in metrics.values():
        whole = _alone(metric, ranking)
        if key not in whole:
            continue
        last = max(getattr(metric, "top_k", [int(ranking.rank.max())])) + 1  # all ranks below the cut-offs count alike
        rank, place = torch.unique(ranking.rank.clamp(max=last), return_inverse=True)
        values = np.array([_alone(metric, _one(r))[key] for r in rank])[place.numpy()]
        return values if np.isclose(values.mean(), whole[key], rtol=0, atol=1e-6) else None
    return None


def _one(rank: Tensor) -> Ranking:
    rank = rank.view(1)
    return Ranking(
        torch.zeros_like(rank), torch.ones(1, 1, dtype=torch.long), torch.zeros(1, 1), torch.ones_like(rank), rank
    )
