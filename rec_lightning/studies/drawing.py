"""What all pictures share: a bare frame, the inks, and how a figure becomes a file or a part of a page.

In a page the inks follow the page's own colours, so that one picture suits a light and a dark screen.

Relations: under ``figure`` and ``curves``; ``publish`` writes files and ``report`` embeds with it.
"""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from PIL import Image

# near-black, grey, light grey and white; values that no palette uses, so that they can be found again in an svg
INK, MUTED, PALE, PAPER = "#1f2329", "#6b7281", "#c9cdd4", "#fefefe"
# three of Okabe and Ito's colours, which colour-blind people can tell apart
BLUE, VERMILION, GREEN, PURPLE = "#0072b2", "#d55e00", "#009e73", "#cc79a7"
_PAGE_INKS = {
    INK: "currentColor",
    MUTED: "var(--muted)",
    PALE: "var(--line)",
    PAPER: "var(--page)",
    BLUE: "var(--blue)",
    VERMILION: "var(--vermilion)",
}


def figure_of(width: float, height: float, panels: int) -> tuple[Figure, list[Axes]]:
    """An empty figure in inches with panels side by side; no window, no global state."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # takes half a second
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height))
    FigureCanvasAgg(figure)
    axes = figure.subplots(1, panels, squeeze=False)
    return figure, list(axes[0])


def bare(panel: Axes) -> None:
    """A panel with a pale lower edge and nothing else around the data."""
    for side in ("top", "left", "right"):
        panel.spines[side].set_visible(False)
    panel.spines["bottom"].set_color(PALE)
    panel.patch.set_alpha(0)
    panel.tick_params(colors=MUTED, labelsize=8, length=3, color=PALE)


def behind(pad: float) -> dict[str, Any]:
    """A box of the page's colour behind a name, so that what it stands over does not run through its letters.

    Args:
        pad: around the name, in points.
    """
    return {"facecolor": PAPER, "edgecolor": "none", "pad": pad, "alpha": 0.8}


def legend_dots(figure: Figure, entries: Sequence[tuple[str, str, str]], left: float) -> None:
    """A one-line legend of (label, colour, marker) at the lower left of the panels."""
    from matplotlib.lines import Line2D

    dots = [Line2D([], [], color=colour, marker=marker, linewidth=2, label=label) for label, colour, marker in entries]
    figure.legend(
        handles=dots,
        loc="lower left",
        bbox_to_anchor=(left, 0),
        ncols=len(dots),
        frameon=False,
        fontsize=8.5,
        labelcolor=INK,
        borderaxespad=0.2,
        borderpad=0.2,
        handlelength=1.6,
    )


def write_figure(figure: Figure, stem: Path) -> tuple[Path, Path]:
    """Writes ``stem.png`` and ``stem.svg`` on white.

    Returns:
        The two paths.
    """
    png, svg = stem.with_suffix(".png"), stem.with_suffix(".svg")
    figure.savefig(png, dpi=200, facecolor="white")
    svg.write_text(_svg(figure, "white"), encoding="utf-8")
    return png, svg


def bitmap(figure: Figure) -> Image.Image:
    """The figure as a picture in memory, on white."""
    from PIL import Image

    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=150, facecolor="white")
    return Image.open(buffer)


def inline_svg(figure: Figure, label: str) -> str:
    """The figure as an ``<svg>`` element that takes the page's colours.

    Args:
        figure: to embed.
        label: what a screen reader says.
    """
    text = _svg(figure, "none")
    text = re.sub(r"<metadata>.*?</metadata>", "", text[text.index("<svg") :], flags=re.DOTALL)
    for ink, page in _PAGE_INKS.items():
        text = text.replace(ink, page)
    escaped = label.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")
    return text.replace("<svg", f'<svg role="img" aria-label="{escaped}"', 1)


def _svg(figure: Figure, background: str) -> str:
    import matplotlib as mpl

    buffer = io.StringIO()
    # text stays text; equal input gives equal bytes
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "rec_lightning"}):
        figure.savefig(buffer, format="svg", facecolor=background, metadata={"Date": None})
    return buffer.getvalue()
