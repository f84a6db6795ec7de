from django.apps import AppConfig


class LimitTemplatesConfig(AppConfig):
    """Limit templates: named sets of limits, and which accounts differ from theirs."""

    name = "accounts.limit_templates"
    label = "limit_templates"

    def ready(self) -> None:
        """Register the looks of a version's states with the audit trail."""
        from accounts.limit_templates.states import VERSION_LOOK  # noqa: PLC0415  (models can't be imported before)
        from riskadmin.audit.wording import name_states  # noqa: PLC0415

        name_states("template", VERSION_LOOK)
