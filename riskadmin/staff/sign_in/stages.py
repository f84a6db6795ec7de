"""The step between the first proof and the session."""

from allauth.account.internal.stagekit import clear_login, unstash_login
from allauth.account.stages import LoginStage, LoginStageController
from allauth.mfa.webauthn.internal.flows import did_use_passwordless_login
from django.http import HttpRequest, HttpResponse

from riskadmin.staff.models import Staff
from riskadmin.staff.sign_in.requirement import has_second_factor, is_proven
from riskadmin.web.htmx import redirect

STARTED_WITH = "password_hash"
"""In a sign-in's state: a digest of the person's password when it began, so that a new password ends it."""


class SecondFactorStage(LoginStage):
    """Asks for the second factor of people who have one, unless it is proven already, as a passkey does."""

    key = "second_factor"
    urlname = "sign_in:second_factor"

    def handle(self) -> tuple[HttpResponse | None, bool]:
        """Return the page of this step, or None to go on."""
        person = self.login.user
        if not isinstance(person, Staff) or not has_second_factor(person):
            return None, True
        self.login.state[STARTED_WITH] = person.get_session_auth_hash()
        if did_use_passwordless_login(self.request, person) or is_proven(self.request, person):
            return None, True
        self.login.signal_kwargs = None  # it holds the whole person, who doesn't belong in the session
        return redirect(self.request, self.urlname), True


def pending(request: HttpRequest) -> SecondFactorStage | None:
    """Return the step that a sign-in waits at. None if there is no sign-in, or it took too long, or the person was changed."""
    login = unstash_login(request, peek=True)
    if login is None or not isinstance(login.user, Staff):
        return None
    if not login.user.is_active or login.state.get(STARTED_WITH) != login.user.get_session_auth_hash():
        clear_login(request)
        return None
    stage = LoginStageController.enter(request, SecondFactorStage.key)
    return stage if isinstance(stage, SecondFactorStage) else None
