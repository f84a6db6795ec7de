"""The site of `pages.py` under the project's own middleware, all but the sign-in."""

import pytest
from django.test import Client
from pytest_django.fixtures import Settings

from tests.web import pages

SIGN_IN = "django.contrib.auth.middleware.AuthenticationMiddleware"


@pytest.fixture
def site(settings: Settings) -> Client:
    """A client of the site; `headers={"X-Person": "…"}` signs in."""
    settings.ROOT_URLCONF = "tests.web.pages"
    settings.MIDDLEWARE = ["tests.web.pages.signs_in_by_header" if name == SIGN_IN else name for name in settings.MIDDLEWARE]
    settings.LOGIN_URL = "staff:sign_in"
    settings.NAVIGATION = [
        ("Home", "home", "home"),
        ("Changes", "changes", "list-check", "changes:view"),
        ("Approvals", "approvals", "gavel", "changes:decide", "changes"),
    ]
    pages.ran.clear()
    return Client(raise_request_exception=False)
