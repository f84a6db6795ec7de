from django.apps import AppConfig


class ChangesConfig(AppConfig):
    """Changes: asked for, planned, decided."""

    name = "accounts.changes"
    label = "changes"
