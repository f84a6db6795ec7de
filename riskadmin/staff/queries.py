"""Reading who works here."""

from django.db.models import QuerySet
from django.db.models.functions import Lower

from riskadmin.staff.models import Staff


def people() -> QuerySet[Staff]:
    """Return everybody with their roles, by name; those switched off come last."""
    return Staff.objects.prefetch_related("groups").order_by("-is_active", Lower("last_name"), Lower("first_name"), "username")
