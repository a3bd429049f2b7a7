"""What a search may try: a range or a list of values for each key, and how it goes about it.

Relations: ``reading`` parses them from ``search`` and ``sweep`` of a study; ``samplers`` hands them to Optuna;
``search`` runs the tries. ``inner`` is the small grid that needs no package.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

Value = bool | int | float | str | None

SAMPLERS = ("tpe", "cma_es", "random", "grid", "nsga2")
PRUNERS = ("none", "median", "asha")
# name -> where a run's manifest says it
COSTS = {
    "trainable": "parameters.trainable",
    "parameters": "parameters.total",
    "seconds": "seconds.wall",
    "cpu_seconds": "seconds.cpu",
    "memory": "peak_memory_mb",
}


@dataclass(frozen=True)
class Range:
    """The values of one key: from ``low`` to ``high``, or one of ``choices``.

    Args:
        low: least value; whole ends make whole values.
        high: largest value.
        log: whether equal ratios are equally likely.
        step: between two values; None for all between the ends (1 for whole ones).
        choices: in place of the ends.
    """

    low: float = 0.0
    high: float = 0.0
    log: bool = False
    step: float | None = None
    choices: tuple[Value, ...] = ()

    @property
    def whole(self) -> bool:
        """Whether its values are whole numbers."""
        return not self.choices and all(isinstance(end, int) for end in (self.low, self.high, self.step or 1))

    @property
    def values(self) -> tuple[Value, ...]:
        """All its values, for a grid; empty where there are infinitely many.

        Example:
            >>> Range(2, 6, step=2).values, Range(0.0, 1.0).values
            ((2, 4, 6), ())
        """
        step = self.step or (1 if self.whole else 0)
        if self.choices or not step or self.log:
            return self.choices
        return tuple(self.low + n * step for n in range(int((self.high - self.low) / step + 1e-9) + 1))


@dataclass(frozen=True)
class Sweep:
    """A search over ranges, by the primary metric on validation.

    Args:
        ranges: by key of the configuration.
        trials: how many to try in all, by all launchers together; 0 for every point of a grid.
        sampler: one of ``tpe, cma_es, random, grid, nsga2``.
        pruner: ends poor tries early by their validation after each epoch: ``median``, ``asha`` or ``none``.
        warmup: epochs before a try may be ended.
        cost: second aim, to be small: ``trainable, parameters, seconds, cpu_seconds, memory``; None for quality alone.
        most: largest cost of what may be chosen; None for any.
        storage: url of a database or path of a file that launchers share; empty for a file in the study's folder.
        seed: of the sampler.
    """

    ranges: Mapping[str, Range]
    trials: int = 20
    sampler: str = "tpe"
    pruner: str = "none"
    warmup: int = 1
    cost: str | None = None
    most: float | None = None
    storage: str = ""
    seed: int = 0

    def __post_init__(self) -> None:
        for name, value, allowed in (("sampler", self.sampler, SAMPLERS), ("pruner", self.pruner, PRUNERS)):
            if value not in allowed:
                raise ValueError(f"sweep.{name} must be one of {list(allowed)}, got {value!r}.")
        if self.cost is not None and self.cost not in COSTS:
            raise ValueError(f"sweep.cost must be one of {list(COSTS)}, got {self.cost!r}.")
        if self.trials < (0 if self.sampler == "grid" else 1):
            raise ValueError(f"sweep.trials must be at least 1, got {self.trials}. Set sweep.trials.")
        if self.warmup < 1:
            raise ValueError(f"sweep.warmup must be at least 1 epoch, got {self.warmup}. Set sweep.warmup.")
        self._check_together()

    def _check_together(self) -> None:
        if (self.sampler == "nsga2") != (self.cost is not None) and self.sampler in ("nsga2", "cma_es"):
            raise ValueError(
                f"sweep.sampler=nsga2 weighs quality against a cost and cma_es knows quality alone, got {self.sampler} "
                f"with cost={self.cost}. Set sweep.cost, or choose sampler=tpe."
            )
        if self.cost is not None and self.pruner != "none":
            raise ValueError(f"a try cannot be ended early for two aims, got pruner={self.pruner} with "
                             f"cost={self.cost}. Set sweep.pruner=none, or leave out sweep.cost.")  # fmt: skip
        if self.most is not None and self.cost is None:
            raise ValueError(f"sweep.most bounds the cost, got {self.most} without one. Set sweep.cost.")
        if self.sampler == "cma_es" and (len(self.ranges) < 2 or any(r.choices for r in self.ranges.values())):
            raise ValueError(
                f"sweep.sampler=cma_es needs at least 2 keys with low and high and no lists, got {list(self.ranges)}. "
                "Choose sampler=tpe."
            )
        if self.sampler == "grid" and (endless := [key for key, r in self.ranges.items() if not r.values]):
            raise ValueError(f"sweep.sampler=grid needs lists, or low and high with a step, got ranges for {endless}. "
                             "Give them a step, or choose sampler=tpe.")  # fmt: skip

    @property
    def grid(self) -> list[dict[str, Value]]:
        """Every combination, the last key changing fastest; of a grid only."""
        values = [one.values for one in self.ranges.values()]
        return [dict(zip(self.ranges, point, strict=True)) for point in product(*values)]

    @property
    def budget(self) -> int:
        """Number of tries."""
        return min(self.trials or len(self.grid), len(self.grid)) if self.sampler == "grid" else self.trials

    @property
    def corners(self) -> list[dict[str, Value]]:
        """Both ends of all ranges, or first and last choice: what is composed before anything starts."""
        ends = {key: (r.choices[0], r.choices[-1]) if r.choices else (r.low, r.high) for key, r in self.ranges.items()}
        return [{key: end[n] for key, end in ends.items()} for n in (0, 1)]


def parse_ranges(content: object, what: str = "search") -> dict[str, Range]:
    """Ranges from the plain content of a study.

    Raises:
        ValueError: neither a list of values nor low and high that fit.

    Example:
        >>> parse_ranges({"optimizer.lr": {"low": 1e-4, "high": 1e-2, "log": True}})["optimizer.lr"].log
        True
    """
    if not isinstance(content, Mapping) or not content:
        raise ValueError(f"{what} must map keys to ranges, got {content!r}.")
    return {str(key): _range(f"{what}: {key}", one) for key, one in content.items()}


def _range(what: str, content: object) -> Range:
    if isinstance(content, Sequence) and not isinstance(content, str):
        if len(content) < 2 or len(set(map(repr, content))) < len(content):
            raise ValueError(f"{what} must list at least 2 different values, got {list(content)}.")
        return Range(choices=tuple(content))
    if not isinstance(content, Mapping) or not {"low", "high"} <= set(content) <= {"low", "high", "log", "step"}:
        raise ValueError(f"{what} must be a list of values, or low and high with log or step, got {content!r}.")
    one = Range(**{str(key): value for key, value in content.items()})
    numbers = [one.low, one.high, *([] if one.step is None else [one.step])]
    if any(isinstance(x, bool) or not isinstance(x, int | float) for x in numbers) or not one.low < one.high:
        raise ValueError(f"{what} must have numbers with low below high, got {content!r}.")
    if (one.log and (one.low <= 0 or one.step is not None)) or (one.step is not None and one.step <= 0):
        raise ValueError(f"{what} must start above 0 and have no step where it is log, and no step up to 0, got "
                         f"{content!r}.")  # fmt: skip
    return one


def parse_sweep(content: object, ranges: Mapping[str, Range]) -> Sweep:
    """How to search, from the plain content of a study's ``sweep``.

    Raises:
        ValueError: an unknown key, a value of another kind, or what does not go together.
    """
    known = {name: field.type for name, field in Sweep.__dataclass_fields__.items() if name != "ranges"}
    if not isinstance(content, Mapping) or not set(content) <= set(known):
        raise ValueError(f"sweep must be a mapping and may have {list(known)}, got {content!r}.")
    fields: dict[str, Any] = {str(key): value for key, value in content.items()}
    for key in ("trials", "warmup", "seed"):
        if key in fields and type(fields[key]) is not int:
            raise ValueError(f"sweep.{key} must be a whole number, got {fields[key]!r}.")
    return Sweep(ranges, **fields)
