"""What ``conf/`` offers, read as plain text: roots, groups, choices, and the first comment line of each file.

``--help`` answers from here in a fraction of a second, so nothing beyond the standard library is imported; the
files keep to two levels with the defaults one to a line, which is all this reader understands.

Relations: ``composition`` composes the same folder with Hydra; ``cli`` prints what is found here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from textwrap import wrap

_DEFAULT = re.compile(r"^\s+-\s+(?:override\s+)?/?([\w/]+):\s*(.+?)\s*(?:#.*)?$")
_SHARED = re.compile(r"^\s+-\s+(_(?!self_)\w+)\s*(?:#.*)?$", re.MULTILINE)
_OPTION = re.compile(r"^(\w+):[ \t]*([^#\n]*?)[ \t]*(?:#[ \t]*(.*))?$", re.MULTILINE)


@dataclass(frozen=True)
class Root:
    """The top of one kind of run.

    Args:
        defaults: group -> its chosen files; none where the group is left out by default.
        options: (name, value, comment) of each line of its own.
    """

    defaults: dict[str, list[str]]
    options: list[tuple[str, str, str]]


def conf_dir() -> Path:
    """The folder of the configuration: the one packed into an installed copy, else the checkout's.

    Raises:
        FileNotFoundError: neither is there.
    """
    package = Path(__file__).resolve().parents[1]
    places = package / "conf", package.parent / "conf"
    for place in places:
        if place.is_dir():
            return place
    raise FileNotFoundError(
        f"conf must lie in {places[0]} or {places[1]}, found in neither. Install the package again."
    )


def read_root(conf: Path, name: str) -> Root:
    """The defaults and options of ``conf/<name>.yaml``.

    Example:
        >>> from rec_lightning.runtime.options import conf_dir, read_root
        >>> read_root(conf_dir(), "train").defaults["backbone"]
        ['sasrec']
    """
    text = (conf / f"{name}.yaml").read_text()
    chosen = {}
    for line in text.splitlines():
        if match := _DEFAULT.match(line):
            words = re.findall(r"[\w/-]+", match[2])
            chosen[match[1]] = [] if words == ["null"] else words
    return Root(chosen, read_options(text))


def read_options(text: str) -> list[tuple[str, str, str]]:
    r"""(name, value, comment) of each line at the left margin of a yaml text, defaults and ``_names_`` left out.

    Example:
        >>> read_options("_target_: a.B\nrank: 8  # of the update\n")
        [('rank', '8', 'of the update')]
    """
    found = [(m[1], m[2], m[3] or "") for m in _OPTION.finditer(text)]
    return [option for option in found if option[0] != "defaults" and not option[0].startswith("_")]


def read_choice(file: Path) -> list[tuple[str, str, str]]:
    """The options of a choice: its own, then those of the ``_files`` beside it that its defaults name."""
    text = file.read_text()
    shared = (file.with_name(f"{name}.yaml").read_text() for name in _SHARED.findall(text))
    return [option for part in (text, *shared) for option in read_options(part)]


def is_choice(name: str) -> bool:
    """Whether a file of this name is a choice; ``_names`` are parts that several choices share."""
    return not name.startswith("_")


def read_groups(conf: Path) -> dict[str, dict[str, Path]]:
    """Group -> choice -> file, nested groups (``data/split``) after the one they lie in."""
    groups: dict[str, dict[str, Path]] = {}
    for file in sorted(conf.rglob("*.yaml")):
        group = file.parent.relative_to(conf).as_posix()
        if group != "." and is_choice(file.stem):
            groups.setdefault(group, {})[file.stem] = file
    return dict(sorted(groups.items()))


def description(file: Path) -> str:
    """The first comment line of a file; empty where it has none."""
    for line in file.read_text().splitlines():
        if line.startswith("#") and not line.startswith("# @package"):
            return line.lstrip("# ")
    return ""


def list_options(root: Root) -> list[str]:
    """A line of help for each option of a root."""
    return [f"  {f'{name}={value}':<28}  {comment}".rstrip() for name, value, comment in root.options]


def list_parts(conf: Path, defaults: dict[str, list[str]], only: list[str] | None) -> list[str]:
    """Lines of help: every group with its choices, a star beside the default.

    Args:
        conf: the folder.
        defaults: group -> what is chosen when nothing is said.
        only: these groups, with the options of each choice; or None for all groups, shorter.
    """
    lines = ["Parts, as group=choice (* is the default); an option of a part is set as group.option=value:"]
    groups = read_groups(conf)
    for group in groups if only is None else only:
        lines.append(f"  {group}")
        for choice, file in groups.get(group, {}).items():
            mark = "*" if choice in defaults.get(group, []) else " "
            lines.append(f"   {mark}{choice:<16} {description(file)}".rstrip())
            if only is not None:
                found = "  ".join(f"{name}={value}" for name, value, _ in read_choice(file) if value)
                lines += wrap(found, 110, initial_indent=" " * 21, subsequent_indent=" " * 21)
    return lines
