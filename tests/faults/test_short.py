"""The fault suite itself, in two minutes: two runs with fixed seeds, in which every fault strikes once."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator, Sequence

import pytest

from riskadmin.local.places import PROJECT
from tests.faults.blows import BLOWS
from tests.servers import bare_environment

# Two processes with a run each.
RUNS = {
    103: (
        *("worker_kill", "late", "cut_before", "signed_out", "few_calls", "html", "redis_wipe"),
        *("worker_term", "postgres_restart", "cut_after", "p_ticket", "trail_full", "two_dispatchers"),
    ),
    85: (
        *("worker_freeze", "redis_gone", "cut_body", "429", "no_connections", "server_error", "clock_jump"),
        *("deploy", "postgres_gone", "hang", "captcha", "423", "duplicate_delivery", "tradovate_gone"),
    ),
}
"""Which faults strike in the run of a seed."""


def test_every_fault_strikes() -> None:
    assert sorted(name for names in RUNS.values() for name in names) == sorted(BLOWS)


@pytest.fixture
def finished() -> Iterator[list[subprocess.CompletedProcess[str]]]:
    """What both processes said, run at the same time: most of it is waiting."""
    running = [_start(seed, names) for seed, names in RUNS.items()]
    try:
        said = [each.communicate()[0] for each in running]
        yield [
            subprocess.CompletedProcess(each.args, each.returncode, output) for each, output in zip(running, said, strict=True)
        ]
    finally:
        for each in running:
            each.terminate()
            each.wait()


def _start(seed: int, names: Sequence[str]) -> subprocess.Popen[str]:
    order = {"SEED": str(seed), "RUNS": "1", "LENGTH": "short", "FAULTS": ",".join(names)}
    return subprocess.Popen(
        [sys.executable, "-m", "tests.faults"],
        cwd=PROJECT,
        env={**bare_environment(), **order},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_whatever_goes_wrong_nothing_is_lost_or_done_twice(finished: list[subprocess.CompletedProcess[str]]) -> None:
    said = "\n".join(each.stdout for each in finished)
    assert [each.returncode for each in finished] == [0, 0], said
    for each in finished:
        last = re.fullmatch(
            r"runs=(\d+) items=(\d+) kills=(\d+) violations=0 recovery_p95=[\d.]+s", each.stdout.splitlines()[-1]
        )
        assert last, said
        assert int(last[1]) == 1
        assert int(last[2]) >= 25
