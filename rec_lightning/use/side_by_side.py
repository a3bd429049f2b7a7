"""Runs that are there already, as the rows of a study: the same intervals, tests, table, picture and report.

Runs that differ in nothing but the seed become one row with several seeds. What was measured otherwise (other data,
another split, stage or ranking) is refused with the difference, before any number is read.

Relations: the numbers are those of ``studies``, which a ``study`` writes for runs that it starts itself.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from itertools import takewhile
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from rec_lightning.studies.aims import RANKED, SCORED, is_ranked
from rec_lightning.studies.comparison import compare
from rec_lightning.studies.entries import Comparison, Finished, Run
from rec_lightning.studies.manifest import read_json
from rec_lightning.studies.rows import Row, read_row
from rec_lightning.studies.store import flat
from rec_lightning.studies.study import RowSpec, Study

_LOGGED = re.compile(rf"test/({RANKED.pattern}|{'|'.join(SCORED)})")
_PRIMARY = ("ndcg@10", "auc", "rmse", "log_loss")  # what is tested where nothing is named
_NO_PROTOCOL = ("k", "chunk")  # of a ranking: they change no rank


class SideBySide:
    """Construction reads what the runs say of themselves and refuses what cannot be compared.

    Args:
        config: resolved ``compare`` configuration.

    Raises:
        ValueError: fewer than two runs, one that is incomplete or twice, another protocol, or a metric that is missing.
    """

    def __init__(self, config: DictConfig) -> None:
        self.config = config
        self.folders = [Path(str(run)).expanduser() for run in config.runs]
        if len(self.folders) < 2:
            raise ValueError(f"runs must name at least two directories, got {len(self.folders)}. Set runs=[a,b].")
        if len({folder.resolve() for folder in self.folders}) < len(self.folders):
            raise ValueError(f"runs must be different directories, got {list(map(str, config.runs))}. Set runs.")
        self.manifests = [dict(read_json(folder / "manifest.json")) for folder in self.folders]
        for folder, manifest in zip(self.folders, self.manifests, strict=True):
            if manifest.get("status") != "complete":
                raise ValueError(f"runs must be complete, and {folder} is not. Run it to its end.")
        self.configs = [_config(folder) for folder in self.folders]
        self._check_protocols()
        self.values = self._values()
        primary = config.primary or next((m for m in _PRIMARY if m in self.values), self.values[-1])
        if primary not in self.values:
            raise ValueError(f"primary must be one of {', '.join(self.values)}, got {primary}. Set primary.")
        self.groups = self._groups()
        reference = config.reference or next(iter(self.groups))
        if reference not in self.groups:
            raise ValueError(f"reference must be one of {', '.join(self.groups)}, got {reference}. Set reference.")
        if len(self.groups) < 2:
            raise ValueError("runs must differ in more than the seed, and these are seeds of one row. Add another run.")
        self.study = self._study(str(primary), str(reference))

    def compare(self) -> Comparison:
        """Reads the results and puts the rows side by side.

        Raises:
            ValueError: a run's files contradict each other, or other users or targets were tested.
        """
        specs = {row.name: row for row in self.study.rows}
        entries, first = list[Finished](), None
        for name, members in self.groups.items():
            for number in members:
                folder = self.folders[number]
                row = read_row(folder, self.values)
                first = first or row
                self._check_targets(first, row)
                run = Run(int(self.manifests[number]["seed"]), f"{folder}: see config.yaml", row, kept=True)
                entries.append(Finished(specs[name], run))
        return compare(self.study, entries)

    def _check_protocols(self) -> None:
        told = [_protocol(m, c) for m, c in zip(self.manifests, self.configs, strict=True)]
        for folder, other in zip(self.folders[1:], told[1:], strict=True):
            for key, value in told[0].items():
                if value != other[key] and None not in (value, other[key]):
                    raise ValueError(
                        f"runs must be measured alike, and {self.folders[0]} and {folder} differ in {key}: {value} "
                        f"and {other[key]}. Compare runs of one protocol, or measure one again with evaluate."
                    )

    def _check_targets(self, first: Row, other: Row) -> None:
        if not (first.users.equals(other.users) and first.targets.equals(other.targets)):
            both = len(set(first.users) & set(other.users)) if first.users.dtype == other.users.dtype else 0
            raise ValueError(
                f"runs must be tested on the same users and targets, and {first.folder} has {len(first.users):,} "
                f"users, {other.folder} {len(other.users):,}, {both:,} of them in both. Compare runs of one split."
            )

    def _values(self) -> tuple[str, ...]:
        logged = [
            [m[1] for key in read_json(f / "metrics.json") if (m := _LOGGED.fullmatch(key)) and _fits(m[1], config)]
            for f, config in zip(self.folders, self.configs, strict=True)
        ]
        shared = [name for name in logged[0] if all(name in other for other in logged)]
        wanted = [str(name) for name in (self.config["values"] or shared)]
        for name in wanted:
            if name not in shared:
                raise ValueError(
                    f"values must be logged by every run, and {name} is not: {', '.join(shared) or 'none'} are. Set "
                    "values."
                )
        if not wanted:
            raise ValueError(
                "runs must share test/hr@K, ndcg@K, user_recall@K or user_ndcg@K of the whole catalogue, or metrics of "
                "labels, and these share none (sampled metrics and those of validation do not count). Measure them "
                "again with evaluate and metrics=ranking."
            )
        return tuple(wanted)

    def _groups(self) -> dict[str, list[int]]:
        names = [str(name) for name in self.config.names or _short(self.folders)]
        if len(names) != len(self.folders):
            raise ValueError(f"names must be as many as runs ({len(self.folders)}), got {len(names)}. Set names.")
        found, same = dict[str, list[int]](), dict[str, str]()
        for number, (manifest, config) in enumerate(zip(self.manifests, self.configs, strict=True)):
            told = {k: v for k, v in flat(config).items() if k.rpartition(".")[2] != "seed" or k.startswith("data.sou")}
            key = json.dumps([manifest["verb"], told], sort_keys=True)
            name = same.setdefault(key, names[number])
            found.setdefault(name, []).append(number)
            seeds = [self.manifests[member]["seed"] for member in found[name]]
            if len(set(seeds)) < len(seeds):
                raise ValueError(
                    f"runs of one configuration must have different seeds, and {self.folders[found[name][-2]]} and "
                    f"{self.folders[number]} have seed {seeds[-1]}. Leave one out."
                )
        if self.config.names:
            return found
        shared = [_shared([names[number] for number in members]) or first for first, members in found.items()]
        return dict(zip(shared, found.values(), strict=True)) if len(set(shared)) == len(shared) else found

    def _study(self, primary: str, reference: str) -> Study:
        rows = []
        for name, members in self.groups.items():
            trained = self.manifests[members[0]]["parameters"]["trainable"] > 0
            verb = self.manifests[members[0]]["verb"]
            seeds = tuple(int(self.manifests[member]["seed"]) for member in members)
            shown = verb if verb in ("train", "baseline") else "train" if trained else "baseline"
            rows.append(RowSpec(name, shown, (), seeds=seeds))
        told = {key: value for key, value in _protocol(self.manifests[0], self.configs[0]).items() if value is not None}
        told.pop("data")
        return Study(
            title=f"Comparison of {len(rows)} rows",
            question=f"How do they differ from {reference} in {primary.upper()}?",
            protocol="; ".join(f"{key}: {value}" for key, value in told.items()) + ".",
            metrics=self.values,
            primary=primary,
            reference=reference,
            rows=tuple(rows),
            resamples=int(self.config.resamples),
            seed=int(self.config.seed),
        )


def _config(folder: Path) -> dict[str, Any]:
    file = folder / "config.yaml"
    content: Any = OmegaConf.to_container(OmegaConf.load(file)) if file.is_file() else {}
    return {str(key): value for key, value in content.items()}


def _protocol(manifest: dict[str, Any], config: dict[str, Any]) -> dict[str, str | None]:
    # what must agree; None where it is not known, as of lists that another program made
    data = manifest.get("data", {})
    ranking: dict[str, Any] | None = config.get("ranking")
    told = {k: v for k, v in (ranking or {}).items() if k not in _NO_PROTOCOL and k != "_partial_"}
    shown = _shown(told)
    return {
        "data": f"{data.get('name')} with fingerprint {str(data.get('fingerprint'))[:12]}",
        "split": data.get("split"),
        "stage": manifest.get("stage", "test"),
        "inputs": (config.get("data") or {}).get("inputs"),
        "ranking": shown or None,
        "label": _shown(config.get("label") or {}) or None,
    }


def _shown(part: dict[str, Any]) -> str:
    told = ", ".join(f"{key} {str(value).rpartition('.')[2]}" for key, value in part.items())
    return told.replace("_target_ ", "")


def _fits(metric: str, config: dict[str, Any]) -> bool:
    # metrics of rankings may bear the names of those of labels
    return is_ranked(metric) == (not config.get("label")) and (metric != "accuracy" or "classes" in config["label"])


def _short(folders: Sequence[Path]) -> list[str]:
    """Names of folders, with as many parents as tell them apart."""
    parts = [folder.resolve().parts for folder in folders]
    for depth in range(1, max(map(len, parts)) + 1):
        names = ["/".join(part[-depth:]) for part in parts]
        if len(set(names)) == len(names):
            return names
    return [str(folder) for folder in folders]


def _shared(names: Sequence[str]) -> str:
    """The leading folders that all of these names have: ``lora`` of ``lora/seed-1`` and ``lora/seed-2``."""
    parts = [name.split("/") for name in names]
    return "/".join(level[0] for level in takewhile(lambda level: len(set(level)) == 1, zip(*parts, strict=False)))
