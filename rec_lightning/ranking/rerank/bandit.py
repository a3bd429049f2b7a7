"""Exploring bandit: the categories are arms, and a list gives some of its places to those little is known about.

An arm's value is the chance that the next thing a user takes is of the category: a beta distribution whose prior is
the category's share of all training events (as much as ``prior`` events), updated by each thing the user has. So much
is explored where the past of a user says little. A list is ``k`` plays whose outcome is not known yet: each place
counts as a play of its item's categories without success. The policies, by the distribution's mean and spread:

- ``epsilon_greedy``: the mean; with probability ``explore`` a place takes the best candidate of a random category
  (R. Sutton and A. Barto, "Reinforcement Learning", 2nd edition, MIT Press 2018, section 2.2);
- ``ucb``: mean + ``explore`` spread (E. Kaufmann, O. Cappé and A. Garivier, "On Bayesian Upper Confidence Bounds for
  Bandit Problems", AISTATS 2012, with the normal's quantile in place of the beta's);
- ``thompson``: mean + ``explore`` spread x a normal number, drawn for each place and category (S. Agrawal and N. Goyal,
  "Further Optimal Regret Bounds for Thompson Sampling", AISTATS 2013).

No bandit library is used: those keep one object an arm and a loop over plays; here all users of a batch go together.
Draws come from a hash of (seed, user, place, category), whatever the batch and the number of processes.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from rec_lightning.contracts import Batch, Catalog
from rec_lightning.ranking.hashing import mixed, uniform
from rec_lightning.ranking.rerank.balance import Balance, looked_up

# B batch, C candidates, G categories, M categories of one item at most

_FIRST = 10.0  # more than relevance and index together

Policy = Literal["epsilon_greedy", "ucb", "thompson"]


class Bandit(Balance):
    """(1 - weight) relevance + weight (the policy's index of the item's categories).

    Args:
        catalog: gives the column and the events in training.
        by: column of the item table.
        policy: ``epsilon_greedy``, ``ucb`` or ``thompson``.
        explore: probability of a random category, or how many spreads count; 0 is no exploration.
        prior: events that the prior weighs as much as, above 0.
        weight: of the bandit, 0..1; 0 leaves the order but for random places.
        candidates: of each user.
        seed: of the draws.

    Raises:
        ValueError: a value out of range, or no such column.
    """

    def __init__(
        self,
        catalog: Catalog,
        by: str,
        policy: Policy = "thompson",
        explore: float = 1.0,
        prior: float = 5.0,
        weight: float = 0.3,
        candidates: int = 100,
        seed: int = 0,
    ) -> None:
        super().__init__(catalog, by, weight, candidates)
        if explore < 0 or (policy == "epsilon_greedy" and explore > 1):
            allowed = "0..1 for epsilon_greedy" if policy == "epsilon_greedy" else "at least 0"
            raise ValueError(f"rerank.explore must be {allowed}, got {explore}. Set rerank.explore.")
        if prior <= 0:
            raise ValueError(f"rerank.prior must be above 0, got {prior}. Set rerank.prior.")
        self.policy, self.explore, self.prior, self.seed = policy, explore, prior, seed
        known, events = self.categories, torch.from_numpy(catalog.popularity.astype("float32")) + 1
        events[0] = 0
        parts = (events.unsqueeze(1) * known.share).flatten()
        total = torch.zeros(len(known) + 1, device="cpu").index_add_(0, known.place.flatten(), parts)
        self.base = total / events.sum().clamp(min=1)  # (G + 1,) share of all events

    def start(self, batch: Batch) -> tuple[Tensor, ...]:
        """(B, G + 1) each: successes and failures of the arms; (B,) hashes of the users."""
        self.base = self.base.to(batch.user.device)
        count = (batch.length if batch.seen_offsets is None else batch.seen_offsets.diff()).unsqueeze(1)
        taste = self.categories.taste(batch)
        own = mixed(mixed(torch.full_like(batch.user, self.seed)) + batch.user)
        return taste * count + self.prior * self.base, (1 - taste) * count + self.prior * (1 - self.base), own

    def worth(self, kept: tuple[Tensor, ...], own: Tensor, share: Tensor, place: int) -> Tensor:
        """(B, C) the index of the item's categories; a random category's candidates come before all others."""
        success, failure, user = kept
        here = mixed(user + place)
        mean = success / (success + failure)
        if self.policy == "epsilon_greedy":
            index = self.weight * (looked_up(mean, own) * share).sum(2)
            drawn = (uniform(here) * len(self.categories)).long()
            drawn = torch.where(uniform(mixed(here)) < self.explore, drawn, -1)  # (B,)
            return index + _FIRST * (own == drawn.view(-1, 1, 1)).any(2)
        spread = (mean * (1 - mean) / (success + failure + 1)).sqrt()
        if self.policy == "thompson":
            arm = mixed(torch.arange(mean.shape[1], device=mean.device))
            spread = spread * torch.erfinv(2 * uniform(mixed(here.unsqueeze(1) + arm)) - 1).float() * 2**0.5
        return self.weight * (looked_up(mean + self.explore * spread, own) * share).sum(2)

    def add(self, kept: tuple[Tensor, ...], own: Tensor, share: Tensor, place: int) -> tuple[Tensor, ...]:
        """One more play of the item's categories, without success."""
        return kept[0], kept[1].scatter_add(1, own, share), kept[2]
