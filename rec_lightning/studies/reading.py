"""A study from ``experiments/<slug>/study.yaml``, or from the path of another file.

Relations: checks the form of what is written; what does not fit together is refused by ``study``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from rec_lightning.studies.ablation import ablated
from rec_lightning.studies.factors import combine, overrides_of, parse_factors
from rec_lightning.studies.folds import in_folds
from rec_lightning.studies.hunt import Hunt
from rec_lightning.studies.study import DEFAULT_SEEDS, VERBS, Published, RowSpec, Study


def load_study(slug_or_path: str | Path) -> Study:
    """Reads a study by its folder's name under the experiments, or by the path of a yaml file.

    Raises:
        ValueError: no such file, a key too many or too few, or values that do not fit together.
    """
    from omegaconf import OmegaConf  # the front door stays light
    from omegaconf.errors import OmegaConfBaseException
    from yaml import YAMLError

    path = study_path(slug_or_path)
    try:
        return parse_study(OmegaConf.to_container(OmegaConf.load(path), resolve=True))
    except (YAMLError, OmegaConfBaseException) as error:
        raise ValueError(f"{path}: a study must be yaml, and it is not: {error}") from error
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def parse_study(content: object) -> Study:
    """A study from the plain content of its yaml. ``common`` holds overrides of all rows of a verb.

    Raises:
        ValueError: a key too many or too few, or values that do not fit together.
    """
    fields = _mapping(content, "a study", {"title", "question", "protocol", "metrics", "primary"},
                      {"reference", "fixed", "common", "seeds", "resamples", "seed", "code",
                       "rows", "factors", "exclude", "tune", "search", "sweep",
                       "test", "correction", "ablation", "folds", "also"})  # fmt: skip
    seeds = _seeds(fields.get("seeds", list(DEFAULT_SEEDS)), "seeds")
    common = _mapping(fields.get("common", {}), "common", set(), set(VERBS))
    content_of = [*(fields.get("rows") or ()), *_combinations(fields)]
    hunt = Hunt(fields, content_of)
    rows = _measured(tuple(_row(row, common, seeds, hunt) for row in content_of), content_of)
    if "ablation" in fields:
        rows += ablated(fields["ablation"], rows)
    _check_hidden(rows)
    return Study(
        title=str(fields["title"]),
        question=str(fields["question"]).strip(),
        protocol=str(fields["protocol"]).strip(),
        metrics=_strings(fields["metrics"], "metrics"),
        primary=str(fields["primary"]),
        reference=fields.get("reference"),
        rows=in_folds(rows, _strings(fields.get("folds", []), "folds")),
        fixed=_strings(fields.get("fixed", []), "fixed"),
        resamples=int(fields.get("resamples", Study.resamples)),
        seed=int(fields.get("seed", Study.seed)),
        test=str(fields.get("test", Study.test)),
        correction=str(fields.get("correction", Study.correction)),
        code=str(fields.get("code", Study.code)),
        also=_strings(fields.get("also", []), "also"),
    )


def study_path(slug_or_path: str | Path) -> Path:
    """The file of a study.

    Raises:
        ValueError: there is none.
    """
    path = Path(slug_or_path)
    if path.suffix not in (".yaml", ".yml"):
        path = experiments_dir() / slug_or_path / "study.yaml"
    if not path.is_file():
        known = sorted(p.parent.name for p in experiments_dir().glob("*/study.yaml"))
        raise ValueError(f"a study must be one of {known} or the path of a yaml file, got {str(slug_or_path)!r}.")
    return path


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


def _combinations(fields: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Rows of the factors, in the form of rows that are written out."""
    if "factors" not in fields:
        if "exclude" in fields:
            raise ValueError("exclude needs factors, got none. Add factors, or remove exclude.")
        return []
    factors, exclude = parse_factors(fields["factors"]), fields.get("exclude", [])
    if not isinstance(exclude, Sequence) or not all(isinstance(one, Mapping) for one in exclude):
        raise ValueError(f"exclude must be a list of factor: level mappings, got {exclude!r}.")
    return [
        {
            "name": ", ".join(f"{name}={level}" for name, level in levels.items()),
            "verb": "train",
            "overrides": list(overrides_of(factors, levels)),
            "levels": levels,
        }
        for levels in combine(factors, exclude)
    ]


