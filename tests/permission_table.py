"""Who may open which address: the world that is opened, and a row for each address with what each role is answered."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import time, timedelta
from typing import Any
from uuid import uuid4

from django.utils import timezone

from accounts.approvals.models import PolicyVersion
from accounts.approvals.policy_versions import propose
from accounts.changes.models import Change, Item
from accounts.changes.reasons.background import Given
from accounts.changes.reasons.models import Attachment, FirmReason
from accounts.changes.states import ChangeState, ItemState
from accounts.execution.forms import SeenField
from accounts.execution.models import Call, CallItem, CallState, Purpose
from accounts.execution.resolving import Seen
from accounts.execution.unknown_item import question
from accounts.limit_templates.models import Assignment, TemplateVersion
from accounts.models import RiskStatus
from riskadmin.audit.models import Event
from riskadmin.audit.origin import Origin
from riskadmin.notifications.actions import add_webhook
from riskadmin.notifications.models import Message, Shape, Webhook
from riskadmin.notifications.topics import Topic
from riskadmin.staff.duty.models import Delegation, DutyHours
from riskadmin.staff.models import Staff
from riskadmin.staff.roles import Role
from riskadmin.staff.tokens.actions import make_token
from riskadmin.staff.tokens.models import AccessToken, Scope
from tests.changes.reasons.files import uploaded_file
from tests.changes.world import LOCKED, ask, make_account, open_item, planned
from tests.limit_templates.templates import assign_size, propose_again, put_in_force
from tests.staff.people import make_person

WHO = ("signed out", *(role.value for role in Role))


@dataclass(frozen=True, kw_only=True)
class World:
    """What there is to be opened: people, a locked account, a plain one, and changes that support asked for.

    There is one person of each role, and a second supervisor, the deputy.

    `change` is an unlock that waits, with a file; of the others, one runs, one is paused, one has ended cancelled, one has locked its
    account, and one has an item whose outcome no one knows after its `call`. `policy` waits for approval.
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
    token: AccessToken


@dataclass(frozen=True)
class Row:
    """One address and method, with the answer to each of WHO, in that order."""

    method: str
    name: str
    answers: tuple[int, int, int, int, int]
    arguments: Callable[[World], tuple[Any, ...]] = field(default=lambda _: (), repr=False)
    sent: Callable[[World], dict[str, Any]] = field(default=lambda _: {}, repr=False)
    query: Callable[[World], dict[str, Any]] = field(default=lambda _: {}, repr=False)
    asks_proof: bool = False  # whether people who may do it are asked who they are, if their last proof is old

    def __str__(self) -> str:
        return f"{self.method} {self.name}"


def _pk(world: World) -> tuple[int]:
    return (world.change.pk,)


def _request(world: World) -> tuple[int]:
    return (world.change.approval_id,)


def _together(world: World) -> dict[str, str]:
    return {"asked": f"{world.change.approval_id}:{world.change.digest}"}


def _of(name: str) -> Callable[[World], tuple[int]]:
    return lambda world: (getattr(world, name).change_id,)


def _unknown_item(world: World) -> tuple[int]:
    return (world.unknown.pk,)


def _resolves(world: World) -> dict[str, Any]:
    return {"resolution": "applied", "comment": "Looked at it", "seen_call": world.call.pk}


def _decides_many(world: World) -> dict[str, Any]:
    asked = question(world.unknown)
    seen = Seen(evidence_key=asked.evidence.key, calls={world.unknown.pk: asked.calls.last})
    return {"resolution": "applied", "comment": "Looked at it", "seen": SeenField.signed(seen)}


def _account(_: World) -> tuple[str, int]:
    return ("demo", 101)


def _template(world: World) -> tuple[int]:
    return (world.version.template_id,)


def _version(world: World) -> tuple[int]:
    return (world.version.pk,)


def _supervisor(world: World) -> tuple[int]:
    return (world.people[Role.SUPERVISOR.value].pk,)


def _deputy(world: World) -> tuple[int]:
    return (world.people["deputy"].pk,)


def _hours_of(name: str) -> Callable[[World], dict[str, Any]]:
    return lambda world: {"person": world.people[name].pk, "weekdays": "2", "begins": "09:00", "ends": "17:00"}


