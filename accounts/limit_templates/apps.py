from django.apps import AppConfig


class LimitTemplatesConfig(AppConfig):
    """Limit templates: named sets of limits, and which accounts differ from theirs."""

    name = "accounts.limit_templates"
    label = "limit_templates"
