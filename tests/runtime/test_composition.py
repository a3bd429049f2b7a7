"""Overrides become a resolved config or a message that says what to write instead."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from hydra.core.global_hydra import GlobalHydra
from omegaconf import OmegaConf

from rec_lightning.runtime.composition import compose

FILES = {
    "train.yaml": "defaults:\n  - _self_\n  - trainer: default\n  - tuning: lora\n"
    "  - logger: [wandb]\n  - data: small\n"
    "run_dir: runs/${now:%Y-%m-%d}\nseed: 42\n",
    "baseline.yaml": "defaults:\n  - _self_\n  - data: small\nseed: 1\n",
    "trainer/default.yaml": "_target_: lightning.Trainer\nmax_epochs: 3\nprecision: 32\n",
    "tuning/lora.yaml": "_target_: torch.nn.Linear\nin_features: 8\nout_features: ${seed}\n",
    "tuning/full.yaml": "_target_: torch.nn.Identity\n",
    "logger/wandb.yaml": "wandb:\n  _target_: lightning.pytorch.loggers.WandbLogger\n  offline: true\n",
    "logger/csv.yaml": "csv:\n  _target_: lightning.pytorch.loggers.CSVLogger\n  save_dir: ${run_dir}\n",
    "data/_shared.yaml": "size: 1\nshown: 64\n",
    "data/small.yaml": "defaults:\n  - _shared\n  - split: last\n  - _self_\nsize: 10\n",
    "data/split/last.yaml": "_target_: builtins.dict\n",
    "data/split/time.yaml": "_target_: builtins.dict\nfraction: ???\n",
}


@pytest.fixture
def conf(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        file = tmp_path / "conf" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return tmp_path / "conf"


def test_defaults_are_resolved_and_leave_no_state(conf: Path) -> None:
    config = compose("train", [], conf)
    assert config.tuning.out_features == 42
    assert re.fullmatch(r"runs/\d{4}-\d\d-\d\d", config.run_dir)
    assert OmegaConf.to_container(config) == OmegaConf.to_container(config, resolve=True)
    assert "hydra" not in config
    assert not GlobalHydra.instance().is_initialized()


def test_a_choice_may_take_options_of_a_file_that_is_none(conf: Path) -> None:
    assert compose("train", [], conf).data == {"size": 10, "shown": 64, "split": {"_target_": "builtins.dict"}}
    assert compose("train", ["data.shown=9"], conf).data.shown == 9


def test_no_state_is_left_after_an_error(conf: Path) -> None:
    with pytest.raises(ValueError, match="unknown choice"):
        compose("train", ["tuning=x"], conf)
    assert not GlobalHydra.instance().is_initialized()
    assert compose("train", ["tuning=full"], conf).tuning._target_ == "torch.nn.Identity"


@pytest.mark.parametrize(
    ("overrides", "key", "value"),
    [
        (["trainer.max_epochs=7"], "trainer.max_epochs", 7),
        (["trainer.max_epochs=null"], "trainer.max_epochs", None),
        (["tuning={in_features:9}"], "tuning.in_features", 9),
        (["seed=5"], "tuning.out_features", 5),
        (["logger=csv"], "logger.csv.save_dir", "x"),
        (["logger=[csv,wandb]"], "logger.wandb.offline", True),
        (["logger=[csv,wandb]"], "logger.csv.save_dir", "x"),
        (["logger=[]"], "logger", None),
        (["~tuning"], "tuning", None),
        (["+trainer.max_steps=9"], "trainer.max_steps", 9),
        (["++trainer.max_steps=9"], "trainer.max_steps", 9),
        (["++trainer.max_epochs=9"], "trainer.max_epochs", 9),
        (["+logger.mine={_target_: builtins.dict}"], "logger.mine._target_", "builtins.dict"),
        (["data/split=time", "data.split.fraction=.2"], "data.split.fraction", 0.2),
    ],
)
def test_overrides(conf: Path, overrides: list[str], key: str, value: object) -> None:
    config = compose("train", [*overrides, "run_dir=x"], conf)
    assert OmegaConf.select(config, key) == value


MESSAGES = {
    # form
    "foo": "an override must have the form option=value or group=choice, got 'foo'.",
    "a=[1": "an override must have the form option=value or group=choice, got 'a=[1'.",
    "--fast": "an override must have the form option=value or group=choice, got '--fast'.",
    "seed=1 seed=2": "seed must be given once, got 'seed=1' and 'seed=2'. Leave one out.",
    "seed=1 ++seed=2": "seed must be given once, got 'seed=1' and '++seed=2'. Leave one out.",
    "tuning=lora,full": "tuning takes one value in a run, got 'tuning=lora,full'. Write a list as 'tuning=[a,b]'.",
    "hydra.run.dir=x": "'hydra.run.dir=x' has no effect: of Hydra's own options only hydra.searchpath is read.",
    "hydra/launcher=x": "'hydra/launcher=x' has no effect: of Hydra's own options only hydra.searchpath is read.",
    "hydra.searchpath=x": "hydra.searchpath must be a list such as",
    "hydra.searchpath=[file:///not/there]": "hydra.searchpath must name folders that exist, got 'file:///not/there'.",
    # options
    "trainer.max_epoch=1": "unknown option trainer.max_epoch; nearest: trainer.max_epochs",
    "max_epochs=1": "unknown option max_epochs; nearest: trainer.max_epochs",
    "split=time": "unknown option split; nearest: data.split, data/split",
    "tunning=lora": "unknown option tunning; nearest: tuning",
    "zzz=1": "unknown option zzz. rec-lightning train --help lists the options",
    "+zzz=1": "unknown option zzz. rec-lightning train --help lists the options",
    "++zzz.y=1": "unknown option zzz.y. rec-lightning train --help lists the options",
    "+mine={_target_:builtins.dict}": "unknown option mine.",
    "+data.sizes=3": "unknown option data.sizes; nearest: data.size",
    "trainer.devices=2": "unknown option trainer.devices (an argument that its file leaves out is set with "
    "+trainer.devices=...)",
    "tuning={in_featurs:9}": "unknown option tuning.in_featurs; nearest: tuning.in_features",
    "~zzz": "unknown option zzz.",
    "logger.wandb=3": "logger.wandb holds options of its own, got 3. Set one of them: offline.",
    # choices
    "tuning=lorra": "unknown choice tuning=lorra; nearest: lora. Choices: full, lora.",
    "tuning=9": "unknown choice tuning=9. Choices: full, lora.",
    "data=_shared": "unknown choice data=_shared. Choices: small.",
    "data/split=tme": "unknown choice data/split=tme; nearest: time. Choices: last, time.",
    "logger=[csv,wanb]": "unknown choice logger=wanb; nearest: wandb. Choices: csv, wandb.",
    "tuning=null": "tuning must be one of full, lora, got null. Leave it out with ~tuning where nothing needs it.",
    "~logger": "logger must be one of csv, wandb, got null. Leave it out with logger=[].",
    "+tuning=full": "tuning is a part of train already, got '+tuning=full'. Write tuning=full.",
    "++tuning=full": "tuning is a part of train already, got '++tuning=full'. Write tuning=full.",
    # values
    "data/split=time": "data.split.fraction must be given, it has no default. Set data.split.fraction=<value>.",
    "run_dir=${nope}": "run_dir must refer to an option or resolver that exists: Interpolation key 'nope' not found.",
    "run_dir=${nope:3}": "run_dir must refer to an option or resolver that exists: Unsupported",
}


@pytest.mark.parametrize("line", MESSAGES)
def test_message(conf: Path, line: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(MESSAGES[line])}"):
        compose("train", line.split(), conf)


def test_a_group_with_a_choice_of_nothing_is_left_out_by_it(conf: Path) -> None:
    (conf / "tuning" / "none.yaml").write_text("_target_: torch.nn.Identity\n")
    with pytest.raises(ValueError, match=r"got null\. Leave it out with tuning=none\.$"):
        compose("train", ["tuning=null"], conf)


@pytest.mark.parametrize(
    ("text", "step"),
    [
        ("a.b={title} x", """'a.b="{title} x"'"""),
        ("a.b={'x'", """'option="a, b"'"""),
        ("b c={x", """'option="a, b"'"""),
        ("foo", """'option="a, b"'"""),
    ],
)
def test_what_needs_quotes_is_shown_with_them(conf: Path, text: str, step: str) -> None:
    with pytest.raises(ValueError, match=re.escape(f"Quote a value with special characters: {step}.") + "$"):
        compose("train", [text], conf)


@pytest.mark.parametrize("override", ["tuning=lora", "+tuning=lora"])
def test_a_group_that_the_root_does_not_read_is_refused(conf: Path, override: str) -> None:
    message = "tuning is no part of baseline, so it would have no effect. Parts: data, data/split."
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        compose("baseline", [override], conf)


def test_a_broken_file_is_told(conf: Path) -> None:
    (conf / "tuning" / "full.yaml").write_text("a: [1\n")
    with pytest.raises(ValueError, match=r"^train cannot be composed: .*full\.yaml"):
        compose("train", ["tuning=full"], conf)


def test_third_party_folder_and_package(conf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "theirs" / "their_package" / "conf"
    (place / "tuning").mkdir(parents=True)
    (place / "tuning" / "mine.yaml").write_text("# mine\n_target_: torch.nn.Identity\n")
    for package in (place.parent, place):
        (package / "__init__.py").touch()
    monkeypatch.syspath_prepend(str(tmp_path / "theirs"))
    for search in (f"file://{place}", "pkg://their_package.conf"):
        config = compose("train", [f'hydra.searchpath=["{search}"]', "tuning=mine"], conf)
        assert config.tuning == {"_target_": "torch.nn.Identity"}
        with pytest.raises(ValueError, match=r"^unknown choice tuning=min; .* Choices: full, lora, mine\.$"):
            compose("train", [f'hydra.searchpath=["{search}"]', "tuning=min"], conf)


def test_what_is_composed_once_is_not_shared_and_files_that_change_are_read_again(conf: Path, tmp_path: Path) -> None:
    def rank(*more: str) -> object:
        return compose("train", [f'hydra.searchpath=["file://{tmp_path}"]', "tuning=mine", *more], conf).tuning

    (tmp_path / "tuning").mkdir()
    (tmp_path / "tuning" / "mine.yaml").write_text("# mine\nrank: 4\n")
    first = compose("train", ["tuning=lora"], conf)
    before = OmegaConf.to_container(first)
    OmegaConf.update(first, "tuning.in_features", 1000)
    assert OmegaConf.to_container(compose("train", ["tuning=lora"], conf)) == before
    assert rank() == {"rank": 4}
    assert rank("tuning.rank=5") == {"rank": 5}
    (tmp_path / "tuning" / "mine.yaml").write_text("# mine\nrank: 6\nalpha: 2\n")
    assert rank() == {"rank": 6, "alpha": 2}
    assert rank("tuning.alpha=3") == {"rank": 6, "alpha": 3}
    (tmp_path / "tuning" / "yours.yaml").write_text("# yours\n")
    with pytest.raises(ValueError, match=r"Choices: full, lora, mine, yours\.$"):
        compose("train", [f'hydra.searchpath=["file://{tmp_path}"]', "tuning=min"], conf)
    (tmp_path / "tuning" / "mine.yaml").unlink()
    with pytest.raises(ValueError, match=r"^unknown choice tuning=mine\. "):
        rank()


def test_composes_from_any_folder(tmp_path: Path) -> None:
    code = "from rec_lightning.runtime.composition import compose, conf_dir; compose('train', []); print(conf_dir())"
    root = Path(__file__).resolve().parents[2]
    command = [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(root)!r}); {code}"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert Path(done.stdout.strip()).name == "conf"
