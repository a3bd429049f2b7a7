from __future__ import annotations

import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread

from rec_lightning.studies.comparison import compare
from rec_lightning.studies.curves import curves_figure
from rec_lightning.studies.entries import Comparison, Failure, Finished, Run
from rec_lightning.studies.publish import publish, results
from rec_lightning.studies.rows import read_row
from rec_lightning.studies.study import Study

WriteRun = Callable[..., Path]
VOID = {"meta", "br", "img", "link", "input", "hr"}


@pytest.fixture
def comparison(study: Study, write_run: WriteRun) -> Comparison:
    ranks = np.random.default_rng(0).integers(1, 40, (3, 300))
    history = [(epoch, "val/ndcg@10", 0.1 * epoch) for epoch in range(4)]
    a = read_row(write_run("a", ranks[0], hardware={"processor": "a <b>"}), study.metrics)
    c = read_row(write_run("c", ranks[2], history=history), study.metrics)
    ease = Failure(study.rows[1], 42, "rec-lightning baseline baseline=ease", 2, ("error: <l2>",))
    entries: list[Finished | Failure] = [
        Finished(study.rows[0], Run(42, "rec-lightning a", a)),
        ease,
        Finished(study.rows[2], Run(42, "rec-lightning c", c)),
    ]
    return compare(study, entries)


class Nesting(HTMLParser):
    """Fails on tags that do not match, and collects the text and what a browser would fetch."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.fetched: list[str] = []
        self.headings: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.fetched += [v for k, v in attrs if k in ("src", "href", "xlink:href", "srcset") and v and v[0] != "#"]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "h2":
            self.headings.append(data)


def test_the_page_is_whole_and_fetches_nothing(comparison: Comparison, tmp_path: Path) -> None:
    text = publish(comparison, tmp_path).read_text()
    page = Nesting()
    page.feed(text)
    assert page.open == []
    assert page.fetched == []
    assert not re.search(r"@import|url\((?!#)|fetch\(|<link|<iframe", text)
    assert page.headings == [
        "Question", "Protocol", "Results", "Picture", "Learning curves", "Quality against cost",
        "Runs without a result", "How to run each row again", "Environment",
    ]  # fmt: skip


def test_the_page_tells_what_belongs_to_the_numbers(comparison: Comparison, tmp_path: Path) -> None:
    text = publish(comparison, tmp_path).read_text()
    mean = comparison.lines[1].scores["ndcg@10"].mean
    for part in (
        f'data-key="{mean}"', f"{mean:.3f}", "rec-lightning baseline baseline=ease", "abc1234", "f" * 64,
        "free for &lt;research&gt;", "error: &lt;l2&gt;",
        "Is &lt;text&gt; better?", "a &lt;b&gt;", "2.13.0", "Caution:",
    ):  # fmt: skip
        assert part in text
    assert "<text> better" not in text
    assert "+ <text>" not in text


def test_pictures_are_there_and_not_empty(comparison: Comparison, tmp_path: Path) -> None:
    publish(comparison, tmp_path)
    picture = imread(tmp_path / "comparison.png")
    assert picture.shape[0] > 300
    assert picture.shape[1] > 1000
    assert 0.005 < (picture[..., :3].mean(-1) < 0.9).mean() < 0.3
    svg = (tmp_path / "comparison.svg").read_text()
    for part in ("Popularity", "EASE", "no result", "NDCG@10", f"{comparison.lines[0].scores['hr@10'].mean:.3f}"):
        assert part in svg


def test_nothing_is_cut_off_at_the_edge(comparison: Comparison, tmp_path: Path) -> None:
    publish(comparison, tmp_path)
    picture = imread(tmp_path / "comparison.png")[..., :3]
    edges = [picture[0], picture[-1], picture[:, 0], picture[:, -1]]
    assert all((edge == 1).all() for edge in edges)


def test_equal_results_give_equal_files(comparison: Comparison, tmp_path: Path) -> None:
    for name in ("x", "y"):
        (tmp_path / name).mkdir()
        publish(comparison, tmp_path / name)
    for file in ("results.json", "report.html", "comparison.svg", "comparison.png"):
        assert (tmp_path / "x" / file).read_bytes() == (tmp_path / "y" / file).read_bytes()


def test_results_hold_every_number_and_every_failure(comparison: Comparison, tmp_path: Path) -> None:
    publish(comparison, tmp_path)
    content = json.loads((tmp_path / "results.json").read_text())
    assert content == json.loads(json.dumps(results(comparison)))
    first, failed, last = content["rows"]
    assert (first["status"], failed["status"], failed["runs"][0]["exit_code"]) == ("complete", "failed", 2)
    assert failed["runs"][0]["error"] == ["error: <l2>"]
    assert last["scores"]["ndcg@10"]["mean"] == pytest.approx(last["runs"][0]["logged"]["test/ndcg@10"])
    assert last["runs"][0]["manifest"]["seconds"]["wall"] == 75.2
    assert content["bootstrap"] == {"resamples": 500, "level": 0.95, "seed": 0}


def test_no_curves_without_a_history(comparison: Comparison) -> None:
    assert curves_figure(comparison) is not None
    assert curves_figure(Comparison(comparison.study, comparison.entries[:2])) is None


def test_a_study_without_any_result_still_reports(study: Study, tmp_path: Path) -> None:
    comparison = compare(study, [Failure(row, 42, "c", 1, ("gone",)) for row in study.rows])
    assert publish(comparison, tmp_path).read_text().count("gone") == 3
    assert not (tmp_path / "comparison.png").exists()
    assert [row["status"] for row in json.loads((tmp_path / "results.json").read_text())["rows"]] == ["failed"] * 3
