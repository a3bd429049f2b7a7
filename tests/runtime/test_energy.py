from __future__ import annotations

import json
from pathlib import Path

import pytest

from rec_lightning.cli import main

pytest.importorskip("codecarbon")

from rec_lightning.runtime.energy import Energy

LINE = (
    "train data=synthetic data.source.users=30 data.source.items=20 items=id tuning=full width=8 max_length=6 "
    "trainer.max_epochs=1 compare=[] logger=[] callbacks=[energy] callbacks.energy.every_seconds=1"
).split()


def test_a_run_tells_its_energy(tmp_path: Path) -> None:
    assert main([*LINE, f"run_dir={tmp_path}"]) == 0
    told = json.loads((tmp_path / "energy.json").read_text())
    assert 0 < told["kwh"] < 0.1
    assert 0 < told["kg_co2e"] < told["kwh"]  # no country's electricity emits a kg a kWh
    assert told["country"] == "DEU"


def test_sessions_add_up() -> None:
    callback = Energy()
    callback.load_state_dict({"kwh": 1.0, "kg_co2e": 0.5})
    assert callback.state_dict() == {"kwh": 1.0, "kg_co2e": 0.5}


def test_a_country_that_is_none() -> None:
    with pytest.raises(ValueError, match=r"ISO code of three letters as DEU, got 'Germany'"):
        Energy(country="Germany")


def test_without_codecarbon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rec_lightning.runtime.energy.find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"Install rec_lightning\[energy\], or leave energy out"):
        Energy()
