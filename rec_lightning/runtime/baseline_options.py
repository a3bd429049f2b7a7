"""The options of the baselines that a run names in ``compare``, as a part of its own configuration.

Light, since a study resolves the configuration of each row before it starts any.

Relations: ``beside`` builds and ranks what is resolved here.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

from omegaconf import DictConfig, OmegaConf

from rec_lightning.runtime.composition import compose


def resolve_baselines(config: DictConfig, overrides: Sequence[str]) -> None:
    """Puts the options of each baseline that ``compare`` names in the place of its name.

    Args:
        config: resolved ``train`` configuration; changed.
        overrides: as given; their search path finds baselines of others.

    Raises:
        ValueError: ``compare`` is no list of baselines.
    """
    names = OmegaConf.to_container(config).get("compare", [])  # type: ignore[union-attr]
    if not isinstance(names, list) or len(set(map(str, names))) < len(names):
        raise ValueError(
            f"compare must be a list of different baselines, got {names!r}. Set for example compare=[ease]."
        )
    search = tuple(text for text in overrides if text.startswith("hydra.searchpath="))
    nodes = {}
    for name in names:
        try:
            nodes[name] = _options(str(name), config.seed, search)
        except ValueError as error:
            raise ValueError(f"compare must list baselines: {error}") from error
    OmegaConf.update(config, "compare", nodes, merge=False)


@cache  # rows of a study mostly name the same ones, and composing is what their check takes
def _options(name: str, seed: int, search: tuple[str, ...]) -> Any:
    return OmegaConf.to_container(compose("baseline", [*search, f"baseline={name}", f"seed={seed}"]).baseline)
