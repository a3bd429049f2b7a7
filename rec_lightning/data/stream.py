"""Where a stream of training batches is, so that a killed run goes on there.

Relations: ``batches`` and ``examples`` say what the batches are.
"""

from __future__ import annotations


class Stream:
    """Epochs of batches; says where it is and goes on from there.

    A subclass counts in ``position`` the batches of ``epoch`` that were given.
    """

    epoch = 0
    position = 0

    def __len__(self) -> int:
        """Batches of an epoch."""
        raise NotImplementedError

    def state_dict(self) -> dict[str, int]:
        """Where the stream is: the epoch and the next batch of it."""
        if self.position >= len(self):
            return {"epoch": self.epoch + 1, "position": 0}
        return {"epoch": self.epoch, "position": self.position}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Goes on from ``state`` at the next ``iter``."""
        self.epoch, self.position = state["epoch"], state["position"]
