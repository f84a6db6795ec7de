"""One's own ways to sign in: password, authenticator app, passkeys and recovery codes."""

from base64 import b64encode
from typing import Any, Final

from allauth.mfa.adapter import get_adapter
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import clear_totp_secret, get_totp_secret
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from riskadmin.staff.models import Staff
from riskadmin.staff.sign_in import actions, factor_actions, passkeys, recovery_codes
from riskadmin.staff.sign_in.factor_actions import LastFactor
from riskadmin.staff.sign_in.forms import CodeForm, NewPasskeyForm, PasskeyNameForm, PasswordForm
from riskadmin.staff.sign_in.requirement import is_required_of, open_unproven
from riskadmin.web.access import signed_in, signed_in_recently
from riskadmin.web.htmx import redirect
from riskadmin.web.statuses import UNPROCESSABLE

PAGE: Final = "sign_in:security"
WRONG_APP_CODE: Final = "This code is wrong. Check that your phone's clock is right, and type the code that the app shows now."
LAST: Final = "You need a second factor, and this is your last one. Add another one first."
NO_PASSKEY: Final = "The passkey was not added: your browser's answer doesn't belong to this page. Try again."


@open_unproven
@signed_in
@require_safe
def security(request: HttpRequest) -> HttpResponse:
    """What this person signs in with."""
    return _page(request)


@signed_in
@sensitive_post_parameters("current", "new")
@require_http_methods(["GET", "HEAD", "POST"])
def password(request: HttpRequest) -> HttpResponse:
    """Change one's own password."""
    person = _person(request)
    form = PasswordForm(request.POST or None, person=person)
    if request.method == "POST" and form.is_valid():
        if actions.confirm_password(request, person=person, password=form.cleaned_data["current"]):
            factor_actions.change_password(request, actor=person, password=form.cleaned_data["new"])
            messages.success(request, "Your password was changed. Your other sessions have ended.")
            return redirect(request, PAGE)
        form.add_error("current", "This is not your password, or there were too many attempts.")
    status = UNPROCESSABLE if form.is_bound else 200
    return render(request, "staff/sign_in/password.html", {"form": form}, status=status)


@open_unproven
@signed_in_recently
@sensitive_post_parameters("code")
@require_http_methods(["GET", "HEAD", "POST"])
def app(request: HttpRequest) -> HttpResponse:
    """Add an authenticator app: its secret as a QR code, and the first code that it shows."""
    person = _person(request)
    if Authenticator.objects.filter(user=person, type=Authenticator.Type.TOTP).exists():
        return redirect(request, PAGE)
    form = CodeForm(request.POST or None)
    secret = get_totp_secret(regenerate=not form.is_bound)
    if request.method == "POST" and form.is_valid():
        made = factor_actions.add_app(request, actor=person, secret=secret, typed=form.cleaned_data["code"])
        if made is not None:
            clear_totp_secret(request)
            messages.success(request, "Your authenticator app was added.")
            return _codes_page(request, made) if made else redirect(request, PAGE)
        form.add_error("code", WRONG_APP_CODE)
    adapter = get_adapter()
    picture = adapter.build_totp_svg(adapter.build_totp_url(person, secret))
    groups = " ".join(secret[start : start + 4] for start in range(0, len(secret), 4))
    context = {"form": form, "secret": groups, "picture": "data:image/svg+xml;base64," + b64encode(picture.encode()).decode()}
    return render(request, "staff/sign_in/app.html", context, status=UNPROCESSABLE if form.is_bound else 200)


@signed_in_recently
@require_POST
def remove_app(request: HttpRequest) -> HttpResponse:
    """Remove one's authenticator app."""
    return _remove(request, get_object_or_404(Authenticator, user=_person(request), type=Authenticator.Type.TOTP))


@open_unproven
@signed_in
@require_POST
def new_passkey_options(request: HttpRequest) -> HttpResponse:
    """What the browser is asked to make a passkey with, as JSON."""
    return JsonResponse(passkeys.options_for_new(_person(request)))


@open_unproven
@signed_in_recently
@require_POST
def add_passkey(request: HttpRequest) -> HttpResponse:
    """Add a passkey that the browser has made."""
    form = NewPasskeyForm(request.POST)
    if form.is_valid():
        entered = form.cleaned_data
        made = factor_actions.add_passkey(
            request, actor=_person(request), name=entered["name"], credential=entered["credential"]
        )
        if made is not None:
            messages.success(request, f"The passkey {entered['name']} was added.")
            return _codes_page(request, made) if made else redirect(request, PAGE)
        form.add_error(None, NO_PASSKEY)
    return _page(request, passkey_form=form, status=UNPROCESSABLE)


@signed_in_recently
@require_POST
def rename_passkey(request: HttpRequest, pk: int) -> HttpResponse:
    """Give one of one's own passkeys another name."""
    person = _person(request)
    passkey = get_object_or_404(passkeys.passkeys_of(person), pk=pk)
    form = PasskeyNameForm(request.POST)
    if not form.is_valid():
        return _page(request, status=UNPROCESSABLE, problem=f"A passkey needs a name of up to {passkeys.NAME_MAX} characters.")
    factor_actions.rename_passkey(request, actor=person, passkey=passkey, name=form.cleaned_data["name"])
    return redirect(request, PAGE)


@signed_in_recently
@require_POST
def remove_passkey(request: HttpRequest, pk: int) -> HttpResponse:
    """Remove one of one's own passkeys."""
    return _remove(request, get_object_or_404(passkeys.passkeys_of(_person(request)), pk=pk))


@signed_in_recently
@require_POST
def new_recovery_codes(request: HttpRequest) -> HttpResponse:
    """Replace one's recovery codes, and show the new ones once."""
    person = _person(request)
    if recovery_codes.left(person) is None:
        return _page(request, status=UNPROCESSABLE, problem="Recovery codes come with the first second factor. Add one first.")
    return _codes_page(request, factor_actions.make_recovery_codes(request, actor=person))


def _remove(request: HttpRequest, factor: Authenticator) -> HttpResponse:
    try:
        factor_actions.remove(request, actor=_person(request), factor=factor)
    except LastFactor:
        return _page(request, status=UNPROCESSABLE, problem=LAST)
    messages.success(request, "The second factor was removed.")
    return redirect(request, PAGE)


def _page(
    request: HttpRequest, *, passkey_form: NewPasskeyForm | None = None, status: int = 200, problem: str = ""
) -> HttpResponse:
    person = _person(request)
    context: dict[str, Any] = {
        "app": Authenticator.objects.filter(user=person, type=Authenticator.Type.TOTP).first(),
        "passkeys": [(each, _name_form(each)) for each in passkeys.passkeys_of(person)],
        "codes_left": recovery_codes.left(person),
        "has_password": person.has_usable_password(),
        "is_required": is_required_of(person),
        "is_restricted": getattr(request, "is_restricted", False),
        "passkey_form": passkey_form or NewPasskeyForm(),
        "problem": problem,
    }
    return render(request, "staff/sign_in/security.html", context, status=status)


def _name_form(passkey: Authenticator) -> PasskeyNameForm:
    return PasskeyNameForm(initial={"name": passkey.data["name"]}, auto_id=f"passkey_{passkey.pk}_%s")


def _codes_page(request: HttpRequest, codes: list[str]) -> HttpResponse:
    """Show recovery codes. It answers the POST that made them: they can't be shown again."""
    return render(request, "staff/sign_in/recovery_codes.html", {"codes": codes})


def _person(request: HttpRequest) -> Staff:
    if not isinstance(request.user, Staff):
        raise TypeError("A page for people who are signed in was opened by someone who is not.")
    return request.user
