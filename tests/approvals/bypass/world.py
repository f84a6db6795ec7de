"""What the attempts are made on: people of each role, and changes in each state, none of which may be sent."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.approvals.actions import act_alone, withdraw
from accounts.approvals.models import PolicyVersion
from accounts.approvals.policy import Stage
from accounts.approvals.policy_versions import RuleDraft, propose
from accounts.changes.models import Change, Item
from accounts.changes.scheduling.timing import Timing
from accounts.changes.states import ItemState
from accounts.changes.tracking import control
from accounts.execution.models import Call, CallItem, CallState, Purpose
from accounts.limit_templates.models import TemplateVersion
from riskadmin.staff.models import Staff
from riskadmin.staff.roles import Role
from tests.approvals.policies import TWO_SUPERVISORS, want_for
from tests.approvals.requests import old_request
from tests.changes.world import LOCKED, ORIGIN, approve, ask, make_account, open_item, reject
from tests.limit_templates.templates import proposed
from tests.staff.people import make_person


@dataclass(frozen=True, kw_only=True)
class World:
    """People, and changes that they asked for.

    Of support: `waiting` for one supervisor, `rejected`, `withdrawn`, `expired`, `scheduled` and approved, `paused` by a
    supervisor, `unknown`, and `staged`, which waits for a supervisor, then for an administrator. Of the supervisor: `own`, which
    waits, and `alone`, which they ran because of an incident. Of the second supervisor: `double`, which waits for two
    supervisors and has the approval of the first.
    """

    people: dict[str, Staff]
    waiting: Change
    rejected: Change
    withdrawn: Change
    expired: Change
    scheduled: Change
    paused: Change
    unknown: Item
    double: Change
    staged: Change
    own: Change
    alone: Change
    template: TemplateVersion
    policy: PolicyVersion

    def person(self, name: str) -> Staff:
        """Return a person as they are now."""
        return Staff.objects.get(username=name)

    def client(self, name: str, **options: Any) -> Client:
        """Return the browser of a signed-in person."""
        client = Client(**options)
        client.force_login(self.person(name))
        return client


def post(client: Client, name: str, change: Change, **fields: Any) -> int:
    """Send a form to a page of a change; return the status."""
    return int(client.post(reverse(f"changes:{name}", args=[change.pk]), fields).status_code)


def decide_by_page(client: Client, change: Change, verdict: str = "approve", **fields: Any) -> int:
    """Send a decision as the page of a change would."""
    sent = {"verdict": verdict, "digest": change.digest, "comment": "" if verdict == "approve" else "No", **fields}
    return int(client.post(reverse("approvals:decide", args=[change.approval_id]), sent).status_code)


def sql(statement: str, *values: Any) -> int:
    """Run a statement behind the application's back; return how many rows it touched."""
    with connection.cursor() as cursor:
        cursor.execute(statement, values or None)
        return int(cursor.rowcount)


def make_world() -> World:
    """Write it, as the application does."""
    people = {role.value: make_person(role) for role in Role}
    people["supervisor2"] = make_person(Role.SUPERVISOR, "supervisor2")
    people["support2"] = make_person(Role.SUPPORT, "support2")
    people["administrator2"] = make_person(Role.ADMINISTRATOR, "administrator2")
    want_for("liquidate", stages=TWO_SUPERVISORS)
    want_for("liquidate_only", stages=(Stage(approvals=1, role="supervisor"), Stage(approvals=1, role="administrator")))
    support, supervisor = people["support"], people["supervisor"]
    for number in range(101, 121):
        make_account(number, LOCKED)
    for number in range(121, 130):
        make_account(number)
    rejected, withdrawn = ask(support, "unlock", 102), ask(support, "unlock", 103)
    reject(supervisor, rejected)
    withdraw(actor=support, origin=ORIGIN, request_id=withdrawn.approval_id)
    past = timezone.now() - timedelta(minutes=1)
    late = old_request(support, "unlock", "demo", needed=1, digest="0" * 64, expires_at=past)
    expired = open_item(support, make_account(130, LOCKED), "unlock", ItemState.WAITING, approval=late).change
    scheduled = ask(support, "unlock", 104, timing=Timing(runs_at=timezone.now() + timedelta(days=1)))
    paused = ask(support, "lock", 121)
    control.pause(actor=supervisor, origin=ORIGIN, change_id=paused.pk)
    unknown = open_item(support, make_account(131), "lock", ItemState.UNKNOWN)
    call = Call.objects.create(
        purpose=Purpose.WRITE, environment="demo", lane="urgent", worker="one", state=CallState.UNKNOWN,
        started_at=past, ended_at=past,
    )  # fmt: skip
    CallItem.objects.create(call=call, item=unknown)
    double = ask(people["supervisor2"], "liquidate", 122)
    approve(supervisor, double)
    alone = ask(supervisor, "unlock", 106)
    act_alone(actor=supervisor, origin=ORIGIN, request_id=alone.approval_id, incident="INC-1", comment="")
    return World(
        people=people,
        waiting=ask(support, "unlock", 101),
        rejected=rejected,
        withdrawn=withdrawn,
        expired=expired,
        scheduled=approve(supervisor, scheduled),
        paused=paused,
        unknown=unknown,
        double=double,
        staged=ask(support, "liquidate_only", 123),
        own=ask(supervisor, "unlock", 105),
        alone=alone,
        template=proposed(support),
        policy=propose(actor=people["administrator"], origin=ORIGIN, rules=[RuleDraft()], note=""),
    )
