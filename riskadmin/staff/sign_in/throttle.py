"""The throttle against guessing passwords and codes, made so that no one can lock somebody else out with it.

Failures are counted for one person and one place together. A place is a device that this person has signed in on before
(`devices`), else the network that the attempt came from. After ten failures within fifteen minutes, nothing is checked for
this person from that place until fifteen minutes have passed since the last. Nothing is ever counted for a network alone,
so no one who shares it is stopped by others.

Against guessing from many networks, failures from devices that the person has not used before are also counted for the
person: from the thirtieth within a day, attempts from such devices are taken only with a pause between them, from thirty
seconds to fifteen minutes. Known devices never wait for it, nor do passkeys and single sign-on, which don't come here.
An administrator can lift all of it (`lift`).

Attempts are kept in PostgreSQL, so that wiping Redis lifts nothing. Each is written before it is checked, and counts as
failed until it is known to have succeeded; so attempts sent at the same moment can't evade the count. An attempt that was
refused here is not a failure itself, so trying too early makes no wait longer.
"""

from dataclasses import dataclass
from datetime import timedelta
from ipaddress import ip_address, ip_network
from typing import Final

from django.db import connection, transaction
from django.db.models import F, QuerySet
from django.db.models.functions import Now
from django.utils.crypto import salted_hmac

from riskadmin.staff.models import plain_username
from riskadmin.staff.sign_in.models import Attempt

FAILURES: Final = 10
"""How many failures a person may have at one place within WINDOW."""
WINDOW: Final = timedelta(minutes=15)
FAILURES_ELSEWHERE: Final = 30
"""How many failures from unknown devices a person may have within KEPT before attempts from such devices have to wait."""
STEP: Final = 10
"""After how many further failures the wait doubles."""
FIRST_WAIT: Final = timedelta(seconds=30)
LONGEST_WAIT: Final = timedelta(minutes=15)
KEPT: Final = timedelta(days=1)

Outcome = Attempt.Outcome
COUNTED: Final = (Outcome.PENDING, Outcome.FAILED)


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where an attempt comes from: `device` is empty unless this person has signed in on it before."""

    network: str
    device: str = ""


def network_of(address: str | None) -> str:
    """Return what counts as one network: an IPv4 address, or the /64 of an IPv6 address, of which one household has 2^64."""
    if address is None:
        return ""
    parsed = ip_address(address)
    return str(ip_network((parsed, 64), strict=False)) if parsed.version == 6 else str(parsed)  # noqa: PLR2004


def admit(*, username: str, place: Place) -> Attempt | None:
    """Write an attempt and return it, or return None while attempts for this person from this place are refused.

    Commits before it returns, so it must not be called inside a transaction.
    """
    digest = digest_of(username)
    with transaction.atomic(durable=True):
        _take_turns(digest)
        if remaining(username=username, place=place) is not None:
            return None
        return Attempt.objects.create(username_digest=digest, network=place.network, device=place.device)


def settle(attempt_id: int, outcome: Outcome) -> None:
    """Write how an attempt ended, in the transaction of what came of it. Also deletes attempts older than a day."""
    Attempt.objects.filter(pk=attempt_id).update(outcome=outcome)
    Attempt.objects.filter(attempted_at__lt=Now() - KEPT).delete()


def remaining(*, username: str, place: Place) -> timedelta | None:
    """Return how long attempts for this person from this place are refused. None when they are not."""
    of_person = Attempt.objects.filter(username_digest=digest_of(username))
    if place.device:
        return _wait_at_place(of_person.filter(device=place.device))
    elsewhere = of_person.filter(device="")
    waits = (_wait_at_place(elsewhere.filter(network=place.network)), _wait_elsewhere(elsewhere))
    return max((wait for wait in waits if wait is not None), default=None)


def lift(*, username: str) -> int:
    """Forget a person's failures, in the caller's transaction. Returns how many they were."""
    return Attempt.objects.filter(username_digest=digest_of(username), outcome__in=COUNTED).update(outcome=Outcome.LIFTED)


def failures_from(network: str) -> int:
    """Return how many attempts from a network have failed within WINDOW, whomever they were for."""
    return Attempt.objects.filter(network=network, outcome__in=COUNTED, attempted_at__gt=Now() - WINDOW).count()


def digest_of(username: str) -> str:
    """Return a digest of a username, which may be anything, even someone's password."""
    return salted_hmac("riskadmin.staff.lockout", plain_username(username), algorithm="sha256").hexdigest()


def _wait_at_place(attempts: QuerySet[Attempt]) -> timedelta | None:
    """Return how long these attempts, all by one person at one place, make the next one wait. A success clears them."""
    counted = attempts.filter(outcome__in=(*COUNTED, Outcome.SUCCEEDED)).annotate(age=Now() - F("attempted_at"))
    newest: list[tuple[timedelta, str]] = list(counted.order_by("age").values_list("age", "outcome")[:FAILURES])
    if len(newest) < FAILURES or any(outcome == Outcome.SUCCEEDED for _, outcome in newest):
        return None
    since_last, since_first = newest[0][0], newest[-1][0]
    if since_first - since_last >= WINDOW or since_last >= WINDOW:
        return None
    return WINDOW - since_last


def _wait_elsewhere(attempts: QuerySet[Attempt]) -> timedelta | None:
    """Return how long these attempts, from all devices that the person has not used before, make the next one wait.

    A success clears none of them: it says nothing about who made the others.
    """
    counted = attempts.filter(outcome__in=COUNTED).annotate(age=Now() - F("attempted_at")).filter(age__lt=KEPT)
    ages: list[timedelta] = list(counted.order_by("age").values_list("age", flat=True))
    beyond = len(ages) - FAILURES_ELSEWHERE
    if beyond < 0:
        return None
    wait = min(FIRST_WAIT * 2 ** min(beyond // STEP, STEP), LONGEST_WAIT)
    return wait - ages[0] if ages[0] < wait else None


def _take_turns(digest: str) -> None:
    """Count attempts for one person one after the other, until this transaction ends."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"sign-in {digest}"])
