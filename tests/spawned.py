"""Tests' trainings as processes of their own that meet on this machine, and what each of them wrote."""

from __future__ import annotations

import json
import multiprocessing
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any


def join(rank: int, world: int, port: int) -> None:
    """Sets what a launcher would tell a process of several; nothing for one alone."""
    if world > 1:
        given = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": world, "LOCAL_WORLD_SIZE": world, "GROUP_RANK": 0}
        given |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "TORCHELASTIC_RUN_ID": "none"}
        os.environ.update({key: str(value) for key, value in given.items()})


def run(train: Callable[..., None], world: int, folder: Path, *more: str) -> list[dict[str, Any]]:
    """What each of ``world`` processes saw, which ``train(rank, world, port, folder, *more)`` wrote."""
    context = multiprocessing.get_context("spawn")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    started = [context.Process(target=train, args=(rank, world, port, str(folder), *more)) for rank in range(world)]
    for process in started:
        process.start()
    try:
        for process in started:
            process.join(500)
            assert process.exitcode == 0, f"a process of {world} ended with {process.exitcode}"
    finally:
        for process in started:  # those that wait for one that failed
            process.kill()
    return [json.loads((folder / f"{world}-{rank}.json").read_text()) for rank in range(world)]
