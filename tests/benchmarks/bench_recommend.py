"""Lists for a million synthetic users of a hundred thousand items: users a CPU-second, and how memory grows.

python tests/benchmarks/bench_recommend.py SHARE [USERS ITEMS]: a quarter of the first SHARE (0..1) of the users, then
all of that share, each in a process of its own with one thread. The model is SASRec over ids, width 64, with the
weights of the start: what lists cost does not depend on what was learnt.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

MODEL = ["items=id", "tuning=full", "width=64", "compare=[]", "logger=[]", "trainer.accelerator=cpu"]


def make_run(folder: Path, users: int, items: int) -> None:
    """A complete run that nobody trained."""
    import torch
    from hydra.utils import instantiate
    from omegaconf import OmegaConf

    from rec_lightning.runtime.build import build_task
    from rec_lightning.runtime.composition import compose
    from rec_lightning.tasks.lean import bases, lean_state

    size = [f"data.source.users={users}", f"data.source.items={items}", "data.source.events_per_user=20"]
    config = compose("train", ["data=synthetic", *size, *MODEL])
    config.compare = {}
    data = instantiate(config.data)
    data.prepare()
    task = build_task(config, data.catalog)
    (folder / "checkpoints").mkdir(parents=True)
    torch.save({"state_dict": lean_state(task), "bases": bases(task)}, folder / "checkpoints/best.ckpt")
    (folder / "config.yaml").write_text(OmegaConf.to_yaml(config))
    manifest = {"status": "complete", "verb": "train", "data": {"fingerprint": data.facts.fingerprint}}
    (folder / "manifest.json").write_text(json.dumps(manifest))


def measure(folder: Path, users: int) -> None:
    """One line: what it took in this process."""
    import numpy as np
    import torch

    from rec_lightning.runtime.composition import compose
    from rec_lightning.use.recommendation import Recommendation

    torch.set_num_threads(1)
    config = compose("recommend", [f"run={folder}", "k=20", f"output={folder}/{users}.parquet"])
    recommendation = Recommendation(config)
    recommendation.read()
    recommendation.rows = np.arange(users)
    begin = time.process_time()
    told = recommendation.stream()
    spent = time.process_time() - begin
    size = (folder / f"{users}.parquet").stat().st_size
    line = {"users": told.users, "candidates": told.candidates, "cpu_s": spent, "users_per_cpu_s": told.users / spent}
    print(json.dumps(line | {"peak_mb": told.memory, "output_mb": size / 2**20}))


def main() -> None:
    """Makes the run, then measures it for fewer and for more users."""
    if sys.argv[1] == "measure":
        measure(Path(sys.argv[2]), int(sys.argv[3]))
        return
    share = float(sys.argv[1])
    users, items = (int(word) for word in (sys.argv[2:4] or ("1000000", "100000")))
    with tempfile.TemporaryDirectory() as place:
        subprocess.run([sys.executable, __file__, "make", place, str(users), str(items)], check=True)
        for count in (int(users * share / 4), int(users * share)):
            subprocess.run([sys.executable, __file__, "measure", f"{place}/run", str(count)], check=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["make"]:
        make_run(Path(sys.argv[2]) / "run", int(sys.argv[3]), int(sys.argv[4]))
    else:
        main()
