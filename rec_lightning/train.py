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

    from rec_lightning.runtime.build import Launch


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

        from rec_lightning.runtime.build import build_launch
        from rec_lightning.runtime.check import check_signatures
        from rec_lightning.runtime.devices import processes_of, started
        from rec_lightning.runtime.meeting import meet
        from rec_lightning.runtime.ranges import check_ranges
        from rec_lightning.runtime.rundir import RunDir
        from rec_lightning.runtime.training import Training

        check_signatures(config)
        check_ranges(config)
        launch, processes = build_launch(config), processes_of(config)[0]
        training = Training(config)
        if launch is not None and launch.starts(processes) and not started():
            return _launched(launch, config, processes)
        meet(config)
        run_dir = RunDir(config.run_dir, config)
    with run_dir:
        if not run_dir.has_ended(config.test):
            with refusing():
                training.read(run_dir)
            training.fit()
            training.test()
        run_dir.show()
    return 0


def _launched(launch: Launch, config: DictConfig, processes: int) -> int:
    from omegaconf import OmegaConf

    from rec_lightning.runtime.rundir import RunDir

    # the processes find themselves started, and start no others
    inner = OmegaConf.merge(config, {"launch": None})
    code = launch(follow_text, OmegaConf.to_yaml(inner), processes, config.run_dir)
    if code == 0 and launch.elsewhere:
        with RunDir(config.run_dir, inner) as run_dir:  # type: ignore[arg-type]
            run_dir.show()
    return code


def follow_text(text: str) -> int:
    """The same from a configuration as YAML, in one of several processes.

    Raises:
        Refusal: it cannot work; nothing was trained.
    """
    from omegaconf import DictConfig, OmegaConf

    config = OmegaConf.create(text)
    assert isinstance(config, DictConfig)
    return follow(config)
