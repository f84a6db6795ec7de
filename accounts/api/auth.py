"""What each operation of the API needs. The middleware of the tokens has let in no request without one."""

from http import HTTPStatus

from django.http import HttpRequest
from ninja.errors import HttpError
from ninja.security import HttpBearer

from riskadmin.staff.tokens.bearer import Bearer
from riskadmin.web.access import capability_words


class Needs(HttpBearer):
    """Lets a token in that allows a capability which its person has."""

    def __init__(self, capability: str) -> None:
        """Name the capability, such as `accounts:view`."""
        super().__init__()
        self.capability = capability

    def authenticate(self, request: HttpRequest, token: str) -> Bearer:  # noqa: ARG002  (checked by the middleware)
        """Return who sends the request. Answers 403 if the token or its person lacks the capability."""
        bearer = bearer_of(request)
        demand(bearer, self.capability)
        return bearer


def bearer_of(request: HttpRequest) -> Bearer:
    """Return the token that the request was sent with. Answers 401 where the middleware has not run."""
    if not isinstance(request.user, Bearer):
        raise HttpError(HTTPStatus.UNAUTHORIZED, "Send an access token.")
    return request.user


def demand(bearer: Bearer, capability: str) -> None:
    """Answer 403 if the token or its person lacks a capability."""
    if not bearer.may(capability):
        words = capability_words().get(capability, capability)
        raise HttpError(HTTPStatus.FORBIDDEN, f"This token may not do that. It needs the permission to {words}.")
