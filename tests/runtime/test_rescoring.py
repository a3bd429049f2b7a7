"""Two stages from the command line: candidates of one run in the order of another, against what both runs left."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
import torch

from rec_lightning.cli import main
from rec_lightning.contracts import Ranking
from rec_lightning.runtime.rescoring import Rescoring, read_scorer
from rec_lightning.runtime.results import read_rankings

DATA = ["data=synthetic", "data.source.users=40", "data.source.items=30", "data.source.events_per_user=12", "logger=[]"]
SMALL = ["items=id", "tuning=full", "width=8", "max_length=6", "trainer.max_epochs=2"]
SCORER = ["task=scoring", *DATA, *SMALL, "data.batch_size=16"]
SHORT = ["depth=12", "k=10", "top_k=[3,10]"]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """EASE, biases and DIN that score; EASE of another split and DIN of other inputs, of the hour and of a device."""
    folder = tmp_path_factory.mktemp("runs")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REC_CACHE", str(folder / "cache"))
        assert main(["baseline", *DATA, "top_k=[3,10]", f"run_dir={folder}/ease"]) == 0
        split = "data/split=temporal_ratio"
        assert main(["baseline", *DATA, split, "top_k=[3,10]", f"run_dir={folder}/ratio"]) == 0
        for name, options in {
            "bias": ["backbone=mean_pooling", "head=bias", "optimizer.lr=0.1"],
            "din": ["head=din", "backbone=gru4rec", "head.fields.events={hour: category}"],
            "clicks": ["backbone=mean_pooling", "head=din", "label=clicked", "data.inputs=train"],
        }.items():
            assert main(["train", *SCORER, *options, f"run_dir={folder}/{name}"]) == 0
    return folder


@pytest.fixture
def fuse(runs: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    monkeypatch.setenv("REC_CACHE", str(runs / "cache"))
    return lambda names, *options: main(["fuse", f"runs=[{','.join(str(runs / n) for n in names)}]", *options])


def test_two_stages_are_the_candidates_by_the_scorers_weights(runs: Path, fuse: Callable[..., int]) -> None:
    place = runs / "two"
    short = ["depth=12", "k=12", "top_k=[3,10,12]"]
    assert fuse(["ease", "bias"], "fuse=two_stage", *short, f"run_dir={place}") == 0
    state = torch.load(runs / "bias/checkpoints/best.ckpt", weights_only=True)["state_dict"]
    worth = state["head.item.weight"].squeeze(1).double().tolist()  # of item i; biases of users change no order
    assert sorted(set(pl.read_parquet(runs / "ease/rankings.parquet")["items"].explode())) == list(range(1, 31))
    first = pl.read_parquet(runs / "ease/evaluations/lists-test-12/rankings.parquet")
    found = pl.read_parquet(place / "rankings.parquet")
    assert found["user"].equals(first["user"])
    inside, hits, tied = 0, 0, 0
    for before, after in zip(first.iter_rows(named=True), found.iter_rows(named=True), strict=True):
        # a tie counts against the target in the first stage, and at the end of the list it costs it its place
        listed = [item for item in before["items"] if item != before["target"]]
        if before["rank"] <= 12:
            listed.insert(before["rank"] - 1, before["target"])
        wanted = sorted(listed, key=lambda item: -worth[item])  # stable: alike ones keep the first stage's order
        assert after["items"] == wanted
        inside += before["rank"] <= 12
        if before["rank"] <= 12:
            assert after["rank"] == 1 + wanted.index(before["target"])
        else:
            assert after["rank"] > 12
            tied += before["target"] in before["items"]
        hits += after["rank"] <= 3
    assert 0 < inside < len(first)
    assert tied  # listed by the first stage, and out since what ties with it comes first
    told = json.loads((place / "metrics.json").read_text())
    assert told["test/candidates_recall@12"] == pytest.approx(inside / len(first))
    assert told["test/hr@3"] == pytest.approx(hits / len(first))
    assert told["test/hr@12"] == told["test/candidates_recall@12"]
    beside = json.loads((place / "baselines.json").read_text())
    assert list(beside) == ["ease"]
    change = told["test/ndcg@10"] - beside["ease"]["metrics"]["test/ndcg@10"]
    assert beside["ease"]["difference"]["mean"] == pytest.approx(change)


def test_a_target_is_scored_as_the_run_itself_scores_it(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # the same history, labels, hour and item: nothing of what came later, nothing left out
    monkeypatch.setenv("REC_CACHE", str(runs / "cache"))
    run = read_scorer(str(runs / "din"))
    assert run is not None
    scorer = Rescoring(run)
    scorer.data.prepare()
    scorer.read(scorer.data, "itself")
    data = scorer.data
    own = pl.read_parquet(runs / "din/predictions.parquet")
    first = read_rankings(runs / "ease/evaluations/lists-test-12/rankings.parquet", data, "test", 12)
    assert first is not None
    items = first.items.clone()
    items[:, 0] = first.target  # so that it is among the candidates of everybody
    rank = torch.ones_like(first.rank)
    found = scorer.lists(Ranking(first.users, items, first.scores, first.target, rank), "test")
    at = (found.items == found.target.unsqueeze(1)).int().argmax(1, keepdim=True)
    assert own["user"].to_list() == data.sequences.users.gather(found.users.numpy()).to_list()
    assert found.scores.gather(1, at).squeeze(1).tolist() == pytest.approx(own["prediction"].to_list(), abs=1e-6)
    assert len(set(found.scores[0].tolist())) > 6  # and the others are not scored alike


def test_other_rules_blend_both_orders(runs: Path, fuse: Callable[..., int]) -> None:
    place = runs / "blend"
    assert fuse(["ease", "din"], "fuse=weighted", "fuse.weights=[1,0]", *SHORT, f"run_dir={place}") == 0
    beside = json.loads((place / "baselines.json").read_text())
    assert list(beside) == ["ease", "din"]
    assert beside["ease"]["difference"]["mean"] == 0
    assert fuse(["ease", "din"], "fuse=stacking", *SHORT, f"run_dir={runs / 'stacked'}") == 0
    assert len(json.loads((runs / "stacked/manifest.json").read_text())["weights"]) == 6


@pytest.mark.parametrize(
    ("names", "options", "text"),
    [
        (["bias", "ease"], ["fuse=two_stage"], "the first of runs must rank, since it brings the candidates, and "),
        (["ease", "ratio"], ["fuse=two_stage"], "fuse=two_stage needs a second run that scored labels"),
        (["ease", "bias", "din"], ["fuse=two_stage"], "fuse=two_stage needs two runs, one that ranks and one of"),
        (["ratio", "bias"], ["fuse=two_stage"], "both stages must have the same split, so that the second was not"),
        (["ease", "clicks"], ["fuse=two_stage"], "both stages must have the same data.inputs, so that"),
        (["ease", "bias"], ["fuse=two_stage", "request=[query]"], "request names 'query', which none of runs reads"),
    ],
    ids=["order", "ranks", "three", "split", "inputs", "no effect"],
)
def test_refused(
    names: list[str], options: list[str], text: str, runs: Path, fuse: Callable[..., int], tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    assert fuse(names, *SHORT, *options, f"run_dir={tmp_path / 'out'}") == 2
    assert re.search(re.escape(text), " ".join(capsys.readouterr().err.split()))


def test_a_column_of_the_event_must_be_vouched_for(
    cache: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [f"u{u},i{(u * 3 + t) % 12},{t * 4000},{1 + (u + t) % 5},{'ab'[t % 2]}" for u in range(20) for t in range(8)]
    (tmp_path / "events.csv").write_text("\n".join(["user,item,timestamp,rating,device", *rows]) + "\n")
    data = ["data=table", f"data.source.path={tmp_path / 'events.csv'}", "data.source.columns.rating=rating",
            "+data.source.columns.device=device", "logger=[]"]  # fmt: skip
    assert main(["baseline", *data, "top_k=[3]", "ranking.k=3", f"run_dir={tmp_path / 'ease'}"]) == 0
    options = [
        "task=scoring",
        *SMALL,
        "backbone=mean_pooling",
        "head=mlp",
        "head.fields.events={device: category, hour: category}",
    ]
    assert main(["train", *data, *options, f"run_dir={tmp_path / 'mlp'}"]) == 0
    line = ["fuse", f"runs=[{tmp_path / 'ease'},{tmp_path / 'mlp'}]", "fuse=two_stage", "depth=4", "k=3", "top_k=[3]",
            "primary=ndcg@3"]  # fmt: skip
    capsys.readouterr()
    assert main([*line, f"run_dir={tmp_path / 'out'}"]) == 2
    told = " ".join(capsys.readouterr().err.split())
    assert "reads the column 'device' of events, and a candidate has had no event. Train it without, or set" in told
    assert main([*line, "request=[device]", f"run_dir={tmp_path / 'out'}"]) == 0


def test_classes_are_no_order(cache: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "classes"
    folder.mkdir()
    (folder / "config.yaml").write_text("label: {_target_: rec_lightning.data.labels.classes.Classes}\n")
    (folder / "manifest.json").write_text('{"status": "complete", "verb": "train"}')
    run = read_scorer(str(folder))
    assert run is not None
    with pytest.raises(ValueError, match=r"must score a like or a number, and .* tells classes apart. Train one with"):
        Rescoring(run)


def test_a_language_model_as_it_came_is_a_second_stage(
    cache: Path, tmp_path: Path, language_model: Callable[..., str]
) -> None:
    # several targets a user, and nothing to load
    data = [
        "data=synthetic", "data.source.users=8", "data.source.items=10", "data.source.tastes=4",
        "data.source.events_per_user=8", "data/split=temporal_ratio", "data.split.validation=0.2",
        "data.split.test=0.3", "logger=[]",
    ]  # fmt: skip
    model = language_model("llama", tie_word_embeddings=True, max_position_embeddings=99)
    words = [f"backbone.model={model}", "backbone.words=[' rho', ' tau']", "backbone.prompt.max_tokens=50"]
    line = ["task=prompt", *data, *words, "tuning=frozen", "max_length=4", "callbacks=none", "data.eval_batch_size=16"]
    assert main(["train", *line, f"run_dir={tmp_path / 'said'}"]) == 0
    first = ["baseline", "baseline=popularity", *data, "top_k=[3]", "ranking.k=5", f"run_dir={tmp_path / 'first'}"]
    assert main(first) == 0
    fused = [f"runs=[{tmp_path / 'first'},{tmp_path / 'said'}]", "depth=5", "k=5", "top_k=[3]", "primary=ndcg@3"]
    assert main(["fuse", "fuse=two_stage", *fused, f"run_dir={tmp_path / 'two'}"]) == 0
    own = pl.read_parquet(tmp_path / "said/predictions.parquet")
    assert own["user"].n_unique() < own.height
    run = read_scorer(str(tmp_path / "said"))
    assert run is not None
    scorer = Rescoring(run)
    scorer.data.prepare()
    scorer.read(scorer.data, "itself")
    lists = read_rankings(tmp_path / "first/rankings.parquet", scorer.data, "test", 5)
    assert lists is not None
    items = lists.items.clone()
    items[:, 0] = lists.target
    asked = Ranking(lists.users, items, lists.scores, lists.target, torch.ones_like(lists.rank))
    found = scorer.lists(asked, "test")
    at = (found.items == found.target.unsqueeze(1)).int().argmax(1, keepdim=True)
    assert found.scores.gather(1, at).squeeze(1).tolist() == pytest.approx(own["prediction"].to_list(), abs=1e-5)
