"""The sessions of people, one row each: Django's own columns, and those that limits and the list of sessions need."""

from datetime import timedelta
from importlib import import_module

from django.conf import settings
from django.contrib.sessions.base_session import AbstractBaseSession
from django.db import models
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.crypto import salted_hmac

from riskadmin.database.privileges import hidden_from_auditor
from riskadmin.staff.sessions.keys import AGENT_MAX


@hidden_from_auditor("session_key", "session_data")
class StaffSession(AbstractBaseSession):
    """One session. `expire_date` is its absolute end; it ends earlier once `used_at` is too long ago.

    A row without a person belongs to somebody who has not signed in yet.
    """

    person = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, null=True, related_name="sessions")
    begun_at = models.DateTimeField(db_default=Now())
    used_at = models.DateTimeField(db_default=Now())  # to the minute; what a page asks by itself doesn't count
    address = models.GenericIPAddressField(null=True)
    user_agent = models.CharField(max_length=AGENT_MAX, blank=True)

    class Meta(AbstractBaseSession.Meta):
        verbose_name = "session"
        verbose_name_plural = "sessions"
        # `person` has an index: the list of a person's sessions, and ending them.

    def __str__(self) -> str:
        return f"session of person {self.person_id}"

    @classmethod
    def get_session_store_class(cls) -> type:
        """Return the store that reads and writes these rows."""
        store: type = import_module(settings.SESSION_ENGINE).SessionStore
        return store

    @property
    def is_idle(self) -> bool:
        """Whether it was unused for longer than a session may be."""
        return self.used_at + timedelta(minutes=settings.SESSION_IDLE_MINUTES) <= timezone.now()

    @property
    def public_key(self) -> str:
        """A name for pages: the session's own key opens the session, so no page shows it."""
        return public_key(self.session_key)


def public_key(session_key: str) -> str:
    """Return the name that pages have for a session."""
    return salted_hmac("riskadmin.staff.sessions", session_key, algorithm="sha256").hexdigest()[:32]
