from django.apps import AppConfig


class StaffConfig(AppConfig):
    """People, roles and sign-in."""

    name = "riskadmin.staff"
    label = "staff"
