"""Who may open which page. Every view carries a mark, and a view without one is closed to everyone.

`AccessMiddleware` reads the mark before the view runs, so a refused request has had no effect. The staff package decides
which roles have which capability; `may(capability)` checks one person.

A mark may also want a recent proof: that the person has shown within `RECENT_PROOF_MINUTES` who they are, not merely that
somebody sits at their computer. Anyone who lacks it is asked first (docs/security/sessions.md).
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Protocol, TypeVar, runtime_checkable
from urllib.parse import urlencode, urlsplit

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import resolve_url
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme

from riskadmin.web.htmx import HttpResponseSeeOther
from riskadmin.web.statuses import UNAUTHORIZED

logger = logging.getLogger(__name__)

View = TypeVar("View", bound=Callable[..., HttpResponseBase])


SESSION: Final = "X-Session"
"""The header of an answer to htmx that wants the person to sign in, or to prove who they are: then it can be sent again."""

SIGN_IN, PROVE = "sign-in", "prove"
_READS: Final = frozenset({"GET", "HEAD"})


@runtime_checkable
class Person(Protocol):
    """The interface of a signed-in user; `staff.Staff` implements it."""

    @property
    def is_authenticated(self) -> bool:
        """True for a signed-in person."""
        ...

    def may(self, capability: str) -> bool:
        """Whether this person has the capability, such as `changes:decide`."""
        ...


@dataclass(frozen=True)
class Mark:
    """Who may open a view. An empty `any_of` on a view that isn't public requires only that the person is signed in.

    `recent_proof` is for what a view does, `recent_proof_to_read` for what it shows, such as a file with everything in it.
    """

    any_of: tuple[str, ...] = ()
    is_public: bool = False
    recent_proof: bool = False
    recent_proof_to_read: bool = False

    def wants_proof(self, method: str | None) -> bool:
        """Whether a request with this method needs a recent proof."""
        return self.recent_proof_to_read if method in _READS else self.recent_proof


class CapabilityMissing(PermissionDenied):
    """The person has none of `capabilities`, any of which would be enough. Answered with 403."""

    def __init__(self, *capabilities: str) -> None:
        """Keep the capabilities, so that the page can name them in words."""
        super().__init__(", ".join(capabilities))
        self.capabilities = capabilities

    @property
    def in_words(self) -> tuple[str, ...]:
        """Each capability in words ("approve or reject changes"), else its own name."""
        words = capability_words()
        return tuple(words.get(capability, capability) for capability in self.capabilities)


class ProofMissing(PermissionDenied):
    """The person's last proof of who they are is too old. Answered with the question for another one."""


_named: dict[str, str] = {}


def name_capability(capability: str, words: str) -> None:
    """Say in words what a capability allows. A package that has capabilities calls this as it starts."""
    _named[capability] = words


def capability_words() -> dict[str, str]:
    """Return every capability in words."""
    return dict(_named)


def requires(capability: str, *, recent_proof: bool = False, recent_proof_to_read: bool = False) -> Callable[[View], View]:
    """Mark a view as open to signed-in people who have the capability."""
    return requires_any(capability, recent_proof=recent_proof, recent_proof_to_read=recent_proof_to_read)


def requires_any(*capabilities: str, recent_proof: bool = False, recent_proof_to_read: bool = False) -> Callable[[View], View]:
    """Mark a view as open to signed-in people who have at least one of the capabilities."""
    if not capabilities:
        message = "requires_any needs a capability; a page for everybody signed in is marked @signed_in."
        raise ValueError(message)
    return _marked(Mark(any_of=capabilities, recent_proof=recent_proof, recent_proof_to_read=recent_proof_to_read))


def signed_in(view: View) -> View:
    """Mark a view as open to everyone who is signed in, whatever their roles."""
    return _marked(Mark())(view)


def signed_in_recently(view: View) -> View:
    """Mark a view as open to everyone who is signed in, and what it does as asking for a recent proof."""
    return _marked(Mark(recent_proof=True))(view)


def public(view: View) -> View:
    """Mark a view as public, such as the sign-in page or a health probe."""
    return _marked(Mark(is_public=True))(view)


def mark_of(view: Callable[..., object]) -> Mark | None:
    """The view's mark, also through decorators that use `functools.wraps`. None for a view without a mark."""
    mark = getattr(view, "access_mark", None)
    return mark if isinstance(mark, Mark) else None