def _delegation(world: World) -> dict[str, Any]:
    until = timezone.now() + timedelta(days=2)
    return {"person": _supervisor(world)[0], "stand_in": _deputy(world)[0], "ends_at": f"{until:%Y-%m-%dT12:00}Z"}


def _reason(_: World) -> tuple[int]:
    return (FirmReason.objects.get(kind="unlock", position=1).pk,)


def _policy(world: World) -> tuple[int]:
    return (world.policy.number,)


def _message(world: World) -> Message:
    """Return what the supervisor is told about the change that waits."""
    return Message.objects.get(person=world.people["supervisor"], link=f"/changes/{world.change.pk}/", channel="page")


def _asks(kind_name: str, account_id: int) -> Callable[[World], dict[str, Any]]:
    return lambda _: {
        "account": f"demo:{account_id}",
        "reason_code": "CloseFraud",
        "form_key": str(uuid4()),
        "digest": planned(kind_name, account_id).digest,
        "confirm_count": "1",
    }


def _decides(verdict: str) -> Callable[[World], dict[str, Any]]:
    return lambda world: {"verdict": verdict, "digest": world.change.digest, "comment": "As agreed"}


EVERYBODY_SIGNED_IN = (302, 200, 200, 200, 200)

TABLE = (
    # signed out, support, supervisor, compliance, administrator
    Row("GET", "home", EVERYBODY_SIGNED_IN),
    Row("GET", "status", EVERYBODY_SIGNED_IN),
    Row("GET", "system", (302, 403, 200, 403, 200)),
    Row("GET", "usage:page", (302, 403, 200, 403, 200)),
    Row("GET", "usage:gauge", EVERYBODY_SIGNED_IN),
    Row("GET", "outside:list", EVERYBODY_SIGNED_IN),
    Row("GET", "healthz", (200, 200, 200, 200, 200)),
    Row("GET", "metrics", (404, 404, 404, 404, 404)),  # closed unless a setting opens it
    Row("GET", "readyz", (503, 503, 503, 503, 503)),  # no worker is at work here; no one has to sign in to learn that
    Row("POST", "web:theme", (303, 303, 303, 303, 303), sent=lambda _: {"theme": "dark"}),
    Row("POST", "web:columns", (302, 303, 303, 303, 303), sent=lambda _: {"list": "accounts", "column": "trader"}),
    Row("GET", "staff:sign_in", (200, 303, 303, 303, 303)),
    Row("POST", "staff:sign_in", (422, 422, 422, 422, 422), sent=lambda _: {"username": "nobody", "password": "wrong"}),
    Row("POST", "staff:sign_out", (303, 303, 303, 303, 303)),
    Row("GET", "sessions:list", EVERYBODY_SIGNED_IN),
    Row("GET", "sessions:prove", EVERYBODY_SIGNED_IN),
    Row("POST", "sessions:prove", (302, 422, 422, 422, 422), sent=lambda _: {"password": "wrong"}),
    Row("POST", "sessions:end_others", (302, 303, 303, 303, 303), asks_proof=True),
    Row("POST", "sessions:end", (302, 404, 404, 404, 404), lambda _: ("unknown",), asks_proof=True),
    # It says who is signed in, if anybody; no one has to sign in to learn that they did not.
    Row("GET", "sessions:state", (200, 200, 200, 200, 200)),
    Row("POST", "sessions:state", (200, 200, 200, 200, 200)),
    Row("GET", "staff:people", (302, 403, 403, 403, 200)),
    Row("GET", "tokens:page", EVERYBODY_SIGNED_IN),
    Row(
        "POST",
        "tokens:page",
        (302, 200, 200, 200, 200),
        sent=lambda _: {"name": "report", "scope": "read", "days": "7"},
        asks_proof=True,
    ),
    # The deputy's: only an administrator revokes the token of somebody else.
    Row("POST", "tokens:revoke", (302, 403, 403, 403, 303), lambda world: (world.token.pk,)),
    Row("GET", "connections:page", (302, 403, 403, 403, 200)),
    Row("POST", "connections:test", (302, 403, 403, 403, 303), lambda _: ("demo",), asks_proof=True),
    Row("GET", "connections:replace", (302, 403, 403, 403, 200), lambda _: ("demo",)),
    Row("POST", "connections:replace", (302, 403, 403, 403, 422), lambda _: ("demo",), asks_proof=True),
    Row("GET", "duty:page", EVERYBODY_SIGNED_IN),
    # Supervisors keep their own duty; administrators that of all, but are not on the roster themselves.
    Row("POST", "duty:switch", (302, 403, 303, 403, 303), _supervisor, lambda _: {"on": "1"}),
    Row("POST", "duty:switch", (302, 403, 403, 403, 303), _deputy, lambda _: {"on": "1"}),
    Row("POST", "duty:add_hours", (302, 403, 303, 403, 303), sent=_hours_of(Role.SUPERVISOR.value)),
    Row("POST", "duty:add_hours", (302, 403, 422, 403, 303), sent=_hours_of("deputy")),
    Row("POST", "duty:remove_hours", (302, 403, 303, 403, 303), lambda world: (world.hours.pk,)),
    Row("POST", "duty:delegate", (302, 403, 303, 403, 303), sent=_delegation),
    Row("POST", "duty:end_delegation", (302, 403, 303, 403, 303), lambda world: (world.delegation.pk,)),
    Row("GET", "accounts:list", EVERYBODY_SIGNED_IN),
    Row("GET", "accounts:csv", EVERYBODY_SIGNED_IN, asks_proof=True),
    Row("GET", "accounts:detail", EVERYBODY_SIGNED_IN, _account),
    # Reading an account again changes nothing at Tradovate, and is open to anyone who may see it.
    Row("POST", "accounts:refresh", (302, 303, 303, 303, 303), _account),
    Row(
        "POST",
        "accounts:note",
        (302, 303, 303, 403, 403),
        _account,
        lambda _: {"text": "Called", "form_key": str(uuid4())},
    ),
    Row("GET", "accounts:categories", EVERYBODY_SIGNED_IN),
    Row(
        "POST",
        "accounts:mark_category",
        (302, 403, 403, 403, 404),
        lambda _: (4711,),
        lambda _: {"halting": "yes"},
        asks_proof=True,
    ),
    Row("GET", "changes:list", EVERYBODY_SIGNED_IN),
    Row("GET", "changes:csv", EVERYBODY_SIGNED_IN, asks_proof=True),
    *(Row("GET", f"approvals:{name}", EVERYBODY_SIGNED_IN) for name in ("inbox", "reviews", "own", "decided", "waiting_count")),
    Row("POST", "approvals:together", (302, 403, 200, 403, 403), sent=_together, asks_proof=True),
    # Nothing of this one ran first, and no one runs what somebody else asked for.
    *(
        Row(
            method,
            f"approvals:{name}",
            (302, 403, answer, 403, 403),
            _request,
            lambda _: {"incident": "INC-7", "comment": "x"},
            asks_proof=method == "POST",
        )
        for name in ("review", "act_alone")
        for method, answer in (("GET", 200), ("POST", 409))
    ),
    Row("GET", "changes:calendar", EVERYBODY_SIGNED_IN),
    Row("GET", "approvals:policy", (302, 403, 200, 200, 200)),
    Row("GET", "approvals:policy_version", (302, 403, 200, 200, 200), _policy),
    Row("GET", "approvals:try_policy", (302, 403, 200, 200, 200)),
    Row("GET", "approvals:edit_policy", (302, 403, 403, 403, 200)),
    Row("POST", "approvals:edit_policy", (302, 403, 403, 403, 422)),
    # Another administrator proposed it; one who did not can't withdraw it.
    Row(
        "POST",
        "approvals:decide_policy",
        (302, 403, 303, 403, 303),
        _policy,
        lambda world: {"verdict": "approve", "digest": world.policy.digest},
        asks_proof=True,
    ),
    Row("POST", "approvals:withdraw_policy", (302, 403, 403, 403, 409), _policy, asks_proof=True),
    Row("GET", "changes:stops", EVERYBODY_SIGNED_IN),
    Row("GET", "changes:stops_strip", EVERYBODY_SIGNED_IN),
    Row("GET", "changes:account_stops", EVERYBODY_SIGNED_IN, _account),
    Row("GET", "changes:detail", EVERYBODY_SIGNED_IN, _pk),
    Row("GET", "changes:progress", EVERYBODY_SIGNED_IN, _pk),
    Row("GET", "changes:account_panel", EVERYBODY_SIGNED_IN, _account),
    Row("GET", "changes:account_actions", EVERYBODY_SIGNED_IN, _account),
    *(
        Row(method, "changes:new", (302, accepted, accepted, 403, 403), lambda _, kind=kind: (kind,), _asks(kind, account_id))  # type: ignore[misc]
        for method, accepted in (("GET", 200), ("POST", 303))
        for kind, account_id in (("lock", 102), ("liquidate_only", 102), ("unlock", 103))
    ),
    Row("POST", "changes:new", (302, 403, 303, 403, 403), lambda _: ("liquidate",), _asks("liquidate", 102), asks_proof=True),
    Row("GET", "changes:choose", (302, 200, 200, 403, 403)),
    Row("POST", "changes:freeze", (302, 303, 303, 403, 403), sent=lambda _: {"environment": "demo"}),
    Row("POST", "changes:freeze", (302, 303, 303, 403, 403), sent=lambda _: {"environment": "demo", "kind": "unlock"}),
    Row("GET", "changes:name_targets", (302, 200, 200, 403, 403), lambda _: ("lock",)),
    Row(
        "POST",
        "changes:name_targets",
        (302, 303, 303, 403, 403),
        lambda _: ("lock",),
        lambda _: {"how": "names", "environment": "demo", "text": "102 nobody"},
    ),
    Row("GET", "changes:csv_template", (302, 200, 200, 403, 403), lambda _: ("lock",)),
    *(
        Row("POST", "approvals:decide", (302, 403, 303, 403, 403), _request, _decides(verdict), asks_proof=True)
        for verdict in ("approve", "reject", "request_edits")
    ),
    Row("POST", "approvals:comment", (302, 303, 303, 303, 303), _request, lambda _: {"text": "Why?"}),
    Row("GET", "approvals:conversation", EVERYBODY_SIGNED_IN, _request),
    # Support asked for it; a colleague who may ask, but did not, is told so.
    Row("POST", "changes:withdraw", (302, 303, 409, 403, 403), _pk),
    # Only its requester edits a change, and only once it came back.
    Row("GET", "changes:edit", (302, 409, 409, 403, 403), _pk),
    Row("POST", "changes:edit", (302, 409, 409, 403, 403), _pk, lambda _: {"environment": "demo", "text": "103"}),
    # Support asked for these; anyone who decides about changes may steer them too.
    Row("POST", "changes:pause", (302, 303, 303, 403, 403), _of("running")),
    Row("POST", "changes:pause", (302, 409, 409, 403, 403), _of("paused")),
    Row("POST", "changes:resume", (302, 303, 303, 403, 403), _of("paused")),
    Row("POST", "changes:resume", (302, 409, 409, 403, 403), _of("running")),
    Row("POST", "changes:cancel", (302, 303, 303, 403, 403), _of("paused")),
    Row("POST", "changes:cancel", (302, 409, 409, 403, 403), _of("ended")),
    Row("POST", "changes:prioritise", (302, 403, 303, 403, 403), _of("running"), lambda _: {"priority": "10"}),
    Row("POST", "changes:prioritise", (302, 403, 409, 403, 403), _of("ended"), lambda _: {"priority": "10"}),
    Row("POST", "changes:retry", (302, 303, 303, 403, 403), _of("ended")),
    Row("POST", "changes:retry", (302, 409, 409, 403, 403), _of("running")),
    # No one takes over one that is not suspended; anyone who may not ask for its kind is told that first.
    Row("POST", "changes:take_over", (302, 409, 409, 403, 403), _of("running")),
    # Everybody may see what would undo a change; a part is asked for by anyone who may ask for the kind that undoes it.
    Row("GET", "changes:undo", EVERYBODY_SIGNED_IN, _of("done")),
    Row("POST", "changes:undo", (302, 303, 303, 403, 403), _of("done"), lambda _: {"part": "1"}),
    Row("POST", "changes:undo", (302, 409, 409, 403, 403), _of("running"), lambda _: {"part": "1"}),
    Row("GET", "changes:results", EVERYBODY_SIGNED_IN, _pk, asks_proof=True),
    Row("GET", "changes:refused_rows", (302, 404, 404, 404, 404), lambda _: (uuid4(),)),  # only of lists of one's own
    Row("GET", "reasons:list", (302, 403, 403, 403, 200)),
    Row("GET", "reasons:add", (302, 403, 403, 403, 200), lambda _: ("unlock",)),
    Row("POST", "reasons:add", (302, 403, 403, 403, 303), lambda _: ("unlock",), lambda _: {"name": "B", "code": "CloseFraud"}),
    Row("GET", "reasons:edit", (302, 403, 403, 403, 200), _reason),
    Row("POST", "reasons:edit", (302, 403, 403, 403, 303), _reason, lambda _: {"name": "B", "code": "CloseFraud"}),
    Row("POST", "reasons:move", (302, 403, 403, 403, 303), lambda world: (*_reason(world), "down")),
    Row("POST", "reasons:retire", (302, 403, 403, 403, 303), _reason),
    Row("POST", "reasons:restore", (302, 403, 403, 403, 303), _reason),
    # It changes nothing: by POST because it is recorded.
    Row("POST", "reasons:download", (302, 200, 200, 200, 200), lambda world: (world.attachment.pk,)),
    Row("GET", "limit_templates:list", EVERYBODY_SIGNED_IN),
    Row("GET", "limit_templates:new", (302, 200, 200, 403, 403)),
    Row(
        "POST",
        "limit_templates:new",
        (302, 303, 303, 403, 403),
        sent=lambda _: {"name": "B", "level": "firm", "daily_loss_alert_usd": "500"},
    ),
    Row("GET", "limit_templates:choose", (302, 200, 200, 403, 403), sent=lambda _: {"account": "demo:102"}),
    Row("GET", "limit_templates:drift", EVERYBODY_SIGNED_IN),
    Row("GET", "limit_templates:detail", EVERYBODY_SIGNED_IN, _template),
    Row("GET", "limit_templates:propose", (302, 200, 200, 403, 403), _template),
    # A version waits already; no one proposes a second one beside it.
    Row("POST", "limit_templates:propose", (302, 422, 422, 403, 403), _template, lambda _: {"daily_loss_alert_usd": "600"}),
    Row("GET", "limit_templates:apply", (302, 200, 200, 403, 403), _template),
    Row(
        "POST",
        "limit_templates:apply",
        (302, 303, 303, 403, 403),
        _template,
        lambda _: {"how": "names", "environment": "demo", "text": "102"},
    ),
    Row("POST", "limit_templates:correct", (302, 400, 400, 403, 403), _template, lambda _: {"environment": "demo"}),
    Row("POST", "limit_templates:assign", (302, 403, 303, 403, 403), _template, lambda _: {"to": "size demo 50000.00"}),
    Row("POST", "limit_templates:unassign", (302, 403, 303, 403, 403), lambda world: (world.assignment.pk,)),
    Row(
        "POST",
        "approvals:decide",
        (302, 403, 303, 403, 403),
        lambda world: (world.version.approval_id,),
        lambda world: {"verdict": "approve", "digest": world.version.digest},
        asks_proof=True,
    ),
    # Support proposed it; a colleague who may propose, but did not, is told so.
    Row("POST", "limit_templates:withdraw", (302, 303, 409, 403, 403), _version),
    Row("GET", "limit_templates:account_panel", EVERYBODY_SIGNED_IN, _account),
    Row("GET", "execution:calls", EVERYBODY_SIGNED_IN, _pk),
    Row("GET", "execution:call_file", EVERYBODY_SIGNED_IN, lambda world: (world.call.pk,)),
    Row("GET", "execution:item", EVERYBODY_SIGNED_IN, _unknown_item),
    Row("GET", "execution:unresolved", EVERYBODY_SIGNED_IN),
    Row("GET", "execution:unresolved_count", EVERYBODY_SIGNED_IN),
    Row(
        "POST", "execution:selection", (302, 403, 303, 403, 403), sent=lambda world: {"item": world.unknown.pk, "do": "applied"}
    ),
    Row("POST", "execution:selection", (302, 403, 303, 403, 403), sent=lambda _: {"all": 1, "do": "read_again"}),
    Row("GET", "execution:resolve_many", (302, 403, 200, 403, 403), query=lambda _: {"resolution": "applied", "all": 1}),
    Row("POST", "execution:resolve_many", (302, 403, 303, 403, 403), sent=_decides_many, asks_proof=True),
    Row("POST", "execution:resolve", (302, 403, 303, 403, 403), _unknown_item, _resolves, asks_proof=True),
    Row("POST", "execution:resolve", (302, 403, 409, 403, 403), lambda world: (world.running.pk,), _resolves, asks_proof=True),
    Row("POST", "execution:read_again", (302, 403, 303, 403, 403), _unknown_item),
    Row("GET", "notifications:list", EVERYBODY_SIGNED_IN),
    # A person's own messages; those of others do not exist for them.
    Row("POST", "notifications:read", (302, 404, 303, 404, 404), lambda world: (_message(world).pk,)),
    Row("POST", "notifications:read_all", (302, 303, 303, 303, 303)),
    Row("GET", "notifications:settings", EVERYBODY_SIGNED_IN),
    Row("POST", "notifications:settings", (302, 303, 303, 303, 303), sent=lambda _: {"decided": "page"}),
    Row("GET", "notifications:outbox", (302, 403, 403, 403, 200)),
    Row("POST", "notifications:retry", (302, 403, 403, 403, 409), lambda world: (_message(world).pk,)),
    Row("GET", "notifications:webhooks", (302, 403, 403, 403, 200)),
    Row(
        "POST",
        "notifications:webhooks",
        (302, 403, 403, 403, 200),
        sent=lambda _: {"name": "desk", "url": "https://hooks.example.com/x", "shape": "json", "topics": "decided"},
        asks_proof=True,
    ),
    Row("POST", "notifications:test_webhook", (302, 403, 403, 403, 303), lambda world: (world.webhook.pk,)),
    Row("POST", "notifications:remove_webhook", (302, 403, 403, 403, 303), lambda world: (world.webhook.pk,), asks_proof=True),
    Row("GET", "notifications:caught_mail", (302, 403, 403, 403, 404)),  # only in the demo
    Row("GET", "audit:list", (302, 403, 403, 200, 403)),
    Row("GET", "audit:event", (302, 403, 403, 200, 403), lambda world: (world.event.pk,)),
    Row("GET", "audit:account_history", EVERYBODY_SIGNED_IN, _account),
    Row("GET", "audit:change_history", EVERYBODY_SIGNED_IN, _pk),
)


