"""Energy and emissions of a training, by codecarbon: measured where the machine tells it, else estimated from its load.

What comes out stands in ``energy.json`` of the run: kWh, kg of CO2-equivalent for the country named, and how the
processor's power was known. It counts this machine's processor, memory and accelerators while the run trains, other
programs' share too. CPU seconds stand in every manifest, whether this is asked for or not. A resumed run adds up what
its checkpoints knew.

Relations: ``callbacks=[early_stopping,energy]``; a study's CSV and report show it. Needs the extra ``energy``.
"""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from lightning import Callback, LightningModule, Trainer


class Energy(Callback):
    """Writes ``energy.json`` when training has ended.

    Args:
        country: ISO code of three letters, for the emissions of its electricity.
        every_seconds: between two measurements.

    Raises:
        ValueError: codecarbon is not installed, or no country's code.
    """

    def __init__(self, country: str = "DEU", every_seconds: float = 15.0) -> None:
        if find_spec("codecarbon") is None:
            raise ValueError(
                "callbacks=energy needs the package codecarbon, which is not installed. Install rec_lightning[energy], "
                "or leave energy out of callbacks."
            )
        if len(country) != 3 or not country.isupper():
            raise ValueError(
                f"callbacks.energy.country must be an ISO code of three letters as DEU, got {country!r}. "
                "Set callbacks.energy.country."
            )
        self.country, self.every_seconds = country, every_seconds
        self._before = {"kwh": 0.0, "kg_co2e": 0.0}
        self._tracker: Any = None

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Starts to measure, in the first process."""
        if not trainer.is_global_zero:
            return
        from codecarbon import OfflineEmissionsTracker

        self._tracker = OfflineEmissionsTracker(
            country_iso_code=self.country,
            measure_power_secs=self.every_seconds,
            output_methods=[],
            log_level="error",
            allow_multiple_runs=True,
        )
        self._tracker.start()

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Writes what was found."""
        if self._tracker is None:
            return
        found = self._so_far(stop=True)
        facts = self._tracker.final_emissions_data
        told = found | {"country": self.country, "processor": facts.cpu_model, "tracking": facts.tracking_mode}
        Path(trainer.default_root_dir, "energy.json").write_text(json.dumps(told, indent=2) + "\n")
        self._tracker = None
        self._before = found

    def state_dict(self) -> dict[str, Any]:
        """Energy so far, for a run that goes on."""
        return self._before if self._tracker is None else self._so_far()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Adds to what an earlier session used."""
        self._before = dict(state_dict)

    def _so_far(self, stop: bool = False) -> dict[str, float]:
        kg = (self._tracker.stop() if stop else self._tracker.flush()) or 0.0
        data = self._tracker.final_emissions_data if stop else self._tracker._prepare_emissions_data()
        return {"kwh": self._before["kwh"] + data.energy_consumed, "kg_co2e": self._before["kg_co2e"] + kg}