def may(request: HttpRequest, capability: str) -> bool:
    """Whether the person who sent the request is signed in and has the capability. In a restricted request no one has any."""
    user = request.user
    if getattr(request, "is_restricted", False):
        return False
    return isinstance(user, Person) and user.is_authenticated and user.may(capability)


def restrict(request: HttpRequest) -> None:
    """Take all capabilities from a request: its person is signed in, but still has to prove something else."""
    request.is_restricted = True  # type: ignore[attr-defined]  # a request takes attributes


def demand(request: HttpRequest, capability: str) -> None:
    """Check a capability inside a view, when it depends on the posted values. Raises `CapabilityMissing`."""
    if not may(request, capability):
        raise CapabilityMissing(capability)


def has_recent_proof(request: HttpRequest) -> bool:
    """Whether the person has proved recently who they are. A middleware of the sign-in sets `proved_at`."""
    proved_at: datetime | None = getattr(request, "proved_at", None)
    if proved_at is None:
        return False
    return timezone.now() - proved_at < timedelta(minutes=settings.RECENT_PROOF_MINUTES)


def demand_recent_proof(request: HttpRequest) -> None:
    """Ask for a recent proof inside a view, when it depends on the posted values. Raises `ProofMissing`.

    Call it before anything is written. On the page, the button that sends such values has `data-proof`.
    """
    if not has_recent_proof(request):
        raise ProofMissing


class AccessMiddleware:
    """Enforces each view's mark. Comes after authentication and htmx in `MIDDLEWARE`."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        """Django hands over the rest of the chain."""
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Pass the request on. `process_view` decides, when the view is known."""
        return self.get_response(request)

    def process_view(
        self,
        request: HttpRequest,
        view: Callable[..., HttpResponseBase],
        args: tuple[object, ...],  # noqa: ARG002  (Django passes it)
        kwargs: dict[str, Any],  # noqa: ARG002  (Django passes it)
    ) -> HttpResponse | None:
        """Let the view run (None), redirect an anonymous visitor to sign in, or raise `PermissionDenied`."""
        mark = mark_of(view)
        if mark is None:
            logger.error("%s.%s has no access mark, so no one may open it", view.__module__, view.__qualname__)
            raise PermissionDenied
        if mark.is_public:
            return None
        if not request.user.is_authenticated:
            return _to_sign_in(request)
        if mark.any_of and not any(may(request, capability) for capability in mark.any_of):
            raise CapabilityMissing(*mark.any_of)
        if mark.wants_proof(request.method) and not has_recent_proof(request):
            return _to_proof(request)
        return None

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """Ask for the proof that a view demands."""
        return _to_proof(request) if isinstance(exception, ProofMissing) else None


def _marked(mark: Mark) -> Callable[[View], View]:
    def decorate(view: View) -> View:
        view.access_mark = mark  # type: ignore[attr-defined]  # functions take attributes, Callable can't say so
        return view

    return decorate


def _to_sign_in(request: HttpRequest) -> HttpResponse:
    """Redirect the browser to the sign-in page, and back to the current page after it; never back to a form's POST address."""
    if getattr(request, "htmx", None):
        return _asked_on_the_page(SIGN_IN)
    back = request.get_full_path() if request.method in _READS else ""
    return HttpResponseRedirect(_with_next(settings.LOGIN_URL, back))


def _to_proof(request: HttpRequest) -> HttpResponse:
    """Redirect the browser to where people prove who they are, and from there back: to the page that a form was on."""
    if getattr(request, "htmx", None):
        return _asked_on_the_page(PROVE)
    back = request.get_full_path() if request.method in _READS else _page_of_the_form(request)
    return HttpResponseSeeOther(_with_next(settings.PROOF_URL, back))


def _asked_on_the_page(what: str) -> HttpResponse:
    """Answer htmx that nothing was done. The page asks by itself, over what was typed (static/session.js)."""
    return HttpResponse(status=UNAUTHORIZED, headers={SESSION: what})


def _page_of_the_form(request: HttpRequest) -> str:
    page = request.headers.get("Referer", "")
    if not url_has_allowed_host_and_scheme(page, allowed_hosts={request.get_host()}):
        return ""
    parts = urlsplit(page)
    return f"{parts.path}?{parts.query}" if parts.query else parts.path


def _with_next(to: str, back: str) -> str:
    return resolve_url(to) + (f"?{urlencode({'next': back})}" if back else "")
