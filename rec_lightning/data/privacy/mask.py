"""Masking: what looks like personal data in texts is replaced by its kind, such as ``[e-mail]``.

Relations: the audit counts by the same patterns; after masking it finds nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import polars as pl

from rec_lightning.contracts import ITEM, USER, Tables
from rec_lightning.data.privacy.patterns import PATTERNS


@dataclass(frozen=True)
class Mask:
    """Replaces in every column of texts, and lists of texts, that is no id.

    Args:
        kinds: among e-mail, phone, card, address and ip address.

    Raises:
        ValueError: an unknown kind, or none.
    """

    kinds: Sequence[str] = ("e-mail", "phone", "card")

    def __post_init__(self) -> None:
        wrong = [kind for kind in self.kinds if kind not in PATTERNS]
        if wrong or not self.kinds:
            raise ValueError(
                f"data.privacy.mask.kinds must be some of {', '.join(PATTERNS)}, got {wrong or 'none'}. Set it."
            )

    def __call__(self, tables: Tables) -> Tables:
        """The tables with masked texts."""
        frames = (self._masked(frame) for frame in (tables.interactions, tables.items, tables.users))
        interactions, items, users = frames
        return replace(tables, interactions=interactions, items=items, users=users)

    def _masked(self, frame: pl.DataFrame) -> pl.DataFrame:
        changed = []
        for name, kind in frame.schema.items():
            if name in (USER, ITEM):
                continue
            if kind == pl.String:
                changed.append(self._replaced(pl.col(name)))
            elif kind == pl.List(pl.String):
                changed.append(pl.col(name).list.eval(self._replaced(pl.element())))
        return frame.with_columns(changed)

    def _replaced(self, text: pl.Expr) -> pl.Expr:
        for kind in self.kinds:
            text = text.str.replace_all(PATTERNS[kind], f"[{kind}]")
        return text
