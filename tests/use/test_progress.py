"""A bar on a terminal, lines elsewhere."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from rec_lightning.use import progress
from rec_lightning.use.progress import Bar


def test_lines_where_there_is_no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "_PAUSE", -1.0)
    out = io.StringIO()
    with Bar("users", 2000, Console(file=out)) as bar:
        bar.advance(1500)
        bar.advance(500)
    assert out.getvalue().splitlines() == ["1,500 of 2,000 users, 0 s", "2,000 of 2,000 users, 0 s"]
    assert bar.done == 2000


def test_nothing_is_told_of_short_work() -> None:
    out = io.StringIO()
    with Bar("users", None, Console(file=out)) as bar:
        bar.advance(5)
    assert out.getvalue() == ""


def test_a_bar_on_a_terminal() -> None:
    out = io.StringIO()
    with Bar("users", 10, Console(file=out, force_terminal=True, width=80)) as bar:
        bar.advance(10)
    assert "users" in out.getvalue()
