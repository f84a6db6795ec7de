"""Whether a container's process is at work, for its health check: `python -m riskadmin.liveness web` (or `worker`, `beat`).

It uses the standard library alone: it runs every few seconds, and starting Django would take longer than what it asks.
"""

import os
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

AT_WORK_WITHIN_S: Final = 60
"""Beat sends something to each lane every few seconds, so a worker that does nothing for so long takes no work."""

_MARK: Final = Path(tempfile.gettempdir()) / "riskadmin-at-work"


def note_work(**_: object) -> None:
    """Note that this container's process has just done something: a worker a task, beat a message. A signal's receiver."""
    with suppress(OSError):  # a full or missing directory must not stop the work
        _MARK.touch()


def is_at_work() -> bool:
    """Whether the process has done something lately."""
    try:
        return time.time() - _MARK.stat().st_mtime < AT_WORK_WITHIN_S
    except OSError:
        return False


def web_answers() -> bool:
    """Whether the web answers. It is asked under its first public name, since it answers under no other."""
    host = os.environ.get("ALLOWED_HOSTS", "").split(",")[0].strip().lstrip(".*") or "127.0.0.1"
    address = f"http://127.0.0.1:{os.environ.get('WEB_PORT', '8000')}/healthz"
    try:
        with urllib.request.urlopen(urllib.request.Request(address, headers={"Host": host}), timeout=5) as answer:
            return bool(answer.status == 200)  # noqa: PLR2004  (OK)
    except OSError:
        return False


CHECKS: Final[dict[str, Callable[[], bool]]] = {"web": web_answers, "worker": is_at_work, "beat": is_at_work}


if __name__ == "__main__":
    sys.exit(0 if CHECKS[sys.argv[1]]() else 1)
