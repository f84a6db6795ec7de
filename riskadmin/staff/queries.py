"""Reading who works here."""

from django.db.models import QuerySet

from riskadmin.staff.models import Staff


def people() -> QuerySet[Staff]:
    """Return everybody with their roles, by username; those switched off come last."""
    return Staff.objects.prefetch_related("groups").order_by("-is_active", "username")
