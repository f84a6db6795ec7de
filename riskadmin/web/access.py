"""Who may open which page: every view carries a mark, and a view without one is closed to all.

The mark is read by `AccessMiddleware` before the view runs, so a refused request has done nothing at all. Which roles
hold which capability is the staff package's business; a person is asked with `may(capability)`.
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
    """What access needs of a signed-in user; `staff.Staff` is one."""

    @property
    def is_authenticated(self) -> bool:
        """True for somebody who signed in."""
        ...

    def may(self, capability: str) -> bool:
        """Whether this person holds the capability, such as `changes:decide`."""
        ...


@dataclass(frozen=True)
class Mark:
    """How open a view is; an empty `any_of` on a view that isn't public asks only that somebody is signed in."""

    any_of: tuple[str, ...] = ()
    is_public: bool = False


class CapabilityMissing(PermissionDenied):
    """The person lacks every one of `capabilities`, any of which would do; answered with 403."""

    def __init__(self, *capabilities: str) -> None:
        """Keep the capabilities, so that the page can name them in words."""
        super().__init__(", ".join(capabilities))
        self.capabilities = capabilities

    @property
    def in_words(self) -> tuple[str, ...]:
        """Each capability as `settings.CAPABILITY_WORDS` says it ("approve or reject changes"), else its own name."""
        words: dict[str, str] = settings.CAPABILITY_WORDS
        return tuple(words.get(capability, capability) for capability in self.capabilities)


def requires(capability: str) -> Callable[[View], View]:
    """Mark a view as open to signed-in people who hold the capability."""
    return _marked(Mark(any_of=(capability,)))


def requires_any(*capabilities: str) -> Callable[[View], View]:
    """Mark a view as open to signed-in people who hold at least one of the capabilities."""
    if not capabilities:
        message = "requires_any needs a capability; a page for everybody signed in is marked @signed_in."
        raise ValueError(message)
    return _marked(Mark(any_of=capabilities))


def signed_in(view: View) -> View:
    """Mark a view as open to everybody who is signed in, whatever their roles."""
    return _marked(Mark())(view)


def public(view: View) -> View:
    """Mark a view as open to the world, such as signing in or a health probe."""
    return _marked(Mark(is_public=True))(view)


def mark_of(view: Callable[..., object]) -> Mark | None:
    """The view's mark, also through decorators that use `functools.wraps`; None for a view nobody marked."""
    mark = getattr(view, "access_mark", None)
    return mark if isinstance(mark, Mark) else None


def may(request: HttpRequest, capability: str) -> bool:
    """Whether whoever sent the request is signed in and holds the capability."""
    user = request.user
    return isinstance(user, Person) and user.is_authenticated and user.may(capability)


def demand(request: HttpRequest, capability: str) -> None:
    """Refuse, inside a view, when the capability depends on what was posted; raises `CapabilityMissing`."""
    if not may(request, capability):
        raise CapabilityMissing(capability)


class AccessMiddleware:
    """Holds every view to its mark; comes after authentication and htmx in `MIDDLEWARE`."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        """Django hands over the rest of the chain."""
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Pass the request on; the decision falls in `process_view`, when the view is known."""
        return self.get_response(request)

    def process_view(
        self,
        request: HttpRequest,
        view: Callable[..., HttpResponseBase],
        args: tuple[object, ...],  # noqa: ARG002  (Django passes it)
        kwargs: dict[str, Any],  # noqa: ARG002  (Django passes it)
    ) -> HttpResponse | None:
        """Let the view run (None), send a stranger to sign in, or raise `PermissionDenied`."""
        mark = mark_of(view)
        if mark is None:
            logger.error("%s.%s has no access mark, so nobody may open it", view.__module__, view.__qualname__)
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
    """Send the browser to sign in and back to the page it shows; a form's POST address isn't a page to come back to."""
    htmx: HtmxDetails | None = getattr(request, "htmx", None)
    back = request.get_full_path() if request.method in {"GET", "HEAD"} else ""
    if htmx:
        back = htmx.current_url_abs_path or ""
    target = resolve_url(settings.LOGIN_URL) + (f"?{urlencode({'next': back})}" if back else "")
    # A sign-in form must never be swapped into a panel of the page.
    return HttpResponseClientRedirect(target) if htmx else HttpResponseRedirect(target)
