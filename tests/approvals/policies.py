"""Policies for tests, proposed and approved as the application does it."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

from accounts.approvals.actions import decide
from accounts.approvals.models import PolicyVersion
from accounts.approvals.policy import Facts, Need, Stage
from accounts.approvals.policy_versions import RuleDraft, drafts_in_force, propose
from accounts.approvals.states import Direction, Hours, Verdict
from accounts.changes.facts import need_of
from riskadmin.audit.origin import Origin
from riskadmin.staff.models import Staff
from riskadmin.staff.roles import Role
from tests.staff.people import make_person

ORIGIN = Origin(job="tests")
SUPERVISOR = (Stage(approvals=1, role="supervisor"),)
TWO_SUPERVISORS = (Stage(approvals=2, role="supervisor"),)


def put_policy_in_force(rules: Sequence[RuleDraft]) -> PolicyVersion:
    """Have a policy with exactly these rules in force."""
    proposer, approver = (_administrator(name) for name in ("policy1", "policy2"))
    version = propose(actor=proposer, origin=ORIGIN, rules=rules, note="A test")
    decide(
        actor=approver,
        origin=ORIGIN,
        request_id=version.approval_id or 0,
        verdict=Verdict.APPROVE,
        digest=version.digest,
        comment="",
    )
    version.refresh_from_db()
    return version


def edit_policy(edited: Callable[[RuleDraft], RuleDraft | None]) -> PolicyVersion:
    """Have the policy in force with each rule edited, or left out."""
    return put_policy_in_force([rule for each in drafts_in_force() if (rule := edited(each))])


def want_for(kind: str, **columns: Any) -> PolicyVersion:
    """Have one rule alone for a kind, in place of those that match it."""
    others = [rule for rule in drafts_in_force() if rule.kinds and kind not in rule.kinds]
    return put_policy_in_force([*others, RuleDraft(kinds=(kind,), **columns)])


def add_rule(**columns: Any) -> PolicyVersion:
    """Have one rule more."""
    return put_policy_in_force([*drafts_in_force(), RuleDraft(**columns)])


def one_approval_at_most() -> PolicyVersion:
    """Have one approval suffice wherever any is needed."""
    return edit_policy(lambda rule: replace(rule, stages=(replace(rule.stages[0], approvals=1),)) if rule.stages else rule)


def _administrator(username: str) -> Staff:
    found = Staff.objects.filter(username=username).first()
    return found or make_person(Role.ADMINISTRATOR, username)


def wanted(kind: str, environment: str = "demo", items: int = 1, **facts: Any) -> Need:
    """Return what the policy in force wants of a change that loosens something, for a person of support."""
    asked: dict[str, Any] = {
        "subject": "change",
        "kind": kind,
        "environment": environment,
        "requester_role": "support",
        "direction": Direction.LOOSENING,
        "hours": Hours.INSIDE,
        "items": items,
        "items_24h": items,
        "money_usd": Decimal(0),
        "liquidations": 0,
        "open_positions": 0,
    }
    return need_of(Facts(**{**asked, **facts}))
