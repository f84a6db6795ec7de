"""Who is on duty, who stands in for whom, and who could decide. Only active people with the role are ever returned."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db.models import QuerySet

from riskadmin.staff.duty.actions import can_be_on_roster
from riskadmin.staff.duty.models import Delegation, DutyHours, DutySwitch
from riskadmin.staff.models import Staff
from riskadmin.web.clock import firm_zone


@dataclass(frozen=True, kw_only=True)
class Approver:
    """A person who may decide: whether they are on duty, and who stands in for them now."""

    person: Staff
    is_on_duty: bool
    alternatives: tuple[Staff, ...] = ()


def on_duty_among(people: Iterable[Staff], now: datetime) -> set[int]:
    """Return the ids of those of these people who are on duty: by their switch while it counts, else by their hours."""
    ids = [person.pk for person in people]
    local = now.astimezone(firm_zone())
    by_hours = {each.person_id for each in DutyHours.objects.filter(person__in=ids) if each.covers(local)}
    switched = dict(DutySwitch.objects.filter(person__in=ids, until__gt=now).values_list("person_id", "is_on"))
    return {person_id for person_id in ids if switched.get(person_id, person_id in by_hours)}


def stand_ins_for(people: Iterable[Staff], now: datetime) -> list[tuple[Staff, Staff]]:
    """Return (person, who stands in for them) for those of these people who have an active stand-in at a time.

    A stand-in who has lost the role since is none any more.
    """
    found = _holding(now).filter(person__in=people, stand_in__is_active=True).select_related("person", "stand_in")
    stand_ins = found.prefetch_related("stand_in__groups")
    return [(each.person, each.stand_in) for each in stand_ins if can_be_on_roster(each.stand_in)]


def stands_in_for(staff: Staff, now: datetime) -> list[Staff]:
    """Return the active people for whom somebody stands in at a time: what waits for these is theirs to look at too.

    Whether they may decide about it depends on their own role alone. A stand-in's stand-in stands in for the stand-in only.
    """
    if not staff.is_active:
        return []
    ids = _holding(now).filter(stand_in=staff).values_list("person_id", flat=True)
    return list(_active().filter(pk__in=ids))


def approvers(now: datetime, *, capability: str, may_act: Callable[[Staff], bool] | None = None) -> list[Approver]:
    """Return the active people who have a capability, and of whom `may_act` says so too; those on duty first."""
    people = [person for person in _active() if person.may(capability) and (may_act is None or may_act(person))]
    on, able = on_duty_among(people, now), {person.pk: person for person in people}
    alternatives: dict[int, list[Staff]] = {}
    for person_id, stand_in_id in _holding(now).filter(person__in=people).values_list("person_id", "stand_in_id"):
        if stand_in_id in able:
            alternatives.setdefault(person_id, []).append(able[stand_in_id])
    found = [
        Approver(person=person, is_on_duty=person.pk in on, alternatives=tuple(alternatives.get(person.pk, ())))
        for person in people
    ]
    return sorted(found, key=lambda approver: not approver.is_on_duty)


def current(now: datetime) -> QuerySet[Delegation]:
    """Return the delegations that hold or are still to come, by their begin."""
    return Delegation.objects.filter(ended_at=None, ends_at__gt=now).select_related("person", "stand_in")


def _holding(now: datetime) -> QuerySet[Delegation]:
    return Delegation.objects.filter(ended_at=None, begins_at__lte=now, ends_at__gt=now)


def _active() -> QuerySet[Staff]:
    return Staff.objects.filter(is_active=True).prefetch_related("groups").order_by("first_name", "last_name", "username")
