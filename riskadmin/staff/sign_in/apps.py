from django.apps import AppConfig


class SignInConfig(AppConfig):
    """Signing in and out: passwords, second factors, passkeys, single sign-on and the throttle against guessing."""

    name = "riskadmin.staff.sign_in"
    label = "sign_in"

    def ready(self) -> None:
        """Say what is stored encrypted."""
        # Models can't be imported before.
        from riskadmin.sealing import stores_sealed  # noqa: PLC0415
        from riskadmin.staff.sign_in.sealing import reseal  # noqa: PLC0415

        stores_sealed("second factors", reseal)
