"""An explanation as text for the terminal and as one self-contained HTML page.

Relations: the frame is that of a study's report.
"""

from __future__ import annotations

from html import escape

import numpy as np

from rec_lightning.studies.page import Cell, page, paragraph, section, sortable
from rec_lightning.use.explanation import Explained, Parts

_SHOWN = 10  # past items on the terminal
_ROUGH = 0.05  # share of the change that may be left
_CONFIRMED = 0.3  # least correlation with deletion; below, the order is told with a doubt


def text_of(found: Explained) -> str:
    """The explanation in lines."""
    lines = [_head(found)]
    for parts in (found.history, *found.texts):
        lines += ["", f"{parts.heading}:"]
        order = np.argsort(-np.abs(parts.moved.moved), kind="stable")
        shown = order[:_SHOWN] if parts is found.history else range(len(parts.names))
        width = max(len(parts.names[row]) for row in shown)
        for row in shown:
            moved, dropped = parts.moved.moved[row], parts.moved.dropped[row]
            lines.append(f"  {parts.names[row]:<{width}}  {moved:+.4f}  without it {-dropped:+.4f}")
        if len(parts.names) > len(shown):
            lines.append(f"  and {len(parts.names) - len(shown)} that moved it less")
        lines.append(f"  {_trust(parts)}")
    if found.note:
        lines += ["", found.note]
    return "\n".join(lines)


def page_of(found: Explained) -> str:
    """The explanation as HTML."""
    body = [f"<h1>Why {escape(found.item)}</h1>", paragraph(_head(found)), paragraph(_READ, "muted")]
    body.append(section("Past items", paragraph(_trust(found.history)), _table(found.history)))
    body += [section(text.heading.capitalize(), _coloured(text), paragraph(_trust(text))) for text in found.texts]
    body += [paragraph(found.note)] if found.note else []
    return page(f"Why {found.item}", "\n".join(body))


_READ = (
    "Blue raised the score, vermilion lowered it, by integrated gradients; the second number is what the score does "
    "when the part is taken out for real."
)


def _head(found: Explained) -> str:
    rank = f"rank {found.rank} of what {found.user} does not have" if found.rank else f"{found.user} has it already"
    return f"{found.item} for {found.user}: score {found.score:.4f}, {rank}."


def _trust(parts: Parts) -> str:
    moved = parts.moved
    rough = abs(moved.gap) > _ROUGH * max(abs(moved.change), 1e-9)
    told = f"The parts add up to {moved.moved.sum():+.4f} of {moved.change:+.4f}"
    told += " (rough: raise steps)" if rough else ""
    if moved.agreement is None:
        return f"{told}; too few parts to compare with deletion."
    doubt = "" if moved.agreement >= _CONFIRMED else ": deletion does not confirm this order"
    return f"{told}; Spearman's correlation with deletion {moved.agreement:+.2f}{doubt}."


def _table(parts: Parts) -> str:
    rows = [
        [Cell(name, "", row), Cell(f"{moved:+.4f}", "", moved), Cell(f"{-dropped:+.4f}", "", -dropped)]
        for row, (name, moved, dropped) in enumerate(
            zip(parts.names, parts.moved.moved.tolist(), parts.moved.dropped.tolist(), strict=True)
        )
    ]
    return sortable(["past item, oldest first", "moved the score by", "without it"], rows)


def _coloured(parts: Parts) -> str:
    most = float(np.abs(parts.moved.moved).max()) or 1.0
    words = []
    for name, moved, dropped in zip(parts.names, parts.moved.moved, parts.moved.dropped, strict=True):
        colour = "--blue" if moved > 0 else "--vermilion"
        share = round(70 * abs(float(moved)) / most)
        style = f"background: color-mix(in srgb, var({colour}) {share}%, transparent); padding: .1rem .25rem"
        words.append(f'<span style="{style}" title="{moved:+.4f}, without it {-dropped:+.4f}">{escape(name)}</span>')
    return f"<p>{' '.join(words)}</p>"
