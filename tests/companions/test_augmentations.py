"""Changed histories: what is kept, what moves, and that the padding stays at the right."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from rec_lightning.companions.augmentations.crop import Crop
from rec_lightning.companions.augmentations.mask import HIDDEN, Mask
from rec_lightning.companions.augmentations.reorder import Reorder

LENGTHS = [1, 2, 5, 9, 10]


def histories() -> tuple[Tensor, Tensor]:
    """Rows 1, 2, 3 ... plus 100 for each row, so that an item tells where it was."""
    length = torch.tensor(LENGTHS)
    column = torch.arange(10)
    items = 1 + column + 100 * torch.arange(len(length)).unsqueeze(1)
    return torch.where(column < length.unsqueeze(1), items, 0), length


def rows(change: Any) -> list[tuple[list[int], list[int]]]:
    """(before, after) of each row, 200 times, without padding; the padding is checked."""
    history, length = histories()
    untouched = history.clone()
    found = []
    torch.manual_seed(0)
    for _ in range(200):
        view, size = change(history, length)
        assert view.shape == history.shape
        assert torch.equal((view != 0).sum(1), size)
        assert ((view != 0) == (torch.arange(10) < size.unsqueeze(1))).all()
        found += [(history[b, : length[b]].tolist(), view[b, : size[b]].tolist()) for b in range(len(length))]
    assert torch.equal(history, untouched)
    return found


def test_a_crop_is_a_run() -> None:
    starts = set()
    for before, after in rows(Crop(0.6)):
        assert len(after) == max(1, int(0.6 * len(before)))
        start = before.index(after[0])
        assert after == before[start : start + len(after)]
        starts.add((len(before), start))
    assert {start for size, start in starts if size == 10} == {0, 1, 2, 3, 4}  # every place comes up


def test_a_mask_hides_a_share_anywhere() -> None:
    hidden = set()
    for before, after in rows(Mask(0.3)):
        assert after.count(HIDDEN) == int(0.3 * len(before))
        assert all(a in (HIDDEN, b) for a, b in zip(after, before, strict=True))
        hidden |= {(len(before), t) for t, a in enumerate(after) if a == HIDDEN}
    assert {t for size, t in hidden if size == 10} == set(range(10))


def test_a_reordering_shuffles_a_run_of_at_most_its_share() -> None:
    first = set()
    for before, after in rows(Reorder(0.5)):
        assert sorted(after) == before
        moved = [t for t, (a, b) in enumerate(zip(after, before, strict=True)) if a != b]
        assert not moved or moved[-1] - moved[0] < int(0.5 * len(before))
        first |= {(len(before), t) for t in moved}
    assert {t for size, t in first if size == 10} == set(range(10))


@pytest.mark.parametrize(("name", "kind"), [("crop", Crop), ("mask", Mask), ("reorder", Reorder)])
@pytest.mark.parametrize("share", [0, 1.5])
def test_a_share_out_of_range(name: str, kind: Any, share: float) -> None:
    key = f"companion.augmentations.{name}.share"
    with pytest.raises(ValueError, match=rf"^{key} must be in \(0, 1\], got {share}. Set {key}.$"):
        kind(share)
