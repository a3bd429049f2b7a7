from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from rec_lightning.studies.job import Job, Outcome
from rec_lightning.studies.launch import launch
from rec_lightning.studies.processes import log_tail

Script = Callable[[str], tuple[str, ...]]


class Notes:
    """A watcher that writes down what it sees."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def started(self, job: Job) -> None:
        self.lines.append(f"start {job.name}")

    def elsewhere(self, job: Job) -> None:
        if self.lines[-1:] != [f"elsewhere {job.name}"]:
            self.lines.append(f"elsewhere {job.name}")

    def running(self, job: Job, seconds: float, line: str) -> None:
        if line and self.lines[-1] != line:
            self.lines.append(line)

    def ended(self, outcome: Outcome) -> None:
        self.lines.append(f"end {outcome.job.name} {outcome.code}")


def job(folder: Path, name: str, command: tuple[str, ...]) -> Job:
    return Job(name, command, name, folder / f"{name}.log", folder / f"{name}.json")


def test_a_failure_does_not_stop_the_others(tmp_path: Path, script: Script) -> None:
    notes = Notes()
    wrong = "import sys; print('epoch 1'); sys.exit('error: top_k must be positive, got 0')"
    jobs = [job(tmp_path, "a", script(wrong)), job(tmp_path, "b", script("print('fine')"))]
    a, b = launch(jobs, notes, pause=0.02)
    assert (a.code, b.code) == (1, 0)
    assert a.tail == ("epoch 1", "error: top_k must be positive, got 0")
    assert notes.lines[0] == "start a"
    assert notes.lines[-1] == "end b 0"
    assert (tmp_path / "a.log").read_text().startswith("$ ")


def test_the_last_line_is_told_while_it_runs(tmp_path: Path, script: Script) -> None:
    notes = Notes()
    launch([job(tmp_path, "a", script("import time; print('epoch 3'); time.sleep(.5)"))], notes, pause=0.02)
    assert "epoch 3" in notes.lines


def test_a_program_that_is_not_there(tmp_path: Path) -> None:
    (outcome,) = launch([job(tmp_path, "a", ("no-such-program",))], Notes())
    assert outcome.code == 1
    assert "no-such-program" in "".join(outcome.tail) or "No such file" in outcome.tail[-1]


def test_kept_is_a_proof_that_did_not_change(tmp_path: Path, script: Script) -> None:
    write = job(tmp_path, "a", script(f"import time; open({str(tmp_path / 'a.json')!r}, 'w').write(str(time.time()))"))
    nothing = job(tmp_path, "a", script("pass"))
    refuse = job(tmp_path, "a", script("raise SystemExit(2)"))
    kept = [outcome.kept for outcome in launch([nothing, write, write, nothing, refuse], Notes(), pause=0.02)]
    assert kept == [False, False, False, True, False]


def test_what_a_finished_process_left_behind_ends(tmp_path: Path, script: Script) -> None:
    child = "import subprocess, sys; p = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])"
    (outcome,) = launch([job(tmp_path, "a", script(f"{child}; print(p.pid)"))], Notes())
    assert gone(int(outcome.tail[-1]))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
@pytest.mark.skipif(sys.platform != "linux", reason="a killed launcher takes its processes along on Linux only")
def test_no_process_outlives_the_launcher(tmp_path: Path, number: int) -> None:
    sleeper = "import os, time; print(os.getpid()); time.sleep(60)"
    launcher = subprocess.Popen([sys.executable, "-c", LAUNCHER.format(folder=str(tmp_path), sleeper=sleeper)])
    pid = _wait_for(lambda: int(log_tail(tmp_path / "a.log", 0)[-1]))
    assert not gone(pid, 0)
    launcher.send_signal(number)
    code = launcher.wait(10)
    assert gone(pid)
    assert code == (-signal.SIGKILL if number == signal.SIGKILL else 130)
    assert not (tmp_path / "b.log").exists()


LAUNCHER = """
import sys
from pathlib import Path
from rec_lightning.studies.job import Job
from rec_lightning.studies.launch import launch
class Silent:
    def started(self, job): pass
    def elsewhere(self, job): pass
    def running(self, job, seconds, line): pass
    def ended(self, outcome): pass
