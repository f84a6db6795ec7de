"""An approver excludes items: the approval covers the rest, and what was approved before no longer counts."""

from datetime import timedelta

import pytest
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from accounts.approvals.actions import decide
from accounts.approvals.models import Approval, ApprovalRequest
from accounts.approvals.policy import Stage
from accounts.approvals.states import RequestState, Verdict
from accounts.approvals.subjects import DecisionRefused
from accounts.changes.content import stored_digest
from accounts.changes.models import Change, Item
from accounts.changes.scheduling.timing import Timing
from accounts.changes.states import ItemState
from accounts.models.guards import broken_rule
from riskadmin.audit.models import Event
from riskadmin.audit.tags import Tag
from riskadmin.notifications.models import Message
from riskadmin.staff.models import Staff
from riskadmin.staff.roles import Role
from tests.approvals.policies import ORIGIN, SUPERVISOR, TWO_SUPERVISORS, want_for
from tests.changes.world import LOCKED, approve, ask, make_account, set_status
from tests.staff.people import make_person

pytestmark = pytest.mark.django_db(transaction=True)

Sent = list[tuple[str, list[int], str]]


@pytest.fixture
def change(support: Staff, sent: Sent) -> Change:
    """An unlock of three accounts that waits for one supervisor."""
    for number in (101, 102, 103):
        make_account(number, LOCKED)
    return ask(support, "unlock", 101, 102, 103)


def without(person: Staff, change: Change, *numbers: int, verdict: Verdict = Verdict.APPROVE) -> ApprovalRequest:
    keys = [str(change.items.get(target=f"demo:account:{number}").pk) for number in numbers]
    return decide(
        actor=person,
        origin=ORIGIN,
        request_id=change.approval_id,
        verdict=verdict,
        digest=ApprovalRequest.objects.get(pk=change.approval_id).digest,
        comment="Not these",
        excluded=keys,
    )


def states(change: Change) -> list[tuple[str, str]]:
    return list(change.items.order_by("position").values_list("state", "note"))


def test_the_stored_digest_is_that_of_the_plan(change: Change) -> None:
    assert stored_digest(change, change.items.order_by("position")) == change.digest == change.approval.digest


def test_the_rest_runs_and_the_excluded_end_as_skipped_by_name(change: Change, supervisor: Staff, sent: Sent) -> None:
    request = without(supervisor, change, 102)
    now = Change.objects.get()
    assert (request.state, request.version, now.state, len(sent)) == (RequestState.APPROVED, 2, "running", 1)
    assert states(now) == [(ItemState.QUEUED, ""), (ItemState.SKIPPED, "Excluded by supervisor"), (ItemState.QUEUED, "")]
    assert now.digest == request.digest == stored_digest(now, now.items.order_by("position")) != change.digest
    given = Approval.objects.get(request=request)
    assert (given.digest, given.version, given.excluded) == (now.digest, 2, ["KTR50K-000102"])
    events = Event.objects.filter(tag__in=[Tag.ITEM_EXCLUDED, Tag.CHANGE_APPROVED]).order_by("pk")
    assert [(event.tag, event.account_id) for event in events] == [(Tag.ITEM_EXCLUDED, 102), (Tag.CHANGE_APPROVED, None)]
    assert events[1].detail["excluded"] == ["KTR50K-000102"]
    message = Message.objects.get(topic="decided", channel="page")
    assert (message.person, message.text) == (change.requested_by, "supervisor approved it without KTR50K-000102. “Not these”")


def test_by_the_second_the_first_is_asked_again(
    support: Staff, supervisor: Staff, second_supervisor: Staff, sent: Sent
) -> None:
    want_for("unlock", stages=TWO_SUPERVISORS)
    for number in (101, 102):
        make_account(number, LOCKED)
    change = ask(support, "unlock", 101, 102)
    approve(supervisor, change)
    assert without(second_supervisor, change, 102).state == RequestState.WAITING
    assert sent == []
    asked = Message.objects.get(topic="approval_needed", channel="page", subject__contains="approved again")
    assert (asked.person, asked.read_at) == (supervisor, None)
    assert approve(supervisor, Change.objects.get()).state == "running"
    assert [state for state, _ in states(change)] == [ItemState.QUEUED, ItemState.SKIPPED]


