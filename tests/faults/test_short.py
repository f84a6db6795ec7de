"""The fault suite itself, in half a minute: a run with a fixed seed, in which each part of the whole fails once.

All the other faults are for `make faults` (docs/faults.md): every one that ends a worker costs its start.
"""

from __future__ import annotations

import re
import subprocess
import sys

from riskadmin.local.places import PROJECT
from tests.faults.faults import FAULTS
from tests.servers import bare_environment

SEED = 103
STRIKE = ("worker_kill", "cut_after", "redis_wipe", "postgres_restart", "p_ticket", "trail_full")


def test_whatever_goes_wrong_nothing_is_lost_or_done_twice() -> None:
    assert set(STRIKE) < set(FAULTS)
    order = {"SEED": str(SEED), "RUNS": "1", "LENGTH": "short", "FAULTS": ",".join(STRIKE)}
    finished = subprocess.run(
        [sys.executable, "-m", "tests.faults"],
        cwd=PROJECT,
        env={**bare_environment(), **order},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    said = finished.stdout
    assert finished.returncode == 0, said
    last = re.fullmatch(r"runs=(\d+) items=(\d+) kills=(\d+) violations=0 recovery_p95=[\d.]+s", said.splitlines()[-1])
    assert last, said
    assert int(last[1]) == 1
    assert int(last[2]) >= 25
