"""The lock-out that prevents password guessing.

After ten failures for one username, or from one address, within fifteen minutes, no further attempt is checked until
fifteen minutes have passed since the tenth. Attempts are kept in PostgreSQL, so that wiping Redis lifts no lock-out. Each
attempt is written before its password is checked, and counts as failed until it is known to have succeeded; so attempts
sent at the same moment can't evade the count. An attempt that was refused here is not a failure itself, so retrying too
early extends no lock-out.
"""

from datetime import timedelta
from typing import Final

from django.db import connection, transaction
from django.db.models import F, QuerySet
from django.db.models.functions import Now
from django.utils.crypto import salted_hmac

from riskadmin.staff.models import SignInAttempt, plain_username

FAILURES: Final = 10
WINDOW: Final = timedelta(minutes=15)
KEPT: Final = timedelta(days=1)

Outcome = SignInAttempt.Outcome


def admit(*, username: str, address: str | None) -> SignInAttempt | None:
    """Write an attempt and return it, or return None while the username or the address is locked out.

    Commits before it returns, so it must not be called inside a transaction.
    """
    digest = _digest(username)
    with transaction.atomic(durable=True):
        _take_turns(f"username {digest}", f"address {address}")
        if remaining(username=username, address=address) is not None:
            return None
        return SignInAttempt.objects.create(username_digest=digest, address=address)


def settle(attempt: SignInAttempt, *, succeeded: bool) -> None:
    """Write how an attempt ended, inside the transaction that signs the person in. Also deletes attempts older than a day."""
    outcome = Outcome.SUCCEEDED if succeeded else Outcome.FAILED
    SignInAttempt.objects.filter(pk=attempt.pk).update(outcome=outcome)
    SignInAttempt.objects.filter(attempted_at__lt=Now() - KEPT).delete()


def remaining(*, username: str, address: str | None) -> timedelta | None:
    """Return how long attempts with this username or from this address are refused. None when they are not."""
    # A success clears the failures of the username, not of the address: a person with a password of their own could
    # otherwise go on guessing other people's.
    of_username = SignInAttempt.objects.filter(username_digest=_digest(username))
    locks = [_lock(of_username)]
    if address is not None:
        locks.append(_lock(SignInAttempt.objects.filter(address=address).exclude(outcome=Outcome.SUCCEEDED)))
    return max((lock for lock in locks if lock is not None), default=None)


def _lock(attempts: QuerySet[SignInAttempt]) -> timedelta | None:
    """Return how long the lock-out caused by these attempts lasts."""
    aged = attempts.annotate(age=Now() - F("attempted_at")).order_by("-attempted_at")
    newest: list[tuple[timedelta, str]] = list(aged.values_list("age", "outcome")[:FAILURES])
    if len(newest) < FAILURES or any(outcome == Outcome.SUCCEEDED for _, outcome in newest):
        return None
    since_last, since_first = newest[0][0], newest[-1][0]
    if since_first - since_last >= WINDOW or since_last >= WINDOW:
        return None
    return WINDOW - since_last


def _digest(username: str) -> str:
    """Return a digest of a username, which may be anything, even someone's password."""
    return salted_hmac("riskadmin.staff.lockout", plain_username(username), algorithm="sha256").hexdigest()


def _take_turns(*keys: str) -> None:
    """Count attempts with the same username or address one after the other, until this transaction ends."""
    with connection.cursor() as cursor:
        for key in sorted(keys):  # always in the same order, so that two attempts can't deadlock
            cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [key])
