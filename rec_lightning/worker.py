"""One process of a training that a cluster started: ``python -m rec_lightning.worker CONFIG TOLD``.

CONFIG is a file with the resolved configuration; the first process that fails writes why into TOLD.
"""

from __future__ import annotations

import sys
from pathlib import Path

from rec_lightning.runtime.starting import process
from rec_lightning.train import follow_text

if __name__ == "__main__":
    process(follow_text, Path(sys.argv[1]).read_text(encoding="utf-8"), sys.argv[2])
