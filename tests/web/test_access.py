"""A view runs only for whom its mark admits; a refused request proves that the view did not run."""

import logging

import pytest
from django.test import Client

from riskadmin.web.access import requires_any
from tests.web import pages

HTMX = {"HX-Request": "true"}


@pytest.mark.parametrize(
    ("address", "person", "runs"),
    [
        ("/probe", None, True),
        ("/probe", "", True),
        ("/unmarked", None, False),
        ("/unmarked", "changes:decide", False),
        ("/decide", "changes:decide", True),
        ("/decide", "changes:view", False),
        ("/decide", "", False),
        ("/decide-marked-inside", "changes:decide", True),
        ("/decide-marked-inside", "changes:view", False),
        ("/changes/", "changes:request:unlock", True),
        ("/changes/", "changes:view", False),
        ("/asks-inside", "changes:request:lock", True),
        ("/asks-inside", "changes:request:unlock", False),
    ],
)
def test_a_view_runs_only_for_whom_its_mark_admits(site: Client, address: str, person: str | None, *, runs: bool) -> None:
    response = site.post(address, headers={} if person is None else {"X-Person": person})
    assert response.status_code == (200 if runs else 403)
    assert bool(pages.ran) is runs


def test_an_unmarked_view_is_named_in_the_log(site: Client, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR, "riskadmin.web.access"):
        site.get("/unmarked", headers={"X-Person": "changes:decide"})
    assert "tests.web.pages.unmarked has no access mark" in caplog.text


def test_the_refusal_says_the_capability_in_words(site: Client) -> None:
    response = site.post("/decide", headers={"X-Person": ""})
    assert "It needs the permission to approve or reject changes." in response.content.decode()


def test_a_stranger_signs_in_and_comes_back_to_the_page(site: Client) -> None:
    response = site.get("/changes/?state=open&page=2")
    assert (response.status_code, response.headers["Location"]) == (
        302,
        "/staff/sign-in?next=%2Fchanges%2F%3Fstate%3Dopen%26page%3D2",
    )
    assert pages.ran == []


def test_a_strangers_post_is_not_come_back_to(site: Client) -> None:
    response = site.post("/decide")
    assert (response.status_code, response.headers["Location"]) == (302, "/staff/sign-in")
    assert pages.ran == []


def test_htmx_asks_for_a_sign_in_on_the_page_and_never_leaves_it(site: Client) -> None:
    response = site.get("/changes/", headers=HTMX)
    assert (response.status_code, response.headers["X-Session"], response.content) == (401, "sign-in", b"")
    assert "HX-Redirect" not in response.headers
    assert pages.ran == []


def test_a_mark_of_any_needs_one() -> None:
    with pytest.raises(ValueError, match="needs a capability"):
        requires_any()
