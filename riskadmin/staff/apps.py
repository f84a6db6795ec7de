from django.apps import AppConfig

from riskadmin.staff.roles import name_capabilities


class StaffConfig(AppConfig):
    """People, roles and sign-in."""

    name = "riskadmin.staff"
    label = "staff"

    def ready(self) -> None:
        """Name the capabilities."""
        name_capabilities()
