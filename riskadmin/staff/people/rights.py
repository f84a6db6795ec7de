"""Requests for rights: what raises somebody's rights is requested by one administrator and confirmed by another one.

Everything that changes who may do what takes turns (`take_turn`), so that what is checked still holds when it is written: two
administrators who take each other's role away at the same moment don't leave the firm without one.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from django.contrib.auth.models import Group
from django.db import connection, transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from riskadmin.audit.actions import AuditEntry, record
from riskadmin.audit.origin import Origin, Who
from riskadmin.audit.tags import Tag
from riskadmin.staff.models import Staff
from riskadmin.staff.people import links
from riskadmin.staff.people.further_acts import further_act, is_visible
from riskadmin.staff.people.links import MadeLink, end_sign_ins, make_link
from riskadmin.staff.people.models import Act, Purpose, RightsRequest, RightsState
from riskadmin.staff.people.sign_in_history import newest_fact, roles_held_lately
from riskadmin.staff.roles import Role, capabilities_of
from riskadmin.staff.sessions.actions import end_sessions
from riskadmin.staff.sign_in.factor_actions import remove_all
from riskadmin.staff.sign_in.requirement import has_second_factor
from riskadmin.staff.tokens.actions import end_tokens

MANAGES: Final = "staff:manage"

TAKEN_OVER: Final = frozenset({"changes:decide", "policy:decide", MANAGES})
"""Anyone who had the sign-in of a person with one of these could decide in their name."""


class NotAllowed(Exception):
    """This can't be done; the message says why, and what can. Nothing was written."""


class MoreToRead(NotAllowed):
    """Something was done to the person's sign-in that who confirms was not shown; `newest` is the number of its event."""

    def __init__(self, person: Staff, newest: int) -> None:
        """Say so."""
        super().__init__(f"The sign-in of {person.display_name} was changed since. Read what was done first.")
        self.newest = newest


@dataclass(frozen=True, kw_only=True)
class Confirmed:
    """A request that was confirmed, and the one-time link that was made with it, if any."""

    request: RightsRequest
    link: MadeLink | None = None


