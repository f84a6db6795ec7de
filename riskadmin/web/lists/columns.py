"""Which optional columns of a list are shown: chosen by the person, and kept in a cookie of this browser."""

import re
from collections.abc import Sequence
from typing import Final

from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase

_YEAR_S: Final = 365 * 24 * 3600
_NAME: Final = re.compile(r"[a-z_]{1,32}")
_NAMES_MAX: Final = 40


def is_name(text: str) -> bool:
    """Whether a text may be the name of a list or a column."""
    return _NAME.fullmatch(text) is not None


def chosen(request: HttpRequest, list_name: str) -> list[str]:
    """Return the names of the chosen columns; empty if none was chosen. Names that don't exist any more may be among them."""
    return [name for name in request.COOKIES.get(_cookie(list_name), "").split(".") if is_name(name)]


def remember(response: HttpResponseBase, list_name: str, names: Sequence[str], *, secure: bool) -> None:
    """Keep the choice for a year; without names, forget it."""
    if names:
        text = ".".join(names[:_NAMES_MAX])
        response.set_cookie(_cookie(list_name), text, max_age=_YEAR_S, samesite="Lax", secure=secure, httponly=True)
    else:
        response.delete_cookie(_cookie(list_name), samesite="Lax")


def _cookie(list_name: str) -> str:
    return f"{settings.COOKIE_PREFIX}columns-{list_name}"
