"""Train one model: choose its best epoch on validation, test it once, leave a complete run directory.

The same line on the directory of an interrupted run goes on from where it was; on that of a complete run it shows
the results.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rec_lightning.runtime.composition import compose
from rec_lightning.runtime.refusal import refusing

if TYPE_CHECKING:
    from omegaconf import DictConfig


def run(overrides: list[str]) -> int:
    """Compose, check, read, fit, test, write.

    Args:
        overrides: ``option=value`` or ``group=choice``.

    Raises:
        Refusal: the input cannot work; nothing was trained.
    """
    with refusing():
        config = compose("train", overrides)  # before the heavy imports: a typing error answers at once

        from rec_lightning.runtime.baseline_options import resolve_baselines

        resolve_baselines(config, overrides)
    return follow(config)


def follow(config: DictConfig) -> int:
    """The same from a resolved configuration.

    Args:
        config: as a run keeps it in ``config.yaml``.

    Raises:
        Refusal: it cannot work; nothing was trained.
    """
    with refusing():
        from rec_lightning.runtime.light import import_torchmetrics

        import_torchmetrics()

        from rec_lightning.runtime.check import check_signatures
        from rec_lightning.runtime.rundir import RunDir
        from rec_lightning.runtime.training import Training

        check_signatures(config)
        training = Training(config)
        run_dir = RunDir(config.run_dir, config)
    with run_dir:
        if not run_dir.has_ended(config.test):
            with refusing():
                training.read(run_dir)
            training.fit()
            training.test()
        run_dir.show()
    return 0
