"""Who may open which page. Every view carries a mark, and a view without one is closed to everyone.

`AccessMiddleware` reads the mark before the view runs, so a refused request has had no effect. The staff package decides
which roles have which capability; `may(capability)` checks one person.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar, runtime_checkable
from urllib.parse import urlencode

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import resolve_url
from django_htmx.http import HttpResponseClientRedirect
from django_htmx.middleware import HtmxDetails

logger = logging.getLogger(__name__)

View = TypeVar("View", bound=Callable[..., HttpResponseBase])


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
    """Who may open a view. An empty `any_of` on a view that isn't public requires only that the person is signed in."""

    any_of: tuple[str, ...] = ()
    is_public: bool = False


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


_named: dict[str, str] = {}


def name_capability(capability: str, words: str) -> None:
    """Say in words what a capability allows. A package that has capabilities calls this as it starts."""
    _named[capability] = words


def capability_words() -> dict[str, str]:
    """Return every capability in words."""
    return dict(_named)


def requires(capability: str) -> Callable[[View], View]:
    """Mark a view as open to signed-in people who have the capability."""
    return _marked(Mark(any_of=(capability,)))


def requires_any(*capabilities: str) -> Callable[[View], View]:
    """Mark a view as open to signed-in people who have at least one of the capabilities."""
    if not capabilities:
        message = "requires_any needs a capability; a page for everybody signed in is marked @signed_in."
        raise ValueError(message)
    return _marked(Mark(any_of=capabilities))


def signed_in(view: View) -> View:
    """Mark a view as open to everyone who is signed in, whatever their roles."""
    return _marked(Mark())(view)


def public(view: View) -> View:
    """Mark a view as public, such as the sign-in page or a health probe."""
    return _marked(Mark(is_public=True))(view)


def mark_of(view: Callable[..., object]) -> Mark | None:
    """The view's mark, also through decorators that use `functools.wraps`. None for a view without a mark."""
    mark = getattr(view, "access_mark", None)
    return mark if isinstance(mark, Mark) else None


def may(request: HttpRequest, capability: str) -> bool:
    """Whether the person who sent the request is signed in and has the capability."""
    user = request.user
    return isinstance(user, Person) and user.is_authenticated and user.may(capability)


def demand(request: HttpRequest, capability: str) -> None:
    """Check a capability inside a view, when it depends on the posted values. Raises `CapabilityMissing`."""
    if not may(request, capability):
        raise CapabilityMissing(capability)


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
        return None


def _marked(mark: Mark) -> Callable[[View], View]:
    def decorate(view: View) -> View:
        view.access_mark = mark  # type: ignore[attr-defined]  # functions take attributes, Callable can't say so
        return view

    return decorate


def _to_sign_in(request: HttpRequest) -> HttpResponse:
    """Redirect the browser to the sign-in page, and back to the current page after it; never back to a form's POST address."""
    htmx: HtmxDetails | None = getattr(request, "htmx", None)
    back = request.get_full_path() if request.method in {"GET", "HEAD"} else ""
    if htmx:
        back = htmx.current_url_abs_path or ""
    target = resolve_url(settings.LOGIN_URL) + (f"?{urlencode({'next': back})}" if back else "")
    # A sign-in form must never be swapped into a panel of the page.
    return HttpResponseClientRedirect(target) if htmx else HttpResponseRedirect(target)
