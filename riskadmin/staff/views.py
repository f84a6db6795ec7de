"""Signing in and out, and the list of staff."""

from typing import Final

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render, resolve_url
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from riskadmin.staff import actions, queries
from riskadmin.staff.forms import SignInForm
from riskadmin.staff.models import Staff
from riskadmin.staff.roles import Role
from riskadmin.web.access import public, requires
from riskadmin.web.htmx import redirect
from riskadmin.web.statuses import UNPROCESSABLE

# One text for every cause: it reveals neither whether the username exists nor whether it is locked out.
FAILURE: Final = (
    "Username and password don't match, or there were too many tries. "
    "Check both; after ten failed tries nothing is accepted for 15 minutes."
)


@public
@sensitive_post_parameters("password")
@require_http_methods(["GET", "HEAD", "POST"])
def sign_in(request: HttpRequest) -> HttpResponse:
    """The sign-in page. A failure is answered with 422 and one text. Success redirects to `next`, if it is one of our pages."""
    if request.method != "POST":
        if request.user.is_authenticated:
            return redirect(request, _own_page(request.GET.get("next", "")))
        form = SignInForm(initial={"next": request.GET.get("next", "")})
        return render(request, "staff/sign_in.html", {"form": form})
    form = SignInForm(request.POST)
    if form.is_valid():
        entered = form.cleaned_data
        if actions.sign_in(request, username=entered["username"], password=entered["password"]):
            return redirect(request, _own_page(entered["next"]))
        form.add_error(None, FAILURE)
    return render(request, "staff/sign_in.html", {"form": form}, status=UNPROCESSABLE)


@public
@require_POST
def sign_out(request: HttpRequest) -> HttpResponse:
    """End the session, if there is one, and show the sign-in page."""
    if isinstance(request.user, Staff):
        actions.sign_out(request, actor=request.user)
    return redirect(request, settings.LOGIN_URL)


@requires("staff:manage")
@require_safe
def people(request: HttpRequest) -> HttpResponse:
    """Who works here, with their roles and last sign-in."""
    rows = [(person, [Role(name).label for name in person.role_names]) for person in queries.people()]
    return render(request, "staff/people.html", {"rows": rows})


def _own_page(address: str) -> str:
    """Return the address if it is a path on this site, else the home page's."""
    # A host is not allowed even when it is ours: `next` is never built with one.
    if address.startswith("/") and url_has_allowed_host_and_scheme(address, allowed_hosts=None):
        return address
    return resolve_url(settings.LOGIN_REDIRECT_URL)
