from django.apps import AppConfig


class AccountsConfig(AppConfig):
    """The mirror of Tradovate's accounts."""

    name = "accounts"
    label = "accounts"
