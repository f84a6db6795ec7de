"""Reading what is sensitive leaves an event: pages about people, the trail and connections, and each file that is taken out."""

from collections.abc import Callable
from http import HTTPStatus
from typing import Final

from django.http import HttpRequest
from django.http.response import HttpResponseBase

from riskadmin.audit.origin import origin_of
from riskadmin.audit.reading import record_exported, record_once
from riskadmin.audit.tags import Tag
from riskadmin.staff.models import Staff

SENSITIVE: Final = frozenset(
    {
        "audit:list",
        "audit:event",
        "people:list",
        "people:detail",
        "people:requests",
        "story:person",
        "access:limits",
        "access:related",
        "connections:page",
    }
)
"""Pages whose reading is recorded, at most once for each person, address and hour."""

EMPTY: Final = frozenset({"changes:csv_template"})
"""Files that have nothing in them."""

PATH_MAX: Final = 200
QUERY_MAX: Final = 1_000


class ReadPagesMiddleware:
    """Records what signed-in people read, before anything of the answer leaves. Comes after authentication in `MIDDLEWARE`."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        """Django hands over the rest of the chain."""
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer the request, and record it if it read what is sensitive."""
        response = self.get_response(request)
        if request.method == "GET" and response.status_code == HTTPStatus.OK and isinstance(request.user, Staff):
            self._record(request, request.user, response)
        return response

    @staticmethod
    def _record(request: HttpRequest, person: Staff, response: HttpResponseBase) -> None:
        page = request.resolver_match.view_name if request.resolver_match else ""
        path, query = request.path[:PATH_MAX], request.META.get("QUERY_STRING", "")[:QUERY_MAX]
        if response.get("Content-Disposition", "").startswith("attachment") and page not in EMPTY:
            record_exported(person, origin=origin_of(request), page=page, path=path, query=query)
        elif page in SENSITIVE:
            detail = {"page": page, "path": path}
            record_once(person, Tag.PAGE_VIEWED, origin=origin_of(request), key="path", detail=detail)
