"""Result tables of READMEs from the experiments: ``python -m rec_lightning.studies.readme_tables [FILE] [--check]``.

Between ``<!-- results: SLUG [columns=...] [rows=...] [digits=3] -->`` and ``<!-- end -->`` stands what is generated
from ``experiments/SLUG/results.json``, which ``rec-lightning study SLUG publish=true`` wrote: the table, the file, the
commit and the day. ``--check`` writes nothing and ends with code 1 where a table is not up to date. Without a FILE
README.md and those of all experiments are read.

``columns`` are some of ``scores, plain, difference, also, published, trainable, seeds, wall, memory`` (``plain``:
scores without intervals); by default those that have something to say; a difference
that holds after the correction has a star. ``rows`` are parts of names, parted by ``|``,
with ``_`` for a blank.

Relations: ``publish`` writes ``results.json``; the same figures as ``markdown``.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from rec_lightning.studies.evidence import ALPHA
from rec_lightning.studies.formats import count, memory, metric_label, percent, seconds

_MARK = re.compile(r"(<!-- results: (.+?) -->\n)(.*?)(<!-- end -->)", re.DOTALL)
Row = Mapping[str, Any]


def main(arguments: Sequence[str]) -> int:
    """Writes or checks the file.

    Args:
        arguments: their paths, ``--check``.

    Returns:
        0, or 1 where ``--check`` found an old table.
    """
    named = [Path(word) for word in arguments if word != "--check"]
    for path in named or [Path("README.md"), *sorted(Path("experiments").glob("*/README.md"))]:
        text = path.read_text(encoding="utf-8")
        folder = path.parent / "experiments"
        new = filled(text, folder) if folder.is_dir() else filled(text, path.parent.parent, "../")
        if new != text and "--check" in arguments:
            sys.stderr.write(f"{path}: the result tables are not up to date. Run make tables.\n")
            return 1
        if new != text:
            path.write_text(new, encoding="utf-8")
    return 0


def filled(text: str, experiments: Path, link: str = "experiments/") -> str:
    """The text with every table as the results are now.

    Args:
        text: of a README.
        experiments: folder of the experiments.
        link: from the README to that folder.

    Raises:
        ValueError: a mark without an end, an experiment without results of a study, or an option that is none.
    """
    if text.count("<!-- results: ") != len(_MARK.findall(text)):
        raise ValueError("each <!-- results: ... --> must be followed by an <!-- end -->, got one without. Add it.")
    return _MARK.sub(lambda match: f"{match[1]}{_block(match[2], experiments, link)}{match[4]}", text)


def _block(asked: str, experiments: Path, link: str) -> str:
    slug, *words = asked.split()
    options = dict(word.partition("=")[::2] for word in words)
    if unknown := sorted(set(options) - {"columns", "rows", "digits"}):
        raise ValueError(f"a result table has the options columns, rows and digits, got {unknown} for {slug}.")
    path = experiments / slug / "results.json"
    results = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    if not isinstance(results, dict) or "rows" not in results or "primary" not in results:
        raise ValueError(f"a result table needs the results of a study, and {path} has none. Run rec-lightning study "
                         f"{slug} publish=true.")  # fmt: skip
    parts = [part.strip() for part in options.get("rows", "").replace("_", " ").split("|") if part]
    rows = [row for row in results["rows"] if not parts or any(part in row["name"] for part in parts)]
    columns = _columns(results, rows, int(options.get("digits", 3)))
    named = options["columns"].split(",") if "columns" in options else _default(results, rows)
    if unknown := [name for name in named if name not in columns]:
        raise ValueError(f"columns must be some of {list(columns)}, got {unknown} for {slug}.")
    heads = [head for name in named for head in columns[name][0]]
    lines = [["row", *heads], ["---"] * (len(heads) + 1)]
    for row in rows:
        cells = [cell for name in named for cell in columns[name][1](row)] if "scores" in row else ["no result"]
        lines.append([row["name"], *cells, *[""] * (len(heads) - len(cells))])
    table = "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)
    return f"{table}\n\n{_source(slug, rows, link)}\n"


def _default(results: Row, rows: Sequence[Row]) -> list[str]:
    several = any(len(row.get("seeds", ())) > 1 for row in rows)
    found = ["scores"] + ["difference"] * (results["reference"] is not None)
    found += ["also"] * any("also" in row for row in rows)
    found += ["published"] * any("published" in row for row in rows)
    return [*found, "trainable", *["seeds"] * several, "wall", "memory"]


def _columns(results: Row, rows: Sequence[Row], digits: int) -> dict[str, tuple[list[str], Callable[[Row], list[str]]]]:
    """Name -> its heads, and its cells of a row."""
    metrics = next((list(row["scores"]) for row in rows if "scores" in row), [])
    further = next((list(row["also"]) for row in rows if "also" in row), [])
    said = [metric for metric in metrics if any(metric in row.get("published", {}) for row in rows)]

    def interval(told: Row | None, sign: str = "", star: str = "") -> str:
        if told is None:
            return "reference"
        mean, low, high = (_short(told[key], digits, sign) for key in ("mean", "low", "high"))
        return f"{mean}{star} [{low}, {high}]"

    return {
        "scores": ([*map(metric_label, metrics)], lambda row: [interval(row["scores"][m]) for m in metrics]),
        "plain": (
            [*map(metric_label, metrics)],
            lambda row: [_short(row["scores"][m]["mean"], digits) for m in metrics],
        ),
        "difference": (
            [f"{metric_label(results['primary'])} minus {results['reference']}"],
            lambda row: [interval(row["versus_reference"], "+", _star(row))],
        ),
        "also": (
            [metric_label(metric) for metric in further],
            lambda row: [_short(row["also"][m], digits) for m in further],
        ),
        "published": (
            [f"published {metric_label(metric)}" for metric in said],
            lambda row: [_short(row["published"][m], 4) if m in row.get("published", {}) else "" for m in said],
        ),
        "trainable": (
            ["trainable (share)"],
            lambda row: [f"{count(_told(row)[0]['parameters']['trainable'])} ({percent(row['trainable_share'])})"],
        ),
        "seeds": (["seeds"], lambda row: [str(len(_told(row)))]),
        "wall": (["wall"], lambda row: [seconds(fmean(of["seconds"]["wall"] for of in _told(row)))]),
        "memory": (["peak memory"], lambda row: [memory(max(of["peak_memory_mb"] for of in _told(row)))]),
    }


def _star(row: Row) -> str:
    """A star, as Markdown writes it, where the difference to the reference holds after the study's correction."""
    evidence = row.get("evidence")
    return "\\*" if evidence and evidence[evidence.get("correction", "holm")] < ALPHA else ""


def _short(value: float, digits: int, sign: str = "") -> str:
    """A number as papers print it: no zero before the point.

    Example:
        >>> [_short(x, 3) for x in (0.0123, -0.5, 1.0)], _short(0.02, 2, "+")
        (['.012', '-.500', '1.000'], '+.02')
    """
    return re.sub(r"^([+-]?)0\.", r"\1.", f"{value:{sign}.{digits}f}")


def _told(row: Row) -> list[Row]:
    """The manifests of its complete runs."""
    return [run["manifest"] for run in row["runs"] if run["status"] == "complete"]


def _source(slug: str, rows: Sequence[Row], link: str) -> str:
    told = [manifest for row in rows for manifest in _told(row)]
    commits = sorted({str(one["code"]["commit"])[:7] for one in told if one["code"]["commit"]})
    days = sorted({str(one["finished"])[:10] for one in told})
    when = days[0] if len(set(days)) == 1 else f"{days[0]} to {days[-1]}" if days else "no run"
    code = f", commit{'s' * (len(commits) > 1)} {', '.join(commits)}" if commits else ""
    return f"[All numbers]({link}{slug}/results.json){code}, {when}."


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
