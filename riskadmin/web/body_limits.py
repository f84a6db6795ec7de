"""How large a request may be, decided before any of it is read: too large is answered with 413, without a length with 411.

A view that takes files, or long lists, says so with `accepts_body`; every other view takes `DEFAULT_MAX`, and a page that is
open to everyone `PUBLIC_MAX`. A request without a length is refused: Django reads none of its body anyway, browsers always
send one, and nothing has to be counted while it is read (docs/adr/0030-production-defaults.md).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeVar

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.urls import Resolver404, resolve

from riskadmin.web.access import mark_of
from riskadmin.web.errors import Problem, refuse_alone

KIB: Final = 1024
MIB: Final = 1024 * KIB

PUBLIC_MAX: Final = 64 * KIB
"""For pages that need no sign-in, and for addresses that there aren't."""

DEFAULT_MAX: Final = 256 * KIB
"""For a form that someone fills in by hand."""

FORM_MAX: Final = 2 * MIB
"""For a form with a long text, such as a list of names; Django's own limit for everything in a form but its files."""

ENVELOPE: Final = 64 * KIB
"""What surrounds a file: the form's other fields, boundaries and headers."""

LENGTH_REQUIRED: Final = 411
TOO_LARGE: Final = 413

View = TypeVar("View", bound=Callable[..., HttpResponseBase])
Limit = int | Callable[[], int]


@dataclass(frozen=True)
class Accepted:
    """How many bytes a view's requests may have, and what there is to do about one that has more."""

    limit: Limit
    advice: str

    @property
    def bytes(self) -> int:
        """The limit, read from the settings where it depends on them."""
        return self.limit() if callable(self.limit) else self.limit


PUBLIC: Final = Accepted(PUBLIC_MAX, "Send less.")
DEFAULT: Final = Accepted(DEFAULT_MAX, "Shorten what you typed.")


def accepts_body(limit: Limit, *, advice: str) -> Callable[[View], View]:
    """Mark a view as taking requests of up to `limit` bytes; `advice` says what to do about a larger one."""

    def decorate(view: View) -> View:
        view.accepted_body = Accepted(limit, advice)  # type: ignore[attr-defined]  # functions take attributes
        return view

    return decorate


def accepted_by(view: Callable[..., object]) -> Accepted:
    """Return what a view accepts."""
    accepted = getattr(view, "accepted_body", None)
    if isinstance(accepted, Accepted):
        return accepted
    mark = mark_of(view)
    return PUBLIC if mark is None or mark.is_public else DEFAULT


class BodyLimitMiddleware:
    """Refuses a request that is too large, from its headers alone. Comes before everything that could read its body."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        """Django hands over the rest of the chain."""
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Pass the request on, or answer it."""
        if request.headers.get("Transfer-Encoding"):
            return refuse_alone(request, WITHOUT_LENGTH)
        length = _length(request)
        if length is None:
            return refuse_alone(request, WITHOUT_LENGTH)
        accepted = _accepted(request)
        if length > accepted.bytes:
            return refuse_alone(request, _too_large(length, accepted))
        return self.get_response(request)


WITHOUT_LENGTH: Final = Problem(
    status=LENGTH_REQUIRED,
    title="This request doesn't say how long it is",
    meaning="Only requests with a length are read. Nothing was done.",
    next_step="Send it from a browser, or with the header Content-Length.",
)


def _length(request: HttpRequest) -> int | None:
    """Return how long a request says it is, 0 if it says nothing, None if it says something else."""
    said = request.META.get("CONTENT_LENGTH") or "0"
    return int(said) if str(said).isascii() and str(said).isdigit() else None


def _accepted(request: HttpRequest) -> Accepted:
    try:
        return accepted_by(resolve(request.path_info).func)
    except Resolver404:
        return PUBLIC


def _too_large(length: int, accepted: Accepted) -> Problem:
    return Problem(
        status=TOO_LARGE,
        title="This is too large",
        meaning=f"It has {_size(length)}, and at most {_size(accepted.bytes)} are accepted here. Nothing was read or done.",
        next_step=f"{accepted.advice} Your browser's Back button may still have what you typed.",
    )


def _size(length: int) -> str:
    return f"{length / MIB:,.1f} MiB" if length >= MIB else f"{length / KIB:,.0f} KiB"
