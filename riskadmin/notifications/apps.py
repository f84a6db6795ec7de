from django.apps import AppConfig


class NotificationsConfig(AppConfig):
    """Messages to people and to other systems, and their delivery."""

    name = "riskadmin.notifications"
    label = "notifications"

    def ready(self) -> None:
        """Have messages follow the events about people, and about how they sign in."""
        # Models can't be imported before.
        from riskadmin.notifications.people import register_notices  # noqa: PLC0415
        from riskadmin.notifications.security_notices import listen_to_sign_in  # noqa: PLC0415

        register_notices()
        listen_to_sign_in()
        from riskadmin.notifications.sealing import reseal  # noqa: PLC0415
        from riskadmin.sealing import stores_sealed  # noqa: PLC0415

        stores_sealed("webhooks", reseal)
