"""The plain-text reader against Hydra's own reading of the same folder."""

from __future__ import annotations

from pathlib import Path

import yaml

from rec_lightning.runtime.options import conf_dir, description, read_choice, read_groups, read_options, read_root


def test_a_root(tmp_path: Path) -> None:
    (tmp_path / "train.yaml").write_text(
        "# one training\ndefaults:\n  - _self_\n  - data: small  # why\n  - logger: [csv, wandb]\n  - ranking: null\n"
        "\nrun_dir: runs/${now:%Y}  # where it goes\nseed: 42\nempty:\n"
    )
    root = read_root(tmp_path, "train")
    assert root.defaults == {"data": ["small"], "logger": ["csv", "wandb"], "ranking": []}
    assert root.options == [("run_dir", "runs/${now:%Y}", "where it goes"), ("seed", "42", ""), ("empty", "", "")]


def test_groups_and_descriptions(tmp_path: Path) -> None:
    for name, text in {"a/x": "# @package _global_\n# an x\n", "a/b/y": "k: 1\n", "a/z": "# a z\n"}.items():
        (tmp_path / f"{name}.yaml").parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / f"{name}.yaml").write_text(text)
    groups = read_groups(tmp_path)
    assert {group: list(choices) for group, choices in groups.items()} == {"a": ["x", "z"], "a/b": ["y"]}
    assert description(groups["a"]["x"]) == "an x"
    assert description(groups["a/b"]["y"]) == ""


def test_a_file_that_several_choices_share(tmp_path: Path) -> None:
    (tmp_path / "_shared.yaml").write_text("# shared\nsize: 64  # of a step\n")
    (tmp_path / "x.yaml").write_text(
        "# an x\ndefaults:\n  - _shared  # first\n  - split: last\n  - _self_\n\npath: a\n"
    )
    (tmp_path / "a").mkdir()
    assert read_choice(tmp_path / "x.yaml") == [("path", "a", ""), ("size", "64", "of a step")]
    for name in ("_shared", "x"):
        (tmp_path / f"{name}.yaml").rename(tmp_path / "a" / f"{name}.yaml")
    assert list(read_groups(tmp_path)["a"]) == ["x"]


def test_reads_the_same_as_yaml() -> None:
    for file in conf_dir().rglob("*.yaml"):
        loaded = yaml.safe_load(file.read_text())
        names = [name for name in loaded if name != "defaults" and not name.startswith("_")]
        assert [name for name, _, _ in read_options(file.read_text())] == names, file
