"""One's sessions, proving who one is, and what the page asks about its session."""

import logging
from http import HTTPStatus
from typing import Any, Final

from allauth.socialaccount.models import SocialAccount
from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.middleware.csrf import get_token
from django.shortcuts import render
from django.urls import Resolver404, resolve
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST, require_safe
from requests import RequestException

from riskadmin.audit.origin import origin_of
from riskadmin.staff.models import Staff
from riskadmin.staff.preferences.start_pages import start_address
from riskadmin.staff.queries import person
from riskadmin.staff.sessions import actions, proof_actions
from riskadmin.staff.sessions.forms import ProofForm
from riskadmin.staff.sessions.proof import proved_at
from riskadmin.staff.sessions.proof_actions import NotProven, awaits_code
from riskadmin.staff.sessions.queries import sessions_of
from riskadmin.staff.sign_in import passkeys, sso_protocol
from riskadmin.staff.sign_in.codes import has_app
from riskadmin.staff.sign_in.forms import PasskeyForm
from riskadmin.staff.sign_in.requirement import open_unproven
from riskadmin.staff.sign_in.views import NO_PROVIDER, need_sso, own_path
from riskadmin.web.access import PROVE, SIGN_IN, has_recent_proof, mark_of, public, signed_in, signed_in_recently
from riskadmin.web.htmx import redirect
from riskadmin.web.statuses import UNPROCESSABLE

logger = logging.getLogger(__name__)

FAILURE: Final = "That is not right, or there were too many tries. After ten failed tries nothing is accepted for 15 minutes."


@signed_in
@require_safe
def session_list(request: HttpRequest) -> HttpResponse:
    """Where one is signed in."""
    return render(request, "sessions/list.html", {"lines": sessions_of(person(request), this=request.session.session_key)})


@signed_in_recently
@require_POST
def end(request: HttpRequest, key: str) -> HttpResponse:
    """End one of one's sessions. Raises Http404 if it is not one's own, or has ended."""
    if not actions.end_session(person(request), origin=origin_of(request), person=person(request), key=key):
        raise Http404("There is no such session.")
    messages.success(request, "The session has ended. Anyone who used it has to sign in again.")
    return redirect(request, "sessions:list")


@signed_in_recently
@require_POST
def end_others(request: HttpRequest) -> HttpResponse:
    """End all of one's sessions but this one."""
    who, this = person(request), request.session.session_key
    count = actions.end_sessions(who, origin=origin_of(request), person=who, keep=this)
    messages.success(request, f"Ended: {count}. You are signed in only here." if count else "You were signed in only here.")
    return redirect(request, "sessions:list")


@open_unproven
@signed_in
@sensitive_post_parameters("password", "code")
@require_http_methods(["GET", "HEAD", "POST"])
def prove(request: HttpRequest) -> HttpResponse:
    """Ask people again for what they sign in with, and lead them back to what they were doing."""
    if request.method != "POST":
        return _ask(request, _form(request, initial={"next": request.GET.get("next", "")}))
    form = _form(request, request.POST)
    if form.is_valid():
        if _proves(request, form):
            return redirect(request, own_path(form.cleaned_data["next"]) or start_address(person(request)))
        asked = [name for name in ("password", "code") if name in form.fields]
        if not asked:  # only a passkey or the identity provider would do
            return _ask(request, form, status=UNPROCESSABLE, problem=FAILURE)
        form.add_error(asked[0], FAILURE)
    return _ask(request, form, status=UNPROCESSABLE)


@open_unproven
@signed_in
@require_POST
def passkey_options(request: HttpRequest) -> HttpResponse:
    """What the browser is asked for one of the person's own passkeys with, as JSON."""
    return JsonResponse(passkeys.options_for_proof(person(request)))


