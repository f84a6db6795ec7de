"""Light, dark, or the system's theme: kept in a cookie, so that the server renders the right one immediately."""

from enum import StrEnum
from typing import Final

from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase

COOKIE: Final = "theme"
_YEAR_S: Final = 365 * 24 * 3600


class Theme(StrEnum):
    """A person's choice of theme."""

    LIGHT = "light"
    DARK = "dark"
    SYSTEM = "system"


def cookie_name() -> str:
    """Return the cookie's name. Its prefix lets browsers take it from this host over TLS alone."""
    return f"{settings.COOKIE_PREFIX}{COOKIE}"


def theme_of(request: HttpRequest) -> Theme:
    """Return the theme chosen in this browser. No choice, or an invalid one, is the system's."""
    chosen = request.COOKIES.get(cookie_name(), "")
    return Theme(chosen) if chosen in set(Theme) else Theme.SYSTEM


def remember(response: HttpResponseBase, theme: Theme, *, secure: bool) -> None:
    """Keep the choice in this browser for a year. It is not secret, and scripts change it without a reload."""
    response.set_cookie(cookie_name(), theme.value, max_age=_YEAR_S, samesite="Lax", secure=secure)
