from __future__ import annotations

import json
import subprocess
import sys

import pytest

TOLD = """
import json, sys
from rec_lightning.runtime.light import import_torchmetrics
import_torchmetrics()
import_torchmetrics()
import rec_lightning.runtime.training, rec_lightning.runtime.baselining
import torchmetrics
from lightning_utilities.core.imports import RequirementCache, package_available
print(json.dumps([sorted(sys.modules), bool(RequirementCache("scipy")), package_available("matplotlib")]))
"""
HEAVY = ["transformers", "scipy.signal", "matplotlib", "PIL", "peft", "wandb"]


@pytest.fixture(scope="module")
def told() -> tuple[list[str], bool, bool]:
    done = subprocess.run([sys.executable, "-c", TOLD], capture_output=True, text=True, check=True)
    modules, scipy, matplotlib = json.loads(done.stdout)
    return modules, scipy, matplotlib


def test_a_run_starts_without_what_it_does_not_need(told: tuple[list[str], bool, bool]) -> None:
    assert "torchmetrics" in told[0]
    assert [name for name in HEAVY if name in told[0]] == []


def test_afterwards_everything_is_found_again(told: tuple[list[str], bool, bool]) -> None:
    assert told[1:] == (True, True)


def test_the_data_road_needs_no_lightning() -> None:
    code = "import sys, rec_lightning.data.module; print({'lightning', 'torchmetrics', 'scipy'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
