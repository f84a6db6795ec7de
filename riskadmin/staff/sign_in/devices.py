"""Known devices: browsers on which a person has signed in before. The throttle counts them apart from everything else.

A browser keeps a signed cookie with a random name for itself and the people who have signed in on it. It opens nothing: who
steals it can only fail ten times of their own.
"""

import secrets
from datetime import timedelta
from typing import Final

from django.conf import settings
from django.core import signing
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils import timezone

from riskadmin.staff.models import Staff

KEPT: Final = timedelta(days=180)
PEOPLE_MAX: Final = 8
"""How many people one browser remembers: a cookie is limited in size."""
SALT: Final = "riskadmin.staff.sign_in.devices"


def device_of(request: HttpRequest, person: Staff | None) -> str:
    """Return the name of the browser if this person has signed in on it within KEPT, else an empty text."""
    name, people = _read(request)
    return name if person is not None and str(person.pk) in people else ""


def remember(request: HttpRequest, response: HttpResponseBase, person: Staff) -> None:
    """Make the browser a known device of the person who has just signed in on it."""
    name, people = _read(request)
    kept = sorted(((when, key) for key, when in people.items() if key != str(person.pk)), reverse=True)[: PEOPLE_MAX - 1]
    content = {"name": name or secrets.token_hex(16), "people": {key: when for when, key in kept} | {str(person.pk): _now()}}
    response.set_cookie(
        settings.DEVICE_COOKIE_NAME,
        signing.dumps(content, salt=SALT),
        max_age=KEPT,
        secure=settings.HTTPS,
        httponly=True,
        samesite="Lax",
    )


def _read(request: HttpRequest) -> tuple[str, dict[str, int]]:
    """Return the browser's name, empty if it has none yet, and when each person last signed in on it."""
    try:
        content = signing.loads(request.COOKIES.get(settings.DEVICE_COOKIE_NAME, ""), salt=SALT, max_age=KEPT)
    except signing.BadSignature:
        return "", {}
    earliest = _now() - int(KEPT.total_seconds())
    return content["name"], {key: when for key, when in content["people"].items() if when >= earliest}


def _now() -> int:
    return int(timezone.now().timestamp())
