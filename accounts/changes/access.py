"""Who may see a change and act on it, by the accounts that it is about (ADR 28). Also finding the change of a request.

A change with any item outside a person's access does not exist for that person. One with an item that belongs to them, or to a
relative, they may see, but not act on.
"""

from collections.abc import Collection, Mapping
from typing import Final, TypeVar

from django.db.models import BigIntegerField, Case, Exists, F, Func, Model, OuterRef, Q, QuerySet, TextField, Value, When
from django.db.models.functions import Cast
from django.http import Http404, HttpRequest

from accounts.access.queries import Access, Related, access_of, is_restricted, limited_people, related_people, related_to
from accounts.changes.kinds import for_stored
from accounts.changes.kinds.spec import Unit
from accounts.changes.models import Change, Item
from accounts.changes.states import ItemState
from accounts.models import Trader
from riskadmin.notifications.models import Message
from riskadmin.staff.models import Staff
from riskadmin.staff.queries import person
from riskadmin.web.access import demand

Row = TypeVar("Row", bound=Model)

NO_ACCESS: Final = "It has accounts outside your access."
_OF_TRADER: Final = f":{Unit.TRADER.value}:"


# --- Access -------------------------------------------------------------------------------------------------------------


def visible_changes(changes: QuerySet[Change], viewer: Staff | None) -> QuerySet[Change]:
    """Return those of some changes that a person may see; all of them for None, which is riskadmin itself."""
    access = access_of(viewer) if viewer else None
    return changes.filter(_within(access)) if access else changes


def of_visible_changes(rows: QuerySet[Row], viewer: Staff | None, *, change: str = "change_id") -> QuerySet[Row]:
    """Return those of some rows whose change a person may see; `change` is their column with its key."""
    access = access_of(viewer) if viewer else None
    return rows.filter(Exists(Change.objects.filter(_within(access), pk=OuterRef(change)))) if access else rows


def visible_requests(viewer: Staff) -> Q | None:
    """Return the condition on requests of changes that a person may see; None for all."""
    access = access_of(viewer)
    return Q(Exists(Change.objects.filter(_within(access), approval=OuterRef("pk")))) if access else None


def visible_events(viewer: Staff) -> Q | None:
    """Return the condition on events: those of no change, and of changes that a person may see; None for all."""
    access = access_of(viewer)
    if access is None:
        return None
    seen = Exists(Change.objects.filter(_within(access), pk=OuterRef("change_id")))
    return Q(change_id=None) | Q(seen)


def visible_messages(messages: QuerySet[Message], viewer: Staff) -> QuerySet[Message]:
    """Return those of some messages that are about no change, or about one that a person may see.

    The key of a message says what it is about: `<topic>:change:<number>:…` (`accounts.changes.notices`).
    """
    access = access_of(viewer)
    if access is None:
        return messages
    number = Cast(Func(F("key"), Value(":"), Value(3), function="split_part"), BigIntegerField())
    about = Func(F("key"), Value(":"), Value(2), function="split_part", output_field=TextField())
    numbered = messages.annotate(about=about).annotate(change=Case(When(about="change", then=number)))
    return numbered.filter(Q(change=None) | Exists(Change.objects.filter(_within(access), pk=OuterRef("change"))))


def _within(access: Access) -> Q:
    """Return the condition on changes without an item outside. Those of a whole environment are not looked into."""
    outside = _outside(Item.objects.filter(change=OuterRef("pk")), access)
    return Q(environment__in=sorted(access.environments)) | ~(Q(Exists(outside[0])) | Q(Exists(outside[1])))


def _outside(items: QuerySet[Item], access: Access) -> tuple[QuerySet[Item], QuerySet[Item]]:
    """Return those of some items whose account, and those whose trader, is not within an access."""
    accounts = items.filter(account__isnull=False).exclude(access.accounts("account__"))
    number = Func(F("target"), Value(":"), Value(3), function="split_part")
    trader = Trader.objects.filter(
        access.traders(), environment=OuterRef("change__environment"), tradovate_id=OuterRef("number")
    )
    traders = items.filter(account=None, target__contains=_OF_TRADER).annotate(number=Cast(number, BigIntegerField()))
    return accounts, traders.exclude(Exists(trader))


# --- Accounts of staff and their relatives ------------------------------------------------------------------------------


def conflicting_requests(viewer: Staff) -> Q | None:
    """Return the condition on requests of changes that have an item of a person or of a relative; None if nothing is theirs."""
    related = related_to(viewer)
    return Q(Exists(_theirs(related).filter(change__approval=OuterRef("pk")))) if related else None


