"""Who is told what about a change: those who may approve it, its requester, and never the person who did it."""

from datetime import timedelta

import pytest
import time_machine
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.approvals.actions import decide, expire_overdue, withdraw
from accounts.approvals.states import Verdict
from accounts.changes.ending import finish_change
from accounts.changes.models import Change
from accounts.changes.notices import remind_expiring
from accounts.changes.states import ItemState
from riskadmin.audit.models import Event
from riskadmin.audit.tags import Tag
from riskadmin.notifications.models import Message
from riskadmin.notifications.topics import Topic
from riskadmin.staff.duty.models import Delegation, DutySwitch
from riskadmin.staff.models import Staff
from riskadmin.staff.roles import Role
from tests.approvals.policies import SUPERVISOR, TWO_SUPERVISORS, add_rule, want_for
from tests.changes.world import LOCKED, ORIGIN, approve, ask, make_account, open_item, reject, walk
from tests.notifications.notices import hook
from tests.staff.people import make_person

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("sent")]


def reported(topic: str) -> dict[str, str]:
    """The subjects of a topic's messages by username."""
    messages = Message.objects.filter(topic=topic).select_related("person").order_by("pk")
    return {message.person.username: message.subject for message in messages if message.person}


@pytest.fixture
def change(support: Staff, supervisor: Staff, second_supervisor: Staff) -> Change:
    """An unlock that support requested."""
    make_account(101, LOCKED)
    make_account(102, LOCKED)
    return ask(support, "unlock", 101, 102, reason_text="New session")


def test_those_who_may_approve_are_shown_once(change: Change) -> None:
    make_person(Role.COMPLIANCE)
    subject = f"Change {change.pk} waits for approval: Unlock 2 accounts (demo)"
    assert reported("approval_needed") == {"supervisor": subject, "supervisor2": subject}
    assert Message.objects.count() == 2
    message = Message.objects.latest("pk")
    assert (message.link, message.text) == (f"/changes/{change.pk}/", "support requests it. “New session”")


def test_a_supervisor_gets_no_notice_of_their_own_request(supervisor: Staff, second_supervisor: Staff) -> None:
    make_account(101, LOCKED)
    ask(supervisor, "unlock", 101)
    assert list(reported("approval_needed")) == ["supervisor2"]


def test_a_change_without_approval_sends_no_notice(support: Staff, supervisor: Staff) -> None:
    make_account(101)
    ask(support, "lock", 101)
    assert not Message.objects.exists()


def test_a_refused_request_sends_no_notice(change: Change, support: Staff, monkeypatch: pytest.MonkeyPatch) -> None:
    before = Message.objects.count()
    make_account(103, LOCKED)

    def fails(*_: object, **__: object) -> None:
        raise RuntimeError

    monkeypatch.setattr("accounts.changes.actions.write", fails)
    with pytest.raises(RuntimeError):
        ask(support, "unlock", 103)
    assert Message.objects.count() == before


def test_the_requester_is_shown_of_an_approval_and_no_one_is_asked_any_more(change: Change, supervisor: Staff) -> None:
    approve(supervisor, change, comment="Agreed")
    assert reported("decided") == {"support": f"Change {change.pk} was approved: Unlock 2 accounts (demo)"}
    assert Message.objects.get(topic="decided").text == "supervisor approved it. “Agreed”"
    assert not Message.objects.filter(topic="approval_needed", read_at=None).exists()


def test_the_first_of_two_approvals_says_so(support: Staff, supervisor: Staff, second_supervisor: Staff) -> None:
    want_for("unlock", stages=TWO_SUPERVISORS)
    make_account(101, LOCKED)
    change = ask(support, "unlock", 101)
    approve(supervisor, change)
    assert reported("decided") == {"support": f"Change {change.pk} has 1 of 2 approvals: Unlock 1 account (demo)"}
    assert Message.objects.filter(topic="approval_needed", read_at=None).count() == 2


def test_the_requester_is_shown_of_a_rejection(change: Change, supervisor: Staff) -> None:
    reject(supervisor, change, comment="Not today")
    assert reported("decided") == {"support": f"Change {change.pk} was rejected: Unlock 2 accounts (demo)"}
    assert Message.objects.get(topic="decided").text == "supervisor rejected it. “Not today”"
    assert not Message.objects.filter(topic="approval_needed", read_at=None).exists()


def test_a_withdrawn_one_waits_for_no_one(change: Change, support: Staff) -> None:
    withdraw(actor=support, origin=ORIGIN, request_id=change.approval_id)
    assert not Message.objects.filter(read_at=None).exists()


