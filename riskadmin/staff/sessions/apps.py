from django.apps import AppConfig
from django.contrib.auth.signals import user_logged_in
from django.utils.module_loading import import_string

BEGIN = "riskadmin.staff.sessions.proof.begin"  # it can't be imported before all models are loaded


class SessionsConfig(AppConfig):
    """Sessions of people: their limits, their list, and how long ago somebody proved who they are."""

    name = "riskadmin.staff.sessions"
    label = "staff_sessions"

    def ready(self) -> None:
        """Have every sign-in begin a session, whichever way it takes: none can leave the limits out (ADR 26)."""
        user_logged_in.connect(import_string(BEGIN), dispatch_uid="staff_sessions.begin")