class TestRefused:
    """Nothing is written but the refusal."""

    @pytest.fixture(autouse=True)
    def _nothing_happened(self, request: pytest.FixtureRequest, sent: Sent, change: Change) -> object:
        yield
        now = Change.objects.get(pk=change.pk)
        assert (now.state, now.digest, now.approval.version, sent) == ("pending", change.digest, 1, [])
        assert {state for state, _ in states(now)} == {ItemState.WAITING}
        assert Event.objects.filter(tag=Tag.CHANGE_DECISION_REFUSED).exists()
        assert not Event.objects.filter(tag=Tag.ITEM_EXCLUDED).exists()

    def test_all_of_it(self, change: Change, supervisor: Staff) -> None:
        with pytest.raises(DecisionRefused, match="nothing is left to approve"):
            without(supervisor, change, 101, 102, 103)

    def test_what_is_not_an_item_of_it(self, change: Change, supervisor: Staff) -> None:
        with pytest.raises(DecisionRefused, match="not among those that wait"):
            decide(
                actor=supervisor,
                origin=ORIGIN,
                request_id=change.approval_id,
                verdict=Verdict.APPROVE,
                digest=change.digest,
                comment="",
                excluded=["4711"],
            )

    def test_what_is_left_has_moved(self, change: Change, supervisor: Staff) -> None:
        set_status(Item.objects.get(target="demo:account:101").account, admin_action="Normal")
        with pytest.raises(DecisionRefused, match="no longer stands"):
            without(supervisor, change, 102)


def test_what_moved_can_be_excluded(change: Change, supervisor: Staff, sent: Sent) -> None:
    set_status(Item.objects.get(target="demo:account:102").account, admin_action="Normal")
    assert without(supervisor, change, 102).state == RequestState.APPROVED
    assert len(sent) == 1


def test_only_by_somebody_who_may_give_the_first_approval(support: Staff, supervisor: Staff, sent: Sent) -> None:
    want_for("unlock", stages=(Stage(approvals=1, role="supervisor"), Stage(approvals=1, role="administrator")))
    for number in (101, 102):
        make_account(number, LOCKED)
    change = ask(support, "unlock", 101, 102)
    approve(supervisor, change)
    both = make_person(Role.ADMINISTRATOR, "both")
    with pytest.raises(DecisionRefused, match="You may not decide about changes"):
        without(both, change, 102)
    assert (sent, ApprovalRequest.objects.get(pk=change.approval_id).version) == ([], 1)


def test_a_lock_with_an_end_is_approved_as_a_whole(support: Staff, supervisor: Staff, sent: Sent) -> None:
    want_for("lock", stages=SUPERVISOR)
    for number in (101, 102):
        make_account(number)
    change = ask(support, "lock", 101, 102, timing=Timing(ends_at=timezone.now() + timedelta(hours=3)))
    with pytest.raises(DecisionRefused, match="approved as a whole"):
        without(supervisor, change, 102)
    assert sent == []


VERDICT = (
    "INSERT INTO approvals_approval"
    " (request_id, version, staff_id, staff_name, staff_role, verdict, stage, digest, comment, excluded)"
    " SELECT id, 1, %(person)s, 'x', 'supervisor', '{}', 1, digest, '{}', '{}'"
    " FROM approvals_approvalrequest WHERE subject = 'change'"
)


@pytest.mark.parametrize(
    ("statement", "rule"),
    [
        ("UPDATE changes_item SET state = 'skipped' WHERE position = 1", "item_excluded_from_new_content"),
        (VERDICT.format("approve", "", '["A1"]'), "approval_excludes_from_new_content"),
        (VERDICT.format("reject", " \n", "[]"), "approval_says_why"),
        (VERDICT.format("request_edits", "", "[]"), "approval_says_why"),
    ],
)
def test_postgresql_refuses(change: Change, supervisor: Staff, sent: Sent, statement: str, rule: str) -> None:
    with pytest.raises(IntegrityError) as caught, transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement, {"person": supervisor.pk})
    assert broken_rule(caught.value) == rule
    assert ({state for state, _ in states(change)}, Approval.objects.filter(request=change.approval).count(), sent) == (
        {ItemState.WAITING},
        0,
        [],
    )
