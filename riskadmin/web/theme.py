"""Light, dark, or as the system has it: kept in a cookie, so that the server renders the right one at once."""

from enum import StrEnum
from typing import Final

from django.http import HttpRequest
from django.http.response import HttpResponseBase

COOKIE: Final = "theme"
_YEAR_S: Final = 365 * 24 * 3600


class Theme(StrEnum):
    """A person's choice of theme."""

    LIGHT = "light"
    DARK = "dark"
    SYSTEM = "system"


def theme_of(request: HttpRequest) -> Theme:
    """Return the theme chosen in this browser; nothing chosen, or nonsense, is the system's."""
    chosen = request.COOKIES.get(COOKIE, "")
    return Theme(chosen) if chosen in set(Theme) else Theme.SYSTEM


def remember(response: HttpResponseBase, theme: Theme, *, secure: bool) -> None:
    """Keep the choice in this browser for a year; it is no secret, and scripts change it without a reload."""
    response.set_cookie(COOKIE, theme.value, max_age=_YEAR_S, samesite="Lax", secure=secure)
