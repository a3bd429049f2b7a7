"""Recommend items with a complete run, run=DIR: to its users, to new ones (history=FILE), and new items (new_items=).

New users come as a table with the columns user, item and perhaps timestamp, or as lines of JSON such as {"user": "ann",
"items": ["i3", "i7"]}; history=- reads standard input. new_items=FILE adds items that the run never saw, where the
model reads their texts or features. filters=[category,between,listed] choose the candidates and rerank=mmr (and others)
the lists among the best of them; rescore=DIR has a run that scored labels order these. Lists are written while they are
made (output=FILE.csv, .jsonl or .parquet).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rec_lightning.runtime.composition import compose
from rec_lightning.runtime.given import quoted
from rec_lightning.runtime.refusal import refusing

if TYPE_CHECKING:
    from rec_lightning.use.recommendation import Told


def run(overrides: list[str]) -> int:
    """Compose, check, read, recommend.

    Args:
        overrides: ``option=value`` or ``group=choice``.

    Raises:
        Refusal: the input cannot work; no file was written.
    """
    with refusing():
        config = compose("recommend", quoted(overrides, "users"))

        from rec_lightning.runtime.light import import_torchmetrics

        import_torchmetrics()

        from rec_lightning.runtime.check import check_signatures
        from rec_lightning.use.recommendation import Recommendation

        check_signatures(config)
        recommendation = Recommendation(config)
        recommendation.read()
    _show(recommendation.stream(), config.output, config.k)
    return 0


def _show(told: Told, output: str, k: int) -> None:
    from rich.console import Console

    console = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)
    rate = told.users / told.seconds if told.seconds else 0.0
    console.print(
        f"{told.users:,} users, {told.candidates:,} candidates, {rate:,.0f} users/s, peak {told.memory:,.0f} MB"
    )
    for count, text in (
        (told.short, f"users have fewer than {k} items, since no more candidates are left"),
        (told.empty, "users have no list: no event of theirs is known"),
        (told.unknown_items, "events were skipped: the run does not know their item"),
        (told.unknown_users, "users were skipped: the run does not know them"),
    ):
        if count:
            example = f" (first: {told.example})" if "skipped" in text else ""
            console.print(f"{count:,} {text}{example}")
    if output != "-":
        print(output)
