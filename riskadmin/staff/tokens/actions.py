"""Making, revoking and using tokens, each with its event."""

from datetime import timedelta
from secrets import token_urlsafe
from typing import Final

from django.db import transaction
from django.db.models.functions import Now
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from riskadmin.audit.actions import AuditEntry, record
from riskadmin.audit.origin import SYSTEM, Origin, Who
from riskadmin.audit.tags import Tag
from riskadmin.staff.models import Staff
from riskadmin.staff.tokens.models import AccessToken, Scope
from riskadmin.staff.tokens.queries import digest_of, known, usable_tokens_of

PREFIX: Final = "rat_"
"""How every token begins, so that one in the wrong place can be found by searching for it."""

MANAGES_ALL: Final = "staff:manage"


class NotAllowed(Exception):
    """The person may not do this; nothing was written."""


@sensitive_variables("secret")
def make_token(*, actor: Staff, origin: Origin, name: str, scope: Scope, lasts: timedelta) -> tuple[AccessToken, str]:
    """Make a token for the actor; return it and its secret, which is stored nowhere."""
    secret = PREFIX + token_urlsafe(32)
    with transaction.atomic():
        token = AccessToken.objects.create(
            person=actor,
            name=name,
            digest=digest_of(secret),
            hint=secret[: AccessToken.HINT_LENGTH],
            scope=scope,
            expires_at=timezone.now() + lasts,
        )
        until = token.expires_at.isoformat(timespec="seconds")
        _record(Tag.TOKEN_MADE, actor.who(), origin, token, staff_id=actor.pk, scope=scope.value, until=until)
    return token, secret


def revoke_token(*, actor: Staff, origin: Origin, token: AccessToken) -> None:
    """End a token now; nothing happens to one that was revoked before. Raises NotAllowed."""
    if token.person_id != actor.pk and not actor.may(MANAGES_ALL):
        raise NotAllowed("Only the person who made a token, or an administrator, can revoke it.")
    with transaction.atomic():
        if AccessToken.objects.filter(pk=token.pk, revoked_at=None).update(revoked_at=Now()):
            _record(Tag.TOKEN_REVOKED, actor.who(), origin, token, staff_id=token.person_id)


def end_tokens(actor: Who, *, origin: Origin, person: Staff) -> int:
    """Revoke every token of a person that could still be used, each with its event; return how many there were.

    A token works without a session and a password, so what ends those for a person has to end these too.
    """
    with transaction.atomic():
        tokens = list(usable_tokens_of(person).select_for_update(of=("self",)))
        AccessToken.objects.filter(pk__in=[token.pk for token in tokens]).update(revoked_at=Now())
        for token in tokens:
            _record(Tag.TOKEN_REVOKED, actor, origin, token, staff_id=person.pk)
    return len(tokens)


def note_use(token: AccessToken, *, origin: Origin, method: str, path: str, status: int) -> None:
    """Record that a program used a token, and how that was answered."""
    with transaction.atomic():
        AccessToken.objects.filter(pk=token.pk).update(last_used_at=Now(), last_used_from=origin.address)
        _record(Tag.TOKEN_USED, token.person.who(), origin, token, method=method, path=path, status=status)


@sensitive_variables("secret")
def note_refusal(secret: str, *, origin: Origin, method: str, path: str) -> None:
    """Record that a program sent a token that is not in force, and whose it was if there is one; never the token itself."""
    token = known(secret)
    whose: dict[str, object] = {"token": str(token), **_owner(token)} if token else {}
    with transaction.atomic():
        detail = {"method": method, "path": path, **whose}
        record(AuditEntry(tag=Tag.TOKEN_REFUSED, actor=SYSTEM, origin=origin, detail=detail))


def _record(tag: Tag, actor: Who, origin: Origin, token: AccessToken, **detail: object) -> None:
    record(AuditEntry(tag=tag, actor=actor, origin=origin, detail={"token": str(token), **detail, **_owner(token)}))


def _owner(token: AccessToken) -> dict[str, object]:
    return {"token_id": token.pk, "username": token.person.username}
