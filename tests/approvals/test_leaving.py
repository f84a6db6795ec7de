"""What somebody who is switched off leaves behind: nothing waits for them, and nothing happens because of them."""

from functools import partial
from typing import Any
from uuid import uuid4

import pytest
from django.db import IntegrityError, transaction
from django.test import Client
from django.urls import reverse

from accounts.approvals import inbox
from accounts.approvals.actions import decide, refusal
from accounts.approvals.models import Approval, ApprovalRequest
from accounts.approvals.queries import waiting_for
from accounts.approvals.states import RequestState, Verdict
from accounts.approvals.subjects import DecisionRefused
from accounts.changes.actions import submit
from accounts.changes.kinds import KINDS
from accounts.changes.models import Change
from accounts.changes.plan import plan
from accounts.changes.states import ChangeState, Relation
from accounts.changes.targeting.source import Link
from accounts.models.guards import broken_rule
from riskadmin.audit.models import Event
from riskadmin.audit.tags import Tag
from riskadmin.staff.leaving import heirs_of, waiting_of
from riskadmin.staff.models import Staff
from riskadmin.staff.people.actions import remove_role, switch_off
from riskadmin.staff.roles import Role
from riskadmin.tradovate.vocabulary import Environment, ReasonCode
from tests.approvals.policies import ORIGIN, TWO_SUPERVISORS, want_for
from tests.changes.world import LOCKED, ask, make_account
from tests.staff.people import make_person

pytestmark = pytest.mark.django_db(transaction=True)

Sent = list[tuple[str, list[int], str]]


@pytest.fixture
def ada() -> Staff:
    return make_person(Role.ADMINISTRATOR, "ada")


@pytest.fixture
def waiting(support: Staff, sent: Sent) -> ApprovalRequest:
    """The request of an unlock that waits for two supervisors."""
    want_for("unlock", stages=TWO_SUPERVISORS)
    make_account(101, LOCKED)
    return ask(support, "unlock", 101).approval


def approve(request: ApprovalRequest, person: Staff) -> ApprovalRequest:
    now = ApprovalRequest.objects.get(pk=request.pk)
    return decide(actor=person, origin=ORIGIN, request_id=request.pk, verdict=Verdict.APPROVE, digest=now.digest, comment="")


def state(request: ApprovalRequest) -> RequestState:
    return RequestState(ApprovalRequest.objects.get(pk=request.pk).state)


class TestApprovals:
    @pytest.mark.parametrize("loses", ["account", "role"])
    def test_an_approval_lapses_with_the_right_to_give_it(
        self, waiting: ApprovalRequest, ada: Staff, supervisor: Staff, second_supervisor: Staff, loses: str
    ) -> None:
        third = make_person(Role.SUPERVISOR, "third")
        approve(waiting, supervisor)
        if loses == "account":
            done = switch_off(ada, origin=ORIGIN, person=supervisor, to=None, comment="Left")
        else:
            done = remove_role(ada, origin=ORIGIN, person=supervisor, role=Role.SUPERVISOR)

        assert done == ["1 request to be approved again"]
        assert Event.objects.get(tag=Tag.CHANGE_APPROVALS_LAPSED).detail["why"] == "supervisor may no longer decide"
        approve(waiting, second_supervisor)
        assert state(waiting) == RequestState.WAITING
        approve(waiting, third)
        assert state(waiting) == RequestState.APPROVED

    def test_postgresql_counts_no_approval_of_somebody_who_was_switched_off_behind_our_back(
        self, waiting: ApprovalRequest, supervisor: Staff, second_supervisor: Staff, sent: Sent
    ) -> None:
        approve(waiting, supervisor)
        Staff.objects.filter(pk=supervisor.pk).update(is_active=False)
        with pytest.raises(DecisionRefused, match="may no longer do so"):
            approve(waiting, second_supervisor)
        assert state(waiting) == RequestState.WAITING
        assert Approval.objects.count() == 2  # that of the policy, and the first one
        assert sent == []

    def test_what_was_approved_before_stays_approved(
        self, waiting: ApprovalRequest, ada: Staff, supervisor: Staff, second_supervisor: Staff
    ) -> None:
        approve(waiting, supervisor)
        approve(waiting, second_supervisor)
        assert switch_off(ada, origin=ORIGIN, person=supervisor, to=None, comment="Left") == []
        assert (state(waiting), Change.objects.get().state) == (RequestState.APPROVED, ChangeState.RUNNING)


