"""Who is told what about a change. Messages follow from events of the trail, so no writer of one can forget them."""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Final
from uuid import uuid4

from django.db import transaction
from django.urls import reverse
from django.utils import timezone

from accounts.approvals.actions import given
from accounts.approvals.queries import escalated_to
from accounts.approvals.states import RequestState
from accounts.changes.access import barred, hidden_from
from accounts.changes.approval import exclusions
from accounts.changes.kinds import for_stored
from accounts.changes.models import Change
from accounts.changes.queries import approvers_of
from accounts.changes.states import ITEM_FAILED, ChangeState, ItemState, Relation
from riskadmin.audit.actions import AuditEntry, Listener, listen
from riskadmin.audit.tags import Tag
from riskadmin.notifications.outbox import messages_about, no_longer_needed, notify, webhooks_of
from riskadmin.notifications.topics import Topic
from riskadmin.staff.models import Staff
from riskadmin.staff.queries import people
from riskadmin.staff.roles import Role
from riskadmin.web.formats import listed

REMIND_AFTER: Final = 0.75
"""The part of the time for a decision after which people are told that it runs out."""

NAMED_MAX: Final = 10
"""How many excluded accounts a message names."""

_RESPONSIBLE: Final = frozenset({Role.SUPERVISOR, Role.COMPLIANCE, Role.ADMINISTRATOR})
"""The roles that are told at once when somebody acts alone."""

_STEPS: Final = (
    Tag.CHANGE_SUBMITTED,
    Tag.CHANGE_APPROVED,
    Tag.CHANGE_REJECTED,
    Tag.CHANGE_EDITS_REQUESTED,
    Tag.CHANGE_RUN_ALONE,
    Tag.CHANGE_EXPIRED,
    Tag.CHANGE_CANCELLED,
    Tag.CHANGE_STARTED,
    Tag.CHANGE_SUSPENDED,
    Tag.CHANGE_PAUSED,
    Tag.CHANGE_RESUMED,
    Tag.CHANGE_STOPPED,
    Tag.CHANGE_ALTERED,
    Tag.CHANGE_FINISHED,
)
"""The events of a change that webhooks can get, all of them under one topic."""

_NOT_APPLIED: Final = (ItemState.UNKNOWN, *ITEM_FAILED)


def register_notices() -> None:
    """Have messages follow the events of changes. Called once, when the package starts."""
    for tag, send in (
        (Tag.CHANGE_SUBMITTED, _submitted),
        (Tag.CHANGE_APPROVED, _approved),
        (Tag.CHANGE_REJECTED, _rejected),
        (Tag.CHANGE_EDITS_REQUESTED, _edits_requested),
        (Tag.CHANGE_COMMENTED, _commented),
        (Tag.CHANGE_RUN_ALONE, _run_alone),
        (Tag.CHANGE_EXPIRED, _expired),
        (Tag.CHANGE_CANCELLED, _settled),
        (Tag.CHANGE_ALTERED, _altered),
        (Tag.CHANGE_FINISHED, _finished),
    ):
        listen(tag, _once_for_each_change(send))
    for tag in _STEPS:
        listen(tag, _once_for_each_change(_stepped))


def remind_expiring(now: datetime | None = None) -> None:
    """Tell requesters and approvers of pending changes, and those whom policy names, that the time for a decision runs out.

    Each is told once.
    """
    now = now or timezone.now()
    pending = Change.objects.filter(state=ChangeState.PENDING, approval__expires_at__gt=now)
    for change in pending.select_related("approval", "requested_by", "of_change"):
        ends = change.approval.expires_at or now
        remind_at = change.submitted_at + (ends - change.submitted_at) * REMIND_AFTER
        if now < remind_at or _follows_another(change):
            continue
        subject = f"Change {change.pk} expires soon without a decision"
        with transaction.atomic():
            _notify(
                Topic.EXPIRING,
                [change.requested_by, *_approvers(change)],
                change,
                subject,
                key="soon",
            )
            text = "You are told as the policy says, because it is not decided yet."
            _notify(Topic.EXPIRING, escalated_to(change.approval), change, subject, text, key="soon")


