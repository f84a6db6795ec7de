"""The ground that tests of the whole stand on."""

import signal

import requests

from tests.stack import PROCESSES, LiveStack
from tests.waiting import PATIENCE_S


def test_everything_runs_and_the_mirror_is_filled(live_stack: LiveStack) -> None:
    assert live_stack.rows("SELECT count(*) > 100 FROM accounts_account") == [(True,)]
    page = requests.get(live_stack.base_url, timeout=PATIENCE_S)
    assert (page.status_code, page.headers["Content-Type"]) == (200, "text/html; charset=utf-8")


def test_what_a_test_killed_runs_again_for_the_next(live_stack: LiveStack) -> None:
    for name in PROCESSES:
        live_stack.kill(name)
    live_stack.wipe_redis()
    live_stack.restore()
    assert live_stack.ready()
    live_stack.kill("worker-bulk", signal.SIGTERM)
    assert not live_stack.running("worker-bulk")


def test_a_stopped_process_continues_on_request(live_stack: LiveStack) -> None:
    live_stack.kill("worker-urgent", signal.SIGSTOP)
    assert live_stack.running("worker-urgent")
    live_stack.kill("worker-urgent", signal.SIGCONT)
    assert live_stack.running("worker-urgent")
