"""Texts with labels: the tables of them, whole runs from a file alone, and what is refused."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from rec_lightning.cli import main
from rec_lightning.data.sources.texts import Texts
from tests.conftest import WORDS


def test_a_row_is_a_user_and_a_different_text_an_item(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("said,stars\ngood film,5\nbad film,1\ngood film,4\nso so,\n")
    tables = Texts(str(tmp_path / "a.csv"), "said", "stars").fetch()
    assert tables.interactions.rows() == [(1, 1, "5"), (2, 2, "1"), (3, 1, "4"), (4, 3, None)]
    assert tables.items.rows() == [(1, "good film"), (2, "bad film"), (3, "so so")]
    assert tables.interactions.columns == ["user", "item", "label"]
    before = Texts(str(tmp_path / "a.csv"), "said", "stars").identity()
    assert before != Texts(str(tmp_path / "a.csv"), "stars", "said").identity()


@pytest.mark.parametrize(
    ("content", "options", "text"),
    [
        ("text,label\ngood,1\n,0\n  ,1\n", {}, "every row must have a text, and 2 of "),
        ("text,label\ngood,1\n", {"label": "stars"}, "the column stars must be in "),
        ("text,label\ngood,1,2\n", {}, "every row must have as many fields as the header, and line 2 of "),
        ("text,label\ngood,1\n", {"label": "text"}, "must be different columns, got 'text' twice"),
    ],
    ids=["empty", "column", "ragged", "twice"],
)
def test_refused(content: str, options: dict[str, str], text: str, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(content)
    with pytest.raises(ValueError, match=re.escape(text)):
        Texts(str(tmp_path / "a.csv"), **options).fetch()


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory, language_model: Callable[..., str]) -> list[str]:
    """Overrides for 300 texts; the label is 1 where alpha stands in one, and tau never stands beside it."""
    folder, generator = tmp_path_factory.mktemp("texts"), np.random.default_rng(0)
    label = generator.integers(0, 2, 300)
    others = [" ".join(generator.choice(WORDS[1:-1], 3)) for _ in label]
    texts = [f"{other} {('tau', 'alpha')[one]}" for other, one in zip(others, label, strict=True)]
    words = [("calm", "alarm")[one] for one in label]
    pl.DataFrame({"text": texts, "label": label, "word": words, "one": 1}).write_csv(folder / "texts.csv")
    return [
        "task=text", f"data.source.path={folder}/texts.csv", f"items.model={language_model('bert')}",
        "items.max_tokens=8", "width=16", "data.batch_size=16", "logger=[]", "data.split.test=0.2",
    ]  # fmt: skip


CLASSES = ["data.source.label=word", "label=classes", "label.classes=[calm,alarm]"]
OTHERS = ["loss=cross_entropy", "metrics=classes", "monitor=val/log_loss", "monitor_mode=min"]
STARS = [
    "label=rating", "label.high=1", "loss=squared_error", "metrics=rating", "monitor=val/rmse",
    "monitor_mode=min",
]  # fmt: skip


@pytest.mark.parametrize(
    ("options", "key", "low", "high"),
    [
        (["label.least=1", "tuning=full", "optimizer.lr=1e-3"], "test/auc", 0.9, 1.0),
        ([*CLASSES, *OTHERS, "tuning=frozen", "optimizer.lr=1e-2"], "test/accuracy", 0.8, 1.0),
        ([*STARS, "label.low=0", "tuning=lora", "optimizer.lr=1e-2"], "test/rmse", 0, 0.45),
    ],
    ids=["binary", "classes", "rating"],
)
def test_a_label_is_learnt_from_the_text_alone(
    options: list[str], key: str, low: float, high: float, line: list[str], tmp_path: Path
) -> None:
    assert main(["train", *line, *options, "trainer.max_epochs=8", f"run_dir={tmp_path / 'run'}"]) == 0
    assert low <= json.loads((tmp_path / "run/metrics.json").read_text())[key] <= high
    found = pl.read_parquet(tmp_path / "run/predictions.parquet")
    assert found["user"].n_unique() == found.height == 60


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (
            ["data.source.label=one", "label.least=1"],
            "labels must differ in training, and all 210 of texts are 1. Set another label",
        ),
        ([*STARS, "label.low=0.5", "label.step=0.5"], "labels must lie in label.low..label.high (0.5..1"),
        (["data.source.label=word"], "label.column must hold numbers, and label holds '"),
        (["backbone.layers=0", "data.source.path=nowhere.csv"], "a file or a pattern that matches files is needed"),
    ],
    ids=["one class", "range", "words", "file"],
)
def test_refused_from_the_command_line(
    options: list[str], text: str, line: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = {option.partition("=")[0] for option in options}
    rest = [option for option in line if option.partition("=")[0] not in given]
    assert main(["train", *rest, *options, "tuning=frozen", f"run_dir={tmp_path / 'run'}"]) == 2
    assert text in " ".join(capsys.readouterr().err.split())
