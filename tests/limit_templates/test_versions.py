"""A template's versions: proposed, decided by somebody else, in force one at a time, and told in the trail."""

import pytest

from accounts.approvals.actions import withdraw
from accounts.approvals.models import Approval
from accounts.approvals.states import RequestState, Verdict
from accounts.approvals.subjects import DecisionRefused, NotAllowed
from accounts.limit_templates import queries
from accounts.limit_templates.actions import NotPossible
from accounts.limit_templates.models import LimitTemplate, TemplateVersion
from accounts.limit_templates.states import VersionState
from accounts.models import LimitLevel
from riskadmin.audit.models import Event
from riskadmin.staff.models import Staff
from riskadmin.staff.roles import Role
from tests.changes.world import ORIGIN, make_accounts
from tests.limit_templates.templates import (
    EVALUATION,
    SIZE,
    assign_size,
    decided,
    propose_again,
    proposed,
    put_in_force,
)
from tests.staff.people import make_person

pytestmark = pytest.mark.django_db


def states() -> list[tuple[int, str]]:
    return list(TemplateVersion.objects.order_by("number").values_list("number", "state"))


def tags() -> list[str]:
    return list(Event.objects.filter(tag__startswith="template:").order_by("pk").values_list("tag", flat=True))


def test_a_version_is_in_force_once_somebody_else_approves_it(support: Staff, supervisor: Staff) -> None:
    version = proposed(support)
    assert (version.number, version.limits, version.state) == (1, EVALUATION, VersionState.PROPOSED)
    assert (version.approval.stages, len(version.digest)) == ([{"approvals": 1, "role": "supervisor"}], 64)
    assert list(queries.waiting_for(supervisor)) == [version]
    assert list(queries.waiting_for(support)) == []

    now = decided(supervisor, version)

    assert (now.state, now.in_force_at is not None, now.ended_at) == (VersionState.IN_FORCE, True, None)
    assert queries.version_in_force(version.template_id) == version
    assert tags() == ["template:version:proposed", "template:decision:approved", "template:version:in_force"]
    event = Event.objects.get(tag="template:version:in_force")
    assert (event.before, event.after) == ({}, EVALUATION)
    assert event.detail == {"template": "50K evaluation", "number": 1}


def test_the_next_version_takes_its_place(support: Staff, supervisor: Staff) -> None:
    first = put_in_force(support, supervisor)
    second = propose_again(support, first, daily_loss_auto_liq_usd="1200")
    assert states() == [(1, "in_force"), (2, "proposed")]
    decided(supervisor, second)
    assert states() == [(1, "superseded"), (2, "in_force")]
    assert queries.version_in_force(first.template_id) == second
    event = Event.objects.filter(tag="template:version:in_force").latest("pk")
    assert (event.before, event.after) == (EVALUATION, {"daily_loss_auto_liq_usd": "1200"})


@pytest.mark.parametrize("verdict", Verdict)
def test_who_lost_the_right_while_deciding_is_refused(support: Staff, supervisor: Staff, verdict: Verdict) -> None:
    version = proposed(support)
    assert supervisor.may("changes:decide")  # as the request found it
    Staff.objects.filter(pk=supervisor.pk).update(is_active=False)
    with pytest.raises(DecisionRefused, match="You may no longer decide about limit templates"):
        decided(supervisor, version, verdict)
    assert states() == [(1, VersionState.PROPOSED)]
    assert not Approval.objects.exists()
    assert tags() == ["template:version:proposed", "template:decision:refused"]


def test_a_rejection_ends_it_and_leaves_the_one_before(support: Staff, supervisor: Staff) -> None:
    first = put_in_force(support, supervisor)
    decided(supervisor, propose_again(support, first, daily_loss_auto_liq_usd="1200"), Verdict.REJECT)
    assert states() == [(1, "in_force"), (2, "rejected")]
    assert propose_again(support, first, daily_loss_auto_liq_usd="1100").number == 3


