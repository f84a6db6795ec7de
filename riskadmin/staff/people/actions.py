"""What an administrator does alone: invite without rights, take rights away, switch off, reset who decides about nothing.

What raises rights is requested instead (`rights`). Each act is one transaction with its events, and takes its turn.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from django.db import IntegrityError, transaction
from django.db.models import Q

from riskadmin.audit.actions import AuditEntry, record
from riskadmin.audit.origin import Origin, Who
from riskadmin.audit.tags import Tag
from riskadmin.staff import leaving
from riskadmin.staff.models import Staff
from riskadmin.staff.people import links
from riskadmin.staff.people.links import MadeLink, make_link
from riskadmin.staff.people.models import Act, Purpose, RightsRequest
from riskadmin.staff.people.rights import (
    MANAGES,
    NotAllowed,
    as_now,
    end_requests,
    manager_as_now,
    needs_second_person,
    request_rights,
    reset_sign_in,
    save_details,
    take_role,
    take_turn,
)
from riskadmin.staff.roles import Role
from riskadmin.staff.sessions import actions as sessions
from riskadmin.staff.sign_in.requirement import has_second_factor
from riskadmin.staff.tokens.actions import end_tokens


class UsernameTaken(Exception):
    """Somebody has this username already."""


@dataclass(frozen=True, kw_only=True)
class Invited:
    """A person who was invited: their one-time link, unless they only use single sign-on, and the request for their role."""

    person: Staff
    link: MadeLink | None
    request: RightsRequest | None


def invite(
    actor: Staff,
    *,
    origin: Origin,
    username: str,
    first_name: str,
    last_name: str,
    email: str,
    role: Role | None,
    reason: str,
    with_password: bool = True,
) -> Invited:
    """Add a person who may do nothing yet, and write the events. Their role waits for another administrator.

    Without `with_password` they get no link: they sign in at the identity provider. Raises NotAllowed and UsernameTaken.
    """
    try:
        with transaction.atomic():
            take_turn()
            by = manager_as_now(actor).who()
            person = Staff.objects.create_user(username, email, None, first_name=first_name, last_name=last_name)
            entry = AuditEntry(
                tag=Tag.STAFF_INVITED,
                actor=by,
                origin=origin,
                after={"username": person.username, "name": person.get_full_name(), "email": person.email},
                detail={"staff_id": person.pk},
            )
            record(entry)
            link = make_link(by, origin=origin, person=person, purpose=Purpose.INVITATION) if with_password else None
            request = (
                request_rights(actor, origin=origin, person=person, act=Act.ADD_ROLE, role=role, reason=reason)
                if role
                else None
            )
    except IntegrityError as error:
        if Staff.objects.filter(username=username).exists():
            raise UsernameTaken from error
        raise
    return Invited(person=person, link=link, request=request)


def edit_details(
    actor: Staff, *, origin: Origin, person: Staff, first_name: str, last_name: str, email: str, reason: str
) -> RightsRequest | None:
    """Change a person's name and e-mail address, and write the events. Raises NotAllowed.

    A link to set a password goes to that address. So that of a person who decides waits for another administrator; the
    request is returned.
    """
    with transaction.atomic():
        take_turn()
        by, person = manager_as_now(actor), as_now(person)
        names = {"first_name": first_name, "last_name": last_name}
        if email == person.email or not needs_second_person(person):
            if email != person.email:
                links.withdraw_link(by.who(), origin=origin, person=person)  # it went to the other address
            save_details(person, actor=by.who(), origin=origin, **names, email=email)
            return None
        save_details(person, actor=by.who(), origin=origin, **names)
        return request_rights(actor, origin=origin, person=person, act=Act.SET_EMAIL, email=email, reason=reason)


def reset(actor: Staff, *, origin: Origin, person: Staff, factors_removed_because: str = "") -> MadeLink:
    """End a person's password, sessions and access tokens, make a one-time link, and write the events. Raises NotAllowed.

    With a reason for it, their second factors are removed as well, each with its event.
    """
    with transaction.atomic():
        take_turn()
        by, person = manager_as_now(actor), as_now(person)
        if by.pk == person.pk:
            raise NotAllowed("You can't reset your own sign-in. Change your password instead.")
        if not person.is_active:
            raise NotAllowed(f"{person.display_name} is switched off.")
        if needs_second_person(person):
            raise NotAllowed(
                f"{person.display_name} decides about changes or people, so another administrator has to confirm it."
            )
        if factors_removed_because and not has_second_factor(person):
            raise NotAllowed(f"{person.display_name} has no second factor.")
        return reset_sign_in(person, actor=by.who(), origin=origin, factors_removed_because=factors_removed_because)


def withdraw_link(actor: Staff, *, origin: Origin, person: Staff) -> bool:
    """End a person's one-time link, and write the event. Return whether there was one. Raises NotAllowed."""
    with transaction.atomic():
        take_turn()
        return links.withdraw_link(manager_as_now(actor).who(), origin=origin, person=as_now(person))


