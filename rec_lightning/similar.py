"""Show the items that are most like an item to a trained model: similar run=DIR item=ID or item="a title".

Likeness is the cosine between the vectors that the model has of the items, whatever they are made of. item=@FILE asks
for many, item=all for every one, and output=FILE.csv (.jsonl, .parquet) keeps the lists.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rec_lightning.runtime.composition import compose
from rec_lightning.runtime.given import quoted
from rec_lightning.runtime.refusal import refusing

if TYPE_CHECKING:
    from rec_lightning.use.similarity import Similarity

_SHOWN = 5  # lists on the terminal


def run(overrides: list[str]) -> int:
    """Compose, check, read, compare.

    Args:
        overrides: ``option=value`` or ``group=choice``.

    Raises:
        Refusal: the input cannot work; no file was written.
    """
    with refusing():
        config = compose("similar", quoted(overrides, "item"))

        from rec_lightning.runtime.light import import_torchmetrics

        import_torchmetrics()

        from rec_lightning.runtime.check import check_signatures
        from rec_lightning.use.similarity import Similarity

        check_signatures(config)
        similarity = Similarity(config)
        similarity.read()
    if config.output is not None:
        similarity.write()
    _show(similarity)
    if config.output not in (None, "-"):
        print(config.output)
    return 0


def _show(similarity: Similarity) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console = Console(stderr=similarity.config.output == "-")
    some, found, cosine = next(similarity.lists())
    for row, (item, title) in enumerate(similarity.names(some[:_SHOWN])):
        table = Table("rank", "item", "title", "cosine", title=escape(f"{item} {title}".strip()), title_justify="left")
        items = found[row][found[row] > 0].numpy()
        for rank, (name, words) in enumerate(similarity.names(items), 1):
            table.add_row(str(rank), escape(name), escape(words), f"{cosine[row, rank - 1]:.4f}")
        console.print(table)
    if len(similarity.items) > _SHOWN:
        console.print(f"and {len(similarity.items) - _SHOWN:,} more")
