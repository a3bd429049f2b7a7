"""Fit and test one baseline: the same batches, ranking, metrics and run directory as a trained model."""

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
        Refusal: the input cannot work; nothing was fitted.
    """
    with refusing():
        config = compose("baseline", overrides)
    return follow(config)


def follow(config: DictConfig) -> int:
    """The same from a resolved configuration.

    Args:
        config: as a run keeps it in ``config.yaml``.

    Raises:
        Refusal: it cannot work; nothing was fitted.
    """
    with refusing():
        from rec_lightning.runtime.light import import_torchmetrics

        import_torchmetrics()

        from rec_lightning.runtime.baselining import Baselining
        from rec_lightning.runtime.check import check_signatures
        from rec_lightning.runtime.ranges import check_ranges
        from rec_lightning.runtime.rundir import RunDir

        check_signatures(config)
        check_ranges(config)
        baselining = Baselining(config)
        run_dir = RunDir(config.run_dir, config)
    with run_dir:
        if not run_dir.has_ended(config.test):
            with refusing():
                baselining.read(run_dir)
                baselining.fit()
            baselining.test()
        run_dir.show()
    return 0
