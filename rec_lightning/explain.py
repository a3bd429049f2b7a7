"""Explain a recommendation: which past items and which words moved its score; explain run=DIR user=ID [item=ID].

By integrated gradients (extra explain), checked by deletion: every past item and word is taken out for real, and the
correlation of both orders is told. Prints text and writes one HTML page (output=FILE.html). history=a,b,c explains for
somebody the run does not know.
"""

from __future__ import annotations

from pathlib import Path

from rec_lightning.runtime.composition import compose
from rec_lightning.runtime.given import quoted
from rec_lightning.runtime.refusal import refusing


def run(overrides: list[str]) -> int:
    """Compose, check, read, explain, write.

    Args:
        overrides: ``option=value``.

    Raises:
        Refusal: the input cannot work; nothing was written.
    """
    with refusing():
        config = compose("explain", quoted(overrides, "user", "item", "history"))
        place = None if config.output is None else _place(str(config.output), bool(config.overwrite))

        from rec_lightning.runtime.light import import_torchmetrics

        import_torchmetrics()

        from rec_lightning.use.explained_page import page_of, text_of
        from rec_lightning.use.explanation import Explanation

        explanation = Explanation(config)
        explanation.read()
        found = explanation.explain()
    print(text_of(found))
    if place is not None:
        place.write_text(page_of(found), encoding="utf8")
        print(place)
    return 0


def _place(output: str, overwrite: bool) -> Path:
    place = Path(output).expanduser()
    if place.suffix != ".html":
        raise ValueError(f"output must end with .html, got {output}. Set output.")
    if not place.parent.is_dir():
        raise ValueError(f"output must lie in a folder that exists, and {place.parent} does not. Set output.")
    if place.exists() and not overwrite:
        raise ValueError(f"output must be new, and {output} exists. Set output, or overwrite=true.")
    return place
