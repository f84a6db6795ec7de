"""Reading who works here."""

from typing import cast

from django.db.models import QuerySet
from django.http import HttpRequest

from riskadmin.staff.models import Staff


def person(request: HttpRequest) -> Staff:
    """Return who sent the request; the access marks let nobody else in."""
    return cast(Staff, request.user)


def people() -> QuerySet[Staff]:
    """Return everybody with their roles, by username; those switched off come last."""
    return Staff.objects.prefetch_related("groups").order_by("-is_active", "username")
