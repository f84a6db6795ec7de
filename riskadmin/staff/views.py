"""The list of staff."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from riskadmin.staff import queries
from riskadmin.staff.roles import Role
from riskadmin.web.access import requires


@requires("staff:manage")
@require_safe
def people(request: HttpRequest) -> HttpResponse:
    """Who works here, with their roles and last sign-in."""
    rows = [(person, [Role(name).label for name in person.role_names]) for person in queries.people()]
    return render(request, "staff/people.html", {"rows": rows})
