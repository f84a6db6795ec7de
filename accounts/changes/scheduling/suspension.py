"""Scheduled changes that no one answers for any more: they are suspended when they are due, and held until someone acts.

A suspended change never begins. Someone who may request its kind takes it over, which is a new request with its own preview
and approvals, or cancels it.
"""

from typing import Final

from django.db.models import QuerySet
from django.utils import timezone

from accounts.approvals.actions import counting, still_counts
from accounts.changes.access import refuses_requester, visible_changes
from accounts.changes.kinds import KINDS, for_stored
from accounts.changes.kinds.stored import StoredKind
from accounts.changes.models import Change
from accounts.changes.states import ChangeState
from riskadmin.audit.actions import AuditEntry, record
from riskadmin.audit.origin import SYSTEM, Origin
from riskadmin.audit.tags import Tag
from riskadmin.staff.models import Staff

MAY_NO_LONGER_REQUEST: Final = "{name}, who requested it, may no longer request this"
MAY_NO_LONGER_APPROVE: Final = "{names}, who approved it, may no longer approve changes"


def unattended(change: Change, kind: StoredKind) -> str:
    """Return why no one answers for an approved change any more, or "". People are read again.

    Its requester still has to be active and allowed to request its kind, with access to all its targets, none of which is
    marked as theirs; and of those who approved it, as many as it needs have to be active and allowed to approve. PostgreSQL
    enforces the same of roles and activity (`sql/`).
    """
    requester = Staff.objects.get(pk=change.requested_by_id)
    if not requester.may(kind.capability):
        return MAY_NO_LONGER_REQUEST.format(name=change.requested_by_name)
    if why := refuses_requester(change):
        return f"{change.requested_by_name}, who requested it, may no longer request this. {why.rstrip('.')}"
    request = change.approval
    if request.incident:
        return ""  # its requester acted alone
    approvals = counting(request)
    gone = [each.staff_name for each in approvals if not still_counts(each, request)]
    if len(approvals) - len(gone) < request.needed:
        return MAY_NO_LONGER_APPROVE.format(names=" and ".join(gone))
    return ""


def suspend(change: Change, why: str, *, origin: Origin) -> None:
    """Hold a locked scheduled change until someone takes it over or cancels it. Needs an open transaction."""
    change.suspended_at, change.suspended_why = timezone.now(), why
    change.save(update_fields=["suspended_at", "suspended_why"])
    detail = {"kind": change.kind, "why": why}
    record(AuditEntry(tag=Tag.CHANGE_SUSPENDED, actor=SYSTEM, origin=origin, change_id=change.pk, detail=detail))


def suspended() -> QuerySet[Change]:
    """Return the suspended changes that no one has acted on yet, oldest first."""
    return Change.objects.filter(state=ChangeState.SCHEDULED, suspended_at__isnull=False).order_by("suspended_at", "pk")


def suspended_for(person: Staff) -> QuerySet[Change]:
    """Return the suspended changes that this person may take over or cancel."""
    if person.may("changes:decide"):
        return visible_changes(suspended(), person)
    return visible_changes(suspended(), person).filter(
        kind__in=[kind.name for kind in KINDS.values() if person.may(kind.capability)]
    )


def may_settle(person: Staff, change: Change) -> bool:
    """Say whether this person may take over or cancel a suspended change: anyone who may request its kind."""
    return bool(change.suspended_at) and change.state == ChangeState.SCHEDULED and person.may(for_stored(change).capability)
