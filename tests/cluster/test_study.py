"""A study as an array of jobs of a real SLURM."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cluster.conftest import Cluster

pytestmark = pytest.mark.cluster
STUDY = """
title: Is a narrow model as good?
question: Is a narrow model as good as a wide one?
protocol: Leave-one-out, full ranking.
metrics: [ndcg@10]
primary: ndcg@10
reference: narrow
seeds: [1]
fixed: [width]
common:
  train: [data=synthetic, data.source.users=40, data.source.items=30, items=id, tuning=full, max_length=8,
          trainer.max_epochs=1, 'logger=[]', 'compare=[]']
rows:
  - {name: narrow, verb: train, overrides: [width=8]}
  - {name: wide, verb: train, overrides: [width=16]}
"""


def test_rows_run_as_one_array(cluster: Cluster, tmp_path: Path) -> None:
    (tmp_path / "study.yaml").write_text(STUDY)
    words = ["study", str(tmp_path / "study.yaml"), "launch=slurm", "launch.time=10", f"run_dir={tmp_path}/runs"]
    started = cluster.rec(*words)
    said, _ = started.communicate(timeout=400)
    assert started.returncode == 0, said
    notes = [json.loads(file.read_text())["id"] for file in sorted((tmp_path / "runs").rglob("*.job"))]
    assert len(notes) == 2
    assert {note.partition("_")[0] for note in notes} == {notes[0].partition("_")[0]}  # one array
    assert sorted(note.partition("_")[2] for note in notes) == ["0", "1"]
    statuses = [json.loads(file.read_text())["status"] for file in (tmp_path / "runs").rglob("manifest.json")]
    assert statuses.count("complete") == 2
