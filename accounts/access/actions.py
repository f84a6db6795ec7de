"""What administrators do about access: limiting it, and marking accounts of staff. Each is one transaction with its event."""

from collections.abc import Callable
from typing import Final

from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts.access.models import AccessLimit, RelatedAccount, Relation
from accounts.access.queries import Access, access_words, limit_of
from accounts.models import Account, Trader
from riskadmin.audit.actions import AuditEntry, record
from riskadmin.audit.origin import Origin, Subject
from riskadmin.audit.tags import Tag
from riskadmin.staff.models import Staff

MANAGES: Final = "access:manage"

ConfirmsWidening = Callable[..., str]
"""Takes `actor`, `person`, `origin` and `access`; returns what is waited for, in words, or "" to let it happen at once."""

_confirms: list[ConfirmsWidening] = []


class NotAllowed(Exception):
    """The person may not do this; the message says why. Nothing was written."""


class MarkedAlready(Exception):
    """There is such a mark in force. Nothing was written."""


def confirm_widening(ask: ConfirmsWidening) -> None:
    """Have every raise of somebody's access asked for first. The package that lets a second person confirm calls this once."""
    _confirms.append(ask)


def limit_access(*, actor: Staff, origin: Origin, person: Staff, access: Access | None, comment: str) -> str:
    """Limit a person's access, or with None let them have access to every account.

    Returns "", or what a raise of their access waits for, in words; then nothing is written yet. The same access again writes
    nothing. Raises NotAllowed: also to somebody who would change their own.
    """
    _demand(actor, person, "Somebody else has to change your access.")
    with transaction.atomic():
        Staff.objects.select_for_update(of=("self",)).get(pk=person.pk)  # one at a time
        before = limit_of(person)
        if before == access:
            return ""
        if is_wider(before, access):
            for ask in _confirms:
                if waits := ask(actor=actor, origin=origin, person=person, access=access):
                    return waits
        _write(person, access)
        detail = {
            "staff_id": person.pk,
            "whom": person.display_name,
            "access_before": access_words(before),
            "access": access_words(access),
            "is_wider": is_wider(before, access),
            "comment": comment,
        }
        record(AuditEntry(tag=Tag.STAFF_ACCESS_SET, actor=actor.who(), origin=origin, detail=detail))
    return ""


def is_wider(before: Access | None, after: Access | None) -> bool:
    """Say whether one access includes anything that another does not."""
    if before is None or after is None:
        return before is not None
    return not (after.environments <= before.environments and after.categories <= before.categories)


def _write(person: Staff, access: Access | None) -> None:
    if access is None:
        AccessLimit.objects.filter(person=person).delete()
    else:
        lists = {"environments": sorted(access.environments), "categories": sorted(access.categories)}
        AccessLimit.objects.update_or_create(person=person, defaults=lists)


def mark(
    *, actor: Staff, origin: Origin, person: Staff, target: Account | Trader, relation: Relation, comment: str
) -> RelatedAccount:
    """Mark an account, or every account of a trader, as belonging to a person or to a relative of theirs.

    From then on that person can neither request nor approve changes of it. Raises NotAllowed, MarkedAlready.
    """
    _demand(actor, person, "Somebody else has to mark your own accounts.")
    named = {"account": target} if isinstance(target, Account) else {"trader": target}
    try:
        with transaction.atomic():
            made = RelatedAccount.objects.create(
                person=person,
                relation=relation,
                note=comment,
                marked_by=actor,
                marked_by_name=actor.who().name,
                **named,
            )
            _record_mark(Tag.RELATED_MARKED, actor, origin, made, comment)
    except IntegrityError as error:
        if RelatedAccount.objects.filter(person=person, ended_at=None, **named).exists():
            raise MarkedAlready from error
        raise
    return made


def end_mark(*, actor: Staff, origin: Origin, mark_id: int, comment: str) -> RelatedAccount:
    """End a mark, which stays on record. One that is ended already stays as it was. Raises NotAllowed, DoesNotExist."""
    with transaction.atomic():
        found = RelatedAccount.objects.select_for_update(of=("self",)).get(pk=mark_id)
        _demand(actor, found.person, "Somebody else has to end the mark of your own accounts.")
        if found.ended_at is None:
            found.ended_at, found.ended_by, found.ended_by_name = timezone.now(), actor, actor.who().name
            found.save(update_fields=["ended_at", "ended_by", "ended_by_name"])
            _record_mark(Tag.RELATED_ENDED, actor, origin, found, comment)
    return found


def _demand(actor: Staff, person: Staff, own: str) -> None:
    if not actor.may(MANAGES):
        raise NotAllowed("Only administrators manage access.")
    if actor.pk == person.pk:
        raise NotAllowed(own)


def _record_mark(tag: Tag, actor: Staff, origin: Origin, marked: RelatedAccount, comment: str) -> None:
    target = marked.account or marked.trader
    if target is None:
        raise TypeError("A mark names an account or a trader.")
    number = target.tradovate_id if isinstance(target, Account) else None
    record(
        AuditEntry(
            tag=tag,
            actor=actor.who(),
            origin=origin,
            subject=Subject(environment=target.environment, account_id=number, account_name=target.name),
            detail={"staff_id": marked.person_id, "whose": marked.whose, "comment": comment},
        )
    )
