"""What a machine, a strategy or a meeting cannot do is refused before data are read."""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch.distributed as dist
from hydra.utils import instantiate
from lightning.pytorch.strategies import DDPStrategy
from omegaconf import OmegaConf

from rec_lightning.cli import main
from rec_lightning.runtime.build import build_strategy
from rec_lightning.runtime.composition import compose, conf_dir
from rec_lightning.runtime.devices import check_devices, check_whole, processes_of
from rec_lightning.runtime.meeting import check_seen, meet
from rec_lightning.runtime.strategies.fsdp2 import Fsdp2
from tests.members import members

SMALL = "data=synthetic data.source.users=30 data.source.items=20 items=id tuning=full width=8 logger=[]".split()
CPU = "trainer.accelerator=cpu"
REFUSED = {
    (CPU, "trainer.devices=999"): "trainer.devices must be 1..",
    (CPU, "trainer.devices=0"): "trainer.devices must be 1..",
    ("trainer.accelerator=tpu",): "trainer.accelerator must be auto, gpu, cpu, cuda or mps, got 'tpu'. Set trainer",
    ("launch.nodes=2",): "launch=local starts processes of this machine alone, got launch.nodes=2. Set launch=torchrun",
    ("launch=torchrun", "launch.nodes=2"): "launch=torchrun on 2 machines needs launch.endpoint=HOST:PORT",
    ("launch=torchrun", "launch.restarts=-1"): "launch.restarts at least 0, got 1 and -1. Set them.",
    ("launch=slurm",): "launch.time must be given, it has no default. Set launch.time=",
    ("launch=slurm", "launch.time=5"): "launch=slurm needs SLURM's sbatch on this machine, got none on the PATH.",
    (CPU, "strategy=fsdp"): "strategy=Fsdp needs CUDA as it is set, and the accelerator is cpu. Set strategy=fsdp2",
    (CPU, "strategy=fsdp2", "strategy.cpu_offload=true"): "strategy=Fsdp2 needs CUDA as it is set",
    ("strategy=deepspeed_2",): "strategy=deepspeed_2 needs the package deepspeed",
    ("strategy=deepspeed_3", "strategy.stage=1"): "strategy.stage must be 2 or 3, got 1",
    ("strategy=ddp", "strategy.bucket_mb=0"): "strategy.bucket_mb must be at least 1, got 0. Set strategy.bucket_mb.",
    (CPU, "trainer.num_nodes=2"): "trainer.num_nodes must be launch.nodes (1), got 2. Set launch.nodes alone",
    (CPU, "trainer.devices=2", "data.batch_size=1"): "data.batch_size must be at least the number of processes (2)",
    (CPU, "strategy=fsdp2", "task=multitask", "balancing=gradnorm"): "balancing=GradNorm reads each task's gradient in "
    "all weights, and strategy=Fsdp2 does not hold them at once. Set strategy=ddp, or strategy=fsdp2 "
    "strategy.by_block=false, or balancing=fixed, uncertainty or dwa, which read losses alone.",
    (
        CPU,
        "strategy=fsdp2",
        "task=multitask",
    ): "task.cosines_every=50 compares the tasks' gradients in all weights, and "
    "strategy=Fsdp2 does not hold them at once. Set strategy=ddp, or strategy=fsdp2 strategy.by_block=false, or "
    "task.cosines_every=0.",
    ("+trainer.strategy=ddp",): "the strategy is a part of its own, got trainer.strategy=ddp. Set strategy=",
}


