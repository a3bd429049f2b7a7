from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from rec_lightning.studies.readme_tables import filled, main

ROOT = Path(__file__).parents[2]


def row(name: str, mean: float, **changes: Any) -> dict[str, Any]:
    manifest = {
        "parameters": {"trainable": 73_728}, "seconds": {"wall": 75.2}, "peak_memory_mb": 1530.0,
        "code": {"commit": "abc12345"}, "finished": "2026-11-22T01:00:00+00:00",
    }  # fmt: skip
    return {
        "name": name, "seeds": [42], "scores": {"hr@10": {"mean": mean, "low": mean - 0.01, "high": mean + 0.01}},
        "versus_reference": None, "trainable_share": 0.5, "runs": [{"status": "complete", "manifest": manifest}],
    } | changes  # fmt: skip


@pytest.fixture
def experiments(tmp_path: Path) -> Path:
    better = {"mean": 0.05, "low": -0.001, "high": 0.1}
    rows = [
        row("EASE", 0.1),
        row("SASRec, ids", 0.15, versus_reference=better, published={"hr@10": 0.1444, "source": "x"}),
        {"name": "Broken | one", "seeds": [42], "runs": [{"status": "failed"}]},
    ]
    (tmp_path / "experiments/toy").mkdir(parents=True)
    content = {"primary": "hr@10", "reference": "EASE", "rows": rows}
    (tmp_path / "experiments/toy/results.json").write_text(json.dumps(content))
    return tmp_path / "experiments"


TABLE = r"""<!-- results: toy -->
| row | HR@10 | HR@10 minus EASE | published HR@10 | trainable (share) | wall | peak memory |
| --- | --- | --- | --- | --- | --- | --- |
| EASE | .100 [.090, .110] | reference |  | 73.7 k (50.0 %) | 1 min 15 s | 1.53 GB |
| SASRec, ids | .150 [.140, .160] | +.050 [-.001, +.100] | .1444 | 73.7 k (50.0 %) | 1 min 15 s | 1.53 GB |
| Broken \| one | no result |  |  |  |  |  |

[All numbers](experiments/toy/results.json), commit abc1234, 2026-11-22.
<!-- end -->"""


def test_a_table_of_every_row(experiments: Path) -> None:
    assert filled("before\n<!-- results: toy -->\nold\n<!-- end -->\nafter", experiments) == f"before\n{TABLE}\nafter"
    assert filled(TABLE, experiments) == TABLE
    assert filled("no marks", experiments) == "no marks"


def test_time_is_the_mean_of_the_runs_and_memory_their_largest(experiments: Path) -> None:
    path = experiments / "toy/results.json"
    content = json.loads(path.read_text())
    first = content["rows"][0]["runs"][0]
    second = first | {"manifest": first["manifest"] | {"seconds": {"wall": 25.2}, "peak_memory_mb": 2530.0}}
    content["rows"][0]["runs"].append(second)
    path.write_text(json.dumps(content))
    text = filled("<!-- results: toy columns=wall,memory rows=EASE -->\n<!-- end -->", experiments)
    assert "| EASE | 50.2 s | 2.53 GB |" in text


def test_a_star_where_a_difference_holds_after_the_correction(experiments: Path) -> None:
    path = experiments / "toy/results.json"
    content = json.loads(path.read_text())
    mark, lines = "<!-- results: toy columns=difference -->\n<!-- end -->", []
    for p in (0.06, 0.04):
        content["rows"][1]["evidence"] = {"holm": p, "benjamini_hochberg": 0.01, "correction": "holm"}
        path.write_text(json.dumps(content))
        lines.append(filled(mark, experiments).splitlines()[4])
    assert lines == [r"| SASRec, ids | +.050 [-.001, +.100] |", r"| SASRec, ids | +.050\* [-.001, +.100] |"]


def test_a_readme_of_an_experiment_with_what_has_no_interval(experiments: Path) -> None:
    path = experiments / "toy/results.json"
    content = json.loads(path.read_text())
    for one in content["rows"][:2]:
        one["also"] = {"coverage@10": 0.4811}
    path.write_text(json.dumps(content))
    readme = experiments / "toy/README.md"
    readme.write_text("<!-- results: toy rows=EASE columns=plain,also -->\n<!-- end -->\n")
    assert main([str(readme), "--check"]) == 1
    assert main([str(readme)]) == 0
    assert readme.read_text().splitlines()[1:] == [
        "| row | HR@10 | coverage@10 |", "| --- | --- | --- |", "| EASE | .100 | .481 |", "",
        "[All numbers](../toy/results.json), commit abc1234, 2026-11-22.", "<!-- end -->",
    ]  # fmt: skip
    assert main([str(readme), "--check"]) == 0


def test_columns_rows_and_digits(experiments: Path) -> None:
    text = filled("<!-- results: toy columns=plain,published rows=SASRec digits=4 -->\n<!-- end -->", experiments)
    assert text.splitlines()[1:4] == [
        "| row | HR@10 | published HR@10 |", "| --- | --- | --- |", "| SASRec, ids | .1500 | .1444 |",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("<!-- results: toy -->\n", "must be followed by an <!-- end -->"),
        ("<!-- results: none -->\n<!-- end -->", r"needs the results of a study, and .*none/results\.json has none"),
        ("<!-- results: toy columns=colour -->\n<!-- end -->", r"some of \['scores', .*\], got \['colour'\] for toy"),
        ("<!-- results: toy color=red -->\n<!-- end -->", r"columns, rows and digits, got \['color'\] for toy"),
    ],
)
def test_refusals(text: str, message: str, experiments: Path) -> None:
    with pytest.raises(ValueError, match=message):
        filled(text, experiments)


def test_the_command_writes_and_checks(experiments: Path, capsys: pytest.CaptureFixture[str]) -> None:
    readme = experiments.parent / "README.md"
    readme.write_text("<!-- results: toy -->\n<!-- end -->\n")
    assert main([str(readme), "--check"]) == 1
    assert "the result tables are not up to date. Run make tables." in capsys.readouterr().err
    assert main([str(readme)]) == 0
    assert readme.read_text() == TABLE + "\n"
    assert main([str(readme), "--check"]) == 0


def test_every_study_that_was_published_makes_a_table() -> None:
    for path in sorted(ROOT.glob("experiments/*/study.yaml")):
        if (path.parent / "results.json").is_file():
            text = filled(f"<!-- results: {path.parent.name} -->\n<!-- end -->", ROOT / "experiments")
            assert text.count("\n| ") > 3