def take_turn() -> None:
    """Wait until no one else changes who may do what; until the end of this transaction it is this one's turn."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended('riskadmin.staff.people.rights', 0))")


def as_now(staff: Staff) -> Staff:
    """Return a person as they are now, locked."""
    return Staff.objects.select_for_update(of=("self",)).get(pk=staff.pk)


def manager_as_now(actor: Staff) -> Staff:
    """Return an administrator as they are now, locked. Raises NotAllowed if they are none any more."""
    now = as_now(actor)
    if not now.may(MANAGES):
        raise NotAllowed("You may no longer manage people.")
    return now


def needs_second_person(person: Staff) -> bool:
    """Whether a reset of this person's sign-in, or another address, is confirmed by a second administrator.

    Roles that they have lost lately count: otherwise taking one would open the way, and giving it back would close it unseen.
    """
    return bool(TAKEN_OVER & capabilities_of(roles_held_lately(person)))


@dataclass(frozen=True, kw_only=True)
class Content:
    """What a further act needs (JSON), all of it in words, and what tells requests of one act for one person apart."""

    needs: Mapping[str, Any]
    words: str
    about: str = ""


def request_rights(
    actor: Staff,
    *,
    origin: Origin,
    person: Staff,
    act: Act,
    role: Role | None = None,
    email: str = "",
    content: Content | None = None,
    reason: str,
) -> RightsRequest:
    """Request that something be done for a person, and write the event. Raises NotAllowed."""
    content = content or Content(needs={}, words="")
    with transaction.atomic():
        take_turn()
        by, now = manager_as_now(actor), timezone.now()
        person = as_now(person)
        if by.pk == person.pk:
            raise NotAllowed("You can't raise your own rights. Ask another administrator.")
        _expire(person)
        waiting = RightsRequest.objects.filter(person=person, act=act, role=role or "", about=content.about)
        if waiting.filter(state=RightsState.WAITING).exists():
            raise NotAllowed("This is requested already, and waits for another administrator.")
        request = RightsRequest(
            person=person,
            act=act,
            role=role or "",
            about=content.about,
            email=email,
            content=dict(content.needs),
            words=content.words,
            reason=reason,
            requested_by=by,
            requested_by_name=by.who().name,
            requested_at=now,
            expires_at=now + RightsRequest.VALID_FOR,
        )
        _check(request)
        request.save()
        detail = {
            **_about(request),
            "email": email,
            "comment": reason,
            "until": request.expires_at.isoformat(timespec="seconds"),
        }
        record(AuditEntry(tag=Tag.STAFF_RIGHTS_REQUESTED, actor=by.who(), origin=origin, detail=detail))
    return request


def refusal(request: RightsRequest, viewer: Staff) -> str:
    """Return why somebody may not confirm or decline a request, or ""."""
    if not viewer.may(MANAGES):
        return "Only administrators can confirm this."
    if not is_visible(request, viewer):
        return "It is about an account outside your access, so another administrator has to confirm it."
    if request.requested_by_id == viewer.pk:
        return "You requested this, so another administrator has to confirm it."
    if request.person_id == viewer.pk:
        return "This is about you, so another administrator has to confirm it."
    if request.state != RightsState.WAITING:
        return f"This request no longer waits: {RightsState(request.state).label.lower()}."
    if request.expires_at <= timezone.now():
        return "This request has expired. It has to be made again."
    return ""


def confirm(actor: Staff | Who, *, origin: Origin, request_id: int, newest_read: int = 0) -> Confirmed:
    """Do what another administrator requested, and write the events. Raises NotAllowed.

    `actor` is a person, or who runs a command on the server: that is how a firm with a single administrator confirms.
    `newest_read` is the `newest_fact` that they were shown, 0 for none; if it is another one now, nothing is done.
    """
    with transaction.atomic():
        take_turn()
        request = _locked(request_id)
        who = _decider(actor, request)
        request.person, requester = as_now(request.person), as_now(request.requested_by)
        if not requester.may(MANAGES):
            raise NotAllowed(f"{request.requested_by_name}, who requested this, may no longer manage people.")
        _check(request)
        newest = newest_fact(request.person)
        if newest_read != newest:
            raise MoreToRead(request.person, newest)
        _decide(request, RightsState.CONFIRMED, actor, who)
        _record_decision(Tag.STAFF_RIGHTS_CONFIRMED, request, who, origin)
        doing = further_act(request.act)
        if doing is not None:
            doing.do(request, actor=who, origin=origin)
            return Confirmed(request=request)
        return Confirmed(request=request, link=_DO[Act(request.act)](request, request.person, who, origin))


def decline(actor: Staff, *, origin: Origin, request_id: int) -> RightsRequest:
    """Decline what another administrator requested, and write the event. Raises NotAllowed."""
    with transaction.atomic():
        take_turn()
        request = _locked(request_id)
        who = _decider(actor, request)
        _decide(request, RightsState.DECLINED, actor, who)
        _record_decision(Tag.STAFF_RIGHTS_DECLINED, request, who, origin)
    return request


def withdraw(actor: Staff, *, origin: Origin, request_id: int) -> RightsRequest:
    """Withdraw one's own request, and write the event. Raises NotAllowed."""
    with transaction.atomic():
        take_turn()
        request, by = _locked(request_id), manager_as_now(actor)
        if request.requested_by_id != by.pk:
            raise NotAllowed(f"Only {request.requested_by_name} can withdraw this. You can decline it.")
        if request.state != RightsState.WAITING:
            raise NotAllowed(refusal(request, by))
        _end(request, by.who(), origin, "withdrawn")
    return request


def end_requests(of: Q, *, actor: Who, origin: Origin, why: str) -> None:
    """End some of the requests that wait, and write the events. Needs an open transaction that has its turn."""
    for request in _waiting().filter(of).order_by("pk"):
        _end(request, actor, origin, why)


def waiting() -> QuerySet[RightsRequest]:
    """Return what waits for another administrator, oldest first."""
    return _waiting().filter(expires_at__gt=timezone.now()).order_by("requested_at", "pk")


def visible(requests: QuerySet[RightsRequest], viewer: Staff) -> list[RightsRequest]:
    """Return those of some requests that a person may know of, in their order."""
    return [each for each in requests if is_visible(each, viewer)]


