"""``rec-lightning <verb> [overrides]``: finds the verb, prints help, and turns errors into exit codes.

0 done; 1 a fault of the program, with a traceback; 2 wrong input, with a message (``REC_DEBUG=1`` shows the
traceback); 130 stopped by Ctrl-C. A verb is a module beside this one with ``run(overrides) -> int``, imported
when it is called; help reads only text.
"""

from __future__ import annotations

import ast
import os
import sys
from difflib import get_close_matches
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from rec_lightning import __version__
from rec_lightning.runtime.options import conf_dir, list_options, list_parts, read_root
from rec_lightning.runtime.refusal import Refusal

VERBS = {
    "train": "rec_lightning.train",
    "baseline": "rec_lightning.baseline",
    "demo": "rec_lightning.demo",
    "study": "rec_lightning.study",
    "report": "rec_lightning.report",
    "diff": "rec_lightning.diff",
    "reproduce": "rec_lightning.reproduce",
    "audit": "rec_lightning.audit",
    "evaluate": "rec_lightning.evaluate",
    "fuse": "rec_lightning.fuse",
    "recommend": "rec_lightning.recommend",
    "similar": "rec_lightning.similar",
    "compare": "rec_lightning.compare",
    "explain": "rec_lightning.explain",
    "forget": "rec_lightning.forget",
    "doctor": "rec_lightning.doctor",
    "plan": "rec_lightning.plan",
}

EXAMPLES = """Examples:
  rec-lightning demo
  rec-lightning train
  rec-lightning train tuning=full items=id trainer.max_epochs=3 run_dir=runs/ids
  rec-lightning train logger=[csv,wandb] seed=7
  rec-lightning train --multirun tuning=lora,full optimizer.lr=1e-3,3e-3 seed=1,2,3 jobs=2
  rec-lightning train 'hydra.searchpath=["file:///my/conf"]' tuning=mine
"""


def main(argv: list[str] | None = None) -> int:
    """Runs one command line and returns its exit code; a fault of the program is raised."""
    words = sys.argv[1:] if argv is None else argv
    try:
        return _dispatch(words)
    except Refusal as error:
        if os.environ.get("REC_DEBUG") == "1":
            raise
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # whoever read our output has seen enough, as in `... | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except SystemExit as error:
        if isinstance(error.__context__, KeyboardInterrupt):  # the trainer ends itself so after Ctrl-C
            return 130
        raise


def _dispatch(words: list[str]) -> int:
    if words and words[0] == "--version":
        print(f"rec-lightning {__version__}")
        return 0
    if not words or words[0] in ("--help", "-h", "help"):
        print(_help(), flush=True)
        return 0 if words else 2
    verb, overrides = words[0], words[1:]
    if verb not in VERBS:
        near = get_close_matches(verb, VERBS, n=1)
        hint = f"; nearest: {near[0]}" if near else ""
        raise Refusal(f"unknown verb {verb}{hint}. Verbs: {', '.join(VERBS)}. See rec-lightning --help.")
    if "--help" in overrides or "-h" in overrides:
        print(_verb_help(verb))
        return 0
    if any(flag in overrides for flag in ("--multirun", "-m")):
        if verb != "train":
            raise Refusal(f"--multirun is of train, got it with {verb}. Leave it out, or write a study.")
        verb = "multirun"
    code: int = import_module(VERBS.get(verb, f"rec_lightning.{verb}")).run(overrides)
    return code


def _help() -> str:
    roots = {verb: read_root(conf_dir(), verb) for verb in VERBS if (conf_dir() / f"{verb}.yaml").is_file()}
    lines = [f"rec-lightning {__version__}: recommenders with pretrained language models inside", ""]
    lines += ["Usage: rec-lightning <verb> [option=value ...]", "       rec-lightning <verb> --help", "", "Verbs:"]
    lines += [f"  {verb:<10}{_docstring(verb).partition(chr(10))[0]}" for verb in VERBS]
    for verb, root in roots.items():
        lines += ["", f"Options of {verb}:", *list_options(root)]
    defaults: dict[str, list[str]] = {}
    for root in reversed(roots.values()):  # the first verb's defaults win
        defaults |= root.defaults
    return "\n".join([*lines, "", *list_parts(conf_dir(), defaults, None), "", EXAMPLES])


def _verb_help(verb: str) -> str:
    lines = [f"Usage: rec-lightning {verb} [option=value ...]", "", _docstring(verb), ""]
    name = verb if (conf_dir() / f"{verb}.yaml").is_file() else "train"
    root = read_root(conf_dir(), name)
    lines += [f"Options{'' if name == verb else f' of {name}'}:", *list_options(root), ""]
    return "\n".join(lines + list_parts(conf_dir(), root.defaults, list(root.defaults)))


def _docstring(verb: str) -> str:
    spec = find_spec(VERBS[verb])
    if spec is None or spec.origin is None:
        return ""
    return ast.get_docstring(ast.parse(Path(spec.origin).read_text())) or ""


if __name__ == "__main__":
    sys.exit(main())
