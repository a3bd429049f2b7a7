"""Fuse complete runs: runs=[DIR,DIR] and fuse=rrf, borda, weighted or stacking; tells whether it helps beside each run.

Each run is evaluated with lists of length depth first, in its own directory, where the next fusion finds them. A run
that scored labels orders the candidates of the first run: fuse=two_stage runs=[RANKS,SCORES] takes its order alone.
"""

from __future__ import annotations

from rec_lightning.runtime.composition import compose
from rec_lightning.runtime.refusal import refusing


def run(overrides: list[str]) -> int:
    """Compose, check, read the lists, fuse, write.

    Args:
        overrides: ``option=value`` or ``group=choice``.

    Raises:
        Refusal: the input cannot work; nothing was fused.
    """
    with refusing():
        config = compose("fuse", overrides)

        from rec_lightning.runtime.light import import_torchmetrics

        import_torchmetrics()

        from rec_lightning.runtime.check import check_signatures
        from rec_lightning.runtime.fusing import Fusing
        from rec_lightning.runtime.rundir import RunDir

        check_signatures(config)
        fusing = Fusing(config)
        run_dir = RunDir(config.run_dir, config)
    with run_dir:
        if not run_dir.complete:
            with refusing():
                fusing.read(run_dir)
                fusing.measure()
        run_dir.show()
    return 0
