"""Views with two answers: the whole page for a browser, the fragment inside it for htmx."""

from typing import Any, TypeVar

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase, HttpResponseRedirectBase
from django.shortcuts import render, resolve_url
from django_htmx.http import HttpResponseClientRedirect, trigger_client_event
from django_htmx.middleware import HtmxDetails

AnyResponse = TypeVar("AnyResponse", bound=HttpResponseBase)


class HtmxHttpRequest(HttpRequest):
    """A request after `HtmxMiddleware`. Views use it as a type."""

    htmx: HtmxDetails


class HttpResponseSeeOther(HttpResponseRedirectBase):
    """303: the POST is done, get this page next. All clients treat it the same way, unlike 302."""

    status_code = 303


def is_fragment(request: HttpRequest) -> bool:
    """Whether the answer is a fragment for a place on the page, rather than the page.

    Boosted links and htmx's restoring of history send the same header, but need the whole page.
    """
    htmx: HtmxDetails | None = getattr(request, "htmx", None)  # absent when an earlier middleware answers
    return bool(htmx) and htmx is not None and not htmx.boosted and not htmx.history_restore_request


def render_page_or_fragment(
    request: HttpRequest,
    page_template: str,
    fragment_template: str,
    context: dict[str, Any] | None = None,
    *,
    status: int = 200,
) -> HttpResponse:
    """Render the fragment for htmx, else the page, which includes that same fragment, with the same context."""
    template = fragment_template if is_fragment(request) else page_template
    return render(request, template, context, status=status)


def redirect(request: HttpRequest, to: Any, *args: object, **kwargs: object) -> HttpResponse:
    """Redirect to a page after a POST. `to` is a URL name with its arguments, a model with an address, or a path.

    htmx is instructed to load it as a page (`HX-Redirect`): if it followed the redirect itself, the page would end up
    inside a panel.
    """
    address = resolve_url(to, *args, **kwargs)
    if getattr(request, "htmx", None):
        return HttpResponseClientRedirect(address)
    return HttpResponseSeeOther(address)


def announce(response: AnyResponse, message: str) -> AnyResponse:
    """Make a screen reader read the message once htmx has swapped in this answer."""
    return trigger_client_event(response, "announce", {"message": message}, after="settle")
