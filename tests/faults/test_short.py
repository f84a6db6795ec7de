"""The fault suite itself, in a minute: a run with a fixed seed, in which half of the faults strike once.

The other half is `make faults SEED=85 RUNS=1 LENGTH=short FAULTS=…` (docs/faults.md): both at once take both cores for too long.
"""

from __future__ import annotations

import re
import subprocess
import sys

from riskadmin.local.places import PROJECT
from tests.faults.blows import BLOWS
from tests.servers import bare_environment

SEED = 103
STRIKE = (
    *("worker_kill", "late", "cut_before", "signed_out", "few_calls", "html", "redis_wipe"),
    *("worker_term", "postgres_restart", "cut_after", "p_ticket", "trail_full", "two_dispatchers"),
)


def test_whatever_goes_wrong_nothing_is_lost_or_done_twice() -> None:
    assert set(STRIKE) < set(BLOWS)
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
