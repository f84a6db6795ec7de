from django.apps import AppConfig


class AuditConfig(AppConfig):
    """The trail."""

    name = "riskadmin.audit"
    label = "audit"