def remind_reviews(now: datetime | None = None) -> None:
    """Tell reviewers, and the person who requested it, that the review of what ran without approval is overdue. Each once."""
    now = now or timezone.now()
    overdue = Change.objects.filter(
        approval__review_due_at__lte=now, approval__reviewed_at=None, approval__state=RequestState.APPROVED
    )
    for change in overdue.select_related("approval", "requested_by", "of_change"):
        if messages_about(Topic.REVIEW_DUE, _key(change)).exists():
            continue
        with transaction.atomic():
            subject = f"The review of change {change.pk} is overdue"
            text = f"{change.requested_by_name} ran it without approval. Somebody else has to review it."
            recipients = [change.requested_by, *_reviewers(change)]
            _notify(Topic.REVIEW_DUE, recipients, change, subject, text, key="overdue")


def _once_for_each_change(send: Callable[[Change, AuditEntry], None]) -> Listener:
    """Return a listener that reports each change once: some events are written for each of its items."""

    def listener(entries: Sequence[AuditEntry]) -> None:
        by_change = {entry.change_id: entry for entry in entries if entry.change_id is not None}
        for change in Change.objects.filter(pk__in=by_change).select_related("approval", "requested_by", "of_change"):
            send(change, by_change[change.pk])

    return listener


def _stepped(change: Change, entry: AuditEntry) -> None:
    """Let programs know of a step. The text names the event; how the change stands then, the API says."""
    if webhooks_of(Topic.CHANGE_STEP).exists():
        _notify(Topic.CHANGE_STEP, [], change, f"{entry.tag.label}: change {change.pk}", entry.tag.value, key=uuid4().hex)


def _submitted(change: Change, _: AuditEntry) -> None:
    if change.state != ChangeState.PENDING or _follows_another(change):
        return
    subject = f"Change {change.pk} waits for approval"
    text = f"{change.requested_by_name} requests it.{_quoted(change.reason_text)}"
    _notify(Topic.APPROVAL_NEEDED, _approvers_on_duty(change), change, subject, text)


def _approved(change: Change, entry: AuditEntry) -> None:
    if _follows_another(change):
        return
    count, needed = given(change.approval), change.approval.needed
    excluded = entry.detail.get("excluded", ())
    without = f" without {_some(excluded)}" if excluded else ""
    if count >= needed:
        _settled(change)
        subject = f"Change {change.pk} was approved{', in part' if exclusions([change.approval]) else ''}"
    else:
        subject = f"Change {change.pk} has {count} of {needed} approvals"
        if excluded:  # those who approved it before are asked again
            again = f"Change {change.pk} has to be approved again"
            why = f"{entry.actor.name} excluded {_some(excluded)}: earlier approvals no longer count."
            _notify(Topic.APPROVAL_NEEDED, _approvers_on_duty(change), change, again, why)
        else:  # those who were asked before are not asked twice
            next_one, so_far = f"Change {change.pk} waits for another approval", f"{entry.actor.name} approved it."
            _notify(Topic.APPROVAL_NEEDED, _approvers_on_duty(change), change, next_one, so_far)
    text = f"{entry.actor.name} approved it{without}.{_quoted(entry.detail['comment'])}"
    _notify(Topic.DECIDED, [change.requested_by], change, subject, text, key=f"approved:{entry.actor.id}")


def _rejected(change: Change, entry: AuditEntry) -> None:
    _settled(change)
    text = f"{entry.actor.name} rejected it.{_quoted(entry.detail['comment'])}"
    _notify(Topic.DECIDED, [change.requested_by], change, f"Change {change.pk} was rejected", text, key="rejected")


def _edits_requested(change: Change, entry: AuditEntry) -> None:
    _settled(change)
    text = f"{entry.actor.name} asks for edits.{_quoted(entry.detail['comment'])}"
    subject = f"Change {change.pk} came back to be edited"
    _notify(Topic.DECIDED, [change.requested_by], change, subject, text, key="edits")


def _commented(change: Change, entry: AuditEntry) -> None:
    mentioned = people().filter(username__in=entry.detail.get("mentions", ()))
    if not mentioned:
        return
    names = listed([each.display_name for each in mentioned])
    text = f"{entry.actor.name}:{_quoted(entry.detail['comment'])}"
    _notify(
        Topic.COMMENT_MENTION, mentioned, change, f"A comment about change {change.pk} mentions {names}", text, key=uuid4().hex
    )


def _run_alone(change: Change, entry: AuditEntry) -> None:
    _settled(change)
    responsible = [each for each in people().filter(is_active=True) if set(each.role_names) & _RESPONSIBLE]
    others = [each for each in responsible if each.pk != change.requested_by_id]
    subject = f"{entry.actor.name} ran change {change.pk} without approval"
    text = f"Incident {entry.detail['incident']}.{_quoted(entry.detail['comment'])} Another supervisor has to review it."
    _notify(Topic.BREAK_GLASS, others, change, subject, text, key="alone")


