"""Single sign-on: whom the identity provider means, whether they may enter, and which roles its groups give them.

allauth speaks OpenID Connect. This module decides; it only ever reads claims whose token was checked (`sso_protocol`).
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from allauth.socialaccount.models import SocialAccount
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.models import Group
from django.db import transaction
from django.http import HttpRequest

from riskadmin.audit.actions import AuditEntry, record
from riskadmin.audit.origin import SYSTEM, Origin, origin_of
from riskadmin.audit.tags import Tag
from riskadmin.staff.models import USERNAME_MAX, Staff, plain_username
from riskadmin.staff.people.links import end_sign_ins
from riskadmin.staff.people.sign_in_history import facts_about
from riskadmin.staff.roles import Role
from riskadmin.staff.sign_in import throttle
from riskadmin.staff.sign_in.throttle import Outcome, Place, network_of

WITHHELD: Final = (
    "Your sign-in was changed by an administrator lately, so two administrators have to give you what your groups would:"
)
ALWAYS: Final = "always"
"""In SSO_SECOND_FACTOR: every sign-in there has asked for a second factor."""


@dataclass(frozen=True, kw_only=True)
class Claims:
    """What the identity provider says about a person."""

    subject: str
    username: str
    email: str
    is_email_verified: bool
    first_name: str
    last_name: str
    groups: frozenset[str]
    methods: frozenset[str]
    """How it has authenticated them: its `amr` and `acr`."""
    authenticated_at: datetime | None
    """When it has last asked them who they are: its `auth_time`."""


class Refused(Exception):
    """The provider has proven who somebody is, and they may not enter. The text is for them and for the trail."""

    def __init__(self, why: str, person: Staff | None = None) -> None:
        """Keep the person, if it is known who is meant."""
        super().__init__(why)
        self.person = person


def read_claims(raw: dict[str, Any]) -> Claims:
    """Return the claims of a token that was checked. What has another type than it should is taken as missing."""
    return Claims(
        subject=str(raw["sub"]),
        username=plain_username(_text(raw, "preferred_username")),
        email=_text(raw, "email"),
        is_email_verified=raw.get("email_verified") is True,
        first_name=_text(raw, "given_name")[:150],
        last_name=_text(raw, "family_name")[:150],
        groups=_names(raw.get(settings.SSO_GROUPS_CLAIM)),
        methods=_names(raw.get("amr")) | _names(raw.get("acr")),
        authenticated_at=_time(raw.get("auth_time")),
    )


def proves_second_factor(claims: Claims) -> bool:
    """Return whether the setting says that this sign-in had a second factor."""
    accepted = frozenset(settings.SSO_SECOND_FACTOR)
    return ALWAYS in accepted or bool(accepted & claims.methods)


def admit(request: HttpRequest, account: SocialAccount, *, linked: Staff | None) -> Staff:
    """Return the person whom an identity at the provider belongs to, with the roles that its groups give them.

    `linked` is who signed in with it before. Otherwise it is linked now, as SSO_LINK_BY says, or a person is added if
    SSO_CREATES_PEOPLE says so. Raises Refused; roles that the provider has taken away are gone then too.
    """
    claims = read_claims(account.extra_data["id_token"])
    origin = origin_of(request)
    with transaction.atomic():
        person = linked or _link(account, claims, origin)
        person = Staff.objects.select_for_update().get(pk=person.pk)
        if not person.is_active:
            raise Refused("You are switched off here.", person)
        if settings.SSO_ROLES:
            withheld = _set_roles(person, roles_of(claims), origin)
            if withheld:
                messages.warning(request, f"{WITHHELD} {_labels(withheld)}")
    if settings.SSO_ROLES and not roles_of(claims):
        raise Refused("None of your groups has a role here.", person)
    return person


def roles_of(claims: Claims) -> frozenset[Role]:
    """Return the roles that a person's groups have, by SSO_ROLES."""
    return frozenset(Role(settings.SSO_ROLES[group]) for group in claims.groups if group in settings.SSO_ROLES)


def record_refusal(request: HttpRequest, why: str, *, name: str, person: Staff | None = None) -> None:
    """Write that a single sign-on failed; at most ten times in fifteen minutes for one name, so that no one fills the trail."""
    origin = origin_of(request)
    attempt = throttle.admit(username=f"sso {name}", place=Place(network=network_of(origin.address)))
    if attempt is None:
        return
    detail: dict[str, object] = {"step": "single sign-on", "why": why}
    if person is not None:
        detail |= {"username": person.username, "staff_id": person.pk, "active": person.is_active}
    with transaction.atomic():
        throttle.settle(attempt.pk, Outcome.FAILED)
        record(AuditEntry(tag=Tag.STAFF_SIGN_IN_REFUSED, actor=SYSTEM, origin=origin, detail=detail))


