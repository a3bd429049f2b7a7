"""One learnt vector an item: the usual embedding table, and the reference every text model is held against."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from rec_lightning.contracts import PAD, Catalog
from rec_lightning.items.catalogue import catalogue

# M items asked for, N items, D width


class IdItems(nn.Module):
    """An embedding table with a zero row for the padding.

    An item without a training event starts at zero as well, and stays there unless the loss takes it for a negative.
    Alone it then has the score 0 whatever the history, as all of its kind, and a tie counts against the target; in a
    fused sum the other parts speak for it.

    Args:
        catalog: gives the number of items.
        width: D.
        std: standard deviation of the initial vectors.
    """

    pretrained = False

    def __init__(self, catalog: Catalog, width: int, std: float = 0.02) -> None:
        super().__init__()
        if std <= 0:
            raise ValueError(f"items.std must be positive, got {std}. Set items.std.")
        self.width, self.size = width, catalog.size
        self.base = catalogue(catalog)
        self.embedding = nn.Embedding(catalog.size + 1, width, padding_idx=PAD)
        nn.init.normal_(self.embedding.weight, std=std)
        cold = torch.from_numpy(catalog.popularity == 0).to(self.embedding.weight.device)
        cold[PAD] = True
        with torch.no_grad():
            self.embedding.weight.masked_fill_(cold.unsqueeze(1), 0.0)
        unknown = int((catalog.popularity[1:] == 0).sum())
        self.choice: str | None = None
        if unknown:
            self.choice = f"{unknown} of {catalog.size} items have no training event, so their vectors start at zero"
        # ``table`` hands out the weight itself, where ``padding_idx`` has no say
        self.embedding.weight.register_post_accumulate_grad_hook(spare_padding)

    @property
    def trunk(self) -> nn.Module:
        """What a fine-tuning method may touch: the embedding."""
        return self.embedding

    def set_trunk(self, module: nn.Module) -> None:
        """Puts another module in its place."""
        self.embedding = module  # type: ignore[assignment]

    def vectors(self, items: Tensor) -> Tensor:
        """(M,) -> (M, D)."""
        out: Tensor = self.embedding(items)
        return out

    def table(self) -> Tensor:
        """(N + 1, D)."""
        return self.embedding.weight


def spare_padding(weight: Tensor) -> None:
    """A hook: no gradient for the padding's row."""
    grad = weight.grad
    assert grad is not None
    if not hasattr(grad, "to_local"):
        grad[PAD] = 0
    elif grad.device_mesh.get_local_rank() == 0:  # type: ignore[attr-defined]
        grad.to_local()[PAD] = 0  # split by rows over processes: the first one has the padding