def test_before_it_expires_and_then_they_are_shown_once(change: Change) -> None:
    everyone = {"support", "supervisor", "supervisor2"}
    ends = change.approval.expires_at
    assert ends is not None
    lasts = ends - change.submitted_at
    remind_expiring(change.submitted_at + lasts * 0.74)
    assert reported("expiring") == {}
    for _ in range(2):
        remind_expiring(change.submitted_at + lasts * 0.76)
    assert set(reported("expiring")) == everyone
    assert Message.objects.filter(topic="expiring").count() == 3
    with time_machine.travel(ends + timedelta(seconds=1), tick=False):
        remind_expiring()
        assert expire_overdue(origin=ORIGIN) == 1
    unread = Message.objects.filter(topic="expiring", read_at=None)
    assert {message.person.username for message in unread if message.person} == everyone
    assert {message.subject for message in unread} == {f"Change {change.pk} expired: Unlock 2 accounts (demo)"}


def test_policy_names_who_else_gets_notice_before_it_expires(support: Staff, supervisor: Staff) -> None:
    make_person(Role.ADMINISTRATOR)
    want_for("unlock", stages=SUPERVISOR, escalate_to="administrator")
    make_account(101, LOCKED)
    change = ask(support, "unlock", 101)
    assert set(reported("approval_needed")) == {"supervisor"}
    ends = change.approval.expires_at
    assert ends is not None
    remind_expiring(change.submitted_at + (ends - change.submitted_at) * 0.76)
    administrators = {"administrator", "policy1", "policy2"}  # two of them wrote the policy
    assert set(reported("expiring")) == {"support", "supervisor"} | administrators
    message = Message.objects.get(topic="expiring", person__username="administrator")
    assert message.text == "You are told as the policy says, because it is not decided yet."
    with time_machine.travel(ends + timedelta(seconds=1), tick=False):
        assert expire_overdue(origin=ORIGIN) == 1
    unread = Message.objects.filter(topic="expiring", read_at=None)
    assert {each.person.username for each in unread if each.person} == {"support", "supervisor"} | administrators


def test_only_the_rule_that_applies_names_who_else_gets_notice(support: Staff, supervisor: Staff) -> None:
    make_person(Role.ADMINISTRATOR)
    want_for("unlock", stages=SUPERVISOR, escalate_to="administrator")
    add_rule(kinds=("unlock",), stages=TWO_SUPERVISORS)
    make_account(101, LOCKED)
    change = ask(support, "unlock", 101)
    ends = change.approval.expires_at
    assert ends is not None
    remind_expiring(change.submitted_at + (ends - change.submitted_at) * 0.76)
    assert "administrator" not in reported("expiring")


def test_if_fewer_are_on_duty_than_approvals_are_missing_all_are_asked(
    support: Staff, supervisor: Staff, second_supervisor: Staff
) -> None:
    want_for("unlock", stages=TWO_SUPERVISORS)
    DutySwitch.objects.create(person=second_supervisor, is_on=True, until=timezone.now() + timedelta(hours=1))
    make_account(101, LOCKED)
    ask(support, "unlock", 101)
    assert set(reported("approval_needed")) == {"supervisor", "supervisor2"}


def test_after_an_approval_those_of_the_next_stage_are_asked(support: Staff, supervisor: Staff) -> None:
    second = make_person(Role.SUPERVISOR, "supervisor2")
    third = make_person(Role.SUPERVISOR, "supervisor3")
    want_for("unlock", stages=TWO_SUPERVISORS)
    for person in (supervisor, second):
        DutySwitch.objects.create(person=person, is_on=True, until=timezone.now() + timedelta(hours=1))
    make_account(101, LOCKED)
    change = ask(support, "unlock", 101)
    assert set(reported("approval_needed")) == {"supervisor", "supervisor2"}
    DutySwitch.objects.update(is_on=False)
    approve(supervisor, change)
    assert set(reported("approval_needed")) == {"supervisor", "supervisor2", "supervisor3"}
    assert (
        Message.objects.get(person=third).subject == f"Change {change.pk} waits for another approval: Unlock 1 account (demo)"
    )


def test_what_was_left_out_is_not_counted(support: Staff, supervisor: Staff, second_supervisor: Staff) -> None:
    want_for("unlock", stages=TWO_SUPERVISORS)
    for number in (101, 102):
        make_account(number, LOCKED)
    change = ask(support, "unlock", 101, 102)
    approve(supervisor, change, excluded=[str(change.items.get(position=1).pk)])
    again = Message.objects.filter(topic="approval_needed", person=second_supervisor).latest("pk")
    assert again.subject == f"Change {change.pk} has to be approved again: Unlock 1 account (demo)"
    change.refresh_from_db()
    approve(second_supervisor, change)
    assert reported("decided")["support"] == f"Change {change.pk} was approved, in part: Unlock 1 account (demo)"


def test_those_on_duty_are_asked(support: Staff, supervisor: Staff, second_supervisor: Staff) -> None:
    DutySwitch.objects.create(person=second_supervisor, is_on=True, until=timezone.now() + timedelta(hours=1))
    make_account(101, LOCKED)
    ask(support, "unlock", 101)
    assert set(reported("approval_needed")) == {"supervisor2"}


