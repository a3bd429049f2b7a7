"""Options of ``launch=ray``, and how a task's end is told; the cluster's tests run a real one."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from rec_lightning.studies.job import Job
from rec_lightning.studies.launching import at_a_time, place_of
from rec_lightning.studies.ray_tasks import RayTask


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"partition": "auto"}, r"launch=ray has the options \['address', 'cpus', 'gpus'\], got \['partition'\]"),
        ({"cpus": "many"}, r"launch\.cpus must be a number, got 'many'"),
        ({"address": "head"}, r"launch\.address must be local, auto, HOST:PORT .*, got 'head'"),
    ],
)
def test_options(settings: dict[str, str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rec_lightning.ray_cluster.find_spec", lambda name: object())
    with pytest.raises(ValueError, match=message):
        place_of("ray", settings, tmp_path)
    assert at_a_time("ray") == 64


class Lost(Exception):
    pass


class Cancelled(Lost):
    pass


class Stub:
    """Ray with one task: it runs until it is cancelled, or has a result."""

    exceptions = SimpleNamespace(RayError=Lost, TaskCancelledError=Cancelled)

    def __init__(self, result: Any = None, stubborn: bool = False) -> None:
        self.result, self.stubborn, self.cancelled = result, stubborn, list[bool]()

    def wait(self, references: list[object], timeout: float) -> tuple[list[object], list[object]]:
        ended = self.result is not None or (self.cancelled and (self.cancelled[-1] or not self.stubborn))
        return (references, []) if ended else ([], references)

    def get(self, reference: object) -> Any:
        if isinstance(self.result, Exception):
            raise self.result
        return self.result

    def cancel(self, reference: object, force: bool) -> None:
        self.cancelled.append(force)


def task(folder: Path, stub: Stub, monkeypatch: pytest.MonkeyPatch) -> RayTask:
    monkeypatch.setitem(sys.modules, "ray", stub)  # type: ignore[arg-type]
    return RayTask(Job("a", ("true",), "a", folder / "a.log", folder / "a.json"), object())


@pytest.mark.parametrize(
    ("result", "code", "told"),
    [
        ((0, ""), 0, ""),
        ((-9, ""), -9, ""),
        ((2, "error: run_dir must lie"), 2, "error: run_dir must lie\n"),
        (Lost("\nThe node has died.\nmore"), 1, "error: Ray lost this run: The node has died.\n"),
        (Cancelled("The task was cancelled."), -15, ""),
    ],
    ids=["well", "killed", "refused", "lost", "cancelled"],
)
def test_how_a_task_ends(result: Any, code: int, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.log").touch()
    ended = task(tmp_path, Stub(result), monkeypatch)
    assert [ended.code(), ended.code(), ended.end()] == [code] * 3
    assert (tmp_path / "a.log").read_text() == told


@pytest.mark.parametrize(("stubborn", "asked"), [(False, [False]), (True, [False, True])])
def test_a_task_that_runs_is_cancelled(
    stubborn: bool, asked: list[bool], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stub = Stub(stubborn=stubborn)
    runs = task(tmp_path, stub, monkeypatch)
    assert runs.code() is None
    assert runs.end() == runs.code() == -15
    assert stub.cancelled == asked
