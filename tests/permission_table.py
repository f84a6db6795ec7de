"""Who may open which address: the world that is opened, and a row for each address with what each role is answered."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import uuid4

from django.utils import timezone

from accounts.changes.reasons.models import FirmReason
from accounts.execution.forms import SeenField
from accounts.execution.resolving import Seen
from accounts.execution.unknown_item import question
from riskadmin.notifications.models import Message
from riskadmin.staff.roles import Role
from tests.changes.world import planned
from tests.permission_world import World

WHO = ("signed out", *(role.value for role in Role))


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


def _administrator(world: World) -> tuple[int]:
    return (world.people[Role.ADMINISTRATOR.value].pk,)


def _limited_to(environment: str) -> dict[str, str]:
    return {"scope": "limited", "environments": environment, "comment": "Works on it"}


def _marks(world: World) -> dict[str, Any]:
    where = {"environment": "demo", "unit": "account", "name": "109"}
    return {"person": _supervisor(world)[0], "relation": "own", "comment": "Declared", **where}


def _deputy(world: World) -> tuple[int]:
    return (world.people["deputy"].pk,)


def _invites(_: World) -> dict[str, str]:
    return {"username": "newcomer", "role": "support", "reason": "Joins the desk", "sign_in": "password"}


def _role_and_reason(_: World) -> dict[str, str]:
    return {"role": "support", "reason": "Helps out"}


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
    Row("GET", "preferences:page", EVERYBODY_SIGNED_IN),
    Row("POST", "preferences:page", (302, 303, 303, 303, 303), sent=lambda _: {"time_zone": "UTC"}),
    Row("GET", "sessions:list", EVERYBODY_SIGNED_IN),
    Row("GET", "sessions:prove", EVERYBODY_SIGNED_IN),
    Row("POST", "sessions:prove", (302, 422, 422, 422, 422), sent=lambda _: {"password": "wrong"}),
    Row("POST", "sessions:prove_by_passkey", (302, 422, 422, 422, 422), sent=lambda _: {"credential": "{}"}),
    Row("POST", "sessions:passkey_options", EVERYBODY_SIGNED_IN),
    Row("POST", "sessions:prove_by_sso", (302, 404, 404, 404, 404)),  # it is off in these tests
    Row("POST", "sessions:end_others", (302, 303, 303, 303, 303), asks_proof=True),
    Row("POST", "sessions:end", (302, 404, 404, 404, 404), lambda _: ("unknown",), asks_proof=True),
    # It says who is signed in, if anybody; no one has to sign in to learn that they did not.
    Row("GET", "sessions:state", (200, 200, 200, 200, 200)),
    Row("POST", "sessions:state", (200, 200, 200, 200, 200)),
    Row("GET", "sign_in:second_factor", (303, 303, 303, 303, 303)),
    Row("POST", "sign_in:second_factor", (303, 303, 303, 303, 303), sent=lambda _: {"code": "000000"}),
    Row("POST", "sign_in:passkey", (422, 422, 422, 422, 422), sent=lambda _: {"credential": "{}"}),
    Row("POST", "sign_in:passkey_options", (200, 200, 200, 200, 200)),
    Row("GET", "sign_in:emergency", (200, 200, 200, 200, 200)),
    Row("POST", "sign_in:emergency", (422, 422, 422, 422, 422), sent=lambda _: {"username": "support", "code": "wrong"}),
    Row("GET", "sign_in:sso", (404, 404, 404, 404, 404)),  # it is off in these tests
    Row("POST", "sign_in:sso", (404, 404, 404, 404, 404)),
    Row("GET", "sign_in:sso_callback", (404, 404, 404, 404, 404)),
    Row("GET", "sign_in:security", EVERYBODY_SIGNED_IN),
    Row("GET", "sign_in:password", EVERYBODY_SIGNED_IN),
    Row("POST", "sign_in:password", (302, 422, 422, 422, 422), sent=lambda _: {"current": "wrong", "new": "short"}),
    Row("GET", "sign_in:app", EVERYBODY_SIGNED_IN),
    Row("POST", "sign_in:app", (302, 422, 422, 422, 422), sent=lambda _: {"code": "000000"}, asks_proof=True),
    Row("POST", "sign_in:remove_app", (302, 404, 404, 404, 404), asks_proof=True),
    Row(
        "POST",
        "sign_in:add_passkey",
        (302, 422, 422, 422, 422),
        sent=lambda _: {"credential": "{}", "name": "Laptop"},
        asks_proof=True,
    ),
    Row("POST", "sign_in:new_passkey_options", (302, 200, 200, 200, 200)),
    Row(
        "POST",
        "sign_in:rename_passkey",
        (302, 404, 404, 404, 404),
        lambda _: (0,),
        lambda _: {"name": "Laptop"},
        asks_proof=True,
    ),
    Row("POST", "sign_in:remove_passkey", (302, 404, 404, 404, 404), lambda _: (0,), asks_proof=True),
    Row("POST", "sign_in:recovery_codes", (302, 422, 422, 422, 422), asks_proof=True),
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
    # Compliance sees people, and who may do what; administrators change that.
    Row("GET", "people:list", (302, 403, 403, 200, 200)),
    Row("GET", "people:permissions", (302, 403, 403, 200, 200)),
    Row("GET", "people:requests", (302, 403, 403, 200, 200)),
    Row("GET", "people:waiting_count", (302, 403, 403, 200, 200)),
    Row("GET", "people:detail", (302, 403, 403, 200, 200), _supervisor),
    Row("GET", "people:invite", (302, 403, 403, 403, 200)),
    Row("POST", "people:invite", (302, 403, 403, 403, 200), sent=_invites, asks_proof=True),
    Row("POST", "people:details", (302, 403, 403, 403, 303), _supervisor, lambda _: {"first_name": "Sue"}, asks_proof=True),
    Row("POST", "people:add_role", (302, 403, 403, 403, 303), _supervisor, _role_and_reason, asks_proof=True),
    Row(
        "POST", "people:remove_role", (302, 403, 403, 403, 303), _supervisor, lambda _: {"role": "supervisor"}, asks_proof=True
    ),
    Row("GET", "people:switch_off", (302, 403, 403, 403, 200), _supervisor),
    Row(
        "POST",
        "people:switch_off",
        (302, 403, 403, 403, 303),
        _supervisor,
        lambda _: {"comment": "Left the firm"},
        asks_proof=True,
    ),
    # Who is active is not switched on, and keeps what they have open; one has no link to withdraw, and no session to end.
    Row("POST", "people:switch_on", (302, 403, 403, 403, 409), _supervisor, lambda _: {"reason": "Back"}, asks_proof=True),
    Row("POST", "people:hand_over", (302, 403, 403, 403, 409), _supervisor, asks_proof=True),
    Row(
        "POST", "people:reset", (302, 403, 403, 403, 303), _supervisor, lambda _: {"reason": "Lost the phone"}, asks_proof=True
    ),
    Row("POST", "people:withdraw_link", (302, 403, 403, 403, 303), _supervisor, asks_proof=True),
    Row("POST", "people:lift_throttle", (302, 403, 403, 403, 303), _supervisor, asks_proof=True),
    Row("POST", "people:end_sessions", (302, 403, 403, 403, 303), _supervisor, asks_proof=True),
    # The administrator requested one of these, so another one confirms it; the other one is another administrator's.
    Row("POST", "people:decide", (302, 403, 403, 403, 409), lambda world: (world.own_rights.pk, "confirm"), asks_proof=True),
    Row("POST", "people:decide", (302, 403, 403, 403, 409), lambda world: (world.own_rights.pk, "decline"), asks_proof=True),
    Row("POST", "people:decide", (302, 403, 403, 403, 303), lambda world: (world.own_rights.pk, "withdraw"), asks_proof=True),
    Row("POST", "people:decide", (302, 403, 403, 403, 303), lambda world: (world.rights.pk, "confirm"), asks_proof=True),
    Row("POST", "people:decide", (302, 403, 403, 403, 303), lambda world: (world.rights.pk, "decline"), asks_proof=True),
    Row("POST", "people:decide", (302, 403, 403, 403, 409), lambda world: (world.rights.pk, "withdraw"), asks_proof=True),
    Row("GET", "people:welcome", (200, 200, 200, 200, 200)),
    Row("POST", "people:welcome", (422, 422, 422, 422, 422), sent=lambda _: {"code": "wrong", "password": "x", "again": "x"}),
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
    Row("GET", "access:limits", (302, 403, 403, 403, 200), _supervisor),
    Row("POST", "access:limits", (302, 403, 403, 403, 303), _supervisor, lambda _: _limited_to("demo"), asks_proof=True),
    # No one changes their own access.
    Row("POST", "access:limits", (302, 403, 403, 403, 409), _administrator, lambda _: _limited_to("demo"), asks_proof=True),
    Row("GET", "access:related", (302, 403, 200, 200, 200)),
    Row("POST", "access:mark", (302, 403, 403, 403, 303), sent=_marks, asks_proof=True),
    Row(
        "POST",
        "access:end_mark",
        (302, 403, 403, 403, 303),
        lambda world: (world.mark.pk,),
        lambda _: {"comment": "Sold"},
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
    # Only of lists of one's own.
    Row("GET", "changes:refused_rows", (302, 404, 404, 404, 404), lambda _: (uuid4(),), asks_proof=True),
    Row("GET", "reasons:list", (302, 403, 403, 403, 200)),
    Row("GET", "reasons:add", (302, 403, 403, 403, 200), lambda _: ("unlock",)),
    Row("POST", "reasons:add", (302, 403, 403, 403, 303), lambda _: ("unlock",), lambda _: {"name": "B", "code": "CloseFraud"}),
    Row("GET", "reasons:edit", (302, 403, 403, 403, 200), _reason),
    Row("POST", "reasons:edit", (302, 403, 403, 403, 303), _reason, lambda _: {"name": "B", "code": "CloseFraud"}),
    Row("POST", "reasons:move", (302, 403, 403, 403, 303), lambda world: (*_reason(world), "down")),
    Row("POST", "reasons:retire", (302, 403, 403, 403, 303), _reason),
    Row("POST", "reasons:restore", (302, 403, 403, 403, 303), _reason),
    # It changes nothing: by POST because it is recorded.
    Row("POST", "reasons:download", (302, 200, 200, 200, 200), lambda world: (world.attachment.pk,), asks_proof=True),
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
    Row("GET", "execution:call_file", EVERYBODY_SIGNED_IN, lambda world: (world.call.pk,), asks_proof=True),
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
    Row("GET", "audit:print", (302, 403, 403, 200, 403), asks_proof=True),
    Row("GET", "audit:exports", (302, 403, 403, 200, 403)),
    Row("POST", "audit:exports", (302, 403, 403, 303, 403), sent=lambda _: {"data_format": "csv"}, asks_proof=True),
    Row("GET", "audit:download", (302, 403, 403, 404, 403), _pk, asks_proof=True),
    Row("GET", "audit:event", (302, 403, 403, 200, 403), lambda world: (world.event.pk,)),
    Row("GET", "audit:account_history", EVERYBODY_SIGNED_IN, _account),
    Row("GET", "audit:change_history", EVERYBODY_SIGNED_IN, _pk),
    Row("GET", "story:account", EVERYBODY_SIGNED_IN, _account),
    Row("GET", "story:settings", EVERYBODY_SIGNED_IN, _account),
    Row("GET", "story:trader", EVERYBODY_SIGNED_IN, lambda _: ("demo", 77)),
    Row("GET", "story:person", (302, 403, 403, 200, 200), lambda world: (world.people["support"].pk,)),
    Row("GET", "story:change", EVERYBODY_SIGNED_IN, _pk),
    Row("GET", "story:item", EVERYBODY_SIGNED_IN, _unknown_item),
)
