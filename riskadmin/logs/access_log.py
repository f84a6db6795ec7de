"""One log line for each request: what was opened, by whom, how it was answered and how long it took. No path, no query."""

import logging
from collections.abc import Callable
from time import perf_counter
from typing import Final

from django.http import HttpRequest
from django.http.response import HttpResponseBase

from riskadmin.logs.context import log_fields

logger = logging.getLogger("riskadmin.access")

NO_ROUTE: Final = "other"
"""The route of an address that there isn't."""

METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

PROBES: Final = frozenset({"healthz", "readyz", "metrics"})
"""Asked for by machines every few seconds."""

FAILED: Final = 500


class AccessLogMiddleware:
    """Logs each request, and names the person in every line that it logs. Comes after the request's id in `MIDDLEWARE`."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        """Django hands over the rest of the chain."""
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer the request, and log it."""
        began = perf_counter()
        with log_fields(person=lambda: _person_id(request)):
            response = self.get_response(request)
            route = route_of(request)
            level = logging.DEBUG if route in PROBES and response.status_code < FAILED else logging.INFO
            fields = {
                "method": method_of(request),
                "route": route,
                "status": response.status_code,
                "ms": round((perf_counter() - began) * 1000, 1),
            }
            logger.log(level, "%(method)s %(route)s %(status)s %(ms)s ms", fields, extra=fields)
        return response


def route_of(request: HttpRequest) -> str:
    """Return the name of the address that was opened, without what is in its place-holders."""
    return (request.resolver_match and request.resolver_match.view_name) or NO_ROUTE


def method_of(request: HttpRequest) -> str:
    """Return the request's method, or "other": what strangers send is not repeated."""
    return request.method if request.method in METHODS else NO_ROUTE


def _person_id(request: HttpRequest) -> int | None:
    """Return who is signed in, if that was asked for; logging itself asks the database for nothing."""
    person = getattr(request, "_cached_user", None)
    return getattr(person, "pk", None)
