"""What allauth asks this project: how a session begins, and which steps lie before it."""

import logging
from datetime import datetime
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import urlencode

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.internal.flows.login import record_authentication
from allauth.account.internal.stagekit import clear_login
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from allauth.socialaccount.models import SocialLogin
from allauth.socialaccount.providers.base.constants import AuthError
from django.conf import settings
from django.contrib.auth.base_user import AbstractBaseUser
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render, resolve_url

from riskadmin.staff.models import Staff
from riskadmin.staff.preferences.start_pages import start_address
from riskadmin.staff.sessions import proof_actions
from riskadmin.staff.sign_in import actions, devices, sso, sso_protocol
from riskadmin.staff.sign_in.sealing import seal, unseal
from riskadmin.staff.sign_in.sso_protocol import WrongAnswer
from riskadmin.web.htmx import redirect

logger = logging.getLogger(__name__)

SIGNED_OUT: Final = "You have signed out meanwhile, so there is nothing to confirm. Sign in again."


class AccountAdapter(DefaultAccountAdapter):
    """Begins and ends sessions by this package's actions. No one signs up, and no page or message of allauth's is used."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:  # noqa: ARG002  (allauth passes it)
        """No one makes an account for themselves."""
        return False

    def get_login_stages(self) -> list[str]:
        """Return the steps between the first proof and the session."""
        return ["riskadmin.staff.sign_in.stages.SecondFactorStage"]

    def pre_login(
        self, request: HttpRequest, user: AbstractBaseUser, *, signal_kwargs: dict[str, Any] | None, **_: Any
    ) -> HttpResponse | None:
        """Send people who are switched off back, and note when the identity provider has asked for a second factor."""
        if not user.is_active:
            clear_login(request)
            return redirect(request, settings.LOGIN_URL)
        social = (signal_kwargs or {}).get("sociallogin")
        if social is not None and sso.proves_second_factor(sso.read_claims(social.account.extra_data["id_token"])):
            record_authentication(request, user, "socialaccount", second_factor=True)
        return None

    def login(self, request: HttpRequest, user: AbstractBaseUser) -> None:
        """Begin the session, with its event."""
        if not isinstance(user, Staff):
            raise TypeError(f"{user!r} is no member of staff.")
        actions.open_session(request, person=user)

    def logout(self, request: HttpRequest) -> None:
        """End the session, with its event."""
        if isinstance(request.user, Staff):
            actions.sign_out(request, actor=request.user)

    def post_login(self, request: HttpRequest, user: AbstractBaseUser, *, redirect_url: str | None, **_: Any) -> HttpResponse:
        """Go on to the page that was asked for, or their start page; remember that they have signed in on this browser."""
        if not isinstance(user, Staff):
            raise TypeError(f"{user!r} is no member of staff.")
        response = redirect(request, redirect_url or start_address(user))
        devices.remember(request, response, user)
        return response


class MFAAdapter(DefaultMFAAdapter):
    """Seals the secrets of second factors, and names this product in apps and browsers."""

    def encrypt(self, text: str) -> str:
        """Return a secret as it is stored."""
        return seal(text)

    def decrypt(self, encrypted_text: str) -> str:
        """Return a stored secret."""
        return unseal(encrypted_text)

    def get_totp_label(self, user: AbstractBaseUser) -> str:
        """Return what an authenticator app calls the account."""
        return user.get_username()

    def get_public_key_credential_rp_entity(self) -> dict[str, str]:
        """Return whom passkeys are for: the host of the page, under the product's name."""
        return {**super().get_public_key_credential_rp_entity(), "name": "riskadmin"}


class SocialAccountAdapter(DefaultSocialAccountAdapter):
    """Lets in whom `sso` admits. What the provider refuses or garbles ends on this product's own page, with an event."""

    def is_open_for_signup(self, request: HttpRequest, sociallogin: SocialLogin) -> bool:  # noqa: ARG002  (allauth passes them)
        """No one makes an account by allauth; `sso` may."""
        return False

    def authenticate_by_email(self, sociallogin: SocialLogin) -> None:  # noqa: ARG002  (allauth passes it)
        """Leave to `sso` whom an e-mail address belongs to: allauth would also delete that person's password."""
        return

    def pre_social_login(self, request: HttpRequest, sociallogin: SocialLogin) -> None:
        """Find the person and set their roles, or refuse. Who confirms who they are is not signed in: their session goes on."""
        sociallogin.token = None  # it is not used again, and must not be kept in the session
        known = sociallogin.user if sociallogin.is_existing else None
        linked = known if isinstance(known, Staff) else None
        begun_at = sso_protocol.proof_begun_at(sociallogin.state)
        try:
            if begun_at is not None:
                raise ImmediateHttpResponse(self._confirm(request, sociallogin, linked, begun_at))
            sociallogin.user = sso.admit(request, sociallogin.account, linked=linked)
        except sso.Refused as refused:
            name = sociallogin.account.uid
            sso.record_refusal(request, str(refused), name=name, person=refused.person)
            raise ImmediateHttpResponse(refused_page(request, str(refused), sociallogin.state)) from None

    @staticmethod
    def _confirm(request: HttpRequest, found: SocialLogin, linked: Staff | None, begun_at: datetime) -> HttpResponse:
        """Answer somebody who has confirmed at the provider who they are, or has not. Raises sso.Refused."""
        actor = request.user
        if not isinstance(actor, Staff):  # they have signed out in another tab
            return refused_page(request, SIGNED_OUT, found.state)
        to = str(found.state.get("next") or settings.LOGIN_REDIRECT_URL)
        try:
            is_done = proof_actions.prove_by_provider(
                request, actor=actor, account=found.account, linked=linked, begun_at=begun_at
            )
        except proof_actions.NotProven as refused:
            return refused_page(request, str(refused), found.state)
        return redirect(request, to) if is_done else redirect(request, proof_page(to))

    def on_authentication_error(
        self,
        request: HttpRequest,
        provider: Any,  # noqa: ARG002  (allauth passes it)
        error: str | None = None,
        exception: Exception | None = None,
        extra_context: dict[str, Any] | None = None,
    ) -> None:
        """Show that single sign-on failed, and leave an event, unless the person has cancelled."""
        state = (extra_context or {}).get("state")
        if error == AuthError.CANCELLED:
            raise ImmediateHttpResponse(redirect(request, _back(state)))
        # Other errors quote what the provider has sent, which may be a secret.
        what = exception if isinstance(exception, WrongAnswer) else type(exception or error).__name__
        logger.warning("Single sign-on failed: %s", what)
        why = "The identity provider's answer doesn't belong to this sign-in, or it can't be reached."
        sso.record_refusal(request, why, name="")
        raise ImmediateHttpResponse(refused_page(request, why, state))


def refused_page(request: HttpRequest, why: str, state: dict[str, Any] | None) -> HttpResponse:
    """Say why single sign-on was refused, or why it confirms nothing, and lead back to where it began."""
    context = {"why": why, "is_proof": sso_protocol.proof_begun_at(state) is not None, "back": _back(state)}
    return render(request, "staff/sign_in/sso_refused.html", context, status=HTTPStatus.FORBIDDEN)


def proof_page(to: str) -> str:
    """Return the address where people confirm who they are, and from where they go on to `to`."""
    return f"{resolve_url(settings.PROOF_URL)}?{urlencode({'next': to})}"


def _back(state: dict[str, Any] | None) -> str:
    """Return the page on which somebody chose single sign-on."""
    if state is None or sso_protocol.proof_begun_at(state) is None:
        return resolve_url(settings.LOGIN_URL)
    return proof_page(str(state.get("next") or ""))