def to_confirm(viewer: Staff) -> list[RightsRequest]:
    """Return what this person could confirm now."""
    if not viewer.may(MANAGES):
        return []
    return visible(waiting().exclude(requested_by=viewer).exclude(person=viewer), viewer)


def others_who_may_confirm(request: RightsRequest) -> list[Staff]:
    """Return the active administrators who may confirm a request."""
    active = Staff.objects.filter(is_active=True).prefetch_related("groups").order_by("username")
    return [each for each in active if not refusal(request, each)]


def add_role(person: Staff, role: Role, *, actor: Who, origin: Origin) -> None:
    """Give a locked person a role, and write the event. Needs an open transaction that has its turn."""
    _record_role(Tag.STAFF_ROLE_ADDED, person, role, actor=actor, origin=origin)
    person.groups.add(Group.objects.get(name=role.value))


def take_role(person: Staff, role: Role, *, actor: Who, origin: Origin) -> None:
    """Take a role from a locked person, and write the event. Needs an open transaction that has its turn."""
    _record_role(Tag.STAFF_ROLE_REMOVED, person, role, actor=actor, origin=origin)
    person.groups.remove(Group.objects.get(name=role.value))


def _record_role(tag: Tag, person: Staff, role: Role, *, actor: Who, origin: Origin) -> None:
    """Write the event of a role that was given or taken. `person` is as they were before."""
    before = set(person.role_names)
    after = before | {role.value} if tag == Tag.STAFF_ROLE_ADDED else before - {role.value}
    detail = {"username": person.username, "staff_id": person.pk, "role": role.value}
    was, now = {"roles": sorted(before)}, {"roles": sorted(after)}
    record(AuditEntry(tag=tag, actor=actor, origin=origin, before=was, after=now, detail=detail))


def _check(request: RightsRequest) -> None:
    """Refuse what can't be done for a person as they are. Raises NotAllowed."""
    person, act = request.person, Act(request.act)
    doing = further_act(act)
    if doing is not None:
        if why := doing.refusal(request):
            raise NotAllowed(why)
        return
    if (act == Act.SWITCH_ON) == person.is_active:
        state = "active already" if person.is_active else "switched off. Switch them on first"
        raise NotAllowed(f"{person.display_name} is {state}.")
    if act == Act.ADD_ROLE and request.role in person.role_names:
        raise NotAllowed(f"{person.display_name} has this role already.")
    if act == Act.RESET_FACTORS and not has_second_factor(person):
        raise NotAllowed(f"{person.display_name} has no second factor.")
    if act == Act.SET_EMAIL and request.email == person.email:
        raise NotAllowed(f"This is the e-mail address of {person.display_name} already.")


def _do_add_role(request: RightsRequest, person: Staff, who: Who, origin: Origin) -> MadeLink | None:
    link = links.open_links_of(person).filter(expires_at__gt=timezone.now()).first()
    end_sign_ins(who, origin=origin, person=person)
    add_role(person, Role(request.role), actor=who, origin=origin)
    # The first administrator may have seen the link that ended. Who waits for it gets another one, from the second.
    return make_link(who, origin=origin, person=person, purpose=Purpose(link.purpose)) if link else None


def _do_switch_on(_: RightsRequest, person: Staff, who: Who, origin: Origin) -> None:
    end_sign_ins(who, origin=origin, person=person)  # whatever was missed when they were switched off
    person.is_active = True
    person.save(update_fields=["is_active"])
    detail = {"username": person.username, "staff_id": person.pk}
    was, now = {"is_active": False}, {"is_active": True}
    record(AuditEntry(tag=Tag.STAFF_SWITCHED_ON, actor=who, origin=origin, before=was, after=now, detail=detail))


def _do_reset(_: RightsRequest, person: Staff, who: Who, origin: Origin) -> MadeLink:
    return reset_sign_in(person, actor=who, origin=origin)


def _do_reset_factors(request: RightsRequest, person: Staff, who: Who, origin: Origin) -> MadeLink:
    return reset_sign_in(person, actor=who, origin=origin, factors_removed_because=request.reason)


def _do_set_email(request: RightsRequest, person: Staff, who: Who, origin: Origin) -> None:
    save_details(person, email=request.email, actor=who, origin=origin)


