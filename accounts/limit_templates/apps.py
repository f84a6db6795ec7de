from django.apps import AppConfig


class LimitTemplatesConfig(AppConfig):
    """Limit templates: named sets of limits, and which accounts differ from theirs."""

    name = "accounts.limit_templates"
    label = "limit_templates"

    def ready(self) -> None:
        """Register versions as something to be approved, and the looks of their states with the audit trail."""
        # Models can't be imported before.
        from accounts.approvals.subjects import register  # noqa: PLC0415
        from accounts.limit_templates.approval import TEMPLATES  # noqa: PLC0415
        from accounts.limit_templates.states import VERSION_LOOK  # noqa: PLC0415
        from riskadmin.audit.wording import name_states  # noqa: PLC0415

        register(TEMPLATES)
        name_states("template", VERSION_LOOK)
