"""The way to request a lock while the web is down: in a person's name, under policy, with its event."""

import pytest
from django.core.management import CommandError, call_command

from accounts.changes.models import Change
from accounts.changes.states import ChangeState
from riskadmin.audit.models import Event
from riskadmin.staff.roles import Role
from tests.approvals.policies import want_for
from tests.changes.world import LOCKED, make_account
from tests.staff.people import make_person

pytestmark = pytest.mark.django_db


def lock(account: str = "demo:102", operator: str = "support", reason: str = "Runaway", **options: str) -> None:
    call_command("lock_account", account, operator=operator, reason=reason, **options)


@pytest.fixture(autouse=True)
def _world() -> None:
    make_person(Role.SUPPORT)
    make_person(Role.COMPLIANCE)
    make_account(101, LOCKED)
    make_account(102)


def test_it_requests_in_the_name_of_the_operator(capsys: pytest.CaptureFixture[str]) -> None:
    want_for("lock", review_within_hours=24)
    lock()
    change = Change.objects.get()
    assert (change.state, change.requested_by.username, change.reason_text) == (ChangeState.RUNNING, "support", "Runaway")
    event = Event.objects.get(tag="change:request:submitted")
    assert (event.staff_name, event.job) == ("support", "lock_account")
    assert change.review_by is not None
    assert "Workers send it as soon as they run." in capsys.readouterr().out


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"account": "demo:101"}, "would not be locked"),
        ({"account": "102"}, "does not name an account"),
        ({"account": "live:102"}, "would not be locked"),
        ({"operator": "stranger"}, "no active person"),
        ({"operator": "compliance"}, "You may not ask to lock"),
        ({"reason": " "}, "Say why"),
    ],
)
def test_nothing_is_requested_that_can_not_be(given: dict[str, str], why: str) -> None:
    with pytest.raises(CommandError, match=why):
        lock(**given)
    assert not Change.objects.exists()
