from django.apps import AppConfig


class OutsideConfig(AppConfig):
    """What others change at Tradovate, told apart from what riskadmin does."""

    name = "accounts.outside"
    label = "outside"
