"""The page behind a one-time link, for people who can't sign in yet."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from riskadmin.audit.origin import origin_of
from riskadmin.staff.people.forms import NO_LINK, WelcomeForm
from riskadmin.staff.people.links import LinkEnded, use_link
from riskadmin.web.access import public
from riskadmin.web.htmx import redirect
from riskadmin.web.statuses import UNPROCESSABLE


@public
@sensitive_post_parameters("code", "password", "again")
@require_http_methods(["GET", "HEAD", "POST"])
def welcome(request: HttpRequest) -> HttpResponse:
    """Set a password with the code of a one-time link, then sign in. The same page, with a code or without.

    The code comes by POST alone: a script takes it from behind the # of the link, which no browser sends to a server.
    """
    form = WelcomeForm(request.POST if request.method == "POST" else None)
    if form.is_bound and form.is_valid():
        entered = form.cleaned_data
        try:
            person = use_link(origin=origin_of(request), code=entered["code"], password=entered["password"])
        except LinkEnded:  # used in another tab since the form was checked
            form.add_error("code", NO_LINK)
        else:
            messages.success(request, f"Your password is set. Sign in as {person.username}.")
            return redirect(request, "staff:sign_in")
    return render(request, "people/welcome.html", {"form": form}, status=UNPROCESSABLE if form.errors else 200)
