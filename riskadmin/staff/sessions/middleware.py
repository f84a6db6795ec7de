"""What every request of a signed-in person does to their session, and what access marks learn from it."""

from collections.abc import Callable
from typing import Any, Final

from django.http import HttpRequest
from django.http.response import HttpResponseBase

from riskadmin.staff.models import Staff
from riskadmin.staff.sessions.proof import proved_at
from riskadmin.web.access import mark_of

BACKGROUND: Final = "X-Background"
"""The header of requests that a page makes by itself, such as polls: they don't make a session last longer."""

PERSON: Final = "X-Person"
"""The header of answers to htmx that says whose they are: a page shows only those of the person it was made for."""


class SessionsMiddleware:
    """Notes that a session is used. Comes after authentication and before access marks in `MIDDLEWARE`."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        """Django hands over the rest of the chain."""
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Pass the request on, and tell htmx whose the answer is."""
        response = self.get_response(request)
        if getattr(request, "htmx", None) and isinstance(request.user, Staff):
            response.headers[PERSON] = str(request.user.pk)
        return response

    def process_view(
        self,
        request: HttpRequest,
        view: Callable[..., HttpResponseBase],
        args: tuple[object, ...],  # noqa: ARG002  (Django passes it)
        kwargs: dict[str, Any],  # noqa: ARG002  (Django passes it)
    ) -> None:
        """Note the use. A public view, such as a health probe, must work without any session."""
        mark = mark_of(view)
        if mark is None or mark.is_public or not isinstance(request.user, Staff):
            return
        request.proved_at = proved_at(request)  # type: ignore[attr-defined]  # read by riskadmin.web.access
        if BACKGROUND not in request.headers:
            request.session.touch()  # type: ignore[attr-defined]  # the store's own
