"""How large a request may be: told from its headers, before any of it is read, and before anything is known of its sender."""

import io
from typing import Any

import pytest
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.test import Client
from django.urls import URLPattern, get_resolver, reverse
from pytest_django.fixtures import Settings

from accounts.changes.targeting.csv_table import BYTES_MAX
from riskadmin.staff.roles import Role
from riskadmin.web.access import mark_of, public, signed_in
from riskadmin.web.body_limits import DEFAULT_MAX, FORM_MAX, PUBLIC_MAX, accepted_by, accepts_body
from tests.staff.people import make_person
from tests.test_structure import url_patterns
from tests.web import pages

HTMX = {"HX-Request": "true"}


class Unread(io.BytesIO):
    """A body that must not be read."""

    def read(self, *_: Any) -> bytes:
        raise AssertionError("the body was read")


def announce(client: Client, path: str, length: object, **environ: Any) -> Any:
    """Send a POST that announces a length; reading its body fails the test."""
    return client.generic("POST", path, **{"CONTENT_LENGTH": str(length), "wsgi.input": Unread(), **environ})


@pytest.mark.parametrize(
    ("path", "most"), [("/probe", PUBLIC_MAX), ("/nowhere", PUBLIC_MAX), ("/unmarked", PUBLIC_MAX), ("/decide", DEFAULT_MAX)]
)
def test_one_byte_too_many_is_refused_unread(site: Client, path: str, most: int) -> None:
    headers = {"HTTP_X_PERSON": "changes:decide"}
    assert announce(site, path, most, **headers).status_code != 413
    pages.ran.clear()
    refused = announce(site, path, most + 1, **headers)
    assert refused.status_code == 413
    assert "Nothing was read or done." in refused.content.decode()
    assert refused.headers["X-Request-ID"] in refused.content.decode()
    assert pages.ran == []


@pytest.mark.parametrize(
    "environ",
    [{"HTTP_TRANSFER_ENCODING": "chunked"}, {"HTTP_TRANSFER_ENCODING": "gzip, chunked"}, {"CONTENT_LENGTH": "-1"}]
    + [{"CONTENT_LENGTH": said} for said in ("x", "1e3", "\u0661", " 5", "0x10")],
    ids=str,
)
def test_a_body_without_a_length_is_refused_unread(site: Client, environ: dict[str, str]) -> None:
    refused = announce(site, "/probe", 5, **environ)
    assert (refused.status_code, pages.ran) == (411, [])


def test_the_refusal_comes_as_it_was_asked_for(site: Client) -> None:
    """As a page, as a fragment that replaces nothing on the page that sent it, and as JSON."""
    page = announce(site, "/probe", PUBLIC_MAX + 1)
    assert "<html" in page.content.decode()
    fragment = announce(site, "/probe", PUBLIC_MAX + 1, headers=HTMX)
    assert (fragment.status_code, fragment["HX-Reswap"]) == (413, "none")
    assert "This is too large" in fragment["HX-Trigger"]
    answer = announce(site, "/probe", PUBLIC_MAX + 1, headers={"Accept": "application/json"})
    assert answer.json()["error"] == "This is too large"


def test_a_view_says_what_it_accepts() -> None:
    def view(request: HttpRequest) -> HttpResponseBase:
        raise NotImplementedError

    assert accepted_by(public(view)).bytes == PUBLIC_MAX
    assert accepted_by(signed_in(view)).bytes == DEFAULT_MAX
    assert accepted_by(accepts_body(lambda: 7, advice="Less.")(view)).bytes == 7


def test_only_these_views_accept_more_than_a_form_has(settings: Settings) -> None:
    """And none that needs no sign-in."""
    larger = {
        each.name: accepted_by(each.callback).bytes for each in _views() if accepted_by(each.callback).bytes > DEFAULT_MAX
    }
    file = BYTES_MAX + 64 * 1024
    attached = settings.ATTACHMENTS_MAX * settings.ATTACHMENT_MAX_BYTES + FORM_MAX
    assert larger == {"new": attached, "edit": FORM_MAX, "name_targets": file, "apply": file}
    assert max(larger.values()) <= settings.FILE_UPLOAD_MAX_MEMORY_SIZE
    for each in _views():
        mark = mark_of(each.callback)
        assert mark is None or not mark.is_public or accepted_by(each.callback).bytes == PUBLIC_MAX


@pytest.mark.django_db
class TestSenders:
    """A form with a file is read only for someone who may send it, from one of our own pages."""

    PATH = "/changes/targets/lock/"
    MULTIPART = {"CONTENT_TYPE": "multipart/form-data; boundary=x"}

    def test_one_who_is_signed_out_is_sent_to_sign_in(self) -> None:
        answer = announce(Client(enforce_csrf_checks=True), self.PATH, 5_000_000, **self.MULTIPART)
        assert (answer.status_code, answer["Location"].split("?")[0]) == (302, reverse("staff:sign_in"))

    def test_another_sites_form_is_refused(self) -> None:
        client = Client(enforce_csrf_checks=True)
        client.force_login(make_person(Role.SUPPORT))
        answer = announce(client, self.PATH, 5_000_000, headers={"Origin": "https://evil.example"}, **self.MULTIPART)
        assert answer.status_code == 403


def test_nothing_of_a_request_is_written_to_a_disk(settings: Settings) -> None:
    assert settings.FILE_UPLOAD_HANDLERS == ["django.core.files.uploadhandler.MemoryFileUploadHandler"]


def _views() -> list[URLPattern]:
    return list(url_patterns(get_resolver("riskadmin.urls")))
