"""The two files of a run that another one starts from; imports nothing heavy.

Relations: ``transfer`` reads them, and a study asks for them before its first row.
"""

from __future__ import annotations

from pathlib import Path


def init_files(run_dir: str) -> tuple[Path, Path]:
    """Checkpoint and configuration of the run that ``init`` names.

    Raises:
        ValueError: one is not there.
    """
    folder = Path(run_dir).expanduser()
    files = folder / "checkpoints" / "best.ckpt", folder / "config.yaml"
    for file in files:
        if not file.is_file():
            raise ValueError(
                f"init must be the run_dir of a complete run, and {file} is not there. Train it to its end, or "
                "set init."
            )
    return files
