from django.apps import AppConfig


class DutyConfig(AppConfig):
    """Who is on duty, and who stands in for whom. It knows nothing of what there is to decide."""

    name = "riskadmin.staff.duty"
    label = "duty"
