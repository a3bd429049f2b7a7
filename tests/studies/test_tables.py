from __future__ import annotations

import csv
import io
import re
import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from rec_lightning.studies.comparison import compare, user_values
from rec_lightning.studies.critical import average_ranks, critical_figure
from rec_lightning.studies.drawing import inline_svg
from rec_lightning.studies.entries import Comparison, Failure, Finished, Run
from rec_lightning.studies.figure import comparison_figure
from rec_lightning.studies.intervals import bootstrap_mean
from rec_lightning.studies.latex import escape, latex_table
from rec_lightning.studies.levels import level_means, levels_figure
from rec_lightning.studies.markdown import markdown_table
from rec_lightning.studies.pairs import groups, winner
from rec_lightning.studies.pareto import front, pareto_figure
from rec_lightning.studies.publish import results
from rec_lightning.studies.report import report_page
from rec_lightning.studies.rows import read_row
from rec_lightning.studies.sheet import csv_table
from rec_lightning.studies.study import RowSpec, Study

WriteRun = Callable[..., Path]
Make = Callable[..., Comparison]


@pytest.fixture
def make(study: Study, write_run: WriteRun) -> Make:
    """A study of rows by the strength of their ranks; two equal numbers are two rows with chance between them."""

    def compared(strengths: Sequence[float], seeds: Sequence[int] = (1,), levels: bool = False) -> Comparison:
        rows, entries = list[RowSpec](), list[Finished | Failure]()
        for number, strength in enumerate(strengths):
            own = {"half": "ab"[number // 2], "side": "xy"[number % 2]} if levels else {}
            spec = RowSpec(f"Row {number} & <co>", "train", (f"n={number}",), seeds=tuple(seeds), levels=own)
            rows.append(spec)
            for seed in seeds:
                users = np.random.default_rng(7).random(300)  # how hard a user is, for all rows
                noise = np.random.default_rng(100 * number + seed).random(300)
                ranks = np.ceil(60 * (0.8 * users + 0.2 * noise) ** strength).astype(int).clip(1)
                folder = write_run(
                    f"{len(strengths)}-{number}-{seed}", ranks, parameters={"trainable": 10**number, "total": 10**7}
                )
                entries.append(Finished(spec, Run(seed, "c", read_row(folder, study.metrics))))
        return compare(replace(study, rows=tuple(rows), reference=rows[0].name), entries)

    return compared


def test_bold_only_where_the_best_is_better_than_all_others(make: Make) -> None:
    clear = make([1, 4])
    assert winner(clear, "ndcg@10") is clear.lines[1]
    text = latex_table(clear)
    value = f"{clear.lines[1].scores['ndcg@10'].mean:.4f}".removeprefix("0")
    assert f"$\\mathbf{{{value}}}^{{*}}$" in text
    assert text.count("mathbf") == 2  # both metrics


def test_no_bold_between_equals(make: Make) -> None:
    equal = make([2, 2, 1])
    assert winner(equal, "ndcg@10") is None
    assert "mathbf" not in latex_table(equal)
    assert winner(make([1]), "ndcg@10") is None


@pytest.fixture
def several(make: Make) -> Comparison:
    return make([1, 4], seeds=(4, 5, 6))


def test_latex_shows_the_spread_over_seeds_and_names_the_test(several: Comparison) -> None:
    text = latex_table(several)
    line = several.lines[1]
    spread = f"{line.spread['ndcg@10']:.4f}".removeprefix("0")
    assert f"\\pm {spread}" in text
    assert "Row 0 \\& \\textless{}co\\textgreater{} & $" in text
    caption = text[text.index("\\caption") : text.index("\\begin{tabular}")]
    assert "Mean and standard deviation over 3 seeds." in caption
    assert "Student's t with seeds and users as crossed sources of variance, two-sided, 5 \\% after Holm" in caption
    assert text.count("\\toprule") == text.count("\\midrule") == text.count("\\bottomrule") == 1
    widths = {line.count("&") - line.count("\\&") for line in text.splitlines() if line.endswith("\\\\")}
    assert widths == {3}


def test_every_special_letter_is_escaped() -> None:
    assert escape(r"\{}") == r"\textbackslash{}\{\}"
    assert not re.search(r"(?<!\\)[&%$#_]", escape("a&b%c$d#e_f"))


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="needs a TeX installation")
def test_latex_compiles(several: Comparison, tmp_path: Path) -> None:
    head, tail = "\\documentclass{article}\\usepackage{booktabs}\\begin{document}\n", "\\end{document}\n"
    (tmp_path / "t.tex").write_text(head + latex_table(several) + tail)
    done = subprocess.run(["pdflatex", "-halt-on-error", "t.tex"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-2000:]


def test_csv_holds_every_number(several: Comparison) -> None:
    first, second = csv.DictReader(io.StringIO(csv_table(several)))
    line = several.lines[1]
    assert float(second["ndcg@10"]) == line.scores["ndcg@10"].mean
    assert float(second["ndcg@10 std over seeds"]) == line.spread["ndcg@10"]
    assert line.evidence is not None
    assert float(second["p holm"]) == line.evidence.holm
    assert first["p holm"] == ""
    assert (second["runs"], second["trainable"]) == ("3", "10")


def test_a_row_without_a_result_is_in_every_table(study: Study) -> None:
    lost = compare(study, [Failure(row, 42, "c", 1, ("x",)) for row in study.rows])
    assert csv_table(lost).splitlines()[1] == "Popularity"
    assert "Popularity & -- & -- & --" in latex_table(lost)


def test_what_has_no_interval_is_told_in_every_table(study: Study, write_run: WriteRun) -> None:
    study = replace(study, rows=study.rows[:1], reference=None, also=("coverage@10",))
    ranks = np.array([1, 2, 50, 60])
    gain = np.where(ranks <= 10, 1 / np.log2(ranks + 1.0), 0.0)
    logged = {"test/hr@10": 0.5, "test/ndcg@10": float(gain.mean())}
    runs = [
        Run(seed, "c", read_row(write_run(f"r{seed}", ranks, metrics=logged | {"test/coverage@10": share}),
                                study.metrics, study.also))
        for seed, share in ((1, 0.25), (2, 0.5))
    ]  # fmt: skip
    comparison = compare(study, [Finished(study.rows[0], run) for run in runs])
    (cells,) = csv.DictReader(io.StringIO(csv_table(comparison)))
    assert cells["coverage@10"] == "0.375"
    assert "| .375 |" in markdown_table(comparison)
    assert "& coverage@10 & trainable" in latex_table(comparison)
    assert "$.3750$ &" in latex_table(comparison)
    assert "coverage@10" in report_page(comparison)
    assert results(comparison)["rows"][0]["also"] == {"coverage@10": 0.375}


def test_a_metric_that_a_run_did_not_log_is_told(write_run: WriteRun) -> None:
    with pytest.raises(ValueError, match=r"must hold test/novelty@10, got \['test/hr@10', 'test/ndcg@10'\]"):
        read_row(write_run("r", [1, 2]), ["hr@10"], ["novelty@10"])


def test_groups_are_the_stretches_without_a_difference(make: Make) -> None:
    comparison = make([4, 4, 1, 1])
    order = sorted(comparison.lines, key=lambda line: -line.scores["ndcg@10"].mean)
    assert groups(comparison, order, "ndcg@10") == [(0, 1), (2, 3)]
    assert groups(comparison, [order[0], order[3]], "ndcg@10") == []


def test_average_ranks_are_those_of_scipy(make: Make) -> None:
    comparison = make([4, 2, 1])
    values = np.stack([user_values("ndcg@10", line.runs)[0] for line in comparison.lines])
    expected = [stats.rankdata(-values[:, user])[0] for user in range(values.shape[1])]
    ranks = average_ranks(comparison)
    assert ranks[0] == pytest.approx(np.mean(expected))
    assert ranks.sum() == pytest.approx(6)
    assert list(np.argsort(ranks)) == [0, 1, 2]


def test_critical_differences_need_three_rows(make: Make) -> None:
    assert critical_figure(make([1, 2])) is None


def test_front() -> None:
    assert front([1, 1, 2, 3], [0.1, 0.2, 0.2, 0.5]) == [1, 3]
    assert front([3, 2, 1], [0.1, 0.2, 0.3]) == [2]


def test_levels_by_hand(make: Make) -> None:
    comparison = make([1, 2, 3, 4], levels=True)
    means = level_means(comparison)
    assert {factor: list(levels) for factor, levels in means.items()} == {"half": ["a", "b"], "side": ["x", "y"]}
    values = np.mean([user_values("ndcg@10", comparison.lines[n].runs)[0] for n in (2, 3)], axis=0)
    assert means["half"]["b"] == bootstrap_mean(values, comparison.study.resamples)
    assert levels_figure(make([1], seeds=(9,))) is None


def test_the_page_shows_every_picture(make: Make) -> None:
    comparison = make([1, 2, 3, 4], levels=True)
    text = report_page(comparison)
    for heading in ("By factor", "Quality against cost", "Critical differences"):
        assert f"<h2>{heading}</h2>" in text
    assert "Learning curves" not in text


def test_every_dot_against_cost_has_its_interval(make: Make) -> None:
    comparison = make([1, 2, 3])
    figure = pareto_figure(comparison)
    assert figure is not None
    ends = {(one.low, one.high) for one in (line.scores["ndcg@10"] for line in comparison.lines)}
    for panel in figure.axes:
        lines = [line for line in panel.get_lines() if len(set(line.get_xdata())) == 1 < len(line.get_xdata())]
        assert {tuple(line.get_ydata()) for line in lines} == ends


@pytest.mark.parametrize("draw", [pareto_figure, comparison_figure])
def test_what_lies_behind_names_has_the_colour_of_the_page(make: Make, draw: Callable[[Comparison], Any]) -> None:
    svg = inline_svg(draw(make([1, 2, 3])), "label")
    assert "var(--page)" in svg
    assert not re.search(r"#f[ef]f[ef]f[ef]|white", svg)


@pytest.mark.parametrize(
    ("seconds", "least"), [((200, 300, 700, 1500), 3), ((5, 20, 900, 80000), 4), ((90, 90, 90, 90), 1)]
)
def test_a_cost_can_be_read_off_its_axis(
    make: Make, monkeypatch: pytest.MonkeyPatch, seconds: Sequence[float], least: int
) -> None:
    costs = iter(seconds)
    monkeypatch.setattr("rec_lightning.studies.pareto.cpu", lambda line: next(costs))
    figure = pareto_figure(make([1, 2, 3, 4]))
    assert figure is not None
    axis = figure.axes[1]
    low, high = axis.get_xlim()
    assert sum(low <= tick <= high for tick in axis.get_xticks()) >= least


@pytest.mark.parametrize("draw", [pareto_figure, critical_figure, levels_figure], ids=["pareto", "critical", "levels"])
def test_pictures_name_what_they_show(make: Make, draw: Callable[[Comparison], object]) -> None:
    figure = draw(make([1, 2, 3, 4], levels=True))
    svg = inline_svg(figure, "label")  # type: ignore[arg-type]
    assert "NDCG@10" in svg
    assert ("Row 3 &amp; &lt;co" in svg) or "by half" in svg
