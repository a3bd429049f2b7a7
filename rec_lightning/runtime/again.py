"""The configuration with which a run is run again, from what it left.

Relations: ``finished`` reads the run; the verb ``reproduce`` runs what is made here.
"""

from __future__ import annotations

from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from rec_lightning.runtime.composition import compose


def configuration_again(config: DictConfig, verb: str, place: Path) -> tuple[DictConfig, list[str]]:
    """The run's own configuration in another folder, to the end of the test; no trackers, no baselines beside it.

    Args:
        config: of the run.
        verb: ``train`` or ``baseline``.
        place: of the new run.

    Returns:
        The configuration, and the parts that an older run did not have, which take today's defaults.
    """
    today = compose(verb, [])
    missing = [str(key) for key in today if key not in config]
    again = OmegaConf.merge({key: today[key] for key in missing}, config)
    assert isinstance(again, DictConfig)
    OmegaConf.update(again, "run_dir", str(place))
    OmegaConf.update(again, "test", True)
    again.pop("logger", None)
    if "compare" in again:
        OmegaConf.update(again, "compare", {}, merge=False)
    return again, [key for key in missing if key not in ("logger", "compare", "test")]
