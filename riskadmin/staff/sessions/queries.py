"""Which sessions a person has."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import QuerySet
from django.utils import timezone

from riskadmin.staff.models import Staff
from riskadmin.staff.sessions.devices import device_words
from riskadmin.staff.sessions.models import StaffSession


@dataclass(frozen=True, kw_only=True)
class SessionLine:
    """One session as pages list it; `key` names it in forms, `user_agent` is what the browser said of itself."""

    key: str
    device: str
    user_agent: str
    address: str | None
    begun_at: datetime
    used_at: datetime
    ends_at: datetime
    is_this: bool


def open_sessions(person: Staff) -> QuerySet[StaffSession]:
    """Return a person's sessions that have not ended, the last used first."""
    now = timezone.now()
    alive = {"expire_date__gt": now, "used_at__gt": now - timedelta(minutes=settings.SESSION_IDLE_MINUTES)}
    return StaffSession.objects.filter(person=person, **alive).order_by("-used_at", "-begun_at")


def sessions_of(person: Staff, *, this: str | None = None) -> list[SessionLine]:
    """Return the lines of a person's sessions; `this` is the key of the session that asks."""
    return [
        SessionLine(
            key=row.public_key,
            device=device_words(row.user_agent),
            user_agent=row.user_agent,
            address=row.address,
            begun_at=row.begun_at,
            used_at=row.used_at,
            ends_at=row.expire_date,
            is_this=row.session_key == this,
        )
        for row in open_sessions(person)
    ]
