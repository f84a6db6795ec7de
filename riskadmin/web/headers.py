"""Response headers that Django's own middleware leaves out.

`SecurityMiddleware` (referrer and opener policy, nosniff, HSTS), `XFrameOptionsMiddleware` and django-csp set theirs; a
test holds the whole set together.
"""

from collections.abc import Callable

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.cache import patch_vary_headers

# Nothing here needs a camera, a position or a payment; a script that asks all the same is refused by the browser.
PERMISSIONS_POLICY = ", ".join(
    f"{feature}=()"
    for feature in ("camera", "display-capture", "geolocation", "microphone", "midi", "payment", "serial", "usb")
)


class HeadersMiddleware:
    """Keeps pages out of caches and away from other sites; stands below WhiteNoise, whose files are to be cached."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        """Django hands over the rest of the chain."""
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Set each header that the view hasn't set itself."""
        response = self.get_response(request)
        # One address answers with a page or with a fragment of it, and shows what only this person may see.
        patch_vary_headers(response, ["HX-Request"])
        response.headers.setdefault("Cache-Control", "no-store")
        response.headers.setdefault("Cross-Origin-Resource-Policy", "same-origin")
        response.headers.setdefault("Permissions-Policy", PERMISSIONS_POLICY)
        return response