def test_one_proposal_at_a_time_and_none_that_says_the_same(support: Staff, supervisor: Staff) -> None:
    first = put_in_force(support, supervisor)
    with pytest.raises(NotPossible, match="what version 1, in force, says already"):
        propose_again(support, first, **EVALUATION)
    propose_again(support, first, daily_loss_auto_liq_usd="1200")
    with pytest.raises(NotPossible, match="Version 2 still waits"):
        propose_again(supervisor, first, daily_loss_auto_liq_usd="1300")
    assert states() == [(1, "in_force"), (2, "proposed")]


def test_two_templates_are_never_called_the_same(support: Staff) -> None:
    proposed(support, "50K evaluation")
    with pytest.raises(NotPossible, match="called 50k EVALUATION already"):
        proposed(support, "50k EVALUATION")
    assert LimitTemplate.objects.count() == 1


class TestWhoDecides:
    def refused(self, person: Staff, version: TemplateVersion, why: str, *, digest: str | None = None) -> None:
        before = states()
        with pytest.raises(DecisionRefused, match=why):
            decided(person, version, digest=digest)
        assert states() == before
        assert not Approval.objects.filter(staff=person).exists()
        event = Event.objects.latest("pk")
        assert event.tag == "template:decision:refused"
        assert event.detail["why"]

    def test_not_who_proposed_it(self, supervisor: Staff) -> None:
        self.refused(supervisor, proposed(supervisor), "You asked for this version")

    def test_not_who_may_not_decide(self, support: Staff) -> None:
        self.refused(make_person(Role.SUPPORT, "other"), proposed(support), "You may not decide")

    def test_not_about_another_content(self, support: Staff, supervisor: Staff) -> None:
        self.refused(supervisor, proposed(support), "not the version you were shown", digest="0" * 64)

    def test_not_after_it_was_decided(self, support: Staff, supervisor: Staff, second_supervisor: Staff) -> None:
        version = put_in_force(support, supervisor)
        self.refused(second_supervisor, version, "no longer waiting: approved")

    def test_as_many_as_policy_asks_for_the_accounts_it_is_for(
        self, support: Staff, supervisor: Staff, second_supervisor: Staff
    ) -> None:
        from accounts.models import Account

        first = put_in_force(support, supervisor)
        assign_size(supervisor, first)
        make_accounts(range(1, 302))
        Account.objects.update(evaluation_size_usd=SIZE)
        version = propose_again(support, first, daily_loss_auto_liq_usd="1200")
        assert version.approval.needed == 2
        assert decided(supervisor, version).state == VersionState.PROPOSED
        with pytest.raises(DecisionRefused, match="decided about this version already"):
            decided(supervisor, version)
        assert decided(second_supervisor, version).state == VersionState.IN_FORCE


def test_only_who_proposed_it_withdraws_it(support: Staff, supervisor: Staff) -> None:
    version = proposed(support)
    with pytest.raises(NotAllowed, match="Only the person who asked for a version"):
        withdraw(actor=supervisor, origin=ORIGIN, request_id=version.approval_id)
    assert withdraw(actor=support, origin=ORIGIN, request_id=version.approval_id).state == RequestState.WITHDRAWN
    with pytest.raises(NotAllowed, match="no longer waiting: withdrawn"):
        withdraw(actor=support, origin=ORIGIN, request_id=version.approval_id)
    refused = "template:decision:refused"
    assert tags() == ["template:version:proposed", refused, "template:version:withdrawn", refused]


@pytest.mark.parametrize("role", [Role.COMPLIANCE, Role.ADMINISTRATOR])
def test_a_person_who_may_not_request_limits_proposes_none(role: Role) -> None:
    with pytest.raises(NotAllowed, match="may not propose"):
        proposed(make_person(role))
    assert not LimitTemplate.objects.exists()


def test_a_version_is_shown_beside_the_one_before() -> None:
    shown = queries.settings_of(
        LimitLevel.FIRM, {"daily_loss_auto_liq_usd": "1200", "do_not_unlock": True}, {"daily_loss_auto_liq_usd": "1000"}
    )
    assert [(each.field.name, each.before, each.after, each.direction, each.is_changed) for each in shown] == [
        ("daily_loss_auto_liq_usd", "$1,000.00", "$1,200.00", "looser", True),
        ("do_not_unlock", "—", "Yes", "", True),
    ]
