"""What a person writes behind the verb, ``option=value`` and ``group=choice``, judged before Hydra merges it.

What differs from plain Hydra: nothing is ignored in silence. An unknown option names the nearest existing ones, an
unknown choice lists the choices; an option given twice, a ``hydra.`` option without effect here and a ``+option``
that no part could receive are errors.

Relations: ``composition`` knows what exists and asks here; ``check`` judges the values.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException

SEARCH = "hydra.searchpath"
_WORDS = {None: "null", True: "true", False: "false"}


def parse_overrides(overrides: list[str]) -> list[Override]:
    """Each override parsed.

    Raises:
        ValueError: one has no valid form, several values or no effect, or an option is given twice.
    """
    parsed, seen = [], dict[str, str]()
    for text in overrides:
        override = parse_override(text, "option=value or group=choice")
        key = key_of(override)
        if key in seen:
            raise ValueError(f"{key} must be given once, got {seen[key]!r} and {text!r}. Leave one out.")
        if override.is_sweep_override():
            raise ValueError(f"{key} takes one value in a run, got {text!r}. Write a list as '{key}=[a,b]'.")
        if key.replace("/", ".").split(".")[0] == "hydra" and key != SEARCH:
            raise ValueError(f"{text!r} has no effect: of Hydra's own options only {SEARCH} is read. Leave it out.")
        seen[key] = text
        parsed.append(override)
    return parsed


def parse_override(text: str, forms: str) -> Override:
    """One override, which may have several values.

    Args:
        text: as typed.
        forms: those that are taken, in words.

    Raises:
        ValueError: it has no valid form.
    """
    try:
        override = _parser().parse_override(text)
        override.value()
    except HydraException as error:
        raise ValueError(
            f"an override must have the form {forms}, got {text!r}. "
            f"Quote a value with special characters: {_quoted(text)}."
        ) from error
    return override


def _quoted(text: str) -> str:
    # what was typed with quotes that both a shell and Hydra read, where that makes it valid
    option, equals, value = text.partition("=")
    try:
        _parser().parse_override(f'{option}="{value}"')
    except HydraException:
        equals = ""
    return f"""'{option}="{value}"'""" if equals and not set("'\"") & set(value) else """'option="a, b"'"""


@cache
def _parser() -> OverridesParser:
    return OverridesParser.create()


def check_search(override: Override) -> None:
    """Raises ValueError unless the search path is a list of folders that exist, or of packages."""
    value = override.value()
    if not isinstance(value, list) or not all(str(v).startswith(("file://", "pkg://")) for v in value):
        raise ValueError(
            f'{SEARCH} must be a list such as ["file:///my/conf"] or ["pkg://mine.conf"], '
            f"got {shown(value)}. Set {SEARCH}."
        )
    for place in map(str, value):
        if place.startswith("file://") and not Path(place.removeprefix("file://")).is_dir():
            raise ValueError(f"{SEARCH} must name folders that exist, got {place!r}. Give an absolute path.")


def check_choice(override: Override, choices: list[str], root: str, parts: Collection[str], lists: bool) -> None:
    """Raises ValueError unless the group is a part of the root and every choice exists.

    Args:
        override: of a group.
        choices: of this group.
        root: name of the root file.
        parts: the groups this root has.
        lists: whether the group takes several choices at once.
    """
    group, value, key = override.key_or_group, override.value(), key_of(override)
    without = f"{group}=[]" if lists else f"{group}=none" if "none" in choices else f"~{group} where nothing needs it"
    if value is None and not (override.is_delete() and not lists):
        raise ValueError(f"{group} must be one of {listed(choices)}, got null. Leave it out with {without}.")
    for choice in map(str, value if isinstance(value, list) else [] if value is None else [value]):
        if choice not in choices and "/" not in choice:  # with a slash: a file of a nested folder, left to Hydra
            near = get_close_matches(choice, choices, n=1)
            hint = f"; nearest: {near[0]}" if near else ""
            raise ValueError(f"unknown choice {group}={choice}{hint}. Choices: {listed(choices)}.")
    if key not in parts and not _adds(override):
        raise ValueError(f"{key} is no part of {root}, so it would have no effect. Parts: {listed(parts)}.")
    if key in parts and _adds(override):
        text = str(override.input_line)
        raise ValueError(f"{key} is a part of {root} already, got {text!r}. Write {text.lstrip('+')}.")


def check_option(override: Override, root: str, config: dict[str, Any], known: list[str]) -> None:
    """Raises ValueError unless the option exists, or could be an argument that its part's file leaves out.

    Args:
        override: of an option, not of a group.
        root: name of the root file.
        config: what was composed of the chosen files alone.
        known: all options and groups.
    """
    key, value = override.key_or_group, override.value()
    found = _find(config, key)
    if found is None:
        in_part, beside = _surroundings(config, key)
        if not (_adds(override) and (in_part or (beside and isinstance(value, dict) and "_target_" in value))):
            raise ValueError(_unknown(key, root, known, in_part))
    elif isinstance(found[0], dict) and found[0] and not _adds(override) and not override.is_delete():
        if isinstance(value, dict):
            for inner in map(str, keys_of(value, f"{key}.")):
                if _find(config, inner) is None:
                    raise ValueError(_unknown(inner, root, known, True))
        elif value is not None:
            options = listed(k for k in found[0] if not str(k).startswith("_"))
            raise ValueError(f"{key} holds options of its own, got {shown(value)}. Set one of them: {options}.")


def nearest(name: str, known: Iterable[str]) -> list[str]:
    """Up to three of ``known`` that ``name`` may have meant: the same last part first, then a close spelling.

    Example:
        >>> nearest("max_epochs", ["trainer.max_epochs", "trainer.max_steps"])
        ['trainer.max_epochs']
    """
    last = {key: key.replace("/", ".").rpartition(".")[2] for key in known}
    wanted = name.replace("/", ".").rpartition(".")[2]
    close = get_close_matches(name, last, n=3, cutoff=0.7)
    same = [key for key in last if last[key] == wanted]
    alike = get_close_matches(wanted, last.values(), n=3, cutoff=0.7)
    return (same or close or [key for key in last if last[key] in alike])[:3]


def key_of(override: Override) -> str:
    """The option or ``group@package`` without its sign."""
    return override.get_key_element().lstrip("+~")


def keys_of(config: dict[Any, Any], above: str = "") -> list[str]:
    """Every option of a nested config by its full name, parts included, ``_names_`` left out."""
    keys = []
    for key, value in config.items():
        if not str(key).startswith("_"):
            keys += [f"{above}{key}", *(keys_of(value, f"{above}{key}.") if isinstance(value, dict) else [])]
    return keys


def listed(names: Iterable[Any]) -> str:
    """Names in order, with commas."""
    return ", ".join(sorted(map(str, names)))


def shown(value: Any) -> str:
    """A value as one would write it in a file."""
    return _WORDS[value] if value is None or isinstance(value, bool) else repr(value)


def _adds(override: Override) -> bool:
    return override.is_add() or override.is_force_add()


def _unknown(key: str, root: str, known: list[str], in_part: bool) -> str:
    near = nearest(key, known)
    text = f"unknown option {key}" + (f"; nearest: {', '.join(near)}" if near else "")
    if in_part:
        return f"{text} (an argument that its file leaves out is set with +{key}=...)"
    return text if near else f"{text}. rec-lightning {root} --help lists the options"


def _surroundings(config: dict[str, Any], key: str) -> tuple[bool, bool]:
    # (inside something with a target, which may take it as an argument; directly under something that exists)
    parts = key.split(".")
    above = [_find(config, ".".join(parts[:n])) for n in range(1, len(parts))]
    in_part = any(f is not None and isinstance(f[0], dict) and "_target_" in f[0] for f in above)
    return in_part, bool(above) and above[-1] is not None


def _find(config: Any, key: str) -> tuple[Any] | None:
    # a value in a tuple, to tell null from nothing
    for part in key.split("."):
        if isinstance(config, dict) and part in config:
            config = config[part]
        elif isinstance(config, list) and part.isdigit() and int(part) < len(config):
            config = config[int(part)]
        else:
            return None
    return (config,)
