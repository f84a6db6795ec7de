"""Every cookie under HTTPS: for this host alone, over TLS alone, and sent by no other site's forms."""

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from riskadmin.staff.roles import Role
from tests.staff.people import PASSWORD, make_person
from tests.test_settings import load

NAMES = ("COOKIE_PREFIX", "SESSION_COOKIE_NAME", "CSRF_COOKIE_NAME", "DEVICE_COOKIE_NAME")
FLAGS = ("HTTPS", "SESSION_COOKIE_SECURE", "CSRF_COOKIE_SECURE", "SECURE_HSTS_SECONDS", "SECURE_HSTS_INCLUDE_SUBDOMAINS")
READ_BY_SCRIPTS = {"__Host-theme"}


@pytest.fixture
def secure(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Client:
    """A client whose requests come over TLS, with the settings of HTTPS=true."""
    with monkeypatch.context() as environment:
        loaded = load(environment, HTTPS="true")
    for name in (*NAMES, *FLAGS):
        setattr(settings, name, loaded[name])
    return Client(headers={"Referer": "https://testserver/"})


@pytest.mark.django_db
def test_each_is_secure_and_for_this_host_alone(secure: Client) -> None:
    person = make_person(Role.SUPPORT)
    secure.get(reverse("staff:sign_in"), secure=True)
    secure.post(reverse("staff:sign_in"), {"username": person.username, "password": PASSWORD}, secure=True)
    secure.post(reverse("web:theme"), {"theme": "dark"}, secure=True)
    secure.post(reverse("web:columns"), {"list": "accounts", "column": "name"}, secure=True)

    assert set(secure.cookies) == {
        f"__Host-{name}" for name in ("sessionid", "csrftoken", "device", "theme", "columns-accounts")
    }
    for name, cookie in secure.cookies.items():
        assert (cookie["secure"], cookie["path"], cookie["domain"], cookie["samesite"]) == (True, "/", "", "Lax"), name
        assert bool(cookie["httponly"]) is (name not in READ_BY_SCRIPTS), name
    assert 'data-bs-theme="dark"' in secure.get(reverse("home"), secure=True).content.decode()


@pytest.mark.django_db
def test_browsers_use_tls_for_a_year(secure: Client) -> None:
    for address in (reverse("staff:sign_in"), reverse("home"), "/nowhere", "/api/v1/status"):
        answer = secure.get(address, secure=True)
        assert answer.headers["Strict-Transport-Security"] == "max-age=31536000; includeSubDomains", address
