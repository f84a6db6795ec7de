"""Starting what the settings ask for, in every process."""

from importlib import import_module

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured


def start_telemetry() -> None:
    """Start Sentry and OpenTelemetry if they are set. Raises ImproperlyConfigured when their packages are not installed."""
    for name, module in (("SENTRY_DSN", "sentry"), ("OTEL_EXPORTER_OTLP_ENDPOINT", "tracing")):
        if not getattr(settings, name):
            continue
        try:
            started = import_module(f"riskadmin.operations.telemetry.{module}")
        except ModuleNotFoundError as error:
            raise ImproperlyConfigured(
                f"{name} is set, and the package {error.name} is not installed: pip install -r requirements-telemetry.lock"
            ) from error
        started.start()
