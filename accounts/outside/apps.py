from django.apps import AppConfig


class OutsideConfig(AppConfig):
    """What others change at Tradovate, separated from what riskadmin does."""

    name = "accounts.outside"
    label = "outside"
