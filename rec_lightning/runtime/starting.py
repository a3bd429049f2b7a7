"""Starts the processes of one training on this machine, with torchrun's own engine.

When one fails, the others are ended at once and its error is what is shown: those of the others are consequences.

Relations: ``meeting`` brings them together.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

from rec_lightning.runtime.refusal import Refusal


def start(
    work: Callable[[str], int],
    text: str,
    processes: int,
    restarts: int = 0,
    nodes: int = 1,
    endpoint: str | None = None,
    host: bool | None = None,
) -> int:
    """Runs ``work(text)`` in each process.

    Args:
        work: a function of a module; gives an exit code.
        text: what it is called with.
        processes: how many, on this machine.
        restarts: times that all are started anew after one failed.
        nodes: machines on which the same is started.
        endpoint: ``HOST:PORT`` on one of them, where there are several.
        host: whether it is on this machine; None where its name tells.

    Returns:
        0, or the code of the first that failed: 2 where it refused its input, 1 for a fault, 130 for an interrupt.
    """
    from torch.distributed.elastic.multiprocessing import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    for name in ("torch.distributed.elastic", "torch.multiprocessing"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // processes)))
    settings = LaunchConfig(
        min_nodes=nodes,
        max_nodes=nodes,
        nproc_per_node=processes,
        run_id="rec_lightning" if endpoint else uuid4().hex,
        rdzv_backend="c10d",
        rdzv_endpoint=endpoint or "127.0.0.1:0",
        rdzv_configs={} if host is None else {"is_host": host},
        local_addr=None if endpoint else "127.0.0.1",
        max_restarts=restarts,
        monitor_interval=0.2,
        start_method="spawn",
    )
    with tempfile.TemporaryDirectory() as folder:
        try:
            elastic_launch(settings, process)(work, text, str(Path(folder) / "told"))
        except ChildFailedError as error:
            rank, failure = error.get_first_failure()
            if failure.exitcode < 0:
                name = signal.Signals(-failure.exitcode).name
                print(f"error: process {rank} of {processes} was ended by {name}.", file=sys.stderr)
            return max(1, failure.exitcode)
        except SignalException as error:
            return 128 + int(error.sigval)
    return 0


def process(work: Callable[[str], int], text: str, told: str) -> None:
    """One of the processes; the first that fails says why."""
    try:
        code = work(text)
    except Refusal as error:
        code = 2
        _tell(f"error: {error}", told)
    except KeyboardInterrupt:
        code = 130
    except Exception:  # noqa: BLE001 whatever it is, it is told and ends all
        code = 1
        number = os.environ.get("RANK") or os.environ.get("SLURM_PROCID")
        _tell(f"process {number} failed:\n{traceback.format_exc()}", told)
    sys.stdout.flush()
    if code:
        raise SystemExit(code)


def _tell(message: str, told: str) -> None:
    # of the first start, the second, ...: by torchrun, or by SLURM
    again = os.environ.get("TORCHELASTIC_RESTART_COUNT") or os.environ.get("SLURM_RESTART_COUNT") or "0"
    try:
        with Path(f"{told}.{int(again):03}").open("x", encoding="utf-8") as file:
            file.write(message)
    except FileExistsError:
        return
    print(message, file=sys.stderr, flush=True)
