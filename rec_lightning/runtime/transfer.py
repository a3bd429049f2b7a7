"""A backbone that starts from an earlier run's: pretrain on one data set or period, go on with another.

Items differ between data sets, so their vectors stay new; the width must be the same. What comes from the earlier run
counts as pretrained: a fine-tuning method may freeze it, and a checkpoint names it as its base.

Relations: ``build`` calls it between making the parts and applying the method.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import torch
from torch import nn

PREFIX = "backbone."


def start_from(run_dir: str, backbone: nn.Module) -> None:
    """Gives a backbone the weights of a run's best epoch; without weights (on the meta device) only compares them.

    Args:
        run_dir: of a complete run whose backbone trained in full.
        backbone: as the run's; ``pretrained`` and ``base`` are set.

    Raises:
        ValueError: there is no checkpoint, or it holds another backbone.
    """
    file = Path(run_dir).expanduser() / "checkpoints" / "best.ckpt"
    if not file.is_file():
        raise ValueError(f"init must be the run_dir of a complete run, and {file} is not there. Set init.")
    saved = torch.load(file, map_location="cpu", weights_only=True, mmap=True)["state_dict"]
    found = {name.removeprefix(PREFIX): tensor for name, tensor in saved.items() if name.startswith(PREFIX)}
    own = backbone.state_dict()
    differing = sorted(found.keys() ^ own.keys()) or [n for n in own if own[n].shape != found[n].shape]
    if differing:
        raise ValueError(
            f"init must name a run whose backbone is this one and trained in full, and {run_dir} differs in "
            f"{', '.join(differing[:3])}. Set the options of backbone and width as there, or another init."
        )
    backbone.pretrained = True  # type: ignore[assignment]
    if not any(tensor.is_meta for tensor in own.values()):
        backbone.load_state_dict(found)
        digest = hashlib.sha256(b"".join(found[name].contiguous().numpy().tobytes() for name in sorted(found)))
        backbone.base = {"name": run_dir, "weights": digest.hexdigest()}  # type: ignore[assignment]
