"""The front door: help from text alone, and what each outcome prints and returns."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from rec_lightning import __version__, cli
from rec_lightning.runtime.options import description, read_groups, read_root
from rec_lightning.runtime.refusal import Refusal

HEAVY = ("torch", "lightning", "transformers", "hydra", "omegaconf", "yaml", "numpy", "polars", "wandb", "peft")


def say(monkeypatch: pytest.MonkeyPatch, outcome: int | BaseException) -> list[list[str]]:
    """Makes the verb ``train`` end in ``outcome``; returns the overrides it was called with."""
    calls: list[list[str]] = []

    def run(overrides: list[str]) -> int:
        calls.append(overrides)
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    monkeypatch.setattr(cli, "import_module", lambda name: SimpleNamespace(run=run))
    return calls


@pytest.mark.parametrize("words", [["--help"], ["train", "--help"], ["demo", "--help"], ["--version"], ["trian"]])
def test_answers_without_a_heavy_import(words: list[str]) -> None:
    code = f"import sys; from rec_lightning.cli import main; main({words}); print(*sys.modules, file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not set(done.stderr.split()) & set(HEAVY)


def test_help_lists_verbs_groups_and_choices(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--help"]) == 0
    text = capsys.readouterr().out
    for verb in cli.VERBS:
        assert f"\n  {verb} " in text
    conf = cli.conf_dir()
    for group, choices in read_groups(conf).items():
        assert f"\n  {group}\n" in text
        for choice, file in choices.items():
            assert f"{choice:<16} {description(file)}".rstrip() in text
    for group, chosen in read_root(conf, "train").defaults.items():
        for choice in chosen:
            assert f"   *{choice}" in text, group


def test_help_of_a_verb_lists_its_options(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["train", "tuning=full", "--help"]) == 0
    text = capsys.readouterr().out
    assert text.startswith("Usage: rec-lightning train [option=value ...]")
    assert "\n  seed=42" in text
    assert "max_epochs=" in text
    assert "\n  baseline\n" not in text


def test_every_choice_is_described() -> None:
    files = [file for choices in read_groups(cli.conf_dir()).values() for file in choices.values()]
    assert files
    assert [file for file in files if not description(file)] == []


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out == f"rec-lightning {__version__}\n"


def test_nothing_said_shows_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([]) == 2
    assert "Verbs:" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("verb", "message"),
    [
        (
            "trian",
            f"error: unknown verb trian; nearest: train. Verbs: {', '.join(cli.VERBS)}. See rec-lightning --help.\n",
        ),
        (
            "zzz",
            f"error: unknown verb zzz. Verbs: {', '.join(cli.VERBS)}. See rec-lightning --help.\n",
        ),
    ],
)
def test_unknown_verb(verb: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([verb]) == 2
    assert capsys.readouterr().err == message


def test_overrides_reach_the_verb(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = say(monkeypatch, 0)
    monkeypatch.setattr(sys, "argv", ["rec-lightning", "train", "seed=1", "tuning=full"])
    assert cli.main() == 0
    assert calls == [["seed=1", "tuning=full"]]


def test_wrong_input_is_a_message_and_code_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    say(monkeypatch, Refusal("width must be at least 1, got 0. Set width."))
    assert cli.main(["train"]) == 2
    assert capsys.readouterr().err == "error: width must be at least 1, got 0. Set width.\n"
    monkeypatch.setenv("REC_DEBUG", "1")
    with pytest.raises(Refusal, match="width must be at least 1, got 0"):
        cli.main(["train"])


def test_a_fault_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    say(monkeypatch, ValueError("raised while training"))
    with pytest.raises(ValueError, match="raised while training"):
        cli.main(["train"])


def test_ctrl_c_is_code_130(monkeypatch: pytest.MonkeyPatch) -> None:
    say(monkeypatch, KeyboardInterrupt())
    assert cli.main(["train"]) == 130
    ended = SystemExit(1)
    ended.__context__ = KeyboardInterrupt()
    say(monkeypatch, ended)
    assert cli.main(["train"]) == 130
    say(monkeypatch, SystemExit(3))
    with pytest.raises(SystemExit, match="3"):
        cli.main(["train"])


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("tuning=lorra", "error: unknown choice tuning=lorra; nearest: lora. Choices: "),
        ("trainer.max_epoch=1", "error: unknown option trainer.max_epoch; nearest: trainer.max_epochs"),
        ("trainer.max_epochs=abc", "error: trainer.max_epochs must be int or null, got 'abc'. Set trainer.max_epochs."),
        ("seed", "error: an override must have the form option=value or group=choice, got 'seed'."),
    ],
)
def test_train_refuses(line: str, message: str, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert cli.main(["train", line, f"run_dir={tmp_path / 'run'}"]) == 2
    assert capsys.readouterr().err.startswith(message)
    assert not (tmp_path / "run").exists()
