"""The session store: Django's, in PostgreSQL, with an idle and an absolute limit that hold wherever a session is read."""

from datetime import datetime, timedelta
from typing import Any, Final

from django.apps import apps
from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore as DatabaseStore
from django.db.models import Q
from django.utils import timezone

from riskadmin.staff.sessions.keys import ADDRESS, BEGUN_AT, USER_AGENT

TOUCHED_EVERY: Final = timedelta(minutes=1)
"""How often the time of the last use is written, at most."""


class SessionStore(DatabaseStore):
    """A session that ends after `SESSION_HOURS`, or once it was unused for `SESSION_IDLE_MINUTES`."""

    _used_at: datetime | None = None

    @classmethod
    def get_model_class(cls) -> Any:
        """Return the model of the rows."""
        return apps.get_model("staff_sessions", "StaffSession")  # models can't be imported before the apps are loaded

    def load(self) -> dict[str, Any]:
        """Return what the session holds; nothing once it has ended, by either limit."""
        row = self.get_model_class().objects.filter(session_key=self.session_key, expire_date__gt=timezone.now()).first()
        if row is None or row.is_idle:
            self._session_key = None
            return {}
        self._used_at = row.used_at
        return self.decode(row.session_data)

    def create_model_instance(self, data: dict[str, Any]) -> Any:
        """Return the row to save: what the session says of itself, in columns."""
        row: Any = super().create_model_instance(data)
        person_id = data.get(SESSION_KEY)
        row.person_id = None if person_id is None else int(person_id)
        row.begun_at = _time_in(data) or timezone.now()
        row.used_at = self._used_at or timezone.now()
        row.address = data.get(ADDRESS)
        row.user_agent = data.get(USER_AGENT, "")
        return row

    def create(self) -> None:
        """Begin under a new key, as when somebody signs in: that is a use."""
        self._used_at = None
        super().create()

    def get_expiry_date(self, **_: object) -> datetime:
        """Return the absolute end: using a session doesn't move it."""
        return (_time_in(self) or timezone.now()) + timedelta(seconds=settings.SESSION_COOKIE_AGE)

    def get_expiry_age(self, **_: object) -> int:
        """Return the seconds until the absolute end."""
        return max(0, int((self.get_expiry_date() - timezone.now()).total_seconds()))

    @property
    def left_s(self) -> int:
        """The seconds until the session ends, unless somebody uses it."""
        idle_end = (self._used_at or timezone.now()) + timedelta(minutes=settings.SESSION_IDLE_MINUTES)
        return max(0, min(self.get_expiry_age(), int((idle_end - timezone.now()).total_seconds())))

    @property
    def is_extensible(self) -> bool:
        """Whether using the session now would make it last longer."""
        return self.get_expiry_age() > self.left_s

    def touch(self) -> None:
        """Note that the person uses the session. One column is written: what other requests put in the session stays."""
        now = timezone.now()
        if self.session_key is None or self._used_at is None or now - self._used_at < TOUCHED_EVERY:
            return
        self.get_model_class().objects.filter(session_key=self.session_key).update(used_at=now)
        self._used_at = now

    @classmethod
    def clear_expired(cls) -> None:
        """Delete the rows of sessions that have ended (`manage.py clearsessions`)."""
        now = timezone.now()
        idle = Q(used_at__lt=now - timedelta(minutes=settings.SESSION_IDLE_MINUTES))
        cls.get_model_class().objects.filter(idle | Q(expire_date__lt=now)).delete()


def _time_in(data: Any) -> datetime | None:
    """Return when the session began, as its data say."""
    begun_at = data.get(BEGUN_AT)
    return None if begun_at is None else datetime.fromtimestamp(begun_at, tz=timezone.get_default_timezone())
