from django.apps import AppConfig


class NotificationsConfig(AppConfig):
    """Messages to people and to other systems, and their delivery."""

    name = "riskadmin.notifications"
    label = "notifications"
