from django.apps import AppConfig
from django.db.backends.signals import connection_created


class AuditConfig(AppConfig):
    """The trail, and what makes texts fit for PostgreSQL."""

    name = "riskadmin.audit"
    label = "audit"

    def ready(self) -> None:
        """Guard every connection that is made from now on."""
        from riskadmin.audit.adapters import send_only_what_is_storable  # noqa: PLC0415  (needs the settings)

        connection_created.connect(send_only_what_is_storable, dispatch_uid="storable")
