"""torchmetrics without what it loads for metrics of text, sound and plots: a run starts in 2 seconds less.

It imports transformers, ``scipy.signal`` and matplotlib wherever they are installed (2.2 of 5.4 CPU-seconds and 113 of
447 MB of a start), and has a way without each. For the time of its import they count as not installed.

Relations: the front doors call it before whatever imports Lightning, which imports torchmetrics.
"""

from __future__ import annotations

import sys
from unittest.mock import patch

_HIDDEN = ("transformers", "scipy", "matplotlib", "PIL")


def import_torchmetrics() -> None:
    """Imports it, unless it is there already."""
    if "torchmetrics" in sys.modules:
        return
    from lightning_utilities.core import imports

    there, installed = imports.RequirementCache.__bool__, imports.package_available

    def asked(requirement: imports.RequirementCache) -> bool:
        return not str(requirement.requirement or "").startswith(_HIDDEN) and there(requirement)

    with (
        patch.object(imports.RequirementCache, "__bool__", asked),
        patch.object(imports, "package_available", lambda name: name not in _HIDDEN and installed(name)),
    ):
        import torchmetrics  # noqa: F401
