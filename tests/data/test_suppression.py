from __future__ import annotations

import re
import stat
from pathlib import Path

import pytest

from rec_lightning.data.module import RecData
from rec_lightning.data.sources.synthetic import Synthetic
from rec_lightning.data.split import LeaveOneOut
from rec_lightning.data.suppression import Suppression, origin_of, user_ids

SOURCE = Synthetic(users=30, items=20)


def test_who_is_in_the_list_is_left_out_of_every_table() -> None:
    tables, listed = SOURCE.fetch(), Suppression(origin_of(SOURCE))
    assert listed.drop(tables) is tables
    first, second, *_ = sorted(user_ids(tables))
    listed.add([first, second])
    less = listed.drop(tables)
    assert set(user_ids(tables)) - set(user_ids(less)) == {first, second}
    assert less.interactions.height < tables.interactions.height
    assert less.fingerprint != tables.fingerprint


def test_the_list_grows_in_order_and_names_nobody() -> None:
    one = Suppression("x")
    assert (len(one), one.mark) == (0, "")
    one.add(["ann", "bob", "ann"])
    marks = {one.mark}
    two = Suppression("x")
    two.add(["bob", "cy"])
    marks.add(two.mark)
    again = Suppression("x")
    assert again.places(["cy", "ann", "dora", "bob"]) == {"ann": 0, "bob": 1, "cy": 2}
    assert (len(again), len(marks)) == (3, 2)
    text = again.file.read_text()
    assert not any(name in text for name in ("ann", "bob", "cy"))
    assert stat.S_IMODE(again.file.stat().st_mode) == 0o600
    assert [file.name for file in again.file.parent.iterdir()] == ["x.json"]


def test_a_spoilt_list_stops_the_preparation() -> None:
    data = RecData(SOURCE, LeaveOneOut(), max_length=10)
    file = Suppression(origin_of(SOURCE)).file
    file.parent.mkdir(parents=True)
    file.write_text("{")
    with pytest.raises(ValueError, match=re.escape(f"{file} lists who was forgotten, and it cannot be read (")):
        data.prepare()


@pytest.mark.parametrize("kept", [True, False])
def test_data_prepared_again_are_without_them(kept: bool) -> None:
    def prepared() -> RecData:
        data = RecData(SOURCE, LeaveOneOut(), max_length=10, cache=kept)
        data.prepare()
        return data

    before = prepared()
    gone = str(before.sequences.users[3])
    Suppression(origin_of(SOURCE)).add([gone])
    after = prepared()
    assert (before.facts.forgotten, after.facts.forgotten) == (0, 1)
    assert set(before.sequences.users) - set(after.sequences.users) == {before.sequences.users[3]}
    assert before.facts.fingerprint != after.facts.fingerprint
    assert gone not in after.tables.users["user"].cast(str).to_list()


def test_another_source_has_another_list(tmp_path: Path) -> None:
    origins = {origin_of(source) for source in (SOURCE, Synthetic(users=30, items=20), Synthetic(users=31, items=20))}
    assert len(origins) == 2
