"""What losses over labels check of the label.

Relations: read by ``log_loss, focal, squared_error, huber, ordinal, cross_entropy, pairwise, listwise``.
"""

from __future__ import annotations

from collections.abc import Sequence

from rec_lightning.contracts import Kind, Label

_ADVICE = {
    "binary": "log_loss, or label=rating or classes",
    "number": "squared_error, huber or ordinal, or label=at_least",
    "classes": "cross_entropy, or label=at_least or rating",
}


def check_kind(name: str, kinds: Sequence[Kind], label: Label) -> None:
    """Refuses a label of another kind.

    Raises:
        ValueError: it is.
    """
    if label.kind not in kinds:
        raise ValueError(
            f"loss={name} needs a label that is {' or '.join(kinds)}, and label={type(label).__name__} is "
            f"{label.kind}. Set loss={_ADVICE[label.kind]}."
        )


def check_several(name: str, label: Label) -> None:
    """Refuses a label that puts one candidate in a row.

    Raises:
        ValueError: it does.
    """
    if not getattr(label, "drawn", 0):
        raise ValueError(
            f"loss={name} compares the candidates of a row, and label={type(label).__name__} draws none beside an "
            "event. Set label=clicked, or loss=log_loss."
        )
