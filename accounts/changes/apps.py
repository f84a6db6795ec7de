from django.apps import AppConfig
from django.conf import settings


class ChangesConfig(AppConfig):
    """Changes: requested, planned, approved."""

    name = "accounts.changes"
    label = "changes"

    def ready(self) -> None:
        """Refuse to start with caps that have no effect; register names of limits and looks of states with the audit trail."""
        # Models can't be imported before.
        from accounts.changes.kinds.caps import check_caps  # noqa: PLC0415
        from accounts.changes.kinds.recorded_words import name_recorded_fields  # noqa: PLC0415
        from accounts.changes.recorded_states import name_recorded_states  # noqa: PLC0415

        check_caps(settings.LIMIT_CAPS)
        name_recorded_fields()
        name_recorded_states()
