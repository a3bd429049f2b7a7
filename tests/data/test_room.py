"""Prepared data take no more room than allowed."""

from __future__ import annotations

import gc
import logging
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from rec_lightning.data.cache import place_of, rankings_dir
from rec_lightning.data.module import RecData
from rec_lightning.data.room import VARIABLE, make_room
from rec_lightning.data.sources.synthetic import Synthetic
from rec_lightning.data.split import LeaveOneOut

TINY = "1e-9"  # one byte


def data(seed: int) -> RecData:
    made = RecData(Synthetic(users=30, items=20, seed=seed), LeaveOneOut(), max_length=10)
    made.prepare()
    return made


def aged(seed: int, hours: float) -> Path:
    """Prepared data that nobody uses, last used so long ago."""
    place = place_of(data(seed).facts.key)
    gc.collect()
    old(place, hours)
    return place


def old(place: Path, hours: float) -> None:
    os.utime(place, (time.time() - 3600 * hours,) * 2)


def size(place: Path) -> int:
    return sum(file.stat().st_size for file in place.iterdir())


def test_what_was_unused_for_longest_goes_first(
    cache: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    first, second, third = (aged(seed, hours) for seed, hours in ((1, 3), (2, 5), (3, 4)))
    for place in (first, second, third):
        (rankings_dir() / place.name).mkdir(parents=True)
    allowed = size(first) + 1.5 * size(third)
    monkeypatch.setenv(VARIABLE, str(allowed / 1e9))
    with caplog.at_level(logging.WARNING):
        made = data(4)
    left = {place.name for place in (cache / "prepared").iterdir()}
    assert left == {first.name, place_of(made.facts.key).name}
    assert {place.name for place in rankings_dir().iterdir()} == {first.name}
    (line,) = [record.getMessage() for record in caplog.records]
    assert line.startswith("2 prepared data sets, unused for longest, were removed from ")


def test_nothing_goes_without_a_limit_or_below_it(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = aged(1, 9)
    make_room()
    monkeypatch.setenv(VARIABLE, "1")
    make_room()
    assert place.exists()


def test_what_is_in_use_or_was_just_used_stays(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, TINY)
    young = aged(1, 0.5)
    held = data(2)
    place = place_of(held.facts.key)
    old(place, 9)
    make_room()
    assert young.exists()
    assert place.exists()
    del held
    gc.collect()
    make_room()
    assert not place.exists()


def test_what_another_process_uses_stays(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = aged(1, 9)
    code = f"""
from pathlib import Path
from rec_lightning.data.prepared import open_prepared
kept = open_prepared(Path({str(place)!r}))
print("open", flush=True)
input()
"""
    child = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    assert child.stdout.readline() == "open\n"
    assert time.time() - place.stat().st_mtime < 60  # opening is use
    old(place, 9)
    monkeypatch.setenv(VARIABLE, TINY)
    make_room()
    assert place.exists()
    child.communicate("\n")
    make_room()
    assert not place.exists()


@pytest.mark.parametrize("told", ["0", "-1", "much", "nan"])
def test_a_limit_that_is_none_is_refused_before_data_are_read(told: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, told)
    text = f"REC_CACHE_GB must be a number above 0, got {told}. Set REC_CACHE_GB, or leave it out."
    with pytest.raises(ValueError, match=f"^{re.escape(text)}$"):
        RecData(Synthetic(), LeaveOneOut(), max_length=10)
