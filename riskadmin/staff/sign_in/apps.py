from django.apps import AppConfig


class SignInConfig(AppConfig):
    """Signing in and out: passwords, second factors, passkeys, single sign-on and the throttle against guessing."""

    name = "riskadmin.staff.sign_in"
    label = "sign_in"
