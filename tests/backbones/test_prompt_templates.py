"""Templates of prompts: what they write, and what is refused before any data are read."""

from __future__ import annotations

import re
from typing import Any

import pytest
from jinja2.exceptions import SecurityError

from rec_lightning.backbones.prompt_templates import compiled

KNOWN: Any = {"history": (), "candidate": (), "user": ("age", "gender")}


def made(source: str) -> Any:
    return compiled(source, "backbone.prompt.template", KNOWN)


def test_lists_have_commas_and_missing_values_are_nothing() -> None:
    template = compiled("{{ title }}|{{ year }}|{{ genres }}", "o", dict.fromkeys(["title", "year", "genres"], ()))
    assert template.render(title="Heat", year=None, genres=["Crime", "War"]) == "Heat||Crime, War"


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("{{ kandidate }}", "names 'kandidate', which is not there. Known: history, candidate, user."),
        ("{{ user.height }}", "names user.height, which is not there. Known: user.age, user.gender."),
        ("{{ user['height'] }}", "names user.height, which is not there."),
        ("{% for e in history %}{{ e.title }}{% endfor %}", "names e.title, which is not there. Known: e.item, e.word"),
        ("{{ candidate.title }}", "names candidate.title, which is not there. Known: candidate alone."),
        ("{% for e in history %}", "is malformed (Unexpected end of template"),
        ("a fixed text", "names nothing, so every prompt would be one."),
    ],
)
def test_what_is_not_there_is_refused(source: str, message: str) -> None:
    with pytest.raises(ValueError, match=f"^backbone.prompt.template {re.escape(message)}"):
        made(source)


def test_loops_and_their_own_names_are_known() -> None:
    made("{% for e in history %}{{ loop.index }}{{ e.item }}{% endfor %}{{ user.age }}{% set a = 1 %}{{ a }}")


def test_a_template_cannot_reach_the_program() -> None:
    with pytest.raises(SecurityError):
        made("{{ ''.__class__.__mro__ }}{{ candidate }}").render(candidate="")
