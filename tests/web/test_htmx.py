"""One view, two answers."""

import json

import pytest
from django.http import HttpResponse
from django.test import RequestFactory
from django_htmx.middleware import HtmxMiddleware

from riskadmin.web.htmx import HtmxHttpRequest, announce, is_fragment, redirect


def _request(rf: RequestFactory, **headers: str) -> HtmxHttpRequest:
    request = rf.get("/", headers={name.replace("_", "-"): value for name, value in headers.items()})
    HtmxMiddleware(lambda _: HttpResponse())(request)
    return request  # type: ignore[return-value]  # as the middleware leaves it


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, False),
        ({"HX_Request": "true"}, True),
        ({"HX_Request": "true", "HX_Boosted": "true"}, False),
        ({"HX_Request": "true", "HX_History_Restore_Request": "true"}, False),
    ],
)
def test_what_wants_a_fragment(rf: RequestFactory, headers: dict[str, str], *, expected: bool) -> None:
    assert is_fragment(_request(rf, **headers)) is expected


def test_before_the_middleware_everything_is_a_page(rf: RequestFactory) -> None:
    assert is_fragment(rf.get("/", headers={"HX-Request": "true"})) is False


def test_a_browser_is_sent_on_by_303(rf: RequestFactory) -> None:
    response = redirect(_request(rf), "/there")
    assert (response.status_code, response.headers["Location"]) == (303, "/there")


def test_htmx_reloads_the_page(rf: RequestFactory) -> None:
    response = redirect(_request(rf, HX_Request="true"), "/there")
    assert (response.status_code, response.headers["HX-Redirect"]) == (200, "/there")
    assert "Location" not in response.headers


def test_what_is_announced_travels_with_the_answer() -> None:
    response = announce(HttpResponse(), "Locked.")
    assert json.loads(response.headers["HX-Trigger-After-Settle"]) == {"announce": {"message": "Locked."}}
