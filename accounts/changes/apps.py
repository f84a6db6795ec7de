from django.apps import AppConfig
from django.conf import settings


class ChangesConfig(AppConfig):
    """Changes: asked for, planned, decided."""

    name = "accounts.changes"
    label = "changes"

    def ready(self) -> None:
        """Refuse to start with caps that would hold nobody."""
        from accounts.changes.kinds.caps import check_caps  # noqa: PLC0415  (models can't be imported before)

        check_caps(settings.LIMIT_CAPS)
