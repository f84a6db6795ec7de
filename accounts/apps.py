from django.apps import AppConfig


class AccountsConfig(AppConfig):
    """The mirror of Tradovate's accounts."""

    name = "accounts"
    label = "accounts"

    def ready(self) -> None:
        """Say what is stored encrypted."""
        # Models can't be imported before.
        from accounts.gateway.sealing import reseal_credentials, reseal_tokens  # noqa: PLC0415
        from riskadmin.sealing import stores_sealed  # noqa: PLC0415

        stores_sealed("credentials of Tradovate", reseal_credentials)
        stores_sealed("tokens of Tradovate", reseal_tokens)
