"""The page on which people choose how they work here."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_http_methods

from riskadmin.audit.origin import origin_of
from riskadmin.staff.preferences.actions import save_preferences
from riskadmin.staff.preferences.forms import PreferencesForm
from riskadmin.staff.queries import person
from riskadmin.web.access import signed_in
from riskadmin.web.htmx import redirect
from riskadmin.web.statuses import UNPROCESSABLE


@signed_in
@require_http_methods(["GET", "HEAD", "POST"])
def preferences(request: HttpRequest) -> HttpResponse:
    """One's own time zone and start page."""
    who = person(request)
    form = PreferencesForm(request.POST if request.method == "POST" else None, person=who)
    if form.is_bound and form.is_valid():
        save_preferences(who, origin=origin_of(request), **form.cleaned_data)
        messages.success(request, "Your preferences are saved.")
        return redirect(request, "preferences:page")
    return render(request, "preferences/page.html", {"form": form}, status=UNPROCESSABLE if form.errors else 200)