_DO: Final[dict[Act, Callable[[RightsRequest, Staff, Who, Origin], MadeLink | None]]] = {
    Act.ADD_ROLE: _do_add_role,
    Act.SWITCH_ON: _do_switch_on,
    Act.RESET: _do_reset,
    Act.RESET_FACTORS: _do_reset_factors,
    Act.SET_EMAIL: _do_set_email,
}


def reset_sign_in(person: Staff, *, actor: Who, origin: Origin, factors_removed_because: str = "") -> MadeLink:
    """End a locked person's password, sessions and tokens, make a one-time link, and write the events.

    Needs an open transaction. With a reason for it, their second factors are removed as well.
    """
    if factors_removed_because:
        remove_all(actor, origin=origin, person=person, reason=factors_removed_because)
    purpose = Purpose.RESET if person.last_login else Purpose.INVITATION
    person.set_unusable_password()
    person.save(update_fields=["password"])
    end_tokens(actor, origin=origin, person=person)
    detail = {"username": person.username, "staff_id": person.pk, "sessions": end_sessions(actor, origin=origin, person=person)}
    record(AuditEntry(tag=Tag.STAFF_RESET, actor=actor, origin=origin, detail=detail))
    return make_link(actor, origin=origin, person=person, purpose=purpose)


def save_details(person: Staff, *, actor: Who, origin: Origin, **details: str) -> None:
    """Write a locked person's name or address, and the event if anything changed. Needs an open transaction."""
    before = {name: getattr(person, name) for name in details}
    if before == details:
        return
    for name, value in details.items():
        setattr(person, name, value)
    person.save(update_fields=list(details))
    entry = AuditEntry(
        tag=Tag.STAFF_DETAILS_SET,
        actor=actor,
        origin=origin,
        before=before,
        after=details,
        detail={"username": person.username, "staff_id": person.pk},
    )
    record(entry)


def _waiting() -> QuerySet[RightsRequest]:
    return RightsRequest.objects.filter(state=RightsState.WAITING).select_related("person", "requested_by")


def _locked(request_id: int) -> RightsRequest:
    return RightsRequest.objects.select_for_update(of=("self",)).select_related("person", "requested_by").get(pk=request_id)


def _decider(actor: Staff | Who, request: RightsRequest) -> Who:
    """Return who decides, if they may now. Raises NotAllowed."""
    if isinstance(actor, Staff):
        by = as_now(actor)
        if why := refusal(request, by):
            raise NotAllowed(why)
        return by.who()
    if request.state != RightsState.WAITING or request.expires_at <= timezone.now():
        raise NotAllowed("This request no longer waits.")
    return actor


def _decide(request: RightsRequest, state: RightsState, actor: Staff | Who | None, who: Who) -> None:
    request.state, request.decided_at, request.decided_by_name = state, timezone.now(), who.name
    request.decided_by = actor if isinstance(actor, Staff) else None
    request.save(update_fields=["state", "decided_at", "decided_by", "decided_by_name"])


def _record_decision(tag: Tag, request: RightsRequest, who: Who, origin: Origin) -> None:
    detail = {**_about(request), "requester": request.requested_by_name}
    record(AuditEntry(tag=tag, actor=who, origin=origin, detail=detail))


def _end(request: RightsRequest, who: Who, origin: Origin, why: str) -> None:
    _decide(request, RightsState.WITHDRAWN, None, who)
    detail = {**_about(request), "requester": request.requested_by_name, "why": why}
    record(AuditEntry(tag=Tag.STAFF_RIGHTS_WITHDRAWN, actor=who, origin=origin, detail=detail))


def _expire(person: Staff) -> None:
    """Mark what was requested for a person and not decided in time, so that it can be requested again."""
    now = timezone.now()
    _waiting().filter(person=person, expires_at__lte=now).update(state=RightsState.EXPIRED, decided_at=now)


def _about(request: RightsRequest) -> dict[str, object]:
    doing = further_act(request.act)
    return {
        "username": request.person.username,
        "staff_id": request.person_id,
        "rights_request": request.pk,
        "act": Act(request.act).label,
        "role": request.role,
        **({"words": doing.words_in_trail(request)} if doing else {}),
    }
