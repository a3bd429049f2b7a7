"""The options of the verbs as people write them pass the checks of the real composition."""

from __future__ import annotations

import pytest

from rec_lightning.runtime.check import check_signatures
from rec_lightning.runtime.composition import compose
from rec_lightning.runtime.given import listed_ids, quoted

LINES = {
    "recommend": "run=runs/a k=20 users=[u1,007] upto=test filters=[category,between,listed] output=- "
    "filters.category.values=Drama filters.between.column=year filters.between.low=1990 filters.listed.path=x "
    "rerank=mmr rerank.weight=0.5",
    "similar": "run=runs/a item='Heat (1995)' filters=category filters.category.values=[a,b] output=a.csv",
    "evaluate": "file=a.csv data=ml_100k columns.user=uid columns.score=s top_k=[5] metrics=accuracy missing=skip",
    "compare": "runs=[runs/a,runs/b] names=[a,b] values=[ndcg@10,hr@10] primary=ndcg@10 reference=b",
    "explain": "run=runs/a user=196 item=50 steps=16 output=null",
}


@pytest.mark.parametrize("verb", LINES)
def test_a_line(verb: str) -> None:
    words = LINES[verb].replace("'Heat (1995)'", "'Heat\0(1995)'").split()
    check_signatures(compose(verb, [word.replace("\0", " ") for word in words]))


def test_ids_as_people_write_them() -> None:
    (users, item, other) = quoted(["users=007,1e5", "item=Schindler's List (1993)", "k=3"], "users", "item")
    config = compose("recommend", [users, other])
    assert listed_ids(config.users) == ["007", "1e5"]
    assert compose("similar", [item]).item == "Schindler's List (1993)"
    assert quoted(["users=null", "users=[a,b]"], "users") == ["users=null", "users=[a,b]"]
