"""The package's Django application. It provides template tags, no models."""

from django.apps import AppConfig


class WebConfig(AppConfig):
    """Registered as `web`, so that its template tags and tests are found."""

    name = "riskadmin.web"
    label = "web"
