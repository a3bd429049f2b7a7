"""Jinja templates of prompts: compiled in a sandbox, names that are not there refused before any data are read.

A missing value is written as nothing, and a list with commas. Templates come from configurations, which people pass
on, so they cannot reach the program: ``jinja2.sandbox`` forbids it.

Relations: ``prompts`` renders histories with them; ``items/templates`` is the same for one item, in plain fields.

Example:
    >>> known = {"title": (), "year": ()}
    >>> item = compiled("{{ title }}{% if year %} ({{ year }}){% endif %}", "backbone.prompt.item", known)
    >>> item.render(title="Heat", year=1995), item.render(title="Heat", year=None)
    ('Heat (1995)', 'Heat')
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from jinja2 import StrictUndefined, Template, TemplateError, meta, nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment

# what an event of a history and a solved example offer; loops over them may call them anything
EVENT = ("item", "word", "label", "history")


def _written(value: Any) -> Any:
    if value is None:
        return ""
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else value


_SANDBOX = ImmutableSandboxedEnvironment(
    undefined=StrictUndefined, finalize=_written, trim_blocks=True, lstrip_blocks=True
)


def compiled(source: str, option: str, known: Mapping[str, Collection[str]]) -> Template:
    """A template whose names all exist.

    Args:
        source: the Jinja text.
        option: what sets it in the configuration, for the messages.
        known: name -> its attributes; none where it is a plain value.

    Raises:
        ValueError: it is malformed, names nothing, or names what is not known.
    """
    try:
        tree = _SANDBOX.parse(source)
        made = _SANDBOX.from_string(source)
    except TemplateError as error:
        raise ValueError(f"{option} is malformed ({error}). Write it as a Jinja template.") from error
    named = meta.find_undeclared_variables(tree) - set(_SANDBOX.globals)
    for name in sorted(named - set(known)):
        raise ValueError(f"{option} names {name!r}, which is not there. Known: {', '.join(known)}. Set {option}.")
    if not named:
        raise ValueError(
            f"{option} names nothing, so every prompt would be one. Known: {', '.join(known)}. Set {option}."
        )
    for name, attribute in _attributes(tree):
        there = known.get(name, EVENT)
        if name != "loop" and attribute not in there:
            raise ValueError(
                f"{option} names {name}.{attribute}, which is not there. Known: "
                f"{', '.join(f'{name}.{a}' for a in there) or f'{name} alone'}. Set {option}."
            )
    return made


def _attributes(tree: nodes.Template) -> Iterator[tuple[str, str]]:
    for node in tree.find_all(nodes.Getattr):
        if isinstance(node.node, nodes.Name):
            yield node.node.name, node.attr
    for item in tree.find_all(nodes.Getitem):
        if isinstance(item.node, nodes.Name) and isinstance(item.arg, nodes.Const) and isinstance(item.arg.value, str):
            yield item.node.name, item.arg.value
