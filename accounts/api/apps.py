from django.apps import AppConfig


class ApiConfig(AppConfig):
    """The API for programs: reads what its person may see, and requests changes."""

    name = "accounts.api"
    label = "api"

    def ready(self) -> None:
        """Say what tokens may do. Whatever is not named here, such as approving, no token allows."""
        # Models can't be imported before.
        from accounts.changes.kinds import KINDS  # noqa: PLC0415
        from riskadmin.staff.tokens.models import Scope  # noqa: PLC0415
        from riskadmin.staff.tokens.scopes import allow  # noqa: PLC0415

        for capability in ("accounts:view", "changes:view"):
            allow(Scope.READ, capability)
        for kind in KINDS.values():
            allow(Scope.REQUEST, kind.capability)
