"""The frame of a self-contained page: its style, its script, and a table whose columns sort on a click.

No address is fetched. Colours follow the reader's choice of a light or a dark screen; without scripts the page
still shows everything.

Relations: ``report`` fills it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

_STYLE = """
:root { color-scheme: light dark; --ink: #1f2329; --muted: #5b6270; --line: #d5d9e0; --page: #ffffff; --soft: #f5f6f8;
  --warn: #8a4b00; --bad: #b3261e; --blue: #0072b2; --vermilion: #d55e00; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e8ec; --muted: #a2a9b6; --line: #3c424d; --page: #14161a;
  --soft: #1e2127; --warn: #f0b467; --bad: #ff8a80; --blue: #4fb0ea; --vermilion: #f28a3c; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 66rem; padding: 2.5rem 1.25rem 4rem; color: var(--ink); background: var(--page);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", sans-serif; }
h1 { font-size: 1.6rem; line-height: 1.25; margin: 0 0 .4rem; }
h2 { font-size: 1.1rem; margin: 2.4rem 0 .6rem; }
p { max-width: 48rem; margin: .4rem 0; }
.muted { color: var(--muted); } .warn { color: var(--warn); } .bad { color: var(--bad); }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: .9rem; font-variant-numeric: tabular-nums; }
th, td { padding: .45rem .6rem; text-align: right; vertical-align: top; border-bottom: 1px solid var(--line);
  white-space: nowrap; }
th:first-child, td:first-child { text-align: left; padding-left: 0; }
th { font-weight: 600; white-space: normal; vertical-align: bottom; border-bottom-color: var(--muted); }
th button { all: unset; cursor: pointer; } th button:focus-visible { outline: 2px solid; outline-offset: 3px; }
th[aria-sort=ascending] button::after { content: " \\2191"; } th[aria-sort=descending] button::after {
  content: " \\2193"; }
td small { display: block; color: var(--muted); font-size: .84em; }
td.wide { white-space: normal; overflow-wrap: anywhere; }
table.facts { width: auto; } table.facts td, table.facts th { text-align: left; vertical-align: top; font-size: .9rem; }
table.facts th { border-bottom-color: var(--line); color: var(--muted); font-weight: 400; padding-left: 0; }
pre { background: var(--soft); padding: .6rem .8rem; margin: .3rem 0 .9rem; overflow-x: auto; font-size: .84rem;
  white-space: pre-wrap; overflow-wrap: anywhere; }
svg { width: 100%; height: auto; display: block; }
summary { cursor: pointer; color: var(--muted); }
"""

_SCRIPT = """
document.querySelectorAll('table.sortable').forEach(table => {
  const body = table.tBodies[0];
  table.querySelectorAll('th').forEach((head, column) => head.querySelector('button').onclick = () => {
    const up = head.getAttribute('aria-sort') === 'descending';
    table.querySelectorAll('th').forEach(other => other.removeAttribute('aria-sort'));
    head.setAttribute('aria-sort', up ? 'ascending' : 'descending');
    const key = row => row.cells[column] ? row.cells[column].dataset.key : '';
    const less = (a, b) => isNaN(a) || isNaN(b) ? a.localeCompare(b) : a - b;
    const rows = [...body.rows].sort((a, b) => key(a) === '' ? 1 : key(b) === '' ? -1 :
      (up ? 1 : -1) * less(key(a), key(b)));
    body.append(...rows);
  });
});
"""


@dataclass(frozen=True)
class Cell:
    """A cell of a table.

    Args:
        text: what it shows.
        below: a second, smaller line.
        key: what it sorts by; empty sorts last.
        style: name of a style of the page.
    """

    text: str
    below: str = ""
    key: str | float = ""
    style: str = ""


def page(title: str, body: str) -> str:
    """A whole page around a body that is HTML already."""
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        f"{body}\n<script>{_SCRIPT}</script>\n</body>\n</html>\n"
    )


def section(heading: str, *parts: str) -> str:
    """A section of parts that are HTML already."""
    return "\n".join(["<section>", f"<h2>{escape(heading)}</h2>", *parts, "</section>"])


def paragraph(text: str, style: str = "") -> str:
    """Plain text as a paragraph."""
    return f'<p class="{style}">{escape(text)}</p>' if style else f"<p>{escape(text)}</p>"


def sortable(heads: Sequence[str], rows: Sequence[Sequence[Cell]]) -> str:
    """A table whose columns sort on a click on their head."""
    top = "".join(f"<th scope=col><button type=button>{escape(head)}</button></th>" for head in heads)
    body = "\n".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in rows)
    return f'<div class="scroll"><table class="sortable"><thead><tr>{top}</tr></thead>\n<tbody>\n{body}\n</tbody></table></div>'  # noqa: E501


def facts(pairs: Sequence[tuple[str, str]]) -> str:
    """A table of names and values."""
    rows = "\n".join(f'<tr><th scope=row>{escape(k)}</th><td class="wide">{escape(v)}</td></tr>' for k, v in pairs)
    return f'<table class="facts">\n{rows}\n</table>'


def _cell(cell: Cell) -> str:
    below = f"<small>{escape(cell.below)}</small>" if cell.below else ""
    style = f' class="{cell.style}"' if cell.style else ""
    return f'<td data-key="{escape(str(cell.key))}"{style}>{escape(cell.text)}{below}</td>'
