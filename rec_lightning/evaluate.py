"""Measure a complete run again: run=DIR, and what differs, as ranking=sampled, rerank=mmr, metrics=all, data/split=...

The run's own configuration holds for everything else. Its best checkpoint is loaded, a baseline is fitted again; the
results go to DIR/evaluations/<name>. Targets that the run was trained on are refused unless allow_trained=true.
A run that scored labels may be measured with other metrics, on its validation (stage=val), and under
attack=0.1, every item vector moved against it by a tenth of their mean length, batch by batch.

file=FILE data=... measures lists that another program made: .csv, .tsv, .parquet or .jsonl with the columns user, item
and rank or score, or with user and a list items. Its options are those below.
"""

from __future__ import annotations

from rec_lightning.runtime.refusal import refusing


def run(overrides: list[str]) -> int:
    """Read the run, put it together with what differs, measure, write.

    Args:
        overrides: ``run=DIR``, ``stage``, ``name``, ``attack`` and ``allow_trained``, and options of the groups
            ``data``, ``ranking``, ``rerank`` and ``metrics``; or ``file=FILE`` and options of ``conf/evaluate.yaml``.

    Raises:
        Refusal: the input cannot work; nothing was measured.
    """
    if any(text.startswith("file=") for text in overrides):
        return _run_outside(overrides)
    with refusing():
        from rec_lightning.runtime.asked import read_request

        request = read_request(overrides)  # before the heavy imports: a typing error answers at once

        from rec_lightning.runtime.light import import_torchmetrics

        import_torchmetrics()

        from rec_lightning.runtime.check import check_signatures
        from rec_lightning.runtime.evaluation import Evaluation
        from rec_lightning.runtime.label_evaluation import LabelEvaluation
        from rec_lightning.runtime.rundir import RunDir

        check_signatures(request.config)
        evaluation = (LabelEvaluation if request.config.get("label") else Evaluation)(request)
        place = RunDir(request.config.run_dir, request.config)
    with place:
        if not place.complete:
            with refusing():
                evaluation.read(place)
            evaluation.measure()
        place.show()
    return 0


def _run_outside(overrides: list[str]) -> int:
    with refusing():
        from rec_lightning.runtime.composition import compose

        for word, need in (("run=", False), ("data=", True)):
            if any(text.startswith(word) for text in overrides) != need:
                told = (
                    "needs the data set it is measured on. Set data="
                    if need
                    else "is measured without a run. Drop run="
                )
                raise ValueError(f"file=... {told}...")
        config = compose("evaluate", overrides)

        from rec_lightning.runtime.light import import_torchmetrics

        import_torchmetrics()

        from rec_lightning.runtime.check import check_signatures
        from rec_lightning.runtime.rundir import RunDir
        from rec_lightning.use.outside import Outside

        check_signatures(config)
        outside = Outside(config)
        place = RunDir(config.run_dir, config)
    with place:
        if not place.complete:
            with refusing():
                outside.read(place)
            outside.measure()
        for note in place.read_json("manifest.json")["notes"]:
            print(note)
        place.show()
    return 0