@open_unproven
@signed_in
@require_POST
def prove_by_passkey(request: HttpRequest) -> HttpResponse:
    """Confirm with a passkey of one's own who one is."""
    sent = PasskeyForm(request.POST)
    problem = proof_actions.WRONG_PASSKEY
    if sent.is_valid():
        try:
            proof_actions.prove_by_passkey(request, actor=person(request), credential=sent.cleaned_data["credential"])
        except NotProven as refused:
            problem = str(refused)
        else:
            return redirect(request, own_path(sent.cleaned_data["next"]) or start_address(person(request)))
    form = _form(request, initial={"next": request.POST.get("next", "")})
    return _ask(request, form, status=UNPROCESSABLE, problem=problem)


@open_unproven
@signed_in
@require_POST
def prove_by_sso(request: HttpRequest) -> HttpResponse:
    """Send somebody to the identity provider, to be asked there who they are."""
    need_sso()
    to = own_path(request.POST.get("next", ""))
    try:
        return sso_protocol.start(request, to=to, is_proof=True)
    except RequestException:
        logger.warning("The identity provider does not answer", exc_info=True)
        return _ask(request, _form(request, initial={"next": to}), status=HTTPStatus.SERVICE_UNAVAILABLE, problem=NO_PROVIDER)


def _form(request: HttpRequest, *args: Any, **kwargs: Any) -> ProofForm:
    """Return the form with what this person is asked for: of the password and the code of their app, each if it helps."""
    who = person(request)
    if awaits_code(request):
        return ProofForm(*args, asks_password=False, asks_code=True, **kwargs)
    asks_code = has_app(who)
    asks_password = who.has_usable_password() and (asks_code or not passkeys.passkeys_of(who).exists())
    return ProofForm(*args, asks_password=asks_password, asks_code=asks_code and asks_password, **kwargs)


def _proves(request: HttpRequest, form: ProofForm) -> bool:
    who, said = person(request), form.cleaned_data
    if "password" in form.fields:
        return proof_actions.prove_by_password(request, actor=who, password=said["password"], code=said.get("code", ""))
    return "code" in form.fields and proof_actions.prove_by_code(request, actor=who, code=said["code"])


def _ask(request: HttpRequest, form: ProofForm, *, status: int = 200, problem: str = "") -> HttpResponse:
    who = person(request)
    context = {
        "form": form,
        "minutes": settings.RECENT_PROOF_MINUTES,
        "next": form["next"].value() or "",
        "problem": problem,
        "has_passkey": passkeys.passkeys_of(who).exists(),
        "has_identity": bool(settings.SSO_ISSUER) and SocialAccount.objects.filter(user=who).exists(),
        "sso_name": settings.SSO_NAME,
    }
    return render(request, "sessions/prove.html", context, status=status)


@public
@require_http_methods(["GET", "HEAD", "POST"])
def state(request: HttpRequest) -> HttpResponse:
    """Tell a page whose session it is now, how long it lasts, and the token for its forms. POST is a use, GET is none.

    With `for` and `method`, it also says whether that request would be asked for something first: `sign-in` or `prove`.
    """
    if not isinstance(request.user, Staff):
        return JsonResponse({"person": "", "needs": SIGN_IN, "token": get_token(request)})
    if request.method == "POST":
        request.session.touch()  # type: ignore[attr-defined]  # the store's own
    who = request.user
    request.proved_at = proved_at(request)  # type: ignore[attr-defined]  # public views have none
    wanted = _wants_proof(request.GET.get("for", ""), request.GET.get("method", "GET"))
    return JsonResponse(
        {
            "person": str(who.pk),
            "name": who.display_name,
            "needs": PROVE if wanted and not has_recent_proof(request) else "",
            "token": get_token(request),
            "left_s": request.session.left_s,  # type: ignore[attr-defined]
            "is_extensible": request.session.is_extensible,  # type: ignore[attr-defined]
        }
    )


def _wants_proof(path: str, method: str) -> bool:
    """Whether a request would need a recent proof; `proof` in place of a path stands for what a view demands by itself."""
    if path == PROVE:
        return True
    try:
        mark = mark_of(resolve(path).func)
    except Resolver404:
        return False
    return mark is not None and mark.wants_proof(method.upper())
