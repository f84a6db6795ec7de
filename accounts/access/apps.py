from django.apps import AppConfig


class AccessConfig(AppConfig):
    """Which accounts a person has access to, and which belong to them or to a relative."""

    name = "accounts.access"
    label = "access"

    def ready(self) -> None:
        """Keep events of accounts outside a person's access out of the trail's pages; say what needs two administrators."""
        # Models can't be imported before.
        from accounts.access.confirming import EndOfMark, WiderAccess  # noqa: PLC0415
        from accounts.access.trail import visible_events  # noqa: PLC0415
        from riskadmin.audit.access import register  # noqa: PLC0415
        from riskadmin.staff.people import further_acts  # noqa: PLC0415
        from riskadmin.staff.people.models import Act  # noqa: PLC0415

        register(visible_events)
        further_acts.register(Act.WIDEN_ACCESS, WiderAccess())
        further_acts.register(Act.END_MARK, EndOfMark())
