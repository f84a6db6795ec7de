"""`make demo-reset`: delete the demo's data. Needs no virtual environment: `python -m riskadmin.local.reset [DIRECTORY]`."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

from riskadmin.local.claim import claim
from riskadmin.local.places import PROJECT, prepare
from riskadmin.local.program import CannotStart, recover

GRACE_S = 5.0


def main(arguments: list[str]) -> int:
    """End what a killed demo left, then delete its data; the exit code is 1 when a demo runs."""
    run = Path(arguments[0]).resolve() if arguments else PROJECT / ".run"
    try:
        with claim(run, "no address: it is being reset"):
            places = prepare(run)
            for pidfile in (run / "pids").glob("*.pid"):
                recover(pidfile, grace_s=GRACE_S, stop_signal=signal.SIGTERM)
            places.forget()
    except CannotStart as error:
        print(f"make demo-reset: {error}", file=sys.stderr)
        return 1
    print("The demo's data are gone.")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