def _check_hidden(rows: Sequence[RowSpec]) -> None:
    fused = {name for row in rows for name in row.of}
    for row in rows:
        if not row.shown and (row.searched or row.name not in fused):
            raise ValueError(
                f"row {row.name!r} is not shown, so another row must fuse it, and nothing can be searched in it. Name "
                "it in `of` of a row and leave its search out, or set shown to true."
            )


def _row(content: object, common: Mapping[str, Any], seeds: tuple[int, ...], hunt: Hunt) -> RowSpec:
    optional = {"overrides", "seconds", "seeds", "published", "levels", "tune", "search", "of", "shown"}
    fields = _mapping(content, "a row", {"name", "verb"}, optional)
    name, verb = str(fields["name"]), str(fields["verb"])
    if verb not in VERBS:
        raise ValueError(f"the verb of row {name!r} must be one of {list(VERBS)}, got {verb!r}.")
    shared = _strings(common.get(verb, []), f"common.{verb}")
    own = _strings(fields.get("overrides", []), f"overrides of row {name!r}")
    left = ("run", "run_dir", "name", "stage") if verb == "evaluate" else ("seed", "run_dir", "test")
    if clash := [override for override in shared + own if override.partition("=")[0] in left]:
        raise ValueError(
            f"overrides of row {name!r} must leave {', '.join(left)} to the study, got {clash}. Set seeds."
        )
    seconds, of = fields.get("seconds"), _strings(fields.get("of", []), f"`of` of row {name!r}")
    if not isinstance(shown := fields.get("shown", True), bool):
        raise ValueError(f"shown of row {name!r} must be true or false, got {shown!r}.")
    return RowSpec(
        name=name,
        verb=verb,
        overrides=shared + own,
        seconds=None if seconds is None else float(seconds),
        seeds=_row_seeds(fields, name, seeds if verb == "train" or len(of) > 1 else seeds[:1]),
        published=_published(fields.get("published"), name),
        levels={str(key): str(level) for key, level in fields.get("levels", {}).items()},
        tune=hunt.tune(fields),
        sweep=hunt.sweep(fields),
        of=of,
        shown=shown,
    )


def _measured(rows: tuple[RowSpec, ...], content_of: Sequence[Any]) -> tuple[RowSpec, ...]:
    """Rows that measure others have the seeds of these where they name none."""
    of = {row.name: row.seeds for row in rows}
    return tuple(
        replace(row, seeds=of.get(row.of[0], row.seeds))
        if row.verb == "evaluate" and row.of and "seeds" not in content
        else row
        for row, content in zip(rows, content_of, strict=True)
    )


def _row_seeds(fields: Mapping[str, Any], name: str, otherwise: tuple[int, ...]) -> tuple[int, ...]:
    return _seeds(fields["seeds"], f"seeds of row {name!r}") if "seeds" in fields else otherwise


def _seeds(content: object, what: str) -> tuple[int, ...]:
    if not isinstance(content, Sequence) or not content or not all(type(seed) is int for seed in content):
        raise ValueError(f"{what} must be a list of whole numbers, got {content!r}. Write for example [42, 1, 2].")
    return tuple(content)


def _published(content: object, name: str) -> Published | None:
    if content is None:
        return None
    what = f"published of row {name!r}"
    if not isinstance(content, Mapping) or "source" not in content or len(content) < 2:
        raise ValueError(f"{what} must hold a source and at least one metric, got {content!r}.")
    scores = {str(key): value for key, value in content.items() if key != "source"}
    if wrong := {key: value for key, value in scores.items() if type(value) not in (int, float) or not value > 0}:
        raise ValueError(f"{what} must give positive numbers, got {wrong}.")
    return Published({key: float(value) for key, value in scores.items()}, str(content["source"]))


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