def make_world() -> World:
    """Write what there is to be opened."""
    people = {role.value: make_person(role) for role in Role}
    supervisor = people[Role.SUPERVISOR.value]
    people["deputy"] = make_person(Role.SUPERVISOR, "deputy")
    make_account(101, LOCKED)
    make_account(102)
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
    CallItem.objects.create(call=call, item=unknown)
    webhook, _ = add_webhook(
        actor=people[Role.ADMINISTRATOR.value],
        origin=Origin(job="tests"),
        name="risk-desk",
        url="https://hooks.example.com/risk",
        shape=Shape.JSON,
        topics=[Topic.APPROVAL_NEEDED],
    )
    version, assignment = templated(support, people[Role.SUPERVISOR.value])
    token, _ = make_token(
        actor=people["deputy"], origin=Origin(job="tests"), name="report", scope=Scope.READ, lasts=timedelta(days=1)
    )
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
        policy=propose(actor=make_person(Role.ADMINISTRATOR, "proposer"), origin=Origin(job="tests"), rules=[], note=""),
    )


def templated(support: Staff, supervisor: Staff) -> tuple[TemplateVersion, Assignment]:
    """A template with one version in force and one of support's that waits, assigned to a size that no account has."""
    in_force = put_in_force(support, supervisor, "A", daily_loss_alert_usd="400")
    make_account(109, evaluation_size_usd=50_000)
    return propose_again(support, in_force, daily_loss_alert_usd="500"), assign_size(supervisor, in_force, 25_000)
