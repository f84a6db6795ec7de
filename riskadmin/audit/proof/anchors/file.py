"""An append-only file: best on another machine's disk, or with `chattr +a`, so that it can only grow."""

import os
from pathlib import Path


def append_to_file(path: str, note: str) -> None:
    """Append a note and wait until the disk has it. Raises OSError."""
    with Path(path).open("a", encoding="utf-8") as file:
        file.write(note + "\n")
        file.flush()
        os.fsync(file.fileno())
