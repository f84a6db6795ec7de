"""Request ids: made here, never taken from outside, and in every log line of the request."""

import logging
import re

from django.test import Client

from riskadmin.web.request_id import RequestIdFilter, current_request_id


def test_each_request_has_its_own_id_everywhere(site: Client) -> None:
    first, second = site.get("/probe"), site.get("/probe")
    ids = [first.headers["X-Request-ID"], second.headers["X-Request-ID"]]
    assert all(re.fullmatch("[0-9a-f]{32}", request_id) for request_id in ids)
    assert ids[0] != ids[1]
    assert [response.content.decode() for response in (first, second)] == [f"probe {request_id}" for request_id in ids]


def test_an_id_from_outside_is_ignored(site: Client) -> None:
    response = site.get("/probe", headers={"X-Request-ID": "mine"})
    assert response.headers["X-Request-ID"] != "mine"
    assert "mine" not in response.content.decode()


def test_nothing_is_left_behind(site: Client) -> None:
    site.get("/fails?how=bug")
    assert current_request_id() == ""


def test_the_filter_marks_lines_outside_of_a_request() -> None:
    record = logging.LogRecord("any", logging.INFO, __file__, 1, "text", None, None)
    assert RequestIdFilter().filter(record)
    assert record.__dict__["request_id"] == "-"
