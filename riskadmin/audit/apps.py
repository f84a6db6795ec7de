from django.apps import AppConfig
from django.db.backends.signals import connection_created


class AuditConfig(AppConfig):
    """The audit trail, and the adapters that make texts storable in PostgreSQL."""

    name = "riskadmin.audit"
    label = "audit"

    def ready(self) -> None:
        """Guard every connection opened from now on."""
        from riskadmin.audit.adapters import send_only_what_is_storable  # noqa: PLC0415  (needs the settings)

        connection_created.connect(send_only_what_is_storable, dispatch_uid="storable")
