"""Which catalogue an encoder's rows belong to, so that row 7 of a checkpoint is never taken for another item.

Relations: ``tasks/lean`` puts it into checkpoints and compares it.
"""

from __future__ import annotations

import hashlib

from rec_lightning.contracts import ITEM, Catalog


def catalogue(catalog: Catalog) -> dict[str, str]:
    """Size and hash of the items' ids in their order; empty for the empty catalogue."""
    if not catalog.size:
        return {}
    ids = "\n".join(catalog.items[ITEM].cast(str))
    return {"name": f"a catalogue of {catalog.size} items", "catalogue": hashlib.sha256(ids.encode()).hexdigest()}
