"""The audit as one HTML file that needs no network, and as JSON.

The pictures are plain SVG paths, so that the page is small and reads in any browser, light or dark.
"""

from __future__ import annotations

import json
import math
from html import escape
from pathlib import Path

from rec_lightning.data.audit.run import Audit

_STYLE = """
:root {
  color-scheme: light dark; --line: #8884; --good: #2e7d32; --note: #1565c0; --warning: #b26a00; --failure: #c62828
}
@media (prefers-color-scheme: dark) {
  :root { --good: #81c784; --note: #64b5f6; --warning: #ffb74d; --failure: #e57373 }
}
body { font: 15px/1.5 system-ui, sans-serif; max-width: 68rem; margin: 2rem auto; padding: 0 1rem }
table { border-collapse: collapse; width: 100% }
th, td { text-align: left; vertical-align: top; padding: .35rem .6rem; border-bottom: 1px solid var(--line) }
td { overflow-wrap: break-word } td.good, td.note, td.warning, td.failure { white-space: nowrap }
figure { display: inline-block; margin: 0 1.5rem 1rem 0 }
figcaption { font-size: .85rem }
.scroll { overflow-x: auto }
.good { color: var(--good) } .note { color: var(--note) }
.warning { color: var(--warning) } .failure { color: var(--failure) }
.good, .note, .warning, .failure { font-weight: 600 }
svg text { fill: currentColor; font: 11px system-ui, sans-serif }
"""
_WIDTH, _HEIGHT, _LEFT, _BOTTOM = 300, 180, 48, 22


def write_report(audit: Audit, folder: Path) -> Path:
    """Writes ``audit.json`` and ``audit.html``; the path of the latter."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in (("audit.json", json.dumps(audit.plain(), indent=2) + "\n"), ("audit.html", html(audit))):
        scratch = folder / f".{name}"
        scratch.write_text(text, encoding="utf8")
        scratch.replace(folder / name)
    return folder / "audit.html"


def html(audit: Audit) -> str:
    """The page."""
    facts = audit.facts
    told = {
        "source": facts["source"],
        "licence": facts["licence"],
        "counts": f"{facts['users']:,} users, {facts['items']:,} items, {facts['interactions']:,} interactions",
        "split": f"{facts['split']}: {_roles(facts['roles'])}",
        "preparation": "; ".join(f"{s['step']} removed {s['removed']:,}" for s in facts["steps"]) or "none",
        "fingerprint": facts["fingerprint"],
    }
    scores = [
        [s.dimension, _together(f"{s.level} of 5"), s.word, s.evidence, " ".join(s.raise_by) or "nothing"]
        for s in audit.scores
    ]
    parts = [
        f"<h1>Data audit: {escape(facts['name'])}</h1>",
        f"<p>Level <strong>{audit.level} of 5</strong>, that of the weakest dimension.</p>",
        _table(["", ""], [[key, value] for key, value in told.items()]),
        "<h2>Levels</h2>",
        _table(["dimension", "level", "", "evidence", "what would raise it"], scores),
        "<h2>Pictures</h2>",
        *(_picture(name, x, y) for name, (x, y) in audit.curves.items()),
    ]
    for dimension in dict.fromkeys(f.dimension for f in audit.findings):
        parts += [f"<h2>{dimension.capitalize()}</h2>", _findings(audit, dimension)]
    head = '<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Data audit</title>'
    head += f"<style>{_STYLE}</style>"
    return f'<!doctype html><html lang="en"><head>{head}</head><body>{"".join(parts)}</body></html>\n'


def _together(text: str) -> str:
    """On one line, however narrow its column."""
    return text.replace(" ", "\N{NO-BREAK SPACE}").replace("-", "\N{NON-BREAKING HYPHEN}")


def _roles(counts: list[int]) -> str:
    names = ("training", "validation", "test", "input only")
    return ", ".join(f"{count:,} {name}" for count, name in zip(counts, names, strict=True) if count)


def _findings(audit: Audit, dimension: str) -> str:
    order = ("failure", "warning", "note", "good")
    found = sorted((f for f in audit.findings if f.dimension == dimension), key=lambda f: order.index(f.grade))
    # a number stays with its unit
    rows = [[f.check, f.grade, f.value.replace(" %", "\N{NO-BREAK SPACE}%"), f.evidence, f.advice] for f in found]
    return _table(["check", "grade", "value", "evidence", "advice"], rows, marked=1)


def _table(head: list[str], rows: list[list[str]], marked: int | None = None) -> str:
    def cell(place: int, text: str) -> str:
        return f'<td class="{text}">{text}</td>' if place == marked else f"<td>{escape(text)}</td>"

    body = "".join(f"<tr>{''.join(cell(i, text) for i, text in enumerate(row))}</tr>" for row in rows)
    top = f"<tr>{''.join(f'<th>{escape(h)}</th>' for h in head)}</tr>" if any(head) else ""
    return f'<div class="scroll"><table>{top}{body}</table></div>'


def _picture(name: str, x: list[float], y: list[float]) -> str:
    log = "day" not in name
    across, up = (_scale(values, log) for values in (x, y))
    points = [
        (_LEFT + a * (_WIDTH - _LEFT - 8), _HEIGHT - _BOTTOM - b * (_HEIGHT - _BOTTOM - 10))
        for a, b in zip(across, up, strict=True)
    ]
    path = " ".join(f"{'M' if i == 0 else 'L'}{a:.1f},{b:.1f}" for i, (a, b) in enumerate(points))
    low, right = _HEIGHT - _BOTTOM, _WIDTH - 8
    frame = f'<path d="M{_LEFT},10V{low}H{right}" fill="none" stroke="currentColor" opacity=".4"/>'
    texts = [
        (_LEFT, _HEIGHT - 6, "start", f"{min(x):,.0f}"), (right, _HEIGHT - 6, "end", f"{max(x):,.0f}"),
        (_LEFT - 4, low, "end", f"{min(y) if log else 0:,.0f}"), (_LEFT - 4, 18, "end", f"{max(y):,.0f}"),
    ]  # fmt: skip
    labels = "".join(f'<text x="{a}" y="{b}" text-anchor="{side}">{text}</text>' for a, b, side, text in texts)
    line = f'<path d="{path}" fill="none" stroke="var(--note)" stroke-width="2"/>'
    axes = " (both axes logarithmic)" if log else ""
    return (
        f'<figure><svg width="{_WIDTH}" height="{_HEIGHT}" role="img" aria-label="{escape(name)}">{frame}{line}{labels}'
        f"</svg><figcaption>{escape(name)}{axes}</figcaption></figure>"
    )


def _scale(values: list[float], log: bool) -> list[float]:
    """Values as 0..1."""
    moved = [math.log10(max(v, 1)) for v in values] if log else values
    low, high = (min(moved) if log else min(*moved, 0)), max(moved)
    return [(v - low) / (high - low) if high > low else 0.5 for v in moved]
