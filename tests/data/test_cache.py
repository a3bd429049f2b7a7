from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import polars as pl
import pytest

from rec_lightning.data.cache import filling, key_of, place_of
from rec_lightning.data.module import RecData
from rec_lightning.data.preparation.k_core import KCore
from rec_lightning.data.sources.synthetic import Synthetic
from rec_lightning.data.split import LeaveOneOut


class Counting(Synthetic):
    """Counts how often it is read."""

    reads: ClassVar[int] = 0

    def fetch(self) -> Any:
        type(self).reads += 1
        tables = super().fetch()
        return replace(tables, users=tables.users.with_columns(age=19 + pl.col("user"))[::-1])


def data(cache: bool = True, k: int = 0, **options: Any) -> RecData:
    steps = {"k_core": KCore(k, k)} if k else {}
    source = Counting(**({"users": 30, "items": 20} | options))
    return RecData(source, LeaveOneOut(), max_length=10, prepare=steps, cache=cache)


@pytest.fixture(autouse=True)
def _from_zero() -> None:
    Counting.reads = 0


def folders(cache: Path) -> list[str]:
    return sorted(p.name for p in (cache / "prepared").iterdir()) if (cache / "prepared").exists() else []


def test_the_second_start_reads_nothing_and_gives_the_same(cache: Path) -> None:
    plain, first, second = data(cache=False), data(), data()
    for one in (plain, first, second):
        one.prepare()
    assert Counting.reads == 2
    assert isinstance(second.sequences.items, np.memmap)
    for name in ("items", "offsets", "role", "timestamp"):
        arrays = [getattr(one.sequences, name) for one in (plain, first, second)]
        assert arrays[0].dtype == arrays[2].dtype
        assert (arrays[0] == arrays[1]).all()
        assert (arrays[0] == arrays[2]).all()
    assert second.sequences.users.equals(plain.sequences.users)
    assert second.catalog.users.equals(plain.catalog.users)
    assert second.catalog.users["age"].to_list() == [20 + user for user in range(30)]
    assert second.catalog.items.equals(plain.catalog.items)
    assert (second.catalog.popularity == plain.catalog.popularity).all()
    assert second.tables.interactions.equals(plain.tables.interactions)
    assert second.tables.users.equals(plain.tables.users)
    assert second.tables.fingerprint == plain.tables.fingerprint
    assert second.facts.key == key_of(second.source, {}, {}, second.split, {})
    for one, two in zip(plain.train_dataloader(), second.train_dataloader(), strict=True):
        assert one.history.equal(two.history)
        assert one.target.equal(two.target)


def test_a_changed_option_prepares_anew(cache: Path) -> None:
    counts = set()
    for options in ({}, {"seed": 5}, {"k": 3}, {"k": 4}):
        one = data(**options)
        one.prepare()
        counts.add(one.facts.key)
        assert one.facts.fingerprint == one.tables.fingerprint
    assert (Counting.reads, len(counts), len(folders(cache))) == (4, 4, 4)


def test_steps_and_split_stand_in_the_facts() -> None:
    one = data(k=3)
    assert [step["step"] for step in one.facts.steps] == ["k_core(users=3, items=3)"]
    assert one.facts.split == "LeaveOneOut()"
    assert one.facts.leaks == LeaveOneOut.leaks
    assert one.facts.roles == [one.facts.interactions - 60, 30, 30, 0]


@pytest.mark.parametrize("name", ["items.npy", "catalog.parquet", "facts.json"])
@pytest.mark.parametrize("spoil", [lambda f: f.unlink(), lambda f: f.write_bytes(f.read_bytes()[:-9])])
def test_a_spoilt_cache_is_made_anew(name: str, spoil: Any, cache: Path) -> None:
    one = data()
    one.prepare()
    spoil(place_of(one.facts.key) / name)
    again = data()
    again.prepare()
    assert Counting.reads == 2
    assert (again.sequences.items == data(cache=False).sequences.items).all()
    assert folders(cache) == [place_of(one.facts.key).name]


def test_a_failing_preparation_leaves_nothing(cache: Path) -> None:
    def interrupted() -> None:
        with filling(place_of("k" * 64), Path.is_dir) as folder:
            (folder / "half").write_text("")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert folders(cache) == []


def test_a_killed_preparation_leaves_nothing_half(cache: Path) -> None:
    code = """
from pathlib import Path
from time import sleep
from rec_lightning.data.cache import filling, place_of
with filling(place_of("k" * 64), Path.is_dir) as folder:
    (folder / "half").write_text("")
    print("inside", flush=True)
    sleep(60)
"""
    child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    assert child.stdout.readline() == "inside\n"
    with filling(place_of("a" * 64), Path.is_dir) as folder:  # what a living process prepares is left alone
        (folder / "x").write_text("")
    assert sum(name.startswith(".preparing-") for name in folders(cache)) == 1
    child.send_signal(signal.SIGKILL)
    child.wait()
    assert not place_of("k" * 64).exists()
    with filling(place_of("b" * 64), Path.is_dir) as folder:
        (folder / "x").write_text("")
    assert folders(cache) == ["a" * 24, "b" * 24]  # the next preparation swept