class TestStandIn:
    @pytest.fixture(autouse=True)
    def delegated(self, supervisor: Staff, second_supervisor: Staff) -> None:
        """The second supervisor stands in for the first."""
        now = timezone.now()
        Delegation.objects.create(
            person=supervisor, stand_in=second_supervisor, begins_at=now, ends_at=now + timedelta(hours=1)
        )

    def test_they_get_what_the_person_gets(self, supervisor: Staff) -> None:
        third = make_person(Role.SUPERVISOR, "supervisor3")
        make_account(101, LOCKED)
        reject(third, ask(supervisor, "unlock", 101), comment="Not yet")
        assert set(reported("decided")) == {"supervisor", "supervisor2"}
        message = Message.objects.get(topic="decided", person__username="supervisor2")
        assert message.text == "You stand in for supervisor. supervisor3 rejected it. “Not yet”"

    def test_not_once_they_have_lost_the_role(self, supervisor: Staff, second_supervisor: Staff) -> None:
        third = make_person(Role.SUPERVISOR, "supervisor3")
        second_supervisor.groups.clear()
        make_account(101, LOCKED)
        reject(third, ask(supervisor, "unlock", 101), comment="Not yet")
        assert set(reported("decided")) == {"supervisor"}

    def test_they_are_not_asked_to_approve_what_they_requested(self, second_supervisor: Staff) -> None:
        make_account(101, LOCKED)
        ask(second_supervisor, "unlock", 101)
        assert set(reported("approval_needed")) == {"supervisor"}


@pytest.mark.parametrize(("state", "is_shown"), [(ItemState.APPLIED, False), (ItemState.REJECTED, True)])
def test_the_requester_is_shown_how_it_ended_if_not_all_was_applied(
    support: Staff, state: ItemState, *, is_shown: bool
) -> None:
    item = open_item(support, make_account(101), "lock", state)
    assert finish_change(item.change, origin=ORIGIN)
    assert bool(reported("change_finished")) == is_shown
    if is_shown:
        assert Message.objects.get().text == "1 rejected."


@pytest.mark.parametrize(
    ("ends", "text"),
    [
        (ItemState.APPLIED, ""),
        (ItemState.REJECTED, "2 rejected. 2 more skipped when it was requested, or excluded by an approver."),
    ],
)
def test_what_was_skipped_at_the_request_or_excluded_is_counted_apart_and_is_no_failure(  # noqa: PLR0917  (fixtures)
    client: Client, support: Staff, supervisor: Staff, second_supervisor: Staff, ends: ItemState, text: str
) -> None:
    """Of four accounts one is not locked, and an approver excludes another."""
    for number in (101, 102, 103):
        make_account(number, LOCKED)
    make_account(104)
    change = ask(support, "unlock", 101, 102, 103, 104)
    client.force_login(second_supervisor)
    inbox = client.get(reverse("approvals:inbox")).content.decode()
    assert "Unlock 3 accounts" in inbox
    assert "1 skipped" in inbox
    excluded = [str(change.items.get(target_name="KTR50K-000103").pk)]
    decide(
        actor=supervisor,
        origin=ORIGIN,
        request_id=change.approval_id,
        verdict=Verdict.APPROVE,
        digest=change.digest,
        comment="",
        excluded=excluded,
    )
    assert ": Unlock 2 accounts (demo)" in Message.objects.get(topic="decided", channel="page").subject
    page = client.get(reverse("changes:detail", args=[change.pk])).content.decode()
    assert f"Change {change.pk}: Unlock 2 accounts" in page
    assert "Unlock 2 accounts" in client.get(reverse("changes:list")).content.decode()
    for item in change.items.filter(state=ItemState.QUEUED):
        walk(item, ends)
    assert finish_change(Change.objects.get(pk=change.pk), origin=ORIGIN)
    assert [each.text for each in Message.objects.filter(topic="change_finished", channel="page")] == [text][: bool(text)]


def test_messages_that_cannot_be_written_stop_no_change(support: Staff, supervisor: Staff) -> None:
    """The change and its event stand; the database refuses only the messages."""
    make_account(101, LOCKED)
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE notifications_message RENAME TO gone")
    change = ask(support, "unlock", 101)
    assert Event.objects.filter(tag=Tag.CHANGE_SUBMITTED, change_id=change.pk).exists()
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE gone RENAME TO notifications_message")
    assert not Message.objects.exists()
    assert approve(supervisor, change).approval.decided_at


def test_a_webhook_gets_every_step_and_people_none(change: Change, supervisor: Staff, support: Staff) -> None:
    hook(supervisor, "https://hooks.example.com/x", Topic.CHANGE_STEP)
    reject(supervisor, change)
    reject(supervisor, ask(support, "unlock", 101))
    steps = Message.objects.filter(topic="change_step").order_by("pk").values_list("text", "link", "channel")
    other = Change.objects.latest("pk").pk
    assert list(steps) == [
        ("change:decision:rejected", f"/changes/{change.pk}/", "webhook"),
        ("change:request:submitted", f"/changes/{other}/", "webhook"),
        ("change:decision:rejected", f"/changes/{other}/", "webhook"),
    ]
