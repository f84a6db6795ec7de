"""One-time links: made, sent, used, ended. Their codes are never stored, logged or recorded, only a digest of them.

The code is behind the `#` of the link. A browser sends that part to no server, so it is in no log and no Referer; the page
takes it from there into its form, and without scripts a person pastes it.
"""

import secrets
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from riskadmin.audit.actions import AuditEntry, record
from riskadmin.audit.origin import Origin, Who
from riskadmin.audit.tags import Tag
from riskadmin.staff.models import Staff
from riskadmin.staff.people.models import Purpose, SignInLink
from riskadmin.staff.sessions.actions import end_sessions
from riskadmin.staff.tokens.actions import end_tokens

CODE_BYTES: Final = 32


class LinkEnded(Exception):
    """There is no open link with this code: it was used, withdrawn, replaced, has run out, or never was."""


@dataclass(frozen=True, kw_only=True)
class MadeLink:
    """A link that was made. `code` is None where it goes by e-mail; it is shown once, and known to no one afterwards."""

    link: SignInLink
    code: str | None

    @property
    def url(self) -> str:
        """The link, if it is to be handed over by a person."""
        return link_url(self.code) if self.code else ""


def link_url(code: str) -> str:
    """Return the address that a person opens."""
    return f"{settings.PUBLIC_URL}{link_path(code)}"


def link_path(code: str) -> str:
    """Return the path of the address that a person opens, with the code."""
    return f"{reverse('people:welcome')}#{code}"


def goes_by_email(person: Staff) -> bool:
    """Whether a link of this person goes by e-mail, so that no administrator sees it."""
    return settings.EMAIL_IS_ON and bool(person.email)


def make_link(actor: Who, *, origin: Origin, person: Staff, purpose: Purpose) -> MadeLink:
    """Make a link for a locked person; the one that they had ends. Needs an open transaction."""
    by_email, now = goes_by_email(person), timezone.now()
    open_links_of(person).update(ended_at=now, end=SignInLink.End.REPLACED)
    code = None if by_email else secrets.token_urlsafe(CODE_BYTES)
    link = SignInLink.objects.create(
        person=person,
        purpose=purpose,
        code_digest=_digest(code) if code else "",
        made_by_name=actor.name,
        expires_at=now + SignInLink.VALID_FOR,
    )
    detail = {
        **_about(link),
        "purpose": purpose.value,
        "until": link.expires_at.isoformat(timespec="seconds"),
        "by_email": by_email,
    }
    # The package `notifications` listens for this event, and writes the e-mail.
    record(AuditEntry(tag=Tag.STAFF_LINK_MADE, actor=actor, origin=origin, detail=detail))
    return MadeLink(link=link, code=code)


@sensitive_variables("code")
def code_for_email(link_id: int) -> str:
    """Give an open link a new code for an e-mail that is sent now; codes that it had before end. Raises LinkEnded."""
    code = secrets.token_urlsafe(CODE_BYTES)
    still_open = SignInLink.objects.filter(pk=link_id, ended_at=None, expires_at__gt=timezone.now())
    if not still_open.update(code_digest=_digest(code)):
        raise LinkEnded
    return code


@sensitive_variables("code")
def person_of(code: str) -> Staff | None:
    """Return the active person whose open link has this code. None, whatever the cause, if there is none."""
    link = _usable(code)
    return link.person if link else None


@sensitive_variables("code", "password")
def use_link(*, origin: Origin, code: str, password: str) -> Staff:
    """Set a person's password with their link, which ends it and their sessions. The caller has checked the password.

    Raises LinkEnded, also to all but the first of several that use the same link at once.
    """
    with transaction.atomic():
        link = _usable(code, locked=True)
        if link is None:
            raise LinkEnded
        person = Staff.objects.select_for_update().get(pk=link.person_id)
        if not person.is_active:
            raise LinkEnded
        link.ended_at, link.end = timezone.now(), SignInLink.End.USED
        link.save(update_fields=["ended_at", "end"])
        person.set_password(password)
        person.save(update_fields=["password"])
        end_sessions(person, origin=origin, person=person)
        detail = {**_about(link), "purpose": link.purpose}
        record(AuditEntry(tag=Tag.STAFF_LINK_USED, actor=person.who(), origin=origin, detail=detail))
    return person


def withdraw_link(actor: Who, *, origin: Origin, person: Staff) -> bool:
    """End a person's open link, if there is one; return whether there was. Needs an open transaction."""
    link = open_links_of(person).select_for_update(of=("self",)).first()
    if link is None:
        return False
    link.ended_at, link.end = timezone.now(), SignInLink.End.WITHDRAWN
    link.save(update_fields=["ended_at", "end"])
    record(AuditEntry(tag=Tag.STAFF_LINK_WITHDRAWN, actor=actor, origin=origin, detail=_about(link)))
    return True


def end_sign_ins(actor: Who, *, origin: Origin, person: Staff) -> None:
    """End a person's one-time link, sessions and access tokens, and write the events. Needs an open transaction.

    Called when a person gets more rights: what was opened while they had less must not carry those.
    """
    withdraw_link(actor, origin=origin, person=person)
    end_tokens(actor, origin=origin, person=person)
    end_sessions(actor, origin=origin, person=person)


def open_links_of(person: Staff) -> QuerySet[SignInLink]:
    """Return the person's link that has not ended, as a queryset; it may have run out."""
    return SignInLink.objects.filter(person=person, ended_at=None)


def _usable(code: str, *, locked: bool = False) -> SignInLink | None:
    found = SignInLink.objects.filter(code_digest=_digest(code), ended_at=None, expires_at__gt=timezone.now())
    found = found.filter(person__is_active=True).select_related("person")
    return (found.select_for_update(of=("self",)) if locked else found).first()


def _about(link: SignInLink) -> dict[str, object]:
    return {"username": link.person.username, "staff_id": link.person_id, "link": link.pk}


def _digest(code: str) -> str:
    """Return what is stored of a code. It is random and long, so a plain hash can't be turned back."""
    return sha256(code.strip().encode()).hexdigest()
