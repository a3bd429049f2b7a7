from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time

from rec_lightning.runtime import manifest


def test_everything_is_plain_json() -> None:
    facts = {"code": manifest.code(), "packages": manifest.packages(), "hardware": manifest.hardware()}
    assert json.loads(json.dumps(facts)) == facts


def test_packages_are_those_installed() -> None:
    import torch

    found = manifest.packages()
    assert found["torch"] == torch.__version__
    assert set(found) >= {"lightning", "transformers", "peft", "numpy", "polars"}


def test_hardware_counts_the_cores_this_process_may_use() -> None:
    assert manifest.hardware()["cores"] == len(os.sched_getaffinity(0))
    assert 0.1 < manifest.hardware()["memory_gb"] < 100_000


def test_peak_memory_rises_with_what_is_held() -> None:
    code = (
        "from rec_lightning.runtime.manifest import peak_memory_mb as m; a = m(); x = bytearray(200 * 2**20);"
        "x[::4096] = b'1' * len(x[::4096]); print(m() - a)"
    )
    rise = float(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)
    assert 150 < rise < 260


def test_the_start_of_the_process_is_before_its_imports() -> None:
    code = "import time; t = time.time(); from rec_lightning.runtime.manifest import process_start as p; print(t - p())"
    before = time.time()
    gap = float(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)
    assert -0.05 < gap < time.time() - before + 0.05


def test_now_is_utc_to_the_second() -> None:
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", manifest.now())
