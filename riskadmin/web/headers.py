"""Response headers that Django's own middleware does not set.

`SecurityMiddleware` (referrer and opener policy, nosniff, HSTS), `XFrameOptionsMiddleware` and django-csp set their own; a
test checks the complete set.
"""

from collections.abc import Callable

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.cache import patch_vary_headers

# No page needs the camera, location or payments. The browser refuses a script that asks for them.
PERMISSIONS_POLICY = ", ".join(
    f"{feature}=()"
    for feature in ("camera", "display-capture", "geolocation", "microphone", "midi", "payment", "serial", "usb")
)


class HeadersMiddleware:
    """Keeps pages out of caches and away from other sites. It comes after WhiteNoise, whose files may be cached."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        """Django hands over the rest of the chain."""
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Set each header that the view hasn't set."""
        response = self.get_response(request)
        # One address answers with a page or a fragment of it, and shows data that only this person may see.
        patch_vary_headers(response, ["HX-Request"])
        response.headers.setdefault("Cache-Control", "no-store")
        response.headers.setdefault("Cross-Origin-Resource-Policy", "same-origin")
        response.headers.setdefault("Permissions-Policy", PERMISSIONS_POLICY)
        return response
