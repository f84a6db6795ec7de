from django.apps import AppConfig


class TokensConfig(AppConfig):
    """Access tokens: how programs use the API in the name of a person."""

    name = "riskadmin.staff.tokens"
    label = "tokens"