def _theirs(related: Related) -> QuerySet[Item]:
    """Return the items that belong to somebody or to a relative, of all changes. What is skipped is not acted on."""
    traders = Trader.objects.filter(pk__in=related.traders).values_list("environment", "tradovate_id")
    targets = [f"{environment}{_OF_TRADER}{number}" for environment, number in traders] if related.traders else []
    either = Q(account__in=list(related.accounts)) | Q(account=None, target__in=targets)
    return Item.objects.filter(either).exclude(state=ItemState.SKIPPED)


def conflict_with(item: Item, viewer: Staff) -> str:
    """Return why a person may not act on an item that belongs to them or to a relative, or "". Reads nothing of the item."""
    related = related_to(viewer)
    words = related.accounts.get(item.account_id or 0, "") if related else ""
    if not words and related and _OF_TRADER in item.target:
        words = _words(related, item)
    return f"{words}. Somebody else has to do this." if words else ""


def _words(related: Related, item: Item) -> str:
    if item.account_id:
        return related.accounts.get(item.account_id, "")
    trader = Trader.objects.filter(environment=item.environment, tradovate_id=item.target_id, pk__in=related.traders).first()
    return related.traders[trader.pk] if trader else ""


# --- Both ---------------------------------------------------------------------------------------------------------------


def barred(changes: Collection[int], viewer: Staff | None = None) -> dict[tuple[int, int], str]:
    """Return who may not act on which of some changes, by change and person, each with the reason.

    Of one person, as they were loaded, or of everybody. Costs a query or two for each person whose access is limited, or who is
    marked; for all others none.
    """
    if viewer is not None:
        access, related = access_of(viewer), related_to(viewer)
        limits: Mapping[int, Access] = {viewer.pk: access} if access else {}
        marked: Mapping[int, Related] = {viewer.pk: related} if related else {}
    else:
        limits, marked = limited_people(), related_people()
    found: dict[tuple[int, int], str] = {}
    for person_id, theirs in marked.items():
        for item in _theirs(theirs).filter(change__in=changes).order_by("-position"):
            whose = _words(theirs, item)
            found[item.change_id, person_id] = (
                f"{item.target_name} {whose[:1].lower()}{whose[1:]}. Somebody else has to do this."
            )
    for person_id, access in limits.items():
        seen = set(Change.objects.filter(_within(access), pk__in=changes).values_list("pk", flat=True))
        found |= {(change, person_id): NO_ACCESS for change in changes if change not in seen}
    return found


def hidden_from(change: Change) -> set[int]:
    """Return the people who may not see a change, by their keys: nor are they told of it."""
    return {person_id for (_, person_id), why in barred([change.pk]).items() if why == NO_ACCESS}


def refuses(actor: Staff, change: Change) -> str:
    """Return why somebody may not act on a change, whatever their role, or "". The person is read again."""
    return barred([change.pk], Staff(pk=actor.pk)).get((change.pk, actor.pk), "")


def refuses_requester(change: Change) -> str:
    """Return why the requester of a change could not request it as things are now, as a sentence, or "". Read again."""
    why = refuses(Staff(pk=change.requested_by_id), change)
    return f"It has accounts outside the access of {change.requested_by_name}." if why == NO_ACCESS else why


def refused_items(change: Change, items: Collection[Item]) -> dict[int, str]:
    """Return which items of a change its requester could not request as things are now, by key, each with the reason.

    One query for a requester whose access is not limited, and to whom nothing belongs.
    """
    if not is_restricted(change.requested_by_id):
        return {}
    name, rows = change.requested_by_name, Item.objects.filter(pk__in=[item.pk for item in items])
    requester = Staff(pk=change.requested_by_id)
    access, related = access_of(requester), related_to(requester)
    outside = _outside(rows, access) if access else ()
    found = {item.pk: f"It is outside the access of {name}, who requested this" for each in outside for item in each}
    theirs = _theirs(related).filter(pk__in=rows) if related else Item.objects.none()
    return found | {item.pk: f"{_words(related, item)}, and {name} requested this" for item in theirs}


# --- Finding the change of a request ------------------------------------------------------------------------------------


def change_or_404(request: HttpRequest, pk: int) -> Change:
    """Return a change that the person who sent the request may see, or raise Http404."""
    change = visible_changes(Change.objects.filter(pk=pk), person(request)).first()
    if change is None:
        raise Http404(f"There is no change {pk}.")
    return change


def requestable_change(request: HttpRequest, pk: int) -> Change:
    """Return a change for anyone who may request its kind; raises Http404, and CapabilityMissing for others.

    No one may request a retired kind: then the action itself decides.
    """
    change = change_or_404(request, pk)
    kind = for_stored(change)
    if not kind.is_retired:
        demand(request, kind.capability)
    return change
