"""Plans: formulas by hand, what a probe of a part of a batch says of the whole one, what is advised and refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from hydra.utils import instantiate

from rec_lightning.cli import main
from rec_lightning.contracts import Negatives
from rec_lightning.losses.chunked_softmax import ChunkedSoftmax
from rec_lightning.losses.full_softmax import FullSoftmax
from rec_lightning.losses.sampled_softmax import SampledSoftmax
from rec_lightning.runtime.alive import Alive
from rec_lightning.runtime.build import build_task
from rec_lightning.runtime.composition import compose
from rec_lightning.runtime.planning import Row, _advice, _steps
from rec_lightning.runtime.probe import _step, held_beside, probe
from rec_lightning.runtime.sizes import GPUS, Tensor, catalogue, ddp, fsdp2, seconds
from rec_lightning.tasks.shares import SplitSoftmax

DATA = "data=synthetic data.source.users=80 data.source.items=400 data.source.events_per_user=20 logger=[]".split()
TABLE, BLOCK, FROZEN = (
    Tensor((101, 10), 4, True, False),
    Tensor((20, 10), 4, True, True),
    Tensor((30, 10), 4, False, True),
)


def test_ddp_by_hand() -> None:
    found = ddp([TABLE, BLOCK, FROZEN], 2.0, 5000, 4)
    assert (found.weights, found.gradients, found.optimizer) == (6040, 4840, 9680)
    assert found.traffic == 2 * 3 * 4840 // 4
    assert found.memory == 6040 + 4840 + 9680 + 5000
    assert ddp([TABLE], 2.0, 0, 1).traffic == 0


def test_fsdp2_by_hand() -> None:
    # 101 rows are filled up to 102; blocks are gathered for the backward pass again
    found = fsdp2([TABLE, BLOCK, FROZEN], 2.0, 0, 2)
    assert found.traffic == ((4080 + 800 + 1200) + (800 + 1200) + (4080 + 800)) // 2
    assert found.weights == (4080 + 800 + 1200) // 2 + 4080
    assert found.optimizer == 4880
    together = fsdp2([TABLE, BLOCK, FROZEN], 2.0, 0, 2, by_block=False)
    assert together.traffic == (6080 + 4880) // 2


def test_a_step_takes_the_larger_of_arithmetic_and_traffic() -> None:
    gpu = GPUS["A100-80"]
    assert seconds(312e12 * 0.35, 0, gpu, half=True) == pytest.approx(1.01)
    assert seconds(0, int(300e9 * 0.7 * 2), gpu, half=True) == pytest.approx(2.01)
    # nine devices are more than one machine: 25 GB/s of a network each
    assert seconds(0, int(25e9 * 0.7), gpu, half=True, world=9) == pytest.approx(1.01)
    assert seconds(0, int(300e9 * 0.7), gpu, half=True, world=8) == pytest.approx(1.01)
    assert seconds(19.5e12, 0, gpu, half=False) == pytest.approx(1 / 0.35 + 0.01)


@pytest.mark.parametrize("loss", ["full", "chunked", "sampled", "split"])
@pytest.mark.parametrize(("items", "width", "positions"), [(20_000, 64, 256), (20_000, 64, 16), (40_000, 8, 64)])
def test_the_memory_of_a_catalogue(loss: str, items: int, width: int, positions: int) -> None:
    table, queries = (torch.randn(n, width, requires_grad=True) for n in (items + 1, positions))
    target, drawn = torch.randint(1, items + 1, (positions,)), torch.randint(1, items + 1, (128,))
    with Alive([table, queries, target, drawn]) as alive:
        if loss == "sampled":
            rows, place = torch.unique(torch.cat([target, drawn]), return_inverse=True)
            negatives = Negatives(place[positions:], torch.ones(128))
            vectors = torch.nn.functional.embedding(rows, table)
            value = SampledSoftmax(128)(queries, vectors, place[:positions], negatives)
        elif loss == "split":
            value = SplitSoftmax.apply(queries, table, target, 0, max(16, (1 << 22) // (items + 1)))
        else:
            value = {"full": FullSoftmax, "chunked": ChunkedSoftmax}[loss]()(queries, table, target, None)
        value.backward()
    found = catalogue(items, width, positions, loss, drawn=128, device="cpu")
    assert found.gradients + found.activations == pytest.approx(alive.peak, rel=0.1)
    assert found.gradients == found.weights == found.optimizer / 2 == table.numel() * 4


def test_a_split_catalogue_by_hand() -> None:
    found = catalogue(999, 10, 8, "split", world=4)
    assert found.weights == 250 * 10 * 4
    assert found.traffic == 6 * 3 * 8 * 10 * 4
    assert catalogue(999, 10, 8, "chunked", world=4).traffic == 2 * 3 * 40_000 // 4


@pytest.mark.parametrize(
    "options",
    [
        "items=id tuning=full loss=full_softmax width=32",
        "items=id tuning=full loss=chunked_softmax width=64 backbone.blocks=3",
        "items=id tuning=full loss=sampled_softmax loss.count=64 width=32 backbone=gru4rec",
    ],
)
def test_a_part_of_a_batch_tells_the_memory_of_the_whole(options: str) -> None:
    config = compose("train", [*DATA, "data.batch_size=64", "max_length=20", *options.split()])
    data = instantiate(config.data)
    data.prepare()
    task = build_task(config, data.catalog)
    found = probe(config, data, task)
    trained = [p for p in task.parameters() if p.requires_grad]
    optimizer = instantiate(config.optimizer)([{"params": trained}])
    batch = next(iter(data.train_dataloader()))
    _step(task, optimizer, batch)
    optimizer.zero_grad(set_to_none=True)
    kept = [v for state in optimizer.state.values() for v in state.values() if torch.is_tensor(v)]
    with Alive([*task.parameters(), *task.buffers(), *kept]) as alive:
        _step(task, optimizer, batch)
    lasting = sum(t.numel() * t.element_size() for t in (*task.parameters(), *task.buffers(), *kept))
    predicted = ddp(found.tensors, found.states, found.activations(1), 1).memory
    assert predicted == pytest.approx(lasting + alive.peak, rel=0.15)
    assert found.states == pytest.approx(2.0, abs=0.01)  # of Adam, and its counters


def test_what_parts_hold_beside_parameters_and_buffers_is_counted_once(tmp_path: Path) -> None:
    np.save(tmp_path / "states.npy", np.zeros((100, 8), np.float32))

    class Plain:
        states = None

    module = torch.nn.Linear(8, 8)
    module.register_buffer("mean", torch.zeros(500))
    module.cache, module.again, module.nested = Plain(), module.weight[:2], {"a": [torch.zeros(7), module.mean]}
    module.cache.states = torch.from_numpy(np.load(tmp_path / "states.npy", mmap_mode="c"))
    module.view = module.cache.states[3:]
    assert sorted(tensor.untyped_storage().nbytes() for tensor in held_beside(module)) == [28, 3200]


def test_the_verb(capsys: pytest.CaptureFixture[str]) -> None:
    line = ["plan", *DATA, "items=id", "tuning=full", "width=16", "data.batch_size=4", "gpu=l4", "devices=[1,2,8]"]
    assert main([*line, "json=true"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [(row["strategy"], row["devices"]) for row in found["rows"]] == [("auto", 1), ("ddp", 2), ("fsdp2", 2)]
    assert found["parameters"] == found["trainable"] > 401 * 16
    assert found["rows"][1]["traffic"] == found["trainable"] * 4
    assert found["advice"] == "L4: strategy=auto trainer.devices=1."
    assert main(line) == 0
    assert "L4: strategy=auto trainer.devices=1." in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "steps"),
    [
        (["trainer.max_epochs=3"], 300),
        (["trainer.max_epochs=3", "+trainer.max_steps=40"], 40),
        (["trainer.max_epochs=null", "+trainer.max_steps=40", "trainer.accumulate_grad_batches=2"], 80),
        (["trainer.max_epochs=-1", "+trainer.max_steps=400"], 400),
        (["trainer.max_epochs=3", "+trainer.max_steps=-1"], 300),
    ],
)
def test_steps_until_the_first_end(options: list[str], steps: int) -> None:
    assert _steps(compose("train", options).trainer, 100) == steps


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("gpu=h10", "gpu must be one of A100-40, "),
        ("devices=[0]", "devices must be numbers of at least 1, got [0]. Set devices=[1,2,4]."),
        ("tuning=loar", "unknown choice tuning=loar; nearest: lora."),
    ],
)
def test_refused(option: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", *DATA, "items=id", *([] if "tuning" in option else ["tuning=full"]), option]) == 2
    assert message in capsys.readouterr().err


def test_advice() -> None:
    def row(strategy: str, devices: int, hours: float | None) -> Row:
        return Row(strategy, devices, 0, 0, 0, 0, 0, 0, {"L4": hours})

    assert _advice([row("auto", 1, 8.0), row("ddp", 4, 2.1)], ["L4"]) == "L4: strategy=ddp trainer.devices=4."
    assert _advice([row("auto", 1, 8.0), row("ddp", 4, 6.0)], ["L4"]) == "L4: strategy=auto trainer.devices=1."
    assert _advice([row("ddp", 2, None), row("fsdp2", 2, 3.0)], ["L4"]) == "L4: strategy=fsdp2 trainer.devices=2."
    assert "L4: none fits; lower data.batch_size" in _advice([row("auto", 1, None)], ["L4"])
