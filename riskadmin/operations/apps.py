from django.apps import AppConfig


class OperationsConfig(AppConfig):
    """Metrics, backup and restore, retention."""

    name = "riskadmin.operations"
    label = "operations"
