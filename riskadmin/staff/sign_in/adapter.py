"""What allauth asks this project: how a session begins, and which steps lie before it."""

import logging
from http import HTTPStatus
from typing import Any

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
from django.shortcuts import render

from riskadmin.staff.models import Staff
from riskadmin.staff.sign_in import actions, devices, sso
from riskadmin.staff.sign_in.sealing import seal, unseal
from riskadmin.staff.sign_in.sso_protocol import WrongAnswer
from riskadmin.web.htmx import redirect

logger = logging.getLogger(__name__)


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
        """Go on to the page that was asked for, and remember that this person has signed in on this browser."""
        response = redirect(request, redirect_url or settings.LOGIN_REDIRECT_URL)
        if isinstance(user, Staff):
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
        """Find the person and set their roles, or refuse."""
        sociallogin.token = None  # it is not used again, and must not be kept in the session
        linked = sociallogin.user if sociallogin.is_existing else None
        try:
            person = sso.admit(request, sociallogin.account, linked=linked if isinstance(linked, Staff) else None)
        except sso.Refused as refused:
            name = sociallogin.account.uid
            sso.record_refusal(request, str(refused), name=name, person=refused.person)
            raise ImmediateHttpResponse(refused_page(request, str(refused))) from None
        sociallogin.user = person

    def on_authentication_error(
        self,
        request: HttpRequest,
        provider: Any,  # noqa: ARG002  (allauth passes it)
        error: str | None = None,
        exception: Exception | None = None,
        extra_context: dict[str, Any] | None = None,  # noqa: ARG002  (allauth passes it)
    ) -> None:
        """Show that single sign-on failed, and leave an event, unless the person has cancelled."""
        if error == AuthError.CANCELLED:
            raise ImmediateHttpResponse(redirect(request, settings.LOGIN_URL))
        # Other errors quote what the provider has sent, which may be a secret.
        what = exception if isinstance(exception, WrongAnswer) else type(exception or error).__name__
        logger.warning("Single sign-on failed: %s", what)
        why = "The identity provider's answer doesn't belong to this sign-in, or it can't be reached."
        sso.record_refusal(request, why, name="")
        raise ImmediateHttpResponse(refused_page(request, why))


def refused_page(request: HttpRequest, why: str) -> HttpResponse:
    """Say why single sign-on was refused."""
    return render(request, "staff/sign_in/sso_refused.html", {"why": why}, status=HTTPStatus.FORBIDDEN)
