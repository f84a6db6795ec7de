"""The world that the permission matrix opens: people, and one of everything that has an address."""

from dataclasses import dataclass
from datetime import time, timedelta

from django.utils import timezone

from accounts.access.actions import mark
from accounts.access.models import RelatedAccount, Relation
from accounts.approvals.models import PolicyVersion
from accounts.approvals.policy_versions import propose
from accounts.changes.models import Change, Item
from accounts.changes.reasons.background import Given
from accounts.changes.reasons.models import Attachment
from accounts.changes.states import ChangeState, ItemState
from accounts.execution.models import Call, CallItem, CallState, Purpose
from accounts.limit_templates.models import Assignment, TemplateVersion
from accounts.models import Account, RiskStatus
from riskadmin.audit.models import Event
from riskadmin.audit.origin import Origin
from riskadmin.notifications.actions import add_webhook
from riskadmin.notifications.models import Shape, Webhook
from riskadmin.notifications.topics import Topic
from riskadmin.staff.duty.models import Delegation, DutyHours
from riskadmin.staff.models import Staff
from riskadmin.staff.people.models import Act, RightsRequest
from riskadmin.staff.people.rights import request_rights
from riskadmin.staff.roles import Role
from riskadmin.staff.tokens.actions import make_token
from riskadmin.staff.tokens.models import AccessToken, Scope
from tests.changes.reasons.files import uploaded_file
from tests.changes.world import LOCKED, ask, make_account, make_trader, open_item
from tests.limit_templates.templates import assign_size, propose_again, put_in_force
from tests.staff.people import make_person


@dataclass(frozen=True, kw_only=True)
class World:
    """What there is to be opened: people, a locked account, a plain one, and changes that support asked for.

    There is one person of each role, and a second supervisor, the deputy.

    `change` is an unlock that waits, with a file; of the others, one runs, one is paused, one has ended cancelled, one has locked its
    account, and one has an item whose outcome no one knows after its `call`. `policy` waits for approval.
    Another administrator requested `rights`, and the administrator `own_rights`.
    """

    people: dict[str, Staff]
    change: Change
    attachment: Attachment
    hours: DutyHours
    delegation: Delegation
    event: Event
    running: Item
    paused: Item
    ended: Item
    done: Item
    unknown: Item
    call: Call
    version: TemplateVersion
    assignment: Assignment
    webhook: Webhook
    policy: PolicyVersion
    mark: RelatedAccount
    token: AccessToken
    rights: RightsRequest
    own_rights: RightsRequest


def make_world() -> World:
    """Write what there is to be opened."""
    people = {role.value: make_person(role) for role in Role}
    supervisor = people[Role.SUPERVISOR.value]
    people["deputy"] = make_person(Role.SUPERVISOR, "deputy")
    make_account(101, LOCKED)
    make_account(102, trader=make_trader(77))
    make_account(103, LOCKED)
    support = people[Role.SUPPORT.value]
    change = ask(support, "unlock", 101, given=Given(uploads=(uploaded_file(support),)))
    event = Event.objects.latest("pk")
    running, paused, ended, done, unknown = (
        open_item(support, make_account(number), "lock", state)
        for number, state in (
            (104, ItemState.QUEUED),
            (105, ItemState.QUEUED),
            (106, ItemState.CANCELLED),
            (108, ItemState.APPLIED),
            (107, ItemState.UNKNOWN),
        )
    )
    now = timezone.now()
    Change.objects.filter(pk=paused.change_id).update(state=ChangeState.PAUSED, paused_at=now, paused_by=support)
    Change.objects.filter(pk__in=[ended.change_id, done.change_id]).update(state=ChangeState.FINISHED, finished_at=now)
    RiskStatus.objects.filter(account=done.account).update(admin_action=LOCKED)
    call = Call.objects.create(
        purpose=Purpose.WRITE,
        environment="demo",
        lane="urgent",
        worker="one",
        state=CallState.UNKNOWN,
        started_at=now,
        ended_at=now,
    )
    CallItem.objects.create(pk=call.pk + 1_000, call=call, item=unknown)  # no key happens to be another one
    webhook, _ = add_webhook(
        actor=people[Role.ADMINISTRATOR.value],
        origin=Origin(job="tests"),
        name="risk-desk",
        url="https://hooks.example.com/risk",
        shape=Shape.JSON,
        topics=[Topic.APPROVAL_NEEDED],
    )
    version, assignment = templated(support, people[Role.SUPERVISOR.value])
    marked = mark(
        actor=people[Role.ADMINISTRATOR.value],
        origin=Origin(job="tests"),
        person=people["deputy"],
        target=Account.objects.get(tradovate_id=109),
        relation=Relation.RELATIVE,
        comment="Declared",
    )
    token, _ = make_token(
        actor=people["deputy"], origin=Origin(job="tests"), name="report", scope=Scope.READ, lasts=timedelta(days=1)
    )
    proposer = make_person(Role.ADMINISTRATOR, "proposer")
    return World(
        people=people,
        token=token,
        change=change,
        attachment=change.attachments.get(),
        hours=DutyHours.objects.create(person=supervisor, weekday=0, begins=time(9), ends=time(17)),
        delegation=Delegation.objects.create(
            person=supervisor, stand_in=people["deputy"], begins_at=now, ends_at=now + timedelta(days=1)
        ),
        event=event,
        running=running,
        paused=paused,
        ended=ended,
        done=done,
        unknown=unknown,
        call=call,
        version=version,
        assignment=assignment,
        webhook=webhook,
        mark=marked,
        policy=propose(actor=proposer, origin=Origin(job="tests"), rules=[], note=""),
        rights=_asks_compliance(proposer, support),
        own_rights=_asks_compliance(people[Role.ADMINISTRATOR.value], people["deputy"]),
    )


def _asks_compliance(administrator: Staff, person: Staff) -> RightsRequest:
    return request_rights(
        administrator,
        origin=Origin(job="tests"),
        person=person,
        act=Act.ADD_ROLE,
        role=Role.COMPLIANCE,
        reason="Helps out",
    )


def templated(support: Staff, supervisor: Staff) -> tuple[TemplateVersion, Assignment]:
    """A template with one version in force and one of support's that waits, assigned to a size that no account has."""
    in_force = put_in_force(support, supervisor, "A", daily_loss_alert_usd="400")
    make_account(109, evaluation_size_usd=50_000)
    return propose_again(support, in_force, daily_loss_alert_usd="500"), assign_size(supervisor, in_force, 25_000)