command = (sys.executable, "-c", {sleeper!r})
folder = Path({folder!r})
try:
    launch([Job(n, command, n, folder / (n + ".log"), folder / n) for n in "ab"], Silent())
except KeyboardInterrupt:
    sys.exit(130)
"""


def test_tail_shows_what_a_terminal_would(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"old\n" + b"\x1b[31mred\x1b[0m\n\n 10%\r 50%\r100%\r\nlast \xff\n")
    assert log_tail(path, 4) == ("red", "100%", "last \ufffd")
    path.write_text("\n".join(map(str, range(9999))))
    assert log_tail(path)[-2:] == ("9997", "9998")
    assert len(log_tail(path)) == 12


def gone(pid: int, seconds: float = 5.0) -> bool:
    end = time.monotonic() + seconds
    while True:
        try:
            os.kill(pid, 0)
            if Path(f"/proc/{pid}/stat").read_text().split(") ")[1][0] == "Z":  # dead, not yet collected
                return True
        except (ProcessLookupError, FileNotFoundError):
            return True
        if time.monotonic() > end:
            return False
        time.sleep(0.02)


def _wait_for(read: Callable[[], int]) -> int:
    end = time.monotonic() + 20
    while True:
        try:
            return read()
        except (ValueError, IndexError, FileNotFoundError):
            assert time.monotonic() < end
            time.sleep(0.05)


def test_several_run_at_a_time_and_share_the_cores(
    tmp_path: Path, script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    notes = Notes()
    # each waits for the other: one after another they would never end well
    meet = (
        "import os, time; from pathlib import Path; Path({mine!r}).touch(); end = time.time() + 20\n"
        "while not Path({other!r}).exists() and time.time() < end: time.sleep(.01)\n"
        "print(os.environ['OMP_NUM_THREADS'], Path({other!r}).exists())"
    )
    a, b = str(tmp_path / "x"), str(tmp_path / "y")
    jobs = [
        job(tmp_path, "a", script(meet.format(mine=a, other=b))),
        job(tmp_path, "b", script(meet.format(mine=b, other=a))),
    ]
    outcomes = launch(jobs, notes, pause=0.02, parallel=2)
    threads = str(max(1, len(os.sched_getaffinity(0)) // 2))
    assert [outcome.tail for outcome in outcomes] == [(f"{threads} True",)] * 2
    assert [outcome.job.name for outcome in outcomes] == ["a", "b"]


def test_less_than_one_process(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="jobs must be at least 1, got 0"):
        launch([], Notes(), parallel=0)


def test_two_launchers_do_not_run_one_job_at_the_same_time(tmp_path: Path) -> None:
    sleeper = f"import os, time; open({str(tmp_path / 'a')!r}, 'w'); time.sleep(1.5); print('once')"
    other = subprocess.Popen([sys.executable, "-c", LAUNCHER.format(folder=str(tmp_path), sleeper=sleeper)])
    _wait_for(lambda: int((tmp_path / "a").exists()) or int("no"))
    notes = Notes()
    fine = job(tmp_path, "b-own", (sys.executable, "-c", "print('b')"))
    (busy, own) = launch([job(tmp_path, "a", (sys.executable, "-c", "print('a')")), fine], notes, pause=0.02)
    assert notes.lines[:2] == ["elsewhere a", "start b-own"]
    assert notes.lines.index("end b-own 0") < notes.lines.index("start a")
    assert (busy.code, own.code) == (0, 0)
    assert (tmp_path / "a.log").read_text().index("once") < (tmp_path / "a.log").read_text().rindex("$ a")
    assert other.wait(30) == 0
