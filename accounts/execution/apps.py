from django.apps import AppConfig


class ExecutionConfig(AppConfig):
    """Changes carried out at Tradovate, verified and settled."""

    name = "accounts.execution"
    label = "execution"
