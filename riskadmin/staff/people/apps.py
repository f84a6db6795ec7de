from django.apps import AppConfig


class PeopleConfig(AppConfig):
    """Administrators' pages about people: invitations, roles, requests for rights, one-time links."""

    name = "riskadmin.staff.people"
    label = "people"

    def ready(self) -> None:
        """Register the looks of states with the audit trail."""
        # Models can't be imported before.
        from riskadmin.audit.wording import name_states  # noqa: PLC0415
        from riskadmin.staff.people.models import RIGHTS_LOOK  # noqa: PLC0415

        name_states("rights", RIGHTS_LOOK)
