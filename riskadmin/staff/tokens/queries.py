"""Reading tokens."""

from hashlib import sha256

from django.db.models import Case, QuerySet, When
from django.db.models.functions import Now

from riskadmin.staff.models import Staff
from riskadmin.staff.tokens.models import AccessToken


def digest_of(secret: str) -> str:
    """Return what is stored in place of a token."""
    return sha256(secret.encode(errors="replace")).hexdigest()


def usable(secret: str) -> AccessToken | None:
    """Return the token that a program sent; None if there is none, if it was revoked or expired, or its person is inactive."""
    return _in_force().filter(person__is_active=True, digest=digest_of(secret)).first()


def known(secret: str) -> AccessToken | None:
    """Return the token that a program sent, also if it no longer works; None if there never was one."""
    return AccessToken.objects.select_related("person").filter(digest=digest_of(secret)).first()


def usable_tokens_of(person: Staff) -> QuerySet[AccessToken]:
    """Return a person's tokens that are neither revoked nor expired, newest first. While they are inactive, none works."""
    return _in_force().filter(person=person)


def tokens_of(person: Staff, *, everybody: bool) -> QuerySet[AccessToken]:
    """Return a person's tokens, or everybody's: those that can be used first, then newest first."""
    tokens = AccessToken.objects.select_related("person")
    if not everybody:
        tokens = tokens.filter(person=person)
    return tokens.annotate(is_usable=Case(When(revoked_at=None, expires_at__gt=Now(), then=True), default=False)).order_by(
        "-is_usable", "-pk"
    )


def _in_force() -> QuerySet[AccessToken]:
    return AccessToken.objects.select_related("person").filter(revoked_at=None, expires_at__gt=Now())
