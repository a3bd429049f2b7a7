"""Nearest items against cosines in NumPy, items by name, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

from rec_lightning.cli import main
from rec_lightning.use.named import find_item

Finish = Callable[..., Path]
ID = ("items=id", "tuning=full")


def nearest(run: Path) -> tuple[np.ndarray, np.ndarray]:
    table = torch.load(run / "checkpoints/best.ckpt", weights_only=True)["state_dict"][
        "items.embedding.weight"
    ].detach()
    own = table.numpy()[1:]
    own = own / np.linalg.norm(own, axis=1, keepdims=True)
    cosine = own @ own.T
    np.fill_diagonal(cosine, -2)
    return np.argsort(-cosine, axis=1), cosine


def test_every_items_neighbours_are_those_of_numpy(finish: Finish, tmp_path: Path) -> None:
    run = finish(*ID)
    assert main(["similar", f"run={run}", "item=all", "k=4", f"output={tmp_path}/a.parquet"]) == 0
    found = pl.read_parquet(tmp_path / "a.parquet")
    assert found.columns == ["of", "rank", "item", "score", "title"]
    ids = sorted(f"i{i}" for i in range(24))
    order, cosine = nearest(run)
    for row, (item,) in enumerate(found.select("of").unique(maintain_order=True).iter_rows()):
        assert item == ids[row]
        own = found.filter(pl.col("of") == item)
        assert own["item"].to_list() == [ids[i] for i in order[row][:4]]
        assert own["score"].to_list() == pytest.approx(cosine[row][order[row][:4]], abs=1e-5)


def test_one_item_by_its_title_on_the_terminal(
    finish: Finish, tables: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = finish(*ID)
    titles = dict(pl.read_ndjson(tables / "items.jsonl").select("item", "title").iter_rows())
    assert main(["similar", f"run={run}", f"item={titles['i7'].upper()}", "k=2"]) == 0
    shown = capsys.readouterr().out
    first = nearest(run)[0][sorted(titles).index("i7")][0]
    best = sorted(titles)[first]
    assert f"i7 {titles['i7']}" in shown
    assert titles[best] in shown
    assert best in shown


@pytest.mark.parametrize("items", ["text", "id_text", "features", "pretrained"])
def test_of_items_of_any_kind(items: str, finish: Finish, items_of: Callable[[str], list[str]], tmp_path: Path) -> None:
    run = finish(*items_of(items), "tuning=full")
    (tmp_path / "who").write_text("i1\ni4\n")
    assert main(["similar", f"run={run}", f"item=@{tmp_path}/who", f"output={tmp_path}/a.csv", "k=3"]) == 0
    found = pl.read_csv(tmp_path / "a.csv")
    assert found["of"].to_list() == ["i1"] * 3 + ["i4"] * 3
    assert found["score"].is_between(-1.0001, 1.0001).all()
    assert (found["of"] != found["item"]).all()
    if items == "features":  # i4 has the features of i19: the same year and genres
        assert found.filter(pl.col("of") == "i4")["score"][0] == pytest.approx(1, abs=1e-5)


def test_filters_choose_among_whom(finish: Finish, tmp_path: Path) -> None:
    options = ["filters=category", "filters.category.values=war", "k=3"]
    assert main(["similar", f"run={finish(*ID)}", "item=i0", *options, f"output={tmp_path}/a.csv"]) == 0
    assert all(int(item[1:]) % 3 == 1 for item in pl.read_csv(tmp_path / "a.csv")["item"])


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (["item=zz 99 qq"], "item must be an id or a title of the catalogue, got 'zz 99 qq'. Set item."),
        (["item=a"], "item must name one item, and 'a' fits "),
        ([], "item must be given: an id, a title, @FILE with one a line, or all. Set item."),
        (["item=i1", "k=24"], "k must be 1..number of other candidates (23), got 24. Set k."),
        (["item=i1", "k=0"], "k must be at least 1, got 0. Set k."),
        (["item=i1", "output=x.doc"], "output must end with .csv, .jsonl, .parquet"),
    ],
)
def test_refused(options: list[str], text: str, finish: Finish, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["similar", f"run={finish(*ID)}", *options]) == 2
    assert text in capsys.readouterr().err


def test_a_baseline_has_no_vectors(finish: Finish, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["similar", f"run={finish('baseline=ease')}", "item=i1"]) == 2
    assert "run must be one of train, and Ease has no item vectors. Set run." in capsys.readouterr().err


def test_names() -> None:
    items = pl.DataFrame({"item": [1, 2, 3], "title": ["Heat", "Heat and Dust", "It's a Gift, 1934"]})
    assert [find_item(items, name) for name in ("3", "heat", "dust", "it's a gift, 1934")] == [3, 1, 2, 3]
    with pytest.raises(ValueError, match=r"got 'Heatt'; nearest: Heat\. Set item\."):
        find_item(items, "Heatt")
    with pytest.raises(ValueError, match=r"item must be an id of the catalogue \(it has no titles\), got 'x'"):
        find_item(items.drop("title"), "x")
