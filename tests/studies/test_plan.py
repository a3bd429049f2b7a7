from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from rec_lightning.studies.override import quoted
from rec_lightning.studies.plan import Tracked, jobs_of, verb_command
from rec_lightning.studies.study import Study


def test_one_job_a_row(study: Study) -> None:
    jobs = jobs_of(study, Path("runs/toy"))
    assert [job.log.parent.name for job in jobs] == ["popularity", "ease", "sasrec-ids-text"]
    assert [job.log.name for job in jobs] == ["seed-42.log"] * 3
    assert jobs[0].command == (
        sys.executable, "-m", "rec_lightning.cli", "baseline", "baseline=popularity",
        "seed=42", "run_dir=runs/toy/popularity/seed-42",
    )  # fmt: skip
    assert jobs[2].printed == (
        "rec-lightning train items=id_text trainer.max_epochs=5 seed=42 run_dir=runs/toy/sasrec-ids-text/seed-42"
    )
    assert jobs[2].proof == Path("runs/toy/sasrec-ids-text/seed-42/manifest.json")


def test_overrides_reach_the_verbs_that_know_them(study: Study) -> None:
    overrides = ["data.path=x", "trainer.max_epochs=1", "+logger.extra=2"]
    baseline, _, train = jobs_of(study, Path("f"), overrides, command=lambda verb, overrides: [verb, *overrides])
    assert baseline.command[2:-2] == ("data.path=x",)
    # what is given takes the place of the row's own, since an option given twice is refused
    expected = ("items=id_text", "trainer.max_epochs=1", "data.path=x", "+logger.extra=2")
    assert train.command[1:-2] == expected
    baseline, *_ = jobs_of(study, Path("f"), overrides, {"baseline": {"logger"}})
    assert baseline.command[-3] == "+logger.extra=2"


def test_what_the_rows_differ_in_cannot_be_set_for_all(study: Study) -> None:
    with pytest.raises(ValueError, match=re.escape("cannot be set for all, got 'items=id'")):
        jobs_of(study, Path("f"), ["items=id"])
    jobs_of(study, Path("f"), ["items.width=32"])


@pytest.mark.parametrize("override", ["seed", "=3", "--fast", "a b=3", ""])
def test_no_override(study: Study, override: str) -> None:
    with pytest.raises(ValueError, match=re.escape(f"must have the form option=value, got {override!r}")):
        jobs_of(study, Path("f"), [override])


@pytest.mark.parametrize("path", ["runs/demo", "my runs/a=b", "it's", "a,b", "ü"])
def test_paths_survive_the_override_grammar(path: str) -> None:
    from hydra.core.override_parser.overrides_parser import OverridesParser

    assert str(OverridesParser.create().parse_override(f"run_dir={quoted(Path(path))}").value()) == path


def test_the_command_is_this_interpreter() -> None:
    assert verb_command("train", ["seed=1"])[0] == sys.executable


def test_runs_are_grouped_and_named_for_wandb(study: Study) -> None:
    tracked = Tracked("toy", frozenset({"SASRec, ids + <text>"}))
    jobs = jobs_of(study, Path("f"), command=lambda verb, overrides: [verb, *overrides], tracked=tracked)
    assert not any("logger" in word for word in jobs[0].command)
    own_words = ("logger.group=toy", "logger.name='SASRec, ids + <text>, seed 42'", "logger.job_type=train")
    assert jobs[2].command[-4:-1] == own_words
    own = jobs_of(study, Path("f"), ["logger.group=mine"], command=lambda verb, given: [verb, *given], tracked=tracked)
    assert [word for word in own[2].command if word.startswith("logger.group")] == ["logger.group=mine"]