def _expired(change: Change, _: AuditEntry) -> None:
    notified = messages_about(Topic.APPROVAL_NEEDED, _key(change)) | messages_about(Topic.EXPIRING, _key(change))
    asked = people().filter(pk__in=notified.values("person"))
    _settled(change)
    text = "It was not decided in time. Nothing was sent. It has to be requested again."
    _notify(Topic.EXPIRING, [change.requested_by, *asked], change, f"Change {change.pk} expired", text, key="expired")


def _altered(change: Change, entry: AuditEntry) -> None:
    text = f"{entry.detail['why']} Nothing more is sent. Cancel the rest, and inform an administrator."
    subject = f"Change {change.pk} was suspended: what is stored is not what was approved"
    _notify(Topic.SUSPENDED, [change.requested_by, *_deciders()], change, subject, text, key="altered")


def _finished(change: Change, entry: AuditEntry) -> None:
    """Notify the requester of failures. Items skipped at the request, or excluded by an approver, are not failures."""
    counts = {ItemState(state): count for state, count in entry.detail["counts"].items()}
    never_sent = change.item_count - change.sent_count
    if never_sent:
        counts[ItemState.SKIPPED] = max(0, counts.get(ItemState.SKIPPED, 0) - never_sent)
    if not any(counts.get(state) for state in _NOT_APPLIED):
        return
    text = ", ".join(f"{counts[state]:,} {state.label.lower()}" for state in ItemState if counts.get(state))
    apart = f" {never_sent:,} more skipped when it was requested, or excluded by an approver." if never_sent else ""
    subject = f"Change {change.pk} finished, and not every item was applied"
    _notify(Topic.CHANGE_FINISHED, [change.requested_by], change, subject, f"{text.capitalize()}.{apart}")


def _notify(topic: Topic, recipients: Iterable[Staff], change: Change, subject: str, text: str = "", *, key: str = "") -> None:
    what = f"{for_stored(change).words(change.sent_count)} ({change.environment})"
    hidden = hidden_from(change)
    to = {person.pk: person for person in recipients if person.pk not in hidden}
    notify(
        topic,
        to.values(),
        subject=f"{subject}: {what}",
        text=text,
        link=reverse("changes:detail", args=[change.pk]),
        key=f"{_key(change)}:{change.digest[:16]}:{key}",  # another content is told of again
        never_to=({change.requested_by_id, *_deciders_so_far(change)} - set(to)) | hidden,
    )


def _settled(change: Change, _: AuditEntry | None = None) -> None:
    """Let it no longer stand as unread with anyone that a change waits for a decision."""
    for topic in (Topic.APPROVAL_NEEDED, Topic.EXPIRING):
        no_longer_needed(topic, _key(change))


def _key(change: Change) -> str:
    return f"change:{change.pk}"


def _approvers(change: Change) -> list[Staff]:
    """Return who may approve it now."""
    return [each.person for each in approvers_of(change)]


def _approvers_on_duty(change: Change) -> list[Staff]:
    """Return those who may approve it now and are on duty; all who may, if fewer of them are than approvals are missing."""
    found, missing = approvers_of(change), change.approval.needed - given(change.approval)
    on_duty = [each.person for each in found if each.is_on_duty]
    return on_duty if len(on_duty) >= missing else [each.person for each in found]


def _deciders_so_far(change: Change) -> set[int]:
    """Return who has decided about what it is now."""
    request = change.approval
    return {each.staff_id for each in request.approvals.all() if each.version == request.version}


def _deciders() -> list[Staff]:
    """Return everyone who may approve changes."""
    return [person for person in people().filter(is_active=True) if person.may("changes:decide")]


def _reviewers(change: Change) -> list[Staff]:
    """Return who may review it."""
    cannot = {person_id for _, person_id in barred([change.pk])}
    return [person for person in _deciders() if person.pk != change.requested_by_id and person.pk not in cannot]


def _follows_another(change: Change) -> bool:
    """Whether it ends a lock that waits itself: the two are decided together, and one message is enough."""
    return change.relation == Relation.ENDS and change.of_change is not None and change.of_change.state == ChangeState.PENDING


def _some(names: Sequence[str]) -> str:
    """Name a few of many, so that the rest of a message is not cut off."""
    more = len(names) - NAMED_MAX
    return listed([*names[:NAMED_MAX], f"{more:,} more"] if more > 0 else names)


def _quoted(text: str) -> str:
    return f" “{text}”" if text else ""
