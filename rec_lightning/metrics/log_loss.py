"""Log loss of predicted probabilities, and normalised entropy.

Paper: X. He et al., "Practical Lessons from Predicting Clicks on Ads at Facebook", ADKDD 2014,
https://doi.org/10.1145/2648584.2648589: normalised entropy is the log loss over that of the measured examples' own
mean, so that 1 is what knowing nothing but the mean gives.

Relations: ``expected_calibration`` says whether the probabilities are right, ``roc_auc`` whether their order is.
"""

from __future__ import annotations

from torch import Tensor

from rec_lightning.contracts import Kind, Predictions
from rec_lightning.metrics.by_example import ByExample

_LEAST = 1e-7  # float32 has no probability nearer to 1


class LogLoss(ByExample):
    """``log_loss`` and ``normalised_entropy``; the second is NaN where all labels are equal."""

    kinds: tuple[Kind, ...] = ("binary",)
    higher = {"log_loss": False, "normalised_entropy": False}  # noqa: RUF012

    def values(self, predictions: Predictions) -> dict[str, Tensor]:
        """The mean over examples."""
        label, p = predictions.label.double(), predictions.value.double().clamp(_LEAST, 1 - _LEAST)
        loss = -(label * p.log() + (1 - label) * (1 - p).log()).mean()
        mean = label.mean()
        entropy = -(mean * mean.log() + (1 - mean) * (1 - mean).log())
        return {"log_loss": loss, "normalised_entropy": loss / entropy}
