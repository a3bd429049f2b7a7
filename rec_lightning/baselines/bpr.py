"""BPR: factors of users and items and a bias of each item, learnt by ranking a training item above a drawn one.

Paper: S. Rendle, C. Freudenthaler, Z. Gantner and L. Schmidt-Thieme, "BPR: Bayesian Personalized Ranking from Implicit
Feedback", UAI 2009, https://arxiv.org/abs/1205.2618. Computed by the package ``implicit``. What differs: the drawn item
follows popularity (it is taken from a random training event), and one rate of regularization serves all factors.

With one thread an equal seed gives equal factors. More threads write over each other's steps without a lock, so their
factors differ from run to run.

Relations: ``ials`` fits factors of the same shape to all pairs; the loss ``losses/bpr`` asks the same of a sequence
model. A user's row is what training left: events after it, as the validation item before a test target, are not read.
"""

from __future__ import annotations

import numpy as np
from torch import Tensor

from rec_lightning.baselines.factors import check_installed, check_options, inner, one_blas_thread, without_padding
from rec_lightning.baselines.interactions import train_matrix
from rec_lightning.contracts import Batch, Catalog, Sequences


class BPR:
    """Stochastic steps over triples (user, training item, drawn item).

    Args:
        factors: width of the factors without the bias, at least 1.
        learning_rate: of the steps, positive.
        regularization: of all factors, positive.
        iterations: rounds, each with as many triples as there are training events; at least 1.
        threads: of the package; 0 for all cores; above 1 the result is not the same twice.
        seed: of the first factors and of the triples.

    Raises:
        ValueError: a value out of range, or ``implicit`` is not installed.
    """

    def __init__(
        self,
        factors: int = 64,
        learning_rate: float = 0.05,
        regularization: float = 0.01,
        iterations: int = 100,
        threads: int = 1,
        seed: int = 0,
    ) -> None:
        check_options(
            {
                "factors": factors,
                "learning_rate": learning_rate,
                "regularization": regularization,
                "iterations": iterations,
            },
            threads,
        )
        check_installed("bpr")
        self.factors, self.learning_rate, self.regularization = factors, learning_rate, regularization
        self.iterations, self.threads, self.seed = iterations, threads, seed
        self.parameters = 0

    def fit(self, sequences: Sequences, catalog: Catalog) -> None:
        """Learns the factors; memory is (users + items) * factors numbers beside the events."""
        from implicit.cpu.bpr import BayesianPersonalizedRanking

        with one_blas_thread():
            model = BayesianPersonalizedRanking(
                factors=self.factors,
                learning_rate=self.learning_rate,
                regularization=self.regularization,
                iterations=self.iterations,
                num_threads=self.threads,
                random_state=self.seed,
            )
            model.fit(without_padding(train_matrix(sequences, catalog.size)), show_progress=False)
        # the last column holds 1 for a user and the bias of an item
        self._users, self._items = np.array(model.user_factors), np.array(model.item_factors)
        self.parameters = int(self._users[:, :-1].size + self._items.size)

    def scores(self, batch: Batch) -> Tensor:
        """(B, N + 1); a user without training events gets the biases alone."""
        return inner(self._users[batch.user.numpy()], self._items)
