from __future__ import annotations

import subprocess
import sys

import pytest

from rec_lightning import demo, study


def test_the_demo_is_a_study(monkeypatch: pytest.MonkeyPatch) -> None:
    words = list[str]()
    monkeypatch.setattr(study, "run", lambda given: words.extend(given) or 0)
    assert demo.run(["trainer.max_epochs=1"]) == 0
    assert words == ["demo", "trainer.max_epochs=1"]


def test_the_import_is_light() -> None:
    code = "import sys, rec_lightning.demo; print({'torch', 'polars', 'matplotlib', 'rich'} & set(sys.modules))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.strip() == "set()"
