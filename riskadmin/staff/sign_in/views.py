"""Signing in and out."""

import logging
from http import HTTPStatus
from typing import Final

from allauth.account.internal.flows.login import perform_login, perform_password_login
from allauth.account.internal.stagekit import clear_login
from allauth.account.models import Login
from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST, require_safe
from requests import RequestException

from riskadmin.staff.models import Staff
from riskadmin.staff.preferences.start_pages import start_address
from riskadmin.staff.queries import person
from riskadmin.staff.sign_in import actions, passkeys, sso_protocol
from riskadmin.staff.sign_in.forms import CodeForm, EmergencyForm, PasskeyForm, SignInForm
from riskadmin.staff.sign_in.stages import SecondFactorStage, pending
from riskadmin.web.access import public
from riskadmin.web.htmx import redirect
from riskadmin.web.statuses import UNPROCESSABLE

logger = logging.getLogger(__name__)

# One text for every cause: it reveals neither whether the username exists nor whether attempts are refused.
FAILURE: Final = (
    "Username and password don't match, or there were too many attempts. "
    "Check both; after ten failed attempts, nothing is accepted for 15 minutes."
)
WRONG_CODE: Final = (
    "This code is wrong, has been used already, or there were too many attempts. "
    "Wait for the next code of your app; after ten failed attempts, nothing is accepted for 15 minutes."
)
NO_PROVIDER: Final = "The identity provider doesn't answer. Sign in with your password, or try again in a minute."
WRONG_EMERGENCY_CODE: Final = "Username and code don't match, the code was used or is too old, or there were too many attempts."
WRONG_PASSKEY: Final = "This passkey didn't sign you in. Try again, or sign in with your password."


@public
@sensitive_post_parameters("password")
@require_http_methods(["GET", "HEAD", "POST"])
def sign_in(request: HttpRequest) -> HttpResponse:
    """The sign-in page. A failure is answered with 422 and one text. Success redirects to `next`, if it is one of our pages."""
    if request.method != "POST":
        if request.user.is_authenticated:
            return redirect(request, own_path(request.GET.get("next", "")) or start_address(person(request)))
        return _sign_in_page(request, SignInForm(initial={"next": request.GET.get("next", "")}))
    form = SignInForm(request.POST)
    if form.is_valid():
        entered = form.cleaned_data
        found = actions.check_password(request, username=entered["username"], password=entered["password"])
        if found:
            login = Login(user=found, redirect_url=own_path(entered["next"]))
            return perform_password_login(request, {"username": found.username}, login)
        form.add_error(None, FAILURE)
    return _sign_in_page(request, form, status=UNPROCESSABLE)


@public
@require_http_methods(["GET", "HEAD", "POST"])
def second_factor(request: HttpRequest) -> HttpResponse:
    """The step after the password, for people who have a second factor."""
    stage = pending(request)
    if stage is None:
        return redirect(request, settings.LOGIN_URL)
    if request.method != "POST":
        return _second_factor_page(request, stage, CodeForm())
    form = CodeForm(request.POST)
    who = stage.login.user
    if form.is_valid() and isinstance(who, Staff):
        if actions.check_code(request, person=who, typed=form.cleaned_data["code"]):
            answer: HttpResponse = stage.exit()  # type: ignore[no-untyped-call]  # allauth's
            return answer
        form.add_error("code", WRONG_CODE)
    return _second_factor_page(request, stage, form, status=UNPROCESSABLE)


@public
@require_POST
def passkey_options(_request: HttpRequest) -> HttpResponse:
    """What the browser is asked for a passkey with, as JSON."""
    return JsonResponse(passkeys.options_for_sign_in())


@public
@require_POST
def passkey(request: HttpRequest) -> HttpResponse:
    """Sign in with a passkey alone: at the sign-in page, or as the second step."""
    form = PasskeyForm(request.POST)
    to = own_path(request.POST.get("next", ""))
    if form.is_valid():
        found = actions.check_passkey(request, credential=form.cleaned_data["credential"])
        if found:
            answer: HttpResponse = perform_login(request, Login(user=found, redirect_url=to))
            return answer
    again = SignInForm(initial={"next": to})
    return _sign_in_page(request, again, status=UNPROCESSABLE, problem=WRONG_PASSKEY)


@public
@sensitive_post_parameters("code")
@require_http_methods(["GET", "HEAD", "POST"])
def emergency(request: HttpRequest) -> HttpResponse:
    """Sign in with a code of an operator while the identity provider is down."""
    if request.method != "POST":
        return render(request, "staff/sign_in/emergency.html", {"form": EmergencyForm()})
    form = EmergencyForm(request.POST)
    if form.is_valid():
        entered = form.cleaned_data
        found = actions.check_emergency_code(request, username=entered["username"], typed=entered["code"])
        if found:
            answer: HttpResponse = perform_login(request, Login(user=found, redirect_url=""))
            return answer
        form.add_error(None, WRONG_EMERGENCY_CODE)
    return render(request, "staff/sign_in/emergency.html", {"form": form}, status=UNPROCESSABLE)


@public
@require_http_methods(["GET", "HEAD", "POST"])
def sso(request: HttpRequest) -> HttpResponse:
    """Send somebody to the identity provider: only who presses the button here, so that no other site begins a session."""
    need_sso()
    if request.method != "POST":
        return redirect(request, settings.LOGIN_URL)
    to = own_path(request.POST.get("next", ""))
    if not request.user.is_authenticated:
        clear_login(request)
    try:
        return sso_protocol.start(request, to=to)
    except RequestException:
        logger.warning("The identity provider does not answer", exc_info=True)
        form = SignInForm(initial={"next": to})
        return _sign_in_page(request, form, status=HTTPStatus.SERVICE_UNAVAILABLE, problem=NO_PROVIDER)


@public
@require_safe
def sso_callback(request: HttpRequest) -> HttpResponse:
    """Where the identity provider sends people back to."""
    need_sso()
    return sso_protocol.finish(request)


@public
@require_POST
def sign_out(request: HttpRequest) -> HttpResponse:
    """End the session, if there is one, and show the sign-in page."""
    if isinstance(request.user, Staff):
        actions.sign_out(request, actor=request.user)
    return redirect(request, settings.LOGIN_URL)


def own_path(address: str) -> str:
    """Return the address if it is a path on this site, else an empty text: then people begin with their start page."""
    # A host is not allowed even when it is ours: `next` is never built with one.
    if address.startswith("/") and url_has_allowed_host_and_scheme(address, allowed_hosts=None):
        return address
    return ""


def need_sso() -> None:
    """Raise Http404 where there is no single sign-on."""
    if not settings.SSO_ISSUER:
        raise Http404


def _sign_in_page(request: HttpRequest, form: SignInForm, *, status: int = 200, problem: str = "") -> HttpResponse:
    context = {
        "form": form,
        "next": form["next"].value() or "",
        "problem": problem,
        "sso_name": settings.SSO_ISSUER and settings.SSO_NAME,
    }
    return render(request, "staff/sign_in.html", context, status=status)


def _second_factor_page(request: HttpRequest, stage: SecondFactorStage, form: CodeForm, *, status: int = 200) -> HttpResponse:
    who = stage.login.user
    has_passkey = isinstance(who, Staff) and passkeys.passkeys_of(who).exists()
    context = {"form": form, "next": stage.login.redirect_url, "person": who, "has_passkey": has_passkey}
    return render(request, "staff/sign_in/second_factor.html", context, status=status)
