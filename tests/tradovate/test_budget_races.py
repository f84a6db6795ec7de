"""Races of processes for one budget, on the real clock of PostgreSQL."""

from concurrent.futures import ProcessPoolExecutor
from datetime import timedelta

from riskadmin.tradovate.budget import WINDOW_S
from riskadmin.tradovate.vocabulary import Lane
from tests.tradovate.hammer import PROCESSES, admissions, database_of_this_test
from tests.tradovate.stores import WatchedLedger


def test_eight_processes_never_exceed_any_rolling_window(ledger: WatchedLedger, pool: ProcessPoolExecutor) -> None:
    window_s, limit, enough = 0.4, 50, 300
    database = database_of_this_test()
    running = [
        pool.submit(admissions, database, calls_per_hour=limit, window_s=window_s, enough=enough, lane=Lane.URGENT)
        for _ in range(PROCESSES)
    ]
    admitted = sorted(at for each in running for at in each.result())
    assert len(admitted) >= enough
    closest = min(later - earlier for earlier, later in zip(admitted, admitted[limit:], strict=False))
    assert closest >= timedelta(seconds=window_s)


def test_eight_processes_use_the_hour_to_its_last_call_and_no_further(ledger: WatchedLedger, pool: ProcessPoolExecutor) -> None:
    """Some return what they were given, so that there are fewer calls than their ids suggest."""
    limit, database = 300, database_of_this_test()
    running = [
        pool.submit(admissions, database, calls_per_hour=limit, window_s=WINDOW_S, enough=10**6, lane=lane, withdraw_each=each)
        for lane, each in [(Lane.URGENT, 0), (Lane.BULK, 3)] * (PROCESSES // 2)
    ]
    assert sum(len(each.result()) for each in running) == len(ledger.endpoints()) == limit
