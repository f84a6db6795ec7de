"""The Django app of the database's roles: its commands, and the check of `check --deploy`."""

from django.apps import AppConfig


class DatabaseConfig(AppConfig):
    """It has no models."""

    name = "riskadmin.database"

    def ready(self) -> None:
        """Register the check."""
        from riskadmin.database import checks  # noqa: F401, PLC0415  (it registers itself, and needs the settings)
