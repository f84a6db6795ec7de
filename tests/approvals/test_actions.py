"""What people do to requests: who is judged as they are at that moment, and each refusal leaves everything as it was."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Group

from accounts.approvals.actions import act_alone, comment, decide, review
from accounts.approvals.models import Approval, ApprovalRequest, Comment, PolicyVersion
from accounts.approvals.policy import Stage
from accounts.approvals.policy_versions import AlreadyProposed, RuleDraft, propose
from accounts.approvals.queries import approval_progress, to_review, waiting_for
from accounts.approvals.states import PolicyState, RequestState, Verdict
from accounts.approvals.subjects import DecisionRefused, NotAllowed, all_subjects
from accounts.changes.approval import ChangeSubject
from accounts.changes.models import Change, Item
from riskadmin.audit.models import Event
from riskadmin.audit.tags import Tag
from riskadmin.staff.models import Staff
from riskadmin.staff.roles import Role
from tests.approvals.policies import ORIGIN, SUPERVISOR, add_rule, want_for
from tests.changes.world import LOCKED, ask, make_account
from tests.staff.people import make_person

pytestmark = pytest.mark.django_db(transaction=True)

Sent = list[tuple[str, list[int], str]]


@pytest.fixture
def waiting(support: Staff, sent: Sent) -> ApprovalRequest:
    """The request of an unlock that waits for one supervisor."""
    make_account(101, LOCKED)
    return ask(support, "unlock", 101).approval


def verdict_of(person: Staff, request: ApprovalRequest, verdict: Verdict = Verdict.APPROVE) -> ApprovalRequest:
    digest = request.digest
    return decide(actor=person, origin=ORIGIN, request_id=request.pk, verdict=verdict, digest=digest, comment="ok")


def everything() -> list[list[Any]]:
    models = (ApprovalRequest, Approval, Comment, Change, Item)
    return [list(model._default_manager.order_by("pk").values()) for model in models]


def meanwhile(monkeypatch: pytest.MonkeyPatch, happens: Callable[[], object]) -> None:
    """Let something happen while an approval reads from Tradovate."""
    monkeypatch.setattr(ChangeSubject, "prepare", lambda *_: happens() and None)


@pytest.mark.parametrize("loses", ["account", "role"])
def test_who_is_switched_off_while_tradovate_is_read_does_not_approve(
    waiting: ApprovalRequest, supervisor: Staff, sent: Sent, monkeypatch: pytest.MonkeyPatch, loses: str
) -> None:
    assert supervisor.may("changes:decide")
    now = Staff.objects.get(pk=supervisor.pk)
    if loses == "account":
        meanwhile(monkeypatch, lambda: Staff.objects.filter(pk=now.pk).update(is_active=False))
    else:
        meanwhile(monkeypatch, now.groups.clear)
    before = everything()
    with pytest.raises(DecisionRefused, match="You may no longer decide about changes"):
        verdict_of(supervisor, waiting)
    assert (everything(), sent) == (before, [])
    assert Event.objects.latest("pk").tag == Tag.CHANGE_DECISION_REFUSED


def test_edits_that_are_requested_end_it_and_say_so(waiting: ApprovalRequest, supervisor: Staff, sent: Sent) -> None:
    ended = verdict_of(supervisor, waiting, Verdict.REQUEST_EDITS)
    assert (ended.state, ended.change.state, sent) == (RequestState.EDITS_REQUESTED, "rejected", [])
    assert Item.objects.get().note == "Edits requested by supervisor"
    assert Event.objects.latest("pk").tag == Tag.CHANGE_EDITS_REQUESTED


def test_stages_wait_for_their_roles_in_order(support: Staff, supervisor: Staff, second_supervisor: Staff, sent: Sent) -> None:
    want_for("unlock", stages=(Stage(approvals=1, role="supervisor"), Stage(approvals=1, role="administrator")))
    make_account(101, LOCKED)
    request = ask(support, "unlock", 101).approval
    second_supervisor.groups.add(Group.objects.get(name="administrator"))
    assert set(waiting_for(supervisor)) == set(waiting_for(second_supervisor)) == {request}
    assert approval_progress(request, []).words == "0 of 2 approvals. One supervisor needed, then one administrator."
    assert verdict_of(supervisor, request).state == RequestState.WAITING
    assert approval_progress(request, list(request.approvals.all())).words == "1 of 2 approvals. One administrator needed."
    other = make_person(Role.SUPERVISOR, "supervisor3")
    assert (list(waiting_for(other)), list(waiting_for(supervisor))) == ([], [])
    with pytest.raises(DecisionRefused, match="whose role is administrator"):
        verdict_of(other, request)
    assert list(waiting_for(second_supervisor)) == [request]
    assert verdict_of(second_supervisor, request).state == RequestState.APPROVED
    assert len(sent) == 1


class TestActingAlone:
    def test_a_supervisor_does_once_until_somebody_else_has_reviewed_it(
        self, supervisor: Staff, second_supervisor: Staff, sent: Sent
    ) -> None:
        for number in (101, 102):
            make_account(number, LOCKED)
        first, second = (ask(supervisor, "unlock", number).approval for number in (101, 102))
        alone: dict[str, Any] = {"actor": supervisor, "origin": ORIGIN, "incident": "INC-7", "comment": "The desk is alone"}
        done = act_alone(request_id=first.pk, **alone)
        assert (done.state, done.incident, done.change.state, len(sent)) == ("approved", "INC-7", "running", 1)
        assert list(to_review(second_supervisor)) == [first]
        assert list(to_review(supervisor)) == []
        before = everything()
        with pytest.raises(NotAllowed, match="has to be reviewed by somebody else first"):
            act_alone(request_id=second.pk, **alone)
        with pytest.raises(NotAllowed, match="somebody else has to review it"):
            review(actor=supervisor, origin=ORIGIN, request_id=first.pk, comment="")
        assert (everything(), len(sent)) == (before, 1)
        review(actor=second_supervisor, origin=ORIGIN, request_id=first.pk, comment="Right")
        assert act_alone(request_id=second.pk, **alone).state == "approved"
        tags = Event.objects.filter(tag__in=[Tag.CHANGE_RUN_ALONE, Tag.CHANGE_REVIEWED]).order_by("pk")
        assert list(tags.values_list("tag", flat=True)) == [Tag.CHANGE_RUN_ALONE, Tag.CHANGE_REVIEWED, Tag.CHANGE_RUN_ALONE]

    def test_no_one_else_does(self, waiting: ApprovalRequest, support: Staff, supervisor: Staff, sent: Sent) -> None:
        before = everything()
        for person in (support, supervisor):  # without the right to decide, and not the requester
            with pytest.raises(NotAllowed, match="Only the person who asked"):
                act_alone(actor=person, origin=ORIGIN, request_id=waiting.pk, incident="INC-7", comment="")
        assert (everything(), sent) == (before, [])


def test_what_runs_first_is_reviewed_by_somebody_else(support: Staff, supervisor: Staff, sent: Sent) -> None:
    want_for("lock", review_within_hours=24)
    make_account(101)
    request = ask(support, "lock", 101).approval
    assert (request.state, request.review_due_at is not None, len(sent)) == (RequestState.APPROVED, True, 1)
    assert list(to_review(supervisor)) == [request]
    review(actor=supervisor, origin=ORIGIN, request_id=request.pk, comment="Right")
    assert not to_review(supervisor).exists()
    with pytest.raises(NotAllowed, match="has reviewed this change already"):
        review(actor=supervisor, origin=ORIGIN, request_id=request.pk, comment="")


def test_a_comment_is_kept_and_recorded(waiting: ApprovalRequest, supervisor: Staff) -> None:
    made = comment(actor=supervisor, origin=ORIGIN, request_id=waiting.pk, text="Why, @support?")
    assert (Comment.objects.get(), made.mentions) == (made, [waiting.requested_by_id])
    event = Event.objects.latest("pk")
    assert (event.tag, event.detail) == (Tag.CHANGE_COMMENTED, {"comment": "Why, @support?", "mentions": ["support"]})


class TestPolicy:
    def test_it_holds_once_a_second_person_has_approved_it(self, support: Staff, sent: Sent) -> None:
        administrator, other = (make_person(Role.ADMINISTRATOR, name) for name in ("administrator", "other"))
        was = PolicyVersion.objects.get()
        version = propose(actor=administrator, origin=ORIGIN, rules=[RuleDraft(stages=SUPERVISOR)], note="Stricter")
        make_account(101)
        assert ask(support, "lock", 101).approval.policy == was
        assert version.approval
        for person, why in ((administrator, "somebody else has to decide"), (support, "You may not decide")):
            with pytest.raises(DecisionRefused, match=why):
                verdict_of(person, version.approval)
        with pytest.raises(AlreadyProposed, match="Version 2 still waits"):
            propose(actor=other, origin=ORIGIN, rules=[], note="")
        assert list(waiting_for(other)) == [version.approval]
        verdict_of(other, version.approval)
        states = list(PolicyVersion.objects.order_by("number").values_list("number", "state"))
        assert states == [(1, PolicyState.SUPERSEDED), (2, PolicyState.IN_FORCE)]
        make_account(102)
        assert ask(support, "lock", 102).approval.stages == [{"approvals": 1, "role": "supervisor"}]

    def test_rejected_it_leaves_the_one_before(self) -> None:
        administrator, other = (make_person(Role.ADMINISTRATOR, name) for name in ("administrator", "other"))
        version = propose(actor=administrator, origin=ORIGIN, rules=[], note="")
        assert version.approval
        verdict_of(other, version.approval, Verdict.REJECT)
        assert list(PolicyVersion.objects.order_by("number").values_list("state", flat=True)) == ["in_force", "rejected"]

    @pytest.mark.parametrize("role", [Role.SUPPORT, Role.SUPERVISOR, Role.COMPLIANCE])
    def test_only_an_administrator_proposes(self, role: Role) -> None:
        with pytest.raises(NotAllowed):
            propose(actor=make_person(role), origin=ORIGIN, rules=[], note="")
        assert PolicyVersion.objects.count() == 1


def test_every_type_of_subject_says_its_requests_in_a_line(waiting: ApprovalRequest, supervisor: Staff) -> None:
    from tests.limit_templates.templates import proposed

    add_rule(kinds=("lock",))
    version, policy = proposed(supervisor), PolicyVersion.objects.latest("pk")
    lines = {name: subject.lines(ApprovalRequest.objects.filter(subject=name)) for name, subject in all_subjects().items()}
    assert lines["change"][waiting.pk].title == "Unlock 1 account"
    assert lines["template_version"][version.approval_id].title == "Limit template 50K evaluation, version 1"
    assert lines["policy_version"][policy.approval_id or 0].title == f"Policy, version {policy.number}"
