"""`make demo-reset`: forget the demo's data. Needs no virtual environment: `python -m riskadmin.local.reset`."""

from __future__ import annotations

import signal
import sys

from riskadmin.local.claim import claim
from riskadmin.local.places import PROJECT, prepare
from riskadmin.local.program import CannotStart, recover

RUN = PROJECT / ".run"
GRACE_S = 5.0


def main() -> int:
    """End what a killed demo left, then delete its data; the exit code is 1 when a demo runs."""
    try:
        with claim(RUN, "no address: it is being reset"):
            places = prepare(RUN)
            for pidfile in (RUN / "pids").glob("*.pid"):
                recover(pidfile, grace_s=GRACE_S, stop_signal=signal.SIGTERM)
            places.forget()
    except CannotStart as error:
        print(f"make demo-reset: {error}", file=sys.stderr)
        return 1
    print("The demo's data are gone.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
