"""What a process that only verifies does before anything of Django is imported into it."""

import django


def prepare() -> None:
    """Load the settings and the apps."""
    django.setup()
