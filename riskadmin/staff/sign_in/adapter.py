"""What allauth asks this project: how a session begins, and which steps lie before it."""

from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.internal.stagekit import clear_login
from django.conf import settings
from django.contrib.auth.base_user import AbstractBaseUser
from django.http import HttpRequest, HttpResponse

from riskadmin.staff.models import Staff
from riskadmin.staff.sign_in import actions, devices
from riskadmin.web.htmx import redirect


class AccountAdapter(DefaultAccountAdapter):
    """Begins and ends sessions by this package's actions. No one signs up, and no page or message of allauth's is used."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:  # noqa: ARG002  (allauth passes it)
        """No one makes an account for themselves."""
        return False

    def get_login_stages(self) -> list[str]:
        """Return the steps between the first proof and the session."""
        return []

    def pre_login(self, request: HttpRequest, user: AbstractBaseUser, **_: Any) -> HttpResponse | None:
        """Send people who are switched off back to the sign-in page."""
        if user.is_active:
            return None
        clear_login(request)
        return redirect(request, settings.LOGIN_URL)

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
