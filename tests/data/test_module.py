from __future__ import annotations

import multiprocessing
import re
import socket
from collections import Counter
from collections.abc import Sequence
from typing import Any

import polars as pl
import pytest
import torch
import torch.distributed as dist

from rec_lightning.contracts import Tables
from rec_lightning.data.module import RecData
from rec_lightning.data.sources.synthetic import Synthetic
from rec_lightning.data.split import LeaveOneOut


class Given:
    """Users with so many events each."""

    item_columns = ("item",)
    user_columns = ("user",)

    def __init__(self, lengths: Sequence[int], timed: bool = True) -> None:
        self.lengths, self.read, self.timed = lengths, 0, timed

    def identity(self) -> str:
        return str(list(self.lengths))

    def fetch(self) -> Tables:
        self.read += 1
        rows = [(user, item, item) for user, count in enumerate(self.lengths) for item in range(count)]
        frame = pl.DataFrame(rows, schema=dict.fromkeys(("user", "item", "timestamp"), pl.Int64), orient="row")
        frame = frame if self.timed else frame.rename({"timestamp": "order"})
        return Tables(frame, pl.DataFrame({"item": []}), pl.DataFrame({"user": []}), "given", "none", "here", "f")


def test_reads_once_and_hands_out_all_three_parts() -> None:
    source = Given([5, 4, 3])
    data = RecData(source, LeaveOneOut(), max_length=10)
    assert source.read == 0  # construction reads nothing
    data.prepare()
    data.prepare()
    assert source.read == 1
    assert data.train_dataloader().targets == 2 + 1
    assert [len(b) for b in data.val_dataloader()] == [3]
    assert [len(b) for b in data.test_dataloader()] == [3]
    assert (data.catalog.size, len(data.sequences.users), data.tables.name) == (5, 3, "given")


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"max_length": 1}, "max_length must be at least 2, got 1. Set max_length."),
        ({"max_length": 5, "batch_size": 0}, "data.batch_size must be at least 1, got 0. Set data.batch_size."),
        ({"max_length": 5, "eval_batch_size": -1}, "data.eval_batch_size must be at least 1, got -1. Set data.eval_ba"),
        ({"max_length": 5, "context": 5}, "data.context must be 0..max_length - 1 (4), got 5. Set data.context."),
        ({"max_length": 5, "context": -1}, "data.context must be 0..max_length - 1 (4), got -1. Set data.context."),
    ],
)
def test_values_out_of_range(options: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match=re.escape(text)):
        RecData(Synthetic(), LeaveOneOut(), **options)


@pytest.mark.parametrize(
    ("lengths", "text"),
    [
        ([], "given has no interactions, before any filter. Check the file."),
        ([1, 1], "given has no validation events under LeaveOneOut(): leave-one-out needs users with at least"),
        ([2, 2], "given has no validation events under LeaveOneOut()"),
        ([3, 3], "given: no user has two training events, so nothing can be trained. Choose other data, "),
    ],
)
def test_too_little_is_refused_every_time(lengths: list[int], text: str) -> None:
    data = RecData(Given(lengths), LeaveOneOut(), max_length=10)
    for _ in range(2):  # a refusal is not forgotten
        with pytest.raises(ValueError, match=re.escape(text)):
            data.prepare()


def test_batches_carry_times_only_when_asked() -> None:
    data = RecData(Given([5, 4, 3]), LeaveOneOut(), max_length=10, cache=False)
    loaders = (data.train_dataloader, data.val_dataloader, data.test_dataloader)
    assert [next(iter(loader())).time for loader in loaders] == [None] * 3
    data.carry_times("read positions")
    for loader in loaders:
        batch = next(iter(loader()))
        assert batch.time is not None
        assert torch.equal(batch.time, (batch.history - 1).clamp(min=0))  # item n happened at n


def test_times_are_asked_of_data_without() -> None:
    data = RecData(Given([5, 4, 3], timed=False), LeaveOneOut(), max_length=10, cache=False)
    text = "given tells no time. Name the column in data.source (timestamp), or read positions."
    with pytest.raises(ValueError, match=re.escape(text)):
        data.carry_times("read positions")


def _share(rank: int, port: int, found: Any) -> None:
    dist.init_process_group("gloo", init_method=f"tcp://127.0.0.1:{port}", rank=rank, world_size=2)
    data = RecData(Given(LENGTHS), LeaveOneOut(), max_length=6, batch_size=4, cache=False)
    train = [
        (user * 100 + target)  # an event of a user
        for batch in data.train_dataloader()
        for user, row in zip(batch.user.tolist(), batch.target.tolist(), strict=True)
        for target in row
        if target
    ]
    rows = [
        user for loader in (data.val_dataloader(), data.test_dataloader()) for b in loader for user in b.user.tolist()
    ]
    found.put((train, rows))
    dist.destroy_process_group()


LENGTHS = [3 + (7 * user) % 23 for user in range(31)]


def test_two_processes_share_every_target_and_row() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    context = multiprocessing.get_context("spawn")
    found = context.Queue()
    children = [context.Process(target=_share, args=(rank, port, found), daemon=True) for rank in range(2)]
    for child in children:
        child.start()
    parts = [found.get(timeout=120) for _ in children]
    for child in children:
        child.join(30)
    train, rows = (Counter(a) + Counter(b) for a, b in zip(*parts, strict=True))
    # item n + 1 is a user's event n; its last two events are targets of validation and test
    assert train == Counter(user * 100 + n + 1 for user, count in enumerate(LENGTHS) for n in range(1, count - 2))
    assert rows == Counter(dict.fromkeys(range(31), 2))
    assert all(part[0] and part[1] for part in parts)
