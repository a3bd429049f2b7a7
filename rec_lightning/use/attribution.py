"""How much each part of an input moved a score: integrated gradients, and deletion as the check on them.

Paper: M. Sundararajan, A. Taly and Q. Yan, "Axiomatic Attribution for Deep Networks", ICML 2017,
https://arxiv.org/abs/1703.01365, by the package ``captum``. Gradients are summed along the straight way from an empty
input to the real one, so that the parts add up to the difference between the two scores; the gap left says how exact
the sum is. Whether a model works as the gradients say is another question: what is deleted for real should lower the
score in the same order, as the faithfulness test of J. DeYoung et al., "ERASER: A Benchmark to Evaluate Rationalized
NLP Models", ACL 2020, https://arxiv.org/abs/1911.03429, asks.

Relations: ``scorer`` gives the functions; ``explanation`` asks for both.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

# L parts, D width of a part, T tokens, S steps

_FEWEST = 3  # parts, below which an order says nothing


@dataclass(frozen=True)
class Moved:
    """What the parts of one input did.

    Args:
        moved: (L,) by integrated gradients.
        dropped: (L,) by how much the score falls without the part.
        change: score minus that of the empty input, which ``moved`` should add up to.
    """

    moved: NDArray[np.float64]
    dropped: NDArray[np.float64]
    change: float

    @property
    def gap(self) -> float:
        """What ``moved`` does not add up to."""
        return float(self.change - self.moved.sum())

    @property
    def agreement(self) -> float | None:
        """Spearman's correlation between the two orders; None for fewer than 3 parts or where all are equal."""
        if len(self.moved) < _FEWEST or not np.ptp(self.moved) or not np.ptp(self.dropped):
            return None
        from scipy import stats  # takes a second

        return float(stats.spearmanr(self.moved, self.dropped).statistic)


def check_captum() -> None:
    """Refuses where the package is missing.

    Raises:
        ValueError: names what to install.
    """
    if find_spec("captum") is None:
        raise ValueError("explain needs the package captum, which is not installed. Install rec_lightning[explain].")


def of_vectors(score: Callable[[Tensor], Tensor], vectors: Tensor, empty: Tensor, steps: int, rows: int) -> Tensor:
    """(L,) what each vector moved.

    Args:
        score: (n, L, D) -> (n,).
        vectors: (L, D).
        empty: (L, D), what stands for nothing.
        steps: S.
        rows: points of the way at once.
    """
    from captum.attr import IntegratedGradients

    found: Tensor = IntegratedGradients(score).attribute(
        vectors[None], empty[None], n_steps=steps, internal_batch_size=rows
    )
    return found[0].sum(1).detach()


def of_tokens(
    score: Callable[[Tensor, Tensor], Tensor],
    embedding: nn.Module,
    ids: Tensor,
    empty: Tensor,
    mask: Tensor,
    steps: int,
    rows: int,
) -> Tensor:
    """(T,) what each token moved.

    Args:
        score: ids (n, T), mask (n, T) -> (n,).
        embedding: what makes vectors of the ids inside.
        ids: (1, T).
        empty: (1, T), ids that say nothing.
        mask: (1, T).
        steps: S.
        rows: points of the way at once.
    """
    from captum.attr import LayerIntegratedGradients

    found: Tensor = LayerIntegratedGradients(score, embedding).attribute(
        ids, empty, additional_forward_args=(mask,), n_steps=steps, internal_batch_size=rows
    )
    return found[0].sum(-1).detach()
