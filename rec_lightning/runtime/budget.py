"""How many tokens a run over prompts reads, told before it starts, and what its prompts lose to their limit.

Relations: backbones that read items as words (``backbones/prompt_lm``) offer ``prompted``; ``training`` asks here and
keeps the answer in the manifest.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from lightning import LightningModule

from rec_lightning.contracts import Batch
from rec_lightning.data.module import RecData

LOOK = 1024  # examples of each part that are rendered; a part with more is told as an estimate


def token_budget(task: LightningModule, data: RecData) -> dict[str, dict[str, float]]:
    """Part -> its prompts, tokens of one on average and of the longest, tokens of all, prompts and events cut.

    Args:
        task: ready to fit.
        data: labelled.

    Returns:
        ``training`` (an epoch), ``validation`` and ``test``; empty where the backbone reads no prompts.

    Raises:
        ValueError: a prompt cannot be made.
    """
    backbone: Any = task.backbone
    if not hasattr(backbone, "prompted"):
        return {}
    parts: dict[str, Any] = {
        "training": data.train_dataloader(),
        "validation": data.val_dataloader(),
        "test": data.test_dataloader(),
    }
    return {name: _counted(backbone, batches, len(batches.examples)) for name, batches in parts.items()}


def _counted(backbone: Any, batches: Iterable[Batch], rows: int) -> dict[str, float]:
    looked, length, cut, without = 0, list[int](), list[int](), 0
    for batch in batches:
        made = backbone.prompted(batch)
        looked, length, cut = looked + len(batch), length + [len(ids) for ids in made.ids], cut + made.cut
        without += sum(lost > 0 for lost in made.without)
        if looked >= LOOK:
            break
    mean, each = sum(length) / len(length), len(length) / looked
    return {
        "prompts": round(rows * each),
        "looked_at": len(length),
        "mean": mean,
        "longest": max(length),
        "tokens": round(rows * each * mean),
        "share_cut": sum(lost > 0 for lost in cut) / looked,
        "events_cut": sum(cut) / max(1, sum(lost > 0 for lost in cut)),
        "share_without": without / looked,
    }


def told(budget: dict[str, dict[str, float]]) -> list[str]:
    """A line a part, for people.

    Example:
        >>> found = {"prompts": 9, "looked_at": 3, "mean": 7.5, "longest": 9, "tokens": 68}
        >>> told({"test": found | {"share_cut": 0.5, "events_cut": 2.0, "share_without": 0}})
        ['test: about 68 tokens in 9 prompts, 7.5 each, the longest 9; 50 % lost their oldest events, 2.0 each']
    """
    return [f"{part}: {_told(found)}" for part, found in budget.items()]


def _told(found: dict[str, float]) -> str:
    about = "about " if found["looked_at"] < found["prompts"] else ""
    cut = "none was cut"
    if found["share_cut"]:
        cut = f"{100 * found['share_cut']:.0f} % lost their oldest events, {found['events_cut']:.1f} each"
    if found["share_without"]:
        cut += f", {100 * found['share_without']:.0f} % solved examples too"
    return (
        f"{about}{found['tokens']:,} tokens in {found['prompts']:,} prompts, {found['mean']:.1f} each, "
        f"the longest {found['longest']}; {cut}"
    )
