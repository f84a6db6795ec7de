from django.apps import AppConfig


class StoryConfig(AppConfig):
    """Stories of accounts, traders, people and changes."""

    name = "accounts.story"
    label = "story"

    def ready(self) -> None:
        """Tell the trail which changes are about an account or a trader."""
        # Models can't be imported before.
        from accounts.story.touched import about  # noqa: PLC0415
        from riskadmin.audit.touched import register  # noqa: PLC0415

        register(about)