def _link(account: SocialAccount, claims: Claims, origin: Origin) -> Staff:
    """Link an identity that is new here to the person it belongs to."""
    person = _find(claims)
    if person is None:
        if not settings.SSO_CREATES_PEOPLE:
            raise Refused("There is no account for you here. An administrator can add one.")
        person = _create(claims, origin)
    elif SocialAccount.objects.filter(user=person, provider=account.provider).exists():
        raise Refused("Your account here belongs to another identity.", person)
    elif not person.is_active:
        raise Refused("You are switched off here.", person)
    account.user = person
    account.save()
    detail = {"username": person.username, "staff_id": person.pk}
    record(AuditEntry(tag=Tag.STAFF_SSO_LINKED, actor=SYSTEM, origin=origin, detail=detail))
    return person


def _find(claims: Claims) -> Staff | None:
    """Return the one person whom the claims name, by a verified e-mail address or by username, as SSO_LINK_BY says."""
    if settings.SSO_LINK_BY == "email" and claims.email and claims.is_email_verified:
        found = list(Staff.objects.filter(email__iexact=claims.email)[:2])
        return found[0] if len(found) == 1 else None
    if settings.SSO_LINK_BY == "username" and claims.username:
        return Staff.objects.filter(username=claims.username).first()
    return None


def _create(claims: Claims, origin: Origin) -> Staff:
    roles = roles_of(claims)
    username = claims.username or plain_username(claims.email)
    if not roles:
        raise Refused("None of your groups has a role here.")
    if not username or len(username) > USERNAME_MAX or Staff.objects.filter(username=username).exists():
        raise Refused("An account with your username can't be made here. An administrator can help.")
    names = {"first_name": claims.first_name, "last_name": claims.last_name}
    person = Staff.objects.create_user(username, claims.email if claims.is_email_verified else "", **names)
    after = {"username": person.username, "name": person.get_full_name(), "roles": []}
    detail = {"staff_id": person.pk}
    record(AuditEntry(tag=Tag.STAFF_CREATED, actor=SYSTEM, origin=origin, after=after, detail=detail))
    return person


def _set_roles(person: Staff, roles: frozenset[Role], origin: Origin) -> list[str]:
    """Give a person exactly these roles, and write the event if that changes them; return those that they don't get.

    They get no further role while somebody else could have their sign-in: that is for two administrators to judge. With a
    further role, what was open ends.
    """
    before, after = list(person.role_names), sorted(role.value for role in roles)
    gained = sorted({*after} - {*before})
    if gained and facts_about(person):
        after = sorted({*after} - {*gained})
        detail = {"username": person.username, "staff_id": person.pk, "role": ", ".join(gained)}
        record(AuditEntry(tag=Tag.STAFF_ROLES_WITHHELD, actor=SYSTEM, origin=origin, detail=detail))
        withheld = gained
    else:
        withheld = []
        if gained:
            end_sign_ins(SYSTEM, origin=origin, person=person)
    if sorted(before) == after:
        return withheld
    others = person.groups.exclude(name__in=Role.values)
    person.groups.set([*others, *(Group.objects.get_or_create(name=name)[0] for name in after)])
    person.__dict__.pop("role_names", None)
    person.__dict__.pop("capabilities", None)
    entry = AuditEntry(
        tag=Tag.STAFF_ROLES_FROM_SSO,
        actor=SYSTEM,
        origin=origin,
        before={"roles": before},
        after={"roles": after},
        detail={"username": person.username, "staff_id": person.pk},
    )
    record(entry)
    return withheld


def _labels(names: list[str]) -> str:
    return ", ".join(Role(name).label for name in names)


def _text(raw: dict[str, Any], name: str) -> str:
    value = raw.get(name)
    return value.strip() if isinstance(value, str) else ""


def _names(value: object) -> frozenset[str]:
    """Return the names in a claim, which is a list or a text with spaces between them."""
    if isinstance(value, str):
        return frozenset(value.split())
    return frozenset(each for each in value if isinstance(each, str)) if isinstance(value, list) else frozenset()


def _time(value: object) -> datetime | None:
    """Return the time in a claim, which is a number of seconds since 1970."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return datetime.fromtimestamp(value, tz=UTC)
    except (ValueError, OverflowError, OSError):
        return None
