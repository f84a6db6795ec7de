from django.apps import AppConfig


class ReasonsConfig(AppConfig):
    """The firm's own reasons, and what a request says besides its reason."""

    name = "accounts.changes.reasons"
    label = "reasons"
