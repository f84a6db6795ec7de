"""Requests of programs: with a token, and never with the session of a browser."""

from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from django.conf import settings
from django.http import HttpRequest, JsonResponse
from django.http.response import HttpResponseBase
from django.views.decorators.debug import sensitive_variables

from riskadmin.audit.origin import origin_of
from riskadmin.staff.models import Staff
from riskadmin.staff.tokens.actions import note_refusal, note_use
from riskadmin.staff.tokens.models import AccessToken
from riskadmin.staff.tokens.queries import usable
from riskadmin.staff.tokens.scopes import allowed
from riskadmin.web import rate_limits
from riskadmin.web.errors import PROGRAMS

PATH_MAX: Final = 200
OVER_TLS: Final = "Send this over HTTPS. A token that was sent without can be read on its way: revoke it, and make a new one."
HOW_TO: Final = "Send an access token in the header “Authorization: Bearer …”. You make one on your page Access tokens."


@dataclass(frozen=True)
class Bearer:
    """Who sends a request to the API: a token. It may do what its scope allows, and its person may."""

    token: AccessToken
    is_authenticated: bool = True

    @property
    def counted_as(self) -> str:
        """By what its requests are counted, so that one program doesn't hold up another one, nor its person's pages."""
        return f"token {self.token.pk}"

    @property
    def person(self) -> Staff:
        """The person in whose name the program acts."""
        return self.token.person

    def may(self, capability: str) -> bool:
        """Whether both the token and its person may do something."""
        return capability in allowed(self.token.scope) and self.person.may(capability)


class TokenMiddleware:
    """Lets only tokens into the API, and records each use. Comes after authentication in `MIDDLEWARE`.

    A session doesn't count there: a page elsewhere could use the cookie of a browser that is signed in.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        """Django hands over the rest of the chain."""
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer the request, and record its use of the token before anything of the answer leaves.

        Of the requests that are refused because they come too often, one a minute is recorded.
        """
        if not request.path.startswith(PROGRAMS):
            return self.get_response(request)
        if settings.HTTPS and not request.is_secure():
            # A redirect would be followed without a word, with the token readable in each first request.
            return JsonResponse({"detail": OVER_TLS, "fields": {}}, status=HTTPStatus.FORBIDDEN)
        secret = _secret_of(request)
        token = usable(secret) if secret else None
        if token is None:
            if secret:
                _note_refusal(request, secret)
            return JsonResponse(
                {"detail": HOW_TO, "fields": {}},
                status=HTTPStatus.UNAUTHORIZED,
                headers={"WWW-Authenticate": 'Bearer realm="riskadmin"'},
            )
        bearer = Bearer(token)
        request.user = bearer  # type: ignore[assignment]  # what the access marks need of a user
        response = self.get_response(request)
        too_often = response.status_code == HTTPStatus.TOO_MANY_REQUESTS
        if not (too_often and rate_limits.seconds_to_wait(rate_limits.REFUSALS_RECORDED, bearer.counted_as)):
            method, path = request.method or "", request.path[:PATH_MAX]
            note_use(token, origin=origin_of(request), method=method, path=path, status=response.status_code)
        return response


def _secret_of(request: HttpRequest) -> str:
    kind, _, secret = request.headers.get("Authorization", "").partition(" ")
    return secret.strip() if kind.lower() == "bearer" else ""


@sensitive_variables("secret")
def _note_refusal(request: HttpRequest, secret: str) -> None:
    """Record that a token was refused; of each address one a minute, so that no one can flood the trail."""
    origin = origin_of(request)
    if not rate_limits.seconds_to_wait(rate_limits.REFUSALS_RECORDED, f"address {origin.address}"):
        note_refusal(secret, origin=origin, method=request.method or "", path=request.path[:PATH_MAX])