def end_sessions(actor: Staff, *, origin: Origin, person: Staff) -> tuple[int, int]:
    """End a person's sessions and access tokens, with their events; return how many there were of each. Raises NotAllowed."""
    with transaction.atomic():
        by = manager_as_now(actor)
        tokens = end_tokens(by.who(), origin=origin, person=person)
        return sessions.end_sessions(by, origin=origin, person=person), tokens


def remove_role(actor: Staff, *, origin: Origin, person: Staff, role: Role) -> Sequence[str]:
    """Take a role from a person at once, and write the events; return what that settled. Raises NotAllowed."""
    with transaction.atomic():
        take_turn()
        by, person = manager_as_now(actor), as_now(person)
        if by.pk == person.pk:
            raise NotAllowed("You can't change your own roles. Ask another administrator.")
        if role not in person.role_names:
            raise NotAllowed(f"{person.display_name} does not have this role.")
        if role == Role.ADMINISTRATOR:
            _keep_an_administrator(person)
        take_role(person, role, actor=by.who(), origin=origin)
        if not as_now(person).may(MANAGES):
            why = f"{person.display_name} may no longer manage people"
            end_requests(Q(requested_by=person), actor=by.who(), origin=origin, why=why)
    return hand_over(by.who(), origin=origin, person=as_loaded(person), to=None)


def switch_off(actor: Staff, *, origin: Origin, person: Staff, to: Staff | None, comment: str) -> Sequence[str]:
    """Switch a person off at once: no sign-in, session, token or link. Write the events, and hand over what they had open.

    Return what was handed over, in words. The rights end first, in a transaction of their own: whatever happens to the rest,
    the person is off, and `hand_over` can be called again. Raises NotAllowed.
    """
    with transaction.atomic():
        take_turn()
        by, person = manager_as_now(actor), as_now(person)
        who = by.who()
        if by.pk == person.pk:
            raise NotAllowed("You can't switch yourself off. Ask another administrator.")
        if not person.is_active:
            raise NotAllowed(f"{person.display_name} is switched off already.")
        _keep_an_administrator(person)
        if to is not None and (to.pk == person.pk or not as_now(to).is_active):
            raise NotAllowed(f"{to.display_name} can't take over: not active.")
        person.is_active = False
        person.save(update_fields=["is_active"])
        theirs = Q(person=person) | Q(requested_by=person)
        end_requests(theirs, actor=who, origin=origin, why=f"{person.display_name} was switched off")
        links.withdraw_link(who, origin=origin, person=person)
        end_tokens(who, origin=origin, person=person)  # else they would work again once the person is switched on
        detail = {
            "username": person.username,
            "staff_id": person.pk,
            "comment": comment,
            "sessions": sessions.end_sessions(who, origin=origin, person=person),
        }
        was, now = {"is_active": True}, {"is_active": False}
        record(AuditEntry(tag=Tag.STAFF_SWITCHED_OFF, actor=who, origin=origin, before=was, after=now, detail=detail))
    return hand_over(who, origin=origin, person=as_loaded(person), to=to)


def hand_over(actor: Who, *, origin: Origin, person: Staff, to: Staff | None) -> Sequence[str]:
    """Settle what a person has open and may no longer do, and write the event if that was anything; return it in words."""
    done = leaving.hand_over_all(person, to=to, actor=actor, origin=origin)
    if done:
        detail = {"username": person.username, "staff_id": person.pk, "handed_over": done}
        with transaction.atomic():
            more = {"to": to.display_name} if to else {}
            record(AuditEntry(tag=Tag.STAFF_WORK_HANDED_OVER, actor=actor, origin=origin, detail={**detail, **more}))
    return done


def as_loaded(person: Staff) -> Staff:
    """Return a person as they are now, without a lock."""
    return Staff.objects.get(pk=person.pk)


def _keep_an_administrator(person: Staff) -> None:
    """Refuse to lose the last active administrator. Only right while it is this transaction's turn."""
    if not person.may(MANAGES):
        return
    others = Staff.objects.filter(is_active=True, groups__name=Role.ADMINISTRATOR.value).exclude(pk=person.pk)
    if not others.exists():
        raise NotAllowed(f"{person.display_name} is the last administrator. Make somebody else one first.")