class TestRequests:
    def test_without_an_heir_they_are_withdrawn(self, waiting: ApprovalRequest, ada: Staff, support: Staff, sent: Sent) -> None:
        assert [each.words for each in waiting_of(support)] == ["1 request of their own that waits for approval"]

        done = switch_off(ada, origin=ORIGIN, person=support, to=None, comment="Left")

        assert done == ["1 request withdrawn"]
        assert (state(waiting), Change.objects.get().state) == (RequestState.WITHDRAWN, ChangeState.CANCELLED)
        assert Event.objects.get(tag=Tag.CHANGE_CANCELLED).staff_name == "ada"
        assert waiting_of(support) == []
        assert sent == []

    def test_an_heir_asks_for_them_again(
        self, client: Client, waiting: ApprovalRequest, ada: Staff, support: Staff, supervisor: Staff
    ) -> None:
        change, other = Change.objects.get(), make_person(Role.SUPPORT, "other")
        heir = make_person(Role.SUPPORT, "heir")
        assert heir in heirs_of(support)
        assert ada not in heirs_of(support)

        switch_off(ada, origin=ORIGIN, person=support, to=heir, comment="Left")

        assert [row.request.pk for row in inbox.returned(heir)] == [waiting.pk]
        assert inbox.returned(other) == []
        client.force_login(other)
        assert client.get(reverse("changes:edit", args=[change.pk])).status_code == 409
        client.force_login(heir)
        assert b"101" in client.get(reverse("changes:edit", args=[change.pk])).content

    def test_neither_of_the_two_decides_about_the_new_request(
        self, ada: Staff, supervisor: Staff, second_supervisor: Staff, sent: Sent
    ) -> None:
        """Also not the one who left, once they are back."""
        third = make_person(Role.SUPERVISOR, "third")
        want_for("unlock", stages=TWO_SUPERVISORS)
        make_account(101, LOCKED)
        first = ask(supervisor, "unlock", 101)
        switch_off(ada, origin=ORIGIN, person=supervisor, to=second_supervisor, comment="Leave")
        again = as_new_version(second_supervisor, first)
        Staff.objects.filter(pk=supervisor.pk).update(is_active=True)
        back = Staff.objects.get(pk=supervisor.pk)

        for person in (back, second_supervisor):
            assert refusal(again.approval, person, again.digest) is not None
            assert not waiting_for(person).filter(pk=again.approval_id).exists()
            with pytest.raises(DecisionRefused, match="You asked for"):
                approve(again.approval, person)
        refuses(partial(insert_approval, again.approval, back), "approval_not_by_earlier_requester")
        assert refusal(again.approval, third, again.digest) is None


def as_new_version(person: Staff, change: Change) -> Change:
    """Ask again for what somebody else asked for, as the page of an edit does."""
    kind = KINDS[change.kind]
    now = plan(kind, environment=Environment.DEMO, target_ids=[101])
    return submit(
        actor=person,
        origin=ORIGIN,
        kind=kind,
        environment=Environment.DEMO,
        target_ids=[101],
        reason_code=ReasonCode.OTHER,
        reason_text="Taken over",
        form_key=uuid4(),
        shown_digest=now.digest,
        confirmed_count=1,
        link=Link(change_id=change.pk, relation=Relation.EDITS),
    )


def insert_approval(request: ApprovalRequest, person: Staff) -> None:
    Approval.objects.create(
        request=request,
        version=request.version,
        staff=person,
        staff_name=person.username,
        staff_role="supervisor",
        verdict=Verdict.APPROVE,
        stage=1,
        digest=request.digest,
    )


def refuses(act: Any, rule: str) -> None:
    with pytest.raises(IntegrityError) as refused, transaction.atomic():
        act()
    assert broken_rule(refused.value) == rule
