"""Error pages: the right words, the request id, and nothing of what went wrong inside."""

import pytest
from django.db import connection
from django.test import Client

from tests.web import pages

HTMX = {"HX-Request": "true"}


@pytest.mark.parametrize(
    ("address", "status", "words"),
    [
        ("/fails?how=bug", 500, "This page failed"),
        ("/fails?how=database", 503, "The database doesn"),
        ("/fails?how=own+words", 400, "There is no such page in this list."),
        ("/fails?how=forged", 400, "The address or the form that was sent is damaged."),
        ("/nowhere", 404, "There is no such page"),
        ("/unmarked", 403, "Your role doesn"),
        ("/moved", 409, "The account was unlocked. Look again."),
    ],
)
@pytest.mark.parametrize("headers", [{"X-Person": ""}, {"X-Person": "", **HTMX}], ids=["page", "fragment"])
def test_an_error_says_what_happened_and_its_request_id(
    site: Client, address: str, status: int, words: str, headers: dict[str, str]
) -> None:
    response = site.get(address, headers=headers)
    text = " ".join(response.content.decode().split())
    assert response.status_code == status
    assert words in text.replace("</p> <p>", " ")
    assert response.headers["X-Request-ID"] in text
    assert "secret number" not in text
    assert ("<html" in text) is ("HX-Request" not in headers)


@pytest.mark.parametrize("how", ["bug", "database", "forged"])
def test_a_page_for_a_broken_server_asks_nothing_of_it(site: Client, how: str) -> None:
    with connection.execute_wrapper(_refuse):
        response = site.get(f"/fails?how={how}", headers={"X-Person": ""})
    assert "Main" not in response.content.decode()  # the frame's navigation


def _refuse(*_: object) -> None:
    raise AssertionError("a query")


def test_the_conflict_page_leads_to_what_changed(site: Client) -> None:
    text = site.get("/moved", headers=HTMX).content.decode()
    assert '<a href="/changes/7/">Open change 7</a>' in text


def test_a_silent_database_says_when_to_come_back(site: Client) -> None:
    assert site.get("/fails?how=database").headers["Retry-After"] == "30"


def test_an_expired_form_says_so(site: Client) -> None:
    strict = Client(enforce_csrf_checks=True)
    response = strict.post("/decide", headers={"X-Person": "changes:decide"})
    assert response.status_code == 403
    assert "This form has expired" in response.content.decode()
    assert pages.ran == []
