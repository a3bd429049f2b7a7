"""A training that a cluster started: ``python -m rec_lightning.worker CONFIG TOLD`` is one process of it.

CONFIG is a file with the resolved configuration; the first process that fails writes why into TOLD.
``CONFIG PROCESSES RESTARTS MACHINES NUMBER ENDPOINT`` are those of one machine, which meet the others' at the first.
"""

from __future__ import annotations

import sys
from pathlib import Path

from rec_lightning.runtime.starting import process, start
from rec_lightning.train import follow_text

if __name__ == "__main__":
    file, *words = sys.argv[1:]
    text = Path(file).read_text(encoding="utf-8")
    if len(words) == 1:
        process(follow_text, text, words[0])
    else:
        processes, restarts, nodes, number = map(int, words[:4])
        sys.exit(
            start(follow_text, text, processes, restarts, nodes, words[4] or None, number == 0 if nodes > 1 else None)
        )