@pytest.mark.parametrize("options", REFUSED, ids=" ".join)
def test_refused_before_any_data_is_read(
    options: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from rec_lightning.data.sources.synthetic import Synthetic

    monkeypatch.setattr(Synthetic, "fetch", lambda self: pytest.fail("data were read"))
    monkeypatch.setenv("PATH", str(tmp_path))
    if "deepspeed_2" in options[0]:
        monkeypatch.setattr("rec_lightning.runtime.strategies.deepspeed.find_spec", lambda name: None)
    assert main(["train", *SMALL, *options, f"run_dir={tmp_path / 'run'}"]) == 2
    message = capsys.readouterr().err
    assert REFUSED[options] in message
    assert "Traceback" not in message
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("asked", ["cuda", "gpu"])
def test_a_machine_without_cuda_says_so(asked: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr("torch.backends.mps.is_available", lambda: False)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 0)
    config = compose("train", [*SMALL, f"trainer.accelerator={asked}"])
    with pytest.raises(
        ValueError, match=rf"^trainer\.accelerator={asked} needs a CUDA device, and this machine has none"
    ):
        check_devices(config, object())


BALANCING = {name: name in ("fixed", "uncertainty", "dwa") for name in members("balancing")}  # goes with split weights


@pytest.mark.parametrize(("method", "goes"), BALANCING.items())
@pytest.mark.parametrize("strategy", ["fsdp", "fsdp2", "fsdp2 in one", "deepspeed_2", "deepspeed_3", "ddp"])
def test_gradients_of_tasks_are_taken_apart_where_a_process_has_them_all(
    strategy: str, method: str, goes: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    where = "rec_lightning.runtime.strategies.deepspeed"
    monkeypatch.setattr(f"{where}.find_spec", lambda name: True)
    monkeypatch.setattr(f"{where}.DeepSpeedStrategy", SimpleNamespace)
    choice, *whole = strategy.split(" in ")
    balancing, kind = (
        OmegaConf.load(conf_dir() / f"{part}.yaml") for part in (f"balancing/{method}", f"strategy/{choice}")
    )
    config = OmegaConf.create({"balancing": balancing, "task": {"cosines_every": 0}})
    made = instantiate(kind, **({"by_block": False} if whole else {}))
    if goes or whole or choice == "ddp":
        check_whole(config, made)
    else:
        with pytest.raises(ValueError, match=r"reads each task's gradient in all weights, and strategy="):
            check_whole(config, made)


@pytest.mark.parametrize("nested", [False, True])
def test_a_method_that_leaves_weights_out_of_a_step_needs_a_strategy_that_was_told(nested: bool) -> None:
    target = "tuning.items._target_=rec_lightning.tuning.gradual_unfreezing.GradualUnfreezing"
    line = [CPU, "items=text", *(["tuning=compose", target] if nested else ["tuning=gradual_unfreezing"])]
    build_strategy(compose("train", line))  # one process
    for strategy in ("auto", "ddp", "fsdp2"):
        with pytest.raises(
            ValueError, match=r"tuning=GradualUnfreezing leaves weights out of a step .*find_unused=true"
        ):
            build_strategy(compose("train", [*line, f"strategy={strategy}", "trainer.devices=2"]))
    build_strategy(compose("train", [*line, "strategy=ddp", "strategy.find_unused=true", "trainer.devices=2"]))


@pytest.mark.parametrize("choice", members("strategy"))
def test_every_strategy_has_a_time_after_which_it_gives_up(choice: str) -> None:
    assert compose("train", [f"strategy={choice}"]).strategy.timeout == 600


def test_what_ddp_and_fsdp2_are_told() -> None:
    ddp = build_strategy(compose("train", [CPU, "strategy=ddp", "strategy.static_graph=true", "strategy.timeout=7"]))
    assert isinstance(ddp, DDPStrategy)
    assert (ddp._ddp_kwargs["static_graph"], ddp._ddp_kwargs["bucket_cap_mb"]) == (True, 25)
    assert ddp._timeout.total_seconds() == 7  # type: ignore[union-attr]
    fsdp2 = build_strategy(compose("train", [CPU, "strategy=fsdp2", "strategy.mixed_precision=true"]))
    assert isinstance(fsdp2, Fsdp2)
    assert (fsdp2.mixed_precision, fsdp2.by_block, fsdp2.even) == (True, True, True)


@pytest.mark.parametrize(
    ("devices", "count"), [("1", 1), ("auto", 1), ("-1", 1), ("[0,1]", 2), ("'0,1,2'", 3), ("'2'", 2)]
)
def test_how_many_processes_are_asked_for(devices: str, count: int) -> None:
    config = compose("train", [CPU, f"trainer.devices={devices}", "trainer.num_nodes=3"])
    assert processes_of(config) == (count, 3)


def as_one_of(monkeypatch: pytest.MonkeyPatch, rank: int, world: int, port: int, address: str = "127.0.0.1") -> None:
    told = {"RANK": rank, "LOCAL_RANK": 0, "GROUP_RANK": rank, "WORLD_SIZE": world, "LOCAL_WORLD_SIZE": 1}
    told |= {"MASTER_ADDR": address, "MASTER_PORT": port, "TORCHELASTIC_RUN_ID": "x"}
    for name, value in told.items():
        monkeypatch.setenv(name, str(value))
    monkeypatch.setattr("lightning.fabric.utilities.rank_zero.rank_zero_only.rank", 0)


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@pytest.mark.parametrize(
    ("address", "reason"), [("127.0.0.1", "Connection refused"), ("no-such-host.invalid", "this name is not known")]
)
def test_a_master_that_does_not_answer(address: str, reason: str, monkeypatch: pytest.MonkeyPatch) -> None:
    as_one_of(monkeypatch, 1, 2, free_port(), address)
    config, start = compose("train", [CPU, "trainer.num_nodes=2", "strategy.timeout=1"]), time.monotonic()
    with pytest.raises(ValueError, match=rf"must answer at {address}:\d+, and .* cannot reach it \({reason}.*MASTER_A"):
        meet(config)
    assert time.monotonic() - start < 10


def test_another_number_of_processes_than_were_started(monkeypatch: pytest.MonkeyPatch) -> None:
    as_one_of(monkeypatch, 0, 4, 1)
    with pytest.raises(ValueError, match=r"number of processes that were started \(4\), got 1 \* 2\. Set trainer\.dev"):
        meet(compose("train", [CPU, "trainer.num_nodes=2"]))


def test_one_process_meets_nobody() -> None:
    assert "TORCHELASTIC_RUN_ID" not in os.environ
    meet(compose("train", [CPU]))
    assert not dist.is_initialized()


def test_a_run_directory_that_another_machine_does_not_see(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    where = "rec_lightning.runtime.meeting"
    monkeypatch.setattr(f"{where}.several", lambda: True)
    monkeypatch.setattr(f"{where}.dist.get_rank", lambda: 0)
    monkeypatch.setattr(f"{where}.dist.barrier", lambda: None)
    monkeypatch.setattr(f"{where}.everyone", lambda own: [own, ("node2", False)])
    (tmp_path / "run").mkdir()
    with pytest.raises(ValueError, match=r"all machines share, and node2 does not see .*run\. Choose another run_dir"):
        check_seen(tmp_path / "run")
    assert not list((tmp_path / "run").iterdir())
