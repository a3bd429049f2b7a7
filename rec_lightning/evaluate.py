"""Measure a complete run again: run=DIR, and what differs, as ranking=sampled, rerank=mmr, metrics=all, data/split=...

The run's own configuration holds for everything else. Its best checkpoint is loaded, a baseline is fitted again; the
results go to DIR/evaluations/<name>. Targets that the run was trained on are refused unless allow_trained=true.
"""

from __future__ import annotations

from rec_lightning.runtime.refusal import refusing


def run(overrides: list[str]) -> int:
    """Read the run, put it together with what differs, measure, write.

    Args:
        overrides: ``run=DIR``, ``stage``, ``name`` and ``allow_trained``, and options of the groups ``data``,
            ``ranking``, ``rerank`` and ``metrics``.

    Raises:
        Refusal: the input cannot work; nothing was measured.
    """
    with refusing():
        from rec_lightning.runtime.asked import read_request

        request = read_request(overrides)  # before the heavy imports: a typing error answers at once

        from rec_lightning.runtime.light import import_torchmetrics

        import_torchmetrics()

        from rec_lightning.runtime.check import check_signatures
        from rec_lightning.runtime.evaluation import Evaluation
        from rec_lightning.runtime.rundir import RunDir

        check_signatures(request.config)
        evaluation = Evaluation(request)
        place = RunDir(request.config.run_dir, request.config)
    with place:
        if not place.complete:
            with refusing():
                evaluation.read(place)
            evaluation.measure()
        place.show()
    return 0
