"""Every attempt of a signed-in person that was refused leaves an event, also one that no action of the application saw."""

from collections.abc import Callable
from http import HTTPStatus
from typing import Final

from django.db import transaction
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from riskadmin.audit.actions import AuditEntry, record
from riskadmin.audit.models import Event
from riskadmin.audit.origin import origin_of
from riskadmin.audit.tags import Tag
from riskadmin.staff.models import Staff

REFUSED: Final = frozenset({HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.CONFLICT})
"""Among them 404: what is hidden from a person is answered like what does not exist, and trying it must not go unseen."""
PATH_MAX: Final = 200


class RefusedRequestMiddleware:
    """Records requests that would have done something and were refused. Comes after authentication in `MIDDLEWARE`.

    Only opening a page that one may not see is left out; so is a request whose refusal the action has recorded itself.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        """Django hands over the rest of the chain."""
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer the request, and record it if it was refused."""
        response = self.get_response(request)
        opens_page = request.method in {"GET", "HEAD"} and response.status_code != HTTPStatus.METHOD_NOT_ALLOWED
        if response.status_code in REFUSED and not opens_page and isinstance(request.user, Staff):
            self._record(request, request.user, response.status_code)
        return response

    @staticmethod
    def _record(request: HttpRequest, person: Staff, status: int) -> None:
        origin = origin_of(request)
        with transaction.atomic():
            recorded = Event.objects.filter(request_id=origin.request_id, tag__endswith=":refused")
            if origin.request_id and recorded.exists():
                return
            detail = {"method": request.method, "path": request.path[:PATH_MAX], "status": status}
            record(AuditEntry(tag=Tag.STAFF_REQUEST_REFUSED, actor=person.who(), origin=origin, detail=detail))
