"""Two processes (gloo) with half of the table each train and rank as one with all of it: within 1e-5, ranks exactly."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from rec_lightning.cli import main
from rec_lightning.runtime.starting import start
from rec_lightning.tasks.sequence import SequenceTask
from rec_lightning.tasks.split import SplitTask
from tests.tasks.split_pair import STEPS, work
from tests.tuning.learner import id_learner

Seen = dict[str, Any]
HEADS = ["dot", "cosine"]


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> dict[int, list[Seen]]:
    folder = tmp_path_factory.mktemp("split")
    for world in (1, 2):
        assert start(work, json.dumps({"folder": str(folder), "world": world}), world) == 0
    return {
        world: [json.loads((Path(folder) / f"{world}-{rank}.json").read_text()) for rank in range(world)]
        for world in (1, 2)
    }


@pytest.mark.slow
@pytest.mark.parametrize("head", HEADS)
def test_losses_and_weights_are_those_of_one_process(head: str, seen: dict[int, list[Seen]]) -> None:
    alone, first, second = seen[1][0][head], *(process[head] for process in seen[2])
    assert len(alone["losses"]) == STEPS
    assert alone["losses"][-1] != pytest.approx(alone["losses"][0], rel=1e-3)
    assert first["losses"] == pytest.approx(alone["losses"], rel=1e-5)
    assert first["weights"] == second["weights"]
    assert first["weights"].keys() == alone["weights"].keys()
    for name, values in alone["weights"].items():
        assert first["weights"][name] == pytest.approx(values, rel=1e-3, abs=1e-5), name


@pytest.mark.slow
@pytest.mark.parametrize("head", HEADS)
def test_ranks_are_exact_and_lists_the_same(head: str, seen: dict[int, list[Seen]]) -> None:
    alone, first = seen[1][0][head], seen[2][0][head]
    assert len(alone["ranks"]) == 60
    assert len({*alone["ranks"]}) > 3
    assert first["ranks"] == alone["ranks"]
    assert first["items"] == alone["items"]
    for one, two in zip(alone["scores"], first["scores"], strict=True):
        assert two == pytest.approx(one, rel=1e-4, abs=1e-5)


@pytest.mark.slow
def test_each_process_holds_half_of_the_table(seen: dict[int, list[Seen]]) -> None:
    assert [process["dot"]["rows"] for process in (*seen[1], *seen[2])] == [13, 7, 6]


REFUSED = {
    ("task=split", "loss=bpr"): "task=split has the full softmax without smoothing, got loss=BPR",
    ("task=split", "loss.label_smoothing=0.1"): "task=split has the full softmax without smoothing",
    ("task=split", "companion=cl4srec"): "task=split ranks by scores alone and has no companion, got CL4SRec",
    ("task=split", "rerank=mmr"): "task=split ranks by scores alone and has no companion, got Reranked",
    ("task=split", "items=features", "items.categories=[title]"): "task=split splits a table of ids, and items=Feature",
}


@pytest.mark.parametrize("options", REFUSED, ids=" ".join)
def test_refused(options: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = ["train", "data=synthetic", "width=8", "logger=[]", "head=dot", *options, f"run_dir={tmp_path / 'run'}"]
    assert main(line) == 2
    assert REFUSED[options] in capsys.readouterr().err


def test_the_table_has_a_group_of_its_own() -> None:
    # a fused optimizer takes no group of whole and split tensors together
    task = id_learner(SplitTask)
    groups = task._groups()
    assert [p is task.items.embedding.weight for group in groups for p in group["params"]].count(True) == 1
    (own,) = (group for group in groups if any(p is task.items.embedding.weight for p in group["params"]))
    assert len(own["params"]) == 1
    plain = SequenceTask._groups(task)
    assert {id(p) for g in groups for p in g["params"]} == {id(p) for g in plain for p in g["params"]}
