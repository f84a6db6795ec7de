"""Queries about staff."""

from typing import cast

from django.db.models import QuerySet
from django.http import HttpRequest

from riskadmin.staff.models import Staff


def person(request: HttpRequest) -> Staff:
    """Return the person who sent the request. The access marks let no one else in."""
    return cast(Staff, request.user)


def people() -> QuerySet[Staff]:
    """Return everyone with their roles, by username. Deactivated people come last."""
    return Staff.objects.prefetch_related("groups").order_by("-is_active", "username")
