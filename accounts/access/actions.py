"""What administrators do about access: limiting it, and marking accounts of staff. Each is one transaction with its event.

What lets somebody do more is requested here, and done once another administrator has confirmed it (`confirming`).
"""

from typing import Final

from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils import timezone

from accounts.access.models import AccessLimit, RelatedAccount, Relation
from accounts.access.queries import Access, access_words, as_stored, limit_of
from accounts.models import Account, RiskCategory, Trader
from riskadmin.audit.actions import AuditEntry, record
from riskadmin.audit.origin import Origin, Subject, Who
from riskadmin.audit.tags import Tag
from riskadmin.staff.models import Staff
from riskadmin.staff.people.models import Act, RightsRequest
from riskadmin.staff.people.rights import Content, NotAllowed, as_now, end_requests, request_rights, take_turn
from riskadmin.web.visible import isolated

MANAGES: Final = "access:manage"


class MarkedAlready(Exception):
    """There is such a mark in force. Nothing was written."""


def limit_access(*, actor: Staff, origin: Origin, person: Staff, access: Access | None, comment: str) -> RightsRequest | None:
    """Limit a person's access, or with None let them have access to every account.

    What would include more than before waits for another administrator: the request is returned, and nothing changes yet. All
    else happens at once, and ends such a request, which was made for another access. The same access again writes nothing.
    Raises NotAllowed: also to somebody who would change their own.
    """
    with transaction.atomic():
        take_turn()
        by = _demand(actor, person, "Somebody else has to change your access.")
        before = limit_of(person)
        if before == access:
            return None
        if is_wider(before, access):
            content = Content(
                needs={"before": as_stored(before), "after": as_stored(access)},
                words=f"Access to {access_words(access)}, instead of {access_words(before)}",
            )
            return request_rights(by, origin=origin, person=person, act=Act.WIDEN_ACCESS, content=content, reason=comment)
        waiting = Q(person=person, act=Act.WIDEN_ACCESS)
        end_requests(waiting, actor=by.who(), origin=origin, why="Their access was limited otherwise")
        write_access(person, access, actor=by.who(), origin=origin, comment=comment)
    return None


def is_wider(before: Access | None, after: Access | None) -> bool:
    """Say whether one access includes anything that another does not; one query if it has other categories."""
    if before is None or after is None:
        return before is not None
    if not after.environments <= before.environments:
        return True
    added = RiskCategory.objects.filter(pk__in=after.categories - before.categories)
    return added.exclude(environment__in=before.environments).exists()


def write_access(
    person: Staff,
    access: Access | None,
    *,
    actor: Who,
    origin: Origin,
    comment: str,
    confirmed: RightsRequest | None = None,
) -> None:
    """Write what a person has access to, and the event. Needs an open transaction that has its turn."""
    before = limit_of(person)
    if access is None:
        AccessLimit.objects.filter(person=person).delete()
    else:
        lists = {"environments": sorted(access.environments), "categories": sorted(access.categories)}
        AccessLimit.objects.update_or_create(person=person, defaults=lists)
    detail = {
        "staff_id": person.pk,
        "whom": person.display_name,
        "access_before": access_words(before),
        "access": access_words(access),
        "is_wider": is_wider(before, access),
        "comment": comment,
        **_confirmed(confirmed),
    }
    record(AuditEntry(tag=Tag.STAFF_ACCESS_SET, actor=actor, origin=origin, detail=detail))


def mark(
    *, actor: Staff, origin: Origin, person: Staff, target: Account | Trader, relation: Relation, comment: str
) -> RelatedAccount:
    """Mark an account, or every account of a trader, as belonging to a person or to a relative of theirs.

    From then on that person can neither request nor approve changes of it. Raises NotAllowed, MarkedAlready.
    """
    named = {"account": target} if isinstance(target, Account) else {"trader": target}
    try:
        with transaction.atomic():
            by = _demand(actor, person, "Somebody else has to mark your own accounts.")
            made = RelatedAccount.objects.create(
                person=person,
                relation=relation,
                note=comment,
                marked_by=by,
                marked_by_name=by.who().name,
                **named,
            )
            _record_mark(Tag.RELATED_MARKED, by.who(), origin, made, comment=comment)
    except IntegrityError as error:
        if RelatedAccount.objects.filter(person=person, ended_at=None, **named).exists():
            raise MarkedAlready from error
        raise
    return made


def request_end(*, actor: Staff, origin: Origin, mark_id: int, comment: str) -> RightsRequest:
    """Request that a mark ends, which lets its person do more: it waits for another administrator.

    Raises NotAllowed, also if the mark has ended already, and DoesNotExist.
    """
    with transaction.atomic():
        take_turn()
        found = RelatedAccount.objects.select_related("person", "account", "trader").get(pk=mark_id)
        by = _demand(actor, found.person, "Somebody else has to end the mark of your own accounts.")
        content = Content(needs={"mark": found.pk}, words=_end_words(found), about=str(found.pk))
        request = request_rights(by, origin=origin, person=found.person, act=Act.END_MARK, content=content, reason=comment)
        _record_mark(Tag.RELATED_END_REQUESTED, by.who(), origin, found, comment=comment, rights_request=request.pk)
    return request


def end_mark(found: RelatedAccount, *, actor: Who, origin: Origin, confirmed: RightsRequest) -> None:
    """End a locked mark, as one administrator requested and another one confirmed, and write the event. It stays on record.

    Needs an open transaction that has its turn.
    """
    found.ended_at, found.ended_by = timezone.now(), confirmed.requested_by
    found.ended_by_name = confirmed.requested_by_name
    found.save(update_fields=["ended_at", "ended_by", "ended_by_name"])
    _record_mark(Tag.RELATED_ENDED, actor, origin, found, comment=confirmed.reason, **_confirmed(confirmed))


def _demand(actor: Staff, person: Staff, own: str) -> Staff:
    """Return an administrator as they are now, locked. Raises NotAllowed."""
    by = as_now(actor)
    if not by.may(MANAGES):
        raise NotAllowed("Only administrators manage access.")
    if by.pk == person.pk:
        raise NotAllowed(own)
    return by


def _end_words(marked: RelatedAccount) -> str:
    target = _target(marked)
    what = "account" if isinstance(target, Account) else "every account of trader"
    return f"End the mark that {what} {isolated(target.name)} on {target.environment} belongs to {marked.whose}"


def _confirmed(request: RightsRequest | None) -> dict[str, object]:
    return {"requester": request.requested_by_name, "rights_request": request.pk} if request else {}


def _record_mark(tag: Tag, actor: Who, origin: Origin, marked: RelatedAccount, **detail: object) -> None:
    target = _target(marked)
    number = target.tradovate_id if isinstance(target, Account) else None
    record(
        AuditEntry(
            tag=tag,
            actor=actor,
            origin=origin,
            subject=Subject(environment=target.environment, account_id=number, account_name=target.name),
            detail={"staff_id": marked.person_id, "whose": marked.whose, **detail},
        )
    )


def _target(marked: RelatedAccount) -> Account | Trader:
    target = marked.account or marked.trader
    if target is None:
        raise TypeError("A mark names an account or a trader.")
    return target
