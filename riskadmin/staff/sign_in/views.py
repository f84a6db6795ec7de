"""Signing in and out."""

from typing import Final

from allauth.account.internal.flows.login import perform_password_login
from allauth.account.internal.stagekit import clear_login
from allauth.account.models import Login
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render, resolve_url
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from riskadmin.staff.models import Staff
from riskadmin.staff.sign_in import actions
from riskadmin.staff.sign_in.forms import SignInForm
from riskadmin.web.access import public
from riskadmin.web.htmx import redirect
from riskadmin.web.statuses import UNPROCESSABLE

# One text for every cause: it reveals neither whether the username exists nor whether attempts are refused.
FAILURE: Final = (
    "Username and password don't match, or there were too many attempts. "
    "Check both; after ten failed attempts, nothing is accepted for 15 minutes."
)


@public
@sensitive_post_parameters("password")
@require_http_methods(["GET", "HEAD", "POST"])
def sign_in(request: HttpRequest) -> HttpResponse:
    """The sign-in page. A failure is answered with 422 and one text. Success redirects to `next`, if it is one of our pages."""
    if request.method != "POST":
        if request.user.is_authenticated:
            return redirect(request, own_page(request.GET.get("next", "")))
        form = SignInForm(initial={"next": request.GET.get("next", "")})
        return render(request, "staff/sign_in.html", {"form": form})
    form = SignInForm(request.POST)
    if form.is_valid():
        entered = form.cleaned_data
        person = actions.check_password(request, username=entered["username"], password=entered["password"])
        if person:
            return _go_on(request, person, to=own_page(entered["next"]))
        form.add_error(None, FAILURE)
    return render(request, "staff/sign_in.html", {"form": form}, status=UNPROCESSABLE)


@public
@require_POST
def sign_out(request: HttpRequest) -> HttpResponse:
    """End the session, if there is one, and show the sign-in page."""
    if isinstance(request.user, Staff):
        actions.sign_out(request, actor=request.user)
    return redirect(request, settings.LOGIN_URL)


def _go_on(request: HttpRequest, person: Staff, *, to: str) -> HttpResponse:
    """Ask for what else has to be proven after the password, or begin the session and go to `to`."""
    attempt_id = request.session.get(actions.ATTEMPT)
    if isinstance(request.user, Staff):
        actions.sign_out(request, actor=request.user)  # no one is left signed in while somebody else proves who they are
    clear_login(request)
    request.session[actions.ATTEMPT] = attempt_id
    return perform_password_login(request, {"username": person.username}, Login(user=person, redirect_url=to))


def own_page(address: str) -> str:
    """Return the address if it is a path on this site, else the home page's."""
    # A host is not allowed even when it is ours: `next` is never built with one.
    if address.startswith("/") and url_has_allowed_host_and_scheme(address, allowed_hosts=None):
        return address
    return resolve_url(settings.LOGIN_REDIRECT_URL)
