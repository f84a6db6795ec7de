from django.apps import AppConfig

from riskadmin.operations.telemetry.start import start_telemetry


class OperationsConfig(AppConfig):
    """Metrics, backup and restore, retention."""

    name = "riskadmin.operations"
    label = "operations"

    def ready(self) -> None:
        """Start what the settings ask for."""
        start_telemetry()
