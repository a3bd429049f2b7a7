"""iALS: factors of users and items by weighted least squares over all pairs, solved in turn.

Paper: Y. Hu, Y. Koren and C. Volinsky, "Collaborative Filtering for Implicit Feedback Datasets", ICDM 2008,
https://doi.org/10.1109/ICDM.2008.22; why it deserves tuning: S. Rendle et al., "Revisiting the Performance of iALS on
Item Recommendation Benchmarks", RecSys 2022, https://arxiv.org/abs/2110.14037. Computed by the package ``implicit``.
What differs: an observed pair has the constant confidence ``alpha``, any other 1; every half step is solved exactly.

The factors are the same to the last bit for any number of threads, since each row is solved by one of them.

Relations: ``bpr`` learns factors of the same shape by ranking pairs; a user's own row is solved anew from all events
before the target, as ``ease`` and ``item_knn`` read them.
"""

from __future__ import annotations

import numpy as np
from torch import Tensor

from rec_lightning.baselines.factors import check_installed, check_options, inner, one_blas_thread, without_padding
from rec_lightning.baselines.interactions import seen_matrix, train_matrix
from rec_lightning.contracts import Batch, Catalog, Sequences


class IALS:
    """Minimises ``sum of c (p - x.y)^2 + regularization (|x|^2 + |y|^2)``, p and c told by the training events.

    Args:
        factors: width of the factors, at least 1.
        regularization: positive.
        alpha: confidence in a training event, where a pair without one has 1; positive.
        iterations: rounds over users and items, at least 1.
        threads: of the package; 0 for all cores.
        seed: of the first factors.

    Raises:
        ValueError: a value out of range, or ``implicit`` is not installed.
    """

    def __init__(
        self,
        factors: int = 64,
        regularization: float = 1.0,
        alpha: float = 10.0,
        iterations: int = 15,
        threads: int = 1,
        seed: int = 0,
    ) -> None:
        positive = {"factors": factors, "regularization": regularization, "alpha": alpha, "iterations": iterations}
        check_options(positive, threads)
        check_installed("ials")
        self.factors, self.regularization, self.alpha = factors, regularization, alpha
        self.iterations, self.threads, self.seed = iterations, threads, seed
        self.parameters = 0

    def fit(self, sequences: Sequences, catalog: Catalog) -> None:
        """Solves for users and items in turn; memory is (users + items) * factors numbers beside the events."""
        from implicit.cpu.als import AlternatingLeastSquares

        with one_blas_thread():
            self._model = AlternatingLeastSquares(
                factors=self.factors,
                regularization=self.regularization,
                alpha=self.alpha,
                iterations=self.iterations,
                num_threads=self.threads,
                random_state=self.seed,
                use_cg=False,
            )
            self._model.fit(without_padding(train_matrix(sequences, catalog.size)), show_progress=False)
        self.parameters = int(self._model.user_factors.size + self._model.item_factors.size)

    def scores(self, batch: Batch) -> Tensor:
        """(B, N + 1)."""
        items = self._model.item_factors
        with one_blas_thread():
            seen = without_padding(seen_matrix(batch, len(items)))
            users = self._model.recalculate_user(np.arange(len(batch)), seen)
        return inner(users, items)
