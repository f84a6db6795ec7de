"""What workers log: each call has a line that names the change, the call, the environment and the lane."""

from accounts.changes.models import Change
from accounts.execution.lane import work
from accounts.execution.models import Call, Purpose
from riskadmin.staff.models import Staff
from riskadmin.tradovate.vocabulary import Lane
from tests.changes.world import ask
from tests.execution.worker import ORIGIN, active_account
from tests.logs.reading import logged, parsed
from tests.simulator.driver import Simulator


def test_a_call_is_one_line_that_says_what_it_was_for(support: Staff, mirror: Simulator) -> None:
    change: Change = ask(support, "lock", active_account())
    with logged() as stream:
        work(Lane.URGENT, origin=ORIGIN)
    call = Call.objects.get(purpose=Purpose.WRITE)
    (line,) = [line for line in parsed(stream) if line["message"].startswith("Call ended")]
    assert (line["change"], line["call"], line["environment"], line["lane"]) == (change.pk, call.pk, "demo", "urgent")
    assert (line["status"], line["ms"]) == (200, call.elapsed_ms)
