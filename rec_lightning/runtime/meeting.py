"""Brings the processes of one training together before any of them reads data, so that what is wrong shows at once.

Who is who is what torchrun or SLURM say, read by Lightning's own environments; the group that is made here is the one
that the strategy goes on with.

Relations: ``starting`` starts processes on one machine; ``devices`` counts them.
"""

from __future__ import annotations

import os
import socket
import time
from datetime import timedelta
from pathlib import Path

import torch
import torch.distributed as dist
from lightning.fabric.plugins.environments.cluster_environment import ClusterEnvironment
from lightning.fabric.plugins.environments.slurm import SLURMEnvironment
from lightning.fabric.plugins.environments.torchelastic import TorchElasticEnvironment
from lightning.fabric.utilities.rank_zero import rank_zero_only
from omegaconf import DictConfig
from torch._C._distributed_c10d import PrefixStore, TCPStore

from rec_lightning.runtime.devices import accelerator_of, processes_of, started
from rec_lightning.tasks.processes import everyone, several

_PATIENCE = 60.0  # seconds, at most, until the first process answers
_SEEN = 10.0  # seconds until a file of one machine shows on another


def meet(config: DictConfig) -> None:
    """Joins the other processes, where this one is one of several; all of them must.

    Args:
        config: resolved; ``strategy.timeout`` is the patience with which processes wait for each other.

    Raises:
        ValueError: another number of processes than asked for, or the first process does not answer.
    """
    if not started() or dist.is_initialized():
        return
    place: ClusterEnvironment = (
        TorchElasticEnvironment() if TorchElasticEnvironment.detect() else SLURMEnvironment(auto_requeue=False)
    )
    here, nodes = processes_of(config)
    if place.world_size() != here * nodes:
        raise ValueError(
            f"trainer.devices * trainer.num_nodes must be the number of processes that were started "
            f"({place.world_size()}), got {here} * {nodes}. Set trainer.devices and trainer.num_nodes."
        )
    timeout = float(config.strategy.timeout) if config.get("strategy") else 600.0
    address, port, rank = place.main_address, place.main_port, place.global_rank()
    rank_zero_only.rank = rank  # type: ignore[attr-defined]
    if rank:
        _reach(address, port, min(timeout, _PATIENCE))
    os.environ |= {"MASTER_ADDR": address, "MASTER_PORT": str(port)}
    cuda = accelerator_of(config) == "cuda"
    if cuda:
        torch.cuda.set_device(place.local_rank())
    wait = timedelta(seconds=timeout)
    agent = os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True"  # torchrun keeps the store itself
    master = rank == 0 and not agent
    store = TCPStore(address, port, place.world_size(), master, timeout=wait, wait_for_workers=False)
    # it outlives a restart, and the addresses of those that died with it
    attempt = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
    dist.init_process_group(
        "cpu:gloo,cuda:nccl" if cuda else "gloo",
        store=PrefixStore(f"attempt {attempt}", store),
        rank=rank,
        world_size=place.world_size(),
        timeout=wait,
    )


def _reach(address: str, port: int, patience: float) -> None:
    end, reason = time.monotonic() + patience, ""
    while time.monotonic() < end:
        try:
            socket.create_connection((address, port), timeout=patience).close()
        except socket.gaierror as error:
            reason = f"this name is not known here: {error.strerror}"
            break
        except OSError as error:
            reason = str(error.strerror or error)
            time.sleep(0.2)
        else:
            return
    raise ValueError(
        f"the first process must answer at {address}:{port}, and {socket.gethostname()} cannot reach it ({reason}). "
        "Set MASTER_ADDR and MASTER_PORT to where it is, and open the port between the machines."
    )


def check_seen(run_dir: Path) -> None:
    """Refuses a run directory that not every machine sees; all processes must ask.

    Args:
        run_dir: of the run; the first process has made it.

    Raises:
        ValueError: a machine does not see what the first process wrote.
    """
    if not several():
        return
    mark = run_dir / ".seen"
    if dist.get_rank() == 0:
        mark.touch()
    dist.barrier()
    end = time.monotonic() + _SEEN
    while not (found := mark.exists()) and time.monotonic() < end:
        time.sleep(0.1)
    blind = sorted({host for host, sees in everyone((socket.gethostname(), found)) if not sees})
    if dist.get_rank() == 0:
        mark.unlink()
    if blind:
        raise ValueError(
            f"run_dir must lie on a file system that all machines share, and {', '.join(blind)} does not see "
            f"{run_dir.absolute()}. Choose another run_dir."
        )


def leave() -> None:
    """Parts from the other processes: what comes after is done by the first one alone."""
    if dist.is_available() and dist.is_initialized():
        dist.barrier()
        dist.destroy_process_group()
