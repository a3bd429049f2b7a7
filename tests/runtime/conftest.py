"""A whole training in a process of its own: killed at a chosen moment, or left to end."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Mapping

import pytest

# one server that has imported everything; its children start in no time and share no torch threads with pytest
_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["rec_lightning.cli", "rec_lightning.runtime.training", "rec_lightning.runtime.build"])

Run = Callable[..., int]


def _train(overrides: list[str], kill: str | None, environment: Mapping[str, str]) -> None:
    os.environ.update(environment)
    if kill is not None:
        _kill_at(kill)
    from rec_lightning.cli import main

    raise SystemExit(main(["train", *overrides]))


def _kill_at(kill: str) -> None:
    """``kill`` is ``hook@count``: the process kills itself when it enters the callback's hook for the count-th time."""
    from rec_lightning.runtime.progress import RunProgress

    hook, _, count = kill.partition("@")
    before, seen = getattr(RunProgress, hook), [0]

    def patched(self: object, *args: object) -> None:
        seen[0] += 1
        if seen[0] == int(count):
            os.kill(os.getpid(), signal.SIGKILL)
        before(self, *args)

    setattr(RunProgress, hook, patched)


@pytest.fixture(scope="session")
def train(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """``train(*overrides, kill=None, environment={})`` -> exit code, -9 when it killed itself."""
    cache = str(tmp_path_factory.mktemp("cache"))

    def run(*overrides: str, kill: str | None = None, environment: Mapping[str, str] | None = None) -> int:
        variables = {"REC_CACHE": cache, **(environment or {})}
        process = _CONTEXT.Process(target=_train, args=(list(overrides), kill, variables))
        process.start()
        process.join(300)
        if process.exitcode is None:
            process.kill()
            pytest.fail("the training hangs")
        return process.exitcode

    return run


@pytest.fixture(scope="session")
def tiny_bert(language_model: Callable[..., str]) -> str:
    """The folder of a BERT with three narrow layers and random weights."""
    return language_model("bert")
