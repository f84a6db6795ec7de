"""Allow only one demo at a time in one directory."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from riskadmin.local.program import CannotStart


@contextmanager
def claim(run: Path, address: str) -> Iterator[None]:
    """Lock `run` until the block ends. The kernel releases the lock if we are killed.

    Raises CannotStart with the holder's process id and address when another process holds it.
    """
    run.mkdir(parents=True, exist_ok=True)
    with (run / "demo.lock").open("a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            pid, _, where = file.read().partition(" ")
            raise CannotStart(
                f"A demo runs already{f' at {where}' if where else ''}. Stop it with Ctrl-C there, or with `kill {pid}`."
            ) from None
        file.truncate(0)
        file.write(f"{os.getpid()} {address}")
        file.flush()
        yield
        file.truncate(0)
