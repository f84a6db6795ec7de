"""The headers of every answer, held together: Django's own, the policy's and ours."""

import pytest
from django.test import Client

EXPECTED = {
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


@pytest.mark.parametrize("address", ["/", "/probe", "/nowhere", "/unmarked", "/fails?how=bug"])
@pytest.mark.parametrize("htmx", [{}, {"HX-Request": "true"}], ids=["page", "fragment"])
def test_every_answer_carries_them(site: Client, address: str, htmx: dict[str, str]) -> None:
    headers = site.get(address, headers={"X-Person": "", **htmx}).headers
    assert {name: headers.get(name) for name in EXPECTED} == EXPECTED
    assert "HX-Request" in headers["Vary"]
    assert "camera=()" in headers["Permissions-Policy"]
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert "unsafe" not in headers["Content-Security-Policy"]


@pytest.mark.django_db
@pytest.mark.parametrize("address", ["/", "/sign-in/", "/healthz", "/api/v1/status", "/static/app.js"])
def test_trace_repeats_nothing(client: Client, address: str) -> None:
    response = client.trace(address, headers={"X-Secret": "hush"})
    assert response.status_code != 200
    assert b"hush" not in response.content
