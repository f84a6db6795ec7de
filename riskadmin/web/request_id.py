"""One id for everything a request did: its log lines, its audit events, the header and the error page.

An id sent by the client is ignored: the trail must not contain ids chosen by outsiders.
"""

import logging
from collections.abc import Callable
from contextvars import ContextVar
from uuid import uuid4

from django.http import HttpRequest
from django.http.response import HttpResponseBase

_current: ContextVar[str] = ContextVar("request_id", default="")


class IdentifiedRequest(HttpRequest):
    """A request after `RequestIdMiddleware`."""

    request_id: str


def current_request_id() -> str:
    """The id of the request this thread is answering (32 hex digits). Empty outside of one."""
    return _current.get()


class RequestIdMiddleware:
    """Gives each request an id, as `request.request_id` and as the answer's `X-Request-ID`. It is our first middleware."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        """Django hands over the rest of the chain."""
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer under a new id, which is cleared again even when the chain raises."""
        request_id = uuid4().hex
        request.request_id = request_id  # type: ignore[attr-defined]  # IdentifiedRequest is what views see
        token = _current.set(request_id)
        try:
            response = self.get_response(request)
        finally:
            _current.reset(token)
        response.headers["X-Request-ID"] = request_id
        return response


class RequestIdFilter(logging.Filter):
    """Adds `request_id` to every log record, "-" outside of a request."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Let every record through, with the id."""
        record.request_id = current_request_id() or "-"
        return True
