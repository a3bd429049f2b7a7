"""Options of ``launch=ray`` for one training, and whose words are shown where it fails; the cluster's tests run one."""

from __future__ import annotations

from pathlib import Path

import pytest

from rec_lightning.runtime.launches.ray import Ray, _reason


@pytest.mark.parametrize(("name", "value"), [("nodes", 0), ("cpus", 0), ("gpus", -1), ("restarts", -1)])
def test_values_out_of_range(name: str, value: int) -> None:
    given = {"nodes": 1, "cpus": 1, "gpus": 0, "restarts": 0} | {name: value}
    message = f"got {given['nodes']}, {given['cpus']}, {given['gpus']} and {given['restarts']}. Set them."
    with pytest.raises(ValueError, match=rf"launch\.nodes and launch\.cpus must be at least 1.*{message}"):
        Ray(**given)


def test_no_cluster_is_told_before_anything_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rec_lightning.ray_cluster.find_spec", lambda name: object())
    with pytest.raises(ValueError, match=r"must answer at launch\.address, got 127\.0\.0\.1:9"):
        Ray("127.0.0.1:9")(lambda text: 0, "seed: 1\n", 1, str(tmp_path / "run"))
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("first", "second", "shown"),
    [
        ("noise\nprocess 1 failed:\nTraceback\nwhy", "", "process 1 failed:\nTraceback\nwhy"),
        ("process 0 failed:\nconnection closed", "error: process 1 of 2 was ended by SIGKILL.",
         "error: process 1 of 2 was ended by SIGKILL."),
        ("noise", "noise", "See "),
    ],
    ids=["fault", "killed", "silent"],
)  # fmt: skip
def test_a_killed_process_is_told_before_what_the_others_say(
    first: str, second: str, shown: str, tmp_path: Path
) -> None:
    before = "error: of an earlier start\n"
    logs = [tmp_path / "machine-0.log", tmp_path / "machine-1.log"]
    for log, text in zip(logs, (first, second), strict=True):
        log.write_text(f"{before}{text}\n")
    told = _reason([(0, 1, ""), (1, 1, "")], logs, [len(before)] * 2)
    assert told == shown or (shown == "See " and told == f"See {logs[0]}.")
