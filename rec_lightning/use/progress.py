"""How far long work is: a bar on a terminal, a line now and then elsewhere; always on standard error."""

from __future__ import annotations

import time
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

_PAUSE = 30.0  # seconds between two lines


class Bar:
    """Counts what is done.

    Args:
        what: is counted, as ``users``.
        total: how many there will be; None where nobody knows.
        console: where to; standard error by default.
    """

    def __init__(self, what: str, total: int | None, console: Console | None = None) -> None:
        self.what, self.total, self.done = what, total, 0
        self.console = console or Console(stderr=True)
        self._start = self._told = time.monotonic()
        columns = [TextColumn(what), BarColumn(), TextColumn("{task.completed:,.0f}"), TimeElapsedColumn()]
        shown = self.console.is_terminal
        self._progress = Progress(
            *columns, TimeRemainingColumn(), console=self.console, transient=True, disable=not shown
        )
        self._task = self._progress.add_task(what, total=total)

    def __enter__(self) -> Bar:
        self._progress.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        self._progress.stop()

    def advance(self, count: int) -> None:
        """``count`` more are done."""
        self.done += count
        self._progress.update(self._task, completed=self.done)
        now = time.monotonic()
        if not self.console.is_terminal and now - self._told > _PAUSE:
            self._told = now
            of = f" of {self.total:,}" if self.total else ""
            self.console.print(f"{self.done:,}{of} {self.what}, {now - self._start:.0f} s", highlight=False)
