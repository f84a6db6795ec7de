"""By actions, tasks and the clock: what a faulty view, a forged task or an unlucky moment could do."""

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from uuid import uuid4

import pytest
import time_machine
from django.utils import timezone

from accounts.approvals.actions import act_alone, decide, expire_overdue, review, withdraw
from accounts.approvals.states import Verdict
from accounts.approvals.subjects import DecisionRefused, NotAllowed
from accounts.changes.actions import PlanMoved, submit
from accounts.changes.kinds import KINDS
from accounts.changes.models import Change
from accounts.changes.scheduling.start import start_due
from accounts.changes.states import ChangeState, Priority, Relation
from accounts.changes.targeting.source import Link
from accounts.changes.tracking import control
from accounts.execution.claim import claim
from accounts.execution.models import Call
from accounts.execution.queue import with_work
from accounts.execution.resolving import OwnRequest, Resolution, resolve
from riskadmin.staff.models import Staff
from riskadmin.tradovate.vocabulary import Environment, Lane, ReasonCode
from tests.approvals.bypass import attempt
from tests.approvals.bypass.world import World
from tests.changes.world import ORIGIN, approve, planned, reject

action = partial(attempt, "action")
LONG_AGO = timedelta(hours=1)


def refused(act: Callable[[], object]) -> None:
    with pytest.raises((DecisionRefused, NotAllowed)):
        act()


def claim_of(change: Change) -> None:
    """Claim as a task that names this change would, whatever its state."""
    assert claim(Change.objects.get(pk=change.pk), calls=5, origin=ORIGIN, read_since=timezone.now() - LONG_AGO) == []


@action()
def approving_by_the_requester(world: World) -> None:
    refused(lambda: approve(world.person("supervisor"), world.own))


@action()
def approving_without_the_role(world: World) -> None:
    for name in ("support2", "compliance", "administrator"):
        refused(partial(approve, world.person(name), world.waiting))


@action()
def approving_while_being_switched_off(world: World) -> None:
    person = world.person("supervisor")
    assert person.may("changes:decide")
    Staff.objects.filter(pk=person.pk).update(is_active=False)
    refused(lambda: approve(person, world.waiting))


@action()
def approving_while_losing_the_role(world: World) -> None:
    person = world.person("supervisor")
    assert person.may("changes:decide")
    world.person("supervisor").groups.clear()
    refused(lambda: approve(person, world.waiting))


@action()
def approving_a_second_time_for_the_second_supervisor(world: World) -> None:
    refused(lambda: approve(world.person("supervisor"), world.double))


@action()
def approving_the_second_stage_first(world: World) -> None:
    refused(lambda: approve(world.person("administrator"), world.staged))


@action()
def approving_both_stages_alone(world: World) -> None:
    approve(world.person("supervisor"), world.staged)
    refused(lambda: approve(world.person("supervisor"), world.staged))
    refused(lambda: approve(world.person("supervisor2"), world.staged))  # the second stage is an administrator's


@action()
def approving_another_digest(world: World) -> None:
    refused(lambda: approve(world.person("supervisor"), world.waiting, digest=world.own.digest))


@action()
def approving_what_has_expired(world: World) -> None:
    refused(lambda: approve(world.person("supervisor"), world.expired))


@action()
def approving_what_expires_while_it_is_read(world: World) -> None:
    assert world.waiting.approval.expires_at
    with time_machine.travel(world.waiting.approval.expires_at, tick=False):
        refused(lambda: approve(world.person("supervisor"), world.waiting))


@action()
def approving_what_was_rejected(world: World) -> None:
    refused(lambda: approve(world.person("supervisor2"), world.rejected))


@action()
def rejecting_and_then_approving(world: World) -> None:
    reject(world.person("supervisor"), world.staged)
    refused(lambda: approve(world.person("supervisor2"), world.staged))


@action()
def approving_the_proposer_s_own_policy(world: World) -> None:
    assert world.policy.approval
    refused(
        lambda: decide(
            actor=world.person("administrator"),
            origin=ORIGIN,
            request_id=world.policy.approval_id or 0,
            verdict=Verdict.APPROVE,
            digest=world.policy.digest,
            comment="",
        )
    )


@action()
def approving_a_policy_without_the_role(world: World) -> None:
    for name in ("support", "compliance"):
        refused(
            partial(
                decide,
                actor=world.person(name),
                origin=ORIGIN,
                request_id=world.policy.approval_id or 0,
                verdict=Verdict.APPROVE,
                digest=world.policy.digest,
                comment="",
            )
        )


def _alone(world: World, name: str, change: Change) -> None:
    act_alone(actor=world.person(name), origin=ORIGIN, request_id=change.approval_id, incident="INC-2", comment="")


@action()
def acting_alone_again_before_the_review(world: World) -> None:
    refused(lambda: _alone(world, "supervisor", world.own))


@action()
def acting_alone_by_support(world: World) -> None:
    refused(lambda: _alone(world, "support", world.waiting))


