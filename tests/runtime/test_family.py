"""Parts that rank and parts that score do not mix, and are told before any data are read."""

from __future__ import annotations

import re

import pytest

from rec_lightning.runtime.baseline_options import resolve_baselines
from rec_lightning.runtime.composition import compose
from rec_lightning.runtime.family import check_family
from rec_lightning.runtime.training import Training

SMALL = ["data=synthetic", "items=id", "tuning=full", "width=8", "logger=[]"]
CASES = {
    "head=cosine task=scoring": "head=DotHead ranks a catalogue, and task=ScoringTask scores labels. Set head=dot_bias",
    "loss=bce task=scoring": "loss=BCE ranks a catalogue, and task=ScoringTask scores labels. Set loss=log_loss, focal",
    "metrics=ranking task=scoring": "metrics.hit_rate=HitRate is not for a binary label. Set metrics=binary.",
    "metrics=rating task=scoring": "metrics.errors=Errors is not for a binary label. Set metrics=binary.",
    "label=rating task=scoring": "loss=LogLoss is not for a number label. Set loss=squared_error, huber or ordinal.",
    "head=fm task=classes label.classes=[a,b]": "head=FM is not for a classes label. Set head=linear, mlp, din or dcn.",
    "label=none task=scoring": "task=ScoringTask needs a label, got none. Set label=at_least, rating, classes or",
    "ranking=topk task=scoring": "ranking=TopK has no effect with task=ScoringTask. Set ranking=none.",
    "rerank=mmr task=scoring": "rerank=MMR has no effect with task=ScoringTask. Set rerank=none.",
    "compare=[ease] task=scoring": "compare lists baselines that rank, and task=ScoringTask scores, got ease. Set",
    "label=at_least": "label=AtLeast has no effect with task=SequenceTask. Set task=scoring, or label=none.",
    "head=fm": "head=FM scores labels, and task=SequenceTask has none. Set head=dot or cosine.",
    "loss=focal": "loss=Focal scores labels, and task=SequenceTask has none. Set loss=chunked_softmax.",
    "metrics=binary": "metrics.auc=RocAUC scores labels, and task=SequenceTask has none. Set metrics=ranking.",
    "backbone=prompt_lm": "backbone=PromptLM scores labels that are binary or classes. Set task=prompt.",
    "task=prompt head=mlp": "head=MLP reads a state of the history, and backbone=PromptLM gives one of each candidate.",
    "task=scoring head=label_words": "head=LabelWords reads what a model says of each candidate, and backbone=SASRec",
    "task=prompt items=id": "items=IdItems has no effect with backbone=PromptLM. Set items=none.",
    "items=none": "items=NoItems has no vectors, which backbone=SASRec reads. Set items=id or text.",
    "task=scoring regularizer=fgm head=bias": "regularizer=FGM moves item vectors, and head=Bias reads none. Set reg",
    "task=prompt regularizer=pgd": "regularizer=PGD moves item vectors, and head=LabelWords reads none.",
    "ranking=none": "task=SequenceTask needs a ranking, got none. Set ranking=topk.",
}


def start(line: list[str]) -> None:
    config = compose("train", [*SMALL, *line])
    resolve_baselines(config, [])
    Training(config)


@pytest.mark.parametrize("line", CASES)
def test_a_part_of_the_other_family_is_refused(line: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(CASES[line])}"):
        check_family(compose("train", line.split()))


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("companion=duorec", "companion=DuoRec pairs histories with the same next item, and scoring asks for none."),
        (
            "companion=cl4srec backbone=hstu",
            "companion=CL4SRec changes histories and knows no times, and backbone=HSTU",
        ),
    ],
)
def test_a_companion_that_scoring_cannot_have_is_refused(line: str, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        start(["task=scoring", *line.split()])


@pytest.mark.parametrize("task", ["scoring", "rating", "classes", "sequence"])
def test_every_task_brings_parts_that_go_with_it(task: str) -> None:
    given = ["label.classes=[a,b]"] if task == "classes" else []
    start([f"task={task}", *given])


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("task=scoring monitor=val/log_loss", "monitor_mode must be min for val/log_loss, got 'max'. Set it."),
        ("task=rating monitor_mode=max", "monitor_mode must be min for val/rmse, got 'max'. Set it."),
        ("task=scoring monitor=val/ndcg@10", "monitor must be a metric of validation (val/accuracy, "),
        ("task=scoring monitor=val/threshold", "monitor must be a metric of validation (val/accuracy, "),
        ("task=scoring loss=pairwise", "loss=pairwise compares the candidates of a row, and label=AtLeast draws none"),
    ],
)
def test_what_is_watched_must_be_measured_and_better_in_one_direction(line: str, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        start(line.split())
