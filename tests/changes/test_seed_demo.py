"""The demo's first changes: requested and decided by its people, once, and nowhere but in a demo with a simulator."""

import pytest
from django.core.management import CommandError, call_command
from pytest_django import Settings

from accounts.approvals.models import PolicyVersion
from accounts.changes.models import Change
from accounts.models import RiskStatus
from riskadmin.notifications.models import Message
from riskadmin.staff.roles import Role
from tests.changes.test_decision_page import make_evaluations
from tests.changes.world import LOCKED
from tests.staff.people import make_person

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("sent")]

SIMULATED = {"demo": "http://127.0.0.1:8081/v1", "live": ""}


@pytest.fixture
def demo(settings: Settings) -> None:
    """A demo with a firm of 140 accounts, of which 30 are locked."""
    settings.DEMO, settings.TRADOVATE_URLS = True, SIMULATED
    roles = {"supervisor2": Role.SUPERVISOR}
    for username in ("support", "supervisor", "supervisor2", "administrator"):
        make_person(roles.get(username) or Role(username), username)
    make_evaluations(range(1, 141), limit="2500", positions=0)
    RiskStatus.objects.filter(account__tradovate_id__lte=30).update(admin_action=LOCKED)


@pytest.mark.usefixtures("demo")
def test_it_gives_the_demo_some_life_once(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("seed_demo", operator="tests")
    states = sorted(Change.objects.values_list("state", flat=True))
    assert states == ["paused", "pending", "pending", "pending", "rejected", "rejected", "running", "running", "scheduled"]
    verdicts = Change.objects.filter(state="rejected").values_list("approval__approvals__verdict", flat=True)
    assert sorted(verdicts) == ["reject", "request_edits"]
    assert Message.objects.filter(topic="decided").count() == 4
    assert list(PolicyVersion.objects.order_by("number").values_list("state", flat=True)) == ["in_force", "proposed"]
    call_command("seed_demo", operator="tests")
    assert Change.objects.count() == len(states)
    assert PolicyVersion.objects.count() == 2
    assert "suits" not in capsys.readouterr().out


@pytest.mark.usefixtures("demo")
@pytest.mark.parametrize(
    ("is_demo", "urls"),
    [
        (False, SIMULATED),
        (True, {"demo": "https://demo.tradovateapi.com/v1", "live": ""}),
        (True, {**SIMULATED, "live": "https://live.tradovateapi.com/v1"}),
        (True, {"demo": "", "live": ""}),
    ],
)
def test_elsewhere_nothing_is_requested(settings: Settings, urls: dict[str, str], *, is_demo: bool) -> None:
    settings.DEMO, settings.TRADOVATE_URLS = is_demo, urls
    with pytest.raises(CommandError, match="only in a demo"):
        call_command("seed_demo", operator="tests")
    assert not Change.objects.exists()