FULL = """
import resource
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))  # a file cannot grow further, as on a full disk
from rec_lightning.data.module import RecData
from rec_lightning.data.sources.synthetic import Synthetic
from rec_lightning.data.split import LeaveOneOut
try:
    RecData(Synthetic(users=200), LeaveOneOut(), 10).prepare()
except OSError as error:
    print(error)
"""


def test_a_disk_that_fills_up(cache: Path) -> None:
    done = subprocess.run([sys.executable, "-c", FULL], capture_output=True, text=True, check=True)
    start = f"prepared data must be written under {cache / 'prepared'}, and that failed ("
    end = "Free the disk, set REC_CACHE to a folder on another one, or set data.cache=false."
    assert done.stdout.startswith(start)
    assert done.stdout.strip().endswith(end)
    assert folders(cache) == []


def test_a_cache_that_cannot_be_written(cache: Path) -> None:
    cache.write_text("a file where the folder should be")
    with pytest.raises(OSError, match=r"failed \(Not a directory\)\. Free the disk, set REC_CACHE"):
        data().prepare()
    data(cache=False).prepare()


def test_two_processes_at_once_keep_what_was_there_first(cache: Path) -> None:
    place = place_of("k" * 64)
    with filling(place, Path.is_dir) as one:
        (one / "x").write_text("one")
        with filling(place, Path.is_dir) as two:
            (two / "x").write_text("two")
    assert (place / "x").read_text() == "two"
    assert folders(cache) == ["k" * 24]


RACING = """
import sys
from rec_lightning.data import module
from rec_lightning.data.sources.synthetic import Synthetic
from rec_lightning.data.split import LeaveOneOut

def waiting(place, whole):
    print("made", flush=True)
    sys.stdin.readline()
    return filling(place, whole)

filling, module.filling = module.filling, waiting
data = module.RecData(Synthetic(users=40), LeaveOneOut(), 10)
data.prepare()
print(data.sequences.items.sum(), flush=True)
sys.stdin.readline()
print(data.tables.interactions.height)  # read from the folder only now
"""


@pytest.mark.parametrize("spoilt", [False, True])
def test_processes_that_prepare_the_same_at_once_use_one_folder(cache: Path, spoilt: bool) -> None:
    before = RecData(Synthetic(users=40), LeaveOneOut(), 10)
    before.prepare()
    place = place_of(before.facts.key)
    if spoilt:
        (place / "items.npy").write_bytes(b"")
    else:
        shutil.rmtree(place)
    racers = [
        subprocess.Popen([sys.executable, "-c", RACING], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    for racer in racers:
        assert racer.stdout is not None
        assert racer.stdout.readline() == "made\n"
    sums, places = set(), set()
    for racer in racers:
        assert racer.stdin is not None
        assert racer.stdout is not None
        print(file=racer.stdin, flush=True)
        sums.add(racer.stdout.readline())
        places.add(place.stat().st_ino)
    ends = [racer.communicate("\n", timeout=60)[0] for racer in racers]
    assert [racer.returncode for racer in racers] == [0, 0]
    assert len(sums) == len(places) == len(set(ends)) == 1  # the second keeps the first's, which is open
    assert folders(cache) == [place.name]


@dataclass(frozen=True)
class Odd:
    """A split that tells its options."""

    nth: int
    leaks: ClassVar[str] = ""

    def __call__(self, offsets: Any, events: pl.DataFrame) -> Any:
        return LeaveOneOut()(offsets, events)


class Silent(LeaveOneOut):
    """A split that does not."""

    __repr__ = object.__repr__


def test_the_key_covers_the_options_and_asks_for_them() -> None:
    source = Synthetic()
    keys = {key_of(source, {}, {}, split, {}) for split in (LeaveOneOut(), Odd(1), Odd(2))}
    keys |= {key_of(source, {}, {name: KCore()}, LeaveOneOut(), {}) for name in "ab"}
    assert len(keys) == 5
    with pytest.raises(ValueError, match=r"Silent must tell its options in repr\(\), as a dataclass does"):
        key_of(source, {}, {}, Silent(), {})


def test_a_card_lies_beside_the_data() -> None:
    one = data(k=3)
    one.prepare()
    text = (place_of(one.facts.key) / "card.md").read_text()
    for told in ("# Data card: synthetic", "`k_core(users=3, items=3)`", "`LeaveOneOut()`", LeaveOneOut.leaks):
        assert told in text
    assert one.facts.fingerprint in text
    assert f"| interactions | {one.facts.interactions:,} |" in text
