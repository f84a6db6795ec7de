from django.apps import AppConfig
from django.conf import settings


class ChangesConfig(AppConfig):
    """Changes: asked for, planned, decided."""

    name = "accounts.changes"
    label = "changes"

    def ready(self) -> None:
        """Refuse to start with caps that would hold nobody, and tell the trail what limits are called."""
        # Models can't be imported before.
        from accounts.changes.kinds.caps import check_caps  # noqa: PLC0415
        from accounts.changes.kinds.recorded_words import name_recorded_fields  # noqa: PLC0415

        check_caps(settings.LIMIT_CAPS)
        name_recorded_fields()