@action()
def acting_alone_on_the_request_of_somebody_else(world: World) -> None:
    refused(lambda: _alone(world, "supervisor2", world.waiting))


@action()
def reviewing_what_one_did_alone(world: World) -> None:
    refused(lambda: review(actor=world.person("supervisor"), origin=ORIGIN, request_id=world.alone.approval_id, comment=""))


@action()
def reviewing_without_the_role(world: World) -> None:
    refused(lambda: review(actor=world.person("support"), origin=ORIGIN, request_id=world.alone.approval_id, comment=""))


@action()
def withdrawing_the_request_of_somebody_else(world: World) -> None:
    refused(lambda: withdraw(actor=world.person("support2"), origin=ORIGIN, request_id=world.waiting.approval_id))


@action()
def withdrawing_what_is_approved(world: World) -> None:
    refused(lambda: withdraw(actor=world.person("support"), origin=ORIGIN, request_id=world.scheduled.approval_id))


@action()
def resuming_by_the_requester(world: World) -> None:
    refused(lambda: control.resume(actor=world.person("support"), origin=ORIGIN, change_id=world.paused.pk))


@action(leaves_event=False)
def resuming_what_waits(world: World) -> None:
    with pytest.raises(control.InvalidTransition):
        control.resume(actor=world.person("supervisor"), origin=ORIGIN, change_id=world.waiting.pk)


@action(leaves_event=False)
def a_priority_moves_what_waits_and_sends_nothing(world: World) -> None:
    control.prioritise(actor=world.person("supervisor2"), origin=ORIGIN, change_id=world.double.pk, priority=Priority.BEFORE)
    assert with_work(Lane.URGENT, timezone.now()) == [world.alone]
    claim_of(world.double)


@action()
def the_requester_decides_about_an_unknown_item(world: World) -> None:
    seen = Call.objects.get().pk
    with pytest.raises(OwnRequest):
        resolve(
            actor=world.person("support"),
            origin=ORIGIN,
            item_id=world.unknown.pk,
            resolution=Resolution.QUEUED,
            comment="x",
            seen_call=seen,
            typed_name=world.unknown.target_name,
        )


@action(leaves_event=False)
def starting_before_its_time(world: World) -> None:
    assert start_due(origin=ORIGIN) == 0


def _due(world: World) -> None:
    assert world.scheduled.runs_at
    with time_machine.travel(world.scheduled.runs_at + timedelta(seconds=1), tick=False):
        start_due(origin=ORIGIN)
    change = Change.objects.get(pk=world.scheduled.pk)
    assert change.suspended_at
    assert change.state == ChangeState.SCHEDULED


@action(leaves_event=False)
def starting_after_the_requester_was_switched_off(world: World) -> None:
    Staff.objects.filter(username="support").update(is_active=False)
    _due(world)


@action(leaves_event=False)
def starting_after_the_only_approver_was_switched_off(world: World) -> None:
    Staff.objects.filter(username="supervisor").update(is_active=False)
    _due(world)


@action(leaves_event=False)
def starting_after_the_only_approver_lost_the_role(world: World) -> None:
    world.person("supervisor").groups.clear()
    _due(world)


@action(leaves_event=False)
def taking_over_what_is_not_suspended(world: World) -> None:
    with pytest.raises(PlanMoved):
        submit(
            actor=world.person("support"),
            origin=ORIGIN,
            kind=KINDS["unlock"],
            environment=Environment.DEMO,
            target_ids=[112],
            reason_code=ReasonCode.OTHER,
            reason_text="x",
            form_key=uuid4(),
            shown_digest=planned("unlock", 112).digest,
            link=Link(change_id=world.scheduled.pk, relation=Relation.TAKES_OVER),
        )


@action(leaves_event=False)
def the_clock_expires_and_never_approves(world: World) -> None:
    assert expire_overdue(origin=ORIGIN) == 1
    assert Change.objects.get(pk=world.expired.pk).state == ChangeState.EXPIRED


@action(leaves_event=False)
def a_task_that_names_a_change_that_waits(world: World) -> None:
    claim_of(world.waiting)


@action(leaves_event=False)
def a_task_that_names_a_change_with_half_of_its_approvals(world: World) -> None:
    claim_of(world.double)


@action(leaves_event=False)
def a_task_that_names_a_rejected_change(world: World) -> None:
    claim_of(world.rejected)


@action(leaves_event=False)
def a_task_that_names_a_withdrawn_change(world: World) -> None:
    claim_of(world.withdrawn)


@action(leaves_event=False)
def a_task_that_names_an_expired_change(world: World) -> None:
    claim_of(world.expired)


@action(leaves_event=False)
def a_task_that_names_a_scheduled_change(world: World) -> None:
    claim_of(world.scheduled)


@action(leaves_event=False)
def a_task_that_names_a_paused_change(world: World) -> None:
    claim_of(world.paused)


@action(leaves_event=False)
def a_lane_that_looks_for_work(world: World) -> None:
    assert [change.pk for lane in Lane for change in with_work(lane, timezone.now())] == [world.alone.pk]
