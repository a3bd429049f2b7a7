"""Prefix tuning: learnt keys and values in front of those of every layer.

Paper: X. L. Li and P. Liang, "Prefix-Tuning: Optimizing Continuous Prompts for Generation", ACL 2021,
https://arxiv.org/abs/2101.00190. A thin adapter to ``peft``. What differs: no network the prefixes come from, which
the paper uses against instability. The output before any step is not the model's own: random keys draw attention.
Every layer changes, so nothing is taken from the cache.
Relations: ``prompt`` with another configuration of peft, whose tokens stand before the first layer only.
"""

from __future__ import annotations

from peft import PrefixTuningConfig

from rec_lightning.tuning.prompt import Prompt


class Prefix(Prompt):
    """Freezes a Hugging Face model and learns keys and values in front of each layer's own.

    Takes the arguments of ``Prompt`` and raises what it raises.
    """

    method = "prefix"
    config = PrefixTuningConfig
