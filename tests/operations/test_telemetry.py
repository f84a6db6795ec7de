"""Sentry and OpenTelemetry: off unless set, a clear error without their packages, and what leaves this machine."""

import gzip
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import connection
from pytest_django import Settings

from riskadmin.local.places import PROJECT
from riskadmin.operations.telemetry import start
from tests.servers import Servers, with_database

SECRETS = ("hunter2", "KTR50K-000101", "of-somebody", "someone@firm.example", "192.0.2.9", "sue-the-supervisor")

FAILING_REQUEST = """
import logging, django
from django.conf import settings
settings.STORAGES["staticfiles"]["BACKEND"] = "django.contrib.staticfiles.storage.StaticFilesStorage"  # nothing is collected here
django.setup()
from django.test import Client
from django.urls import path
import riskadmin.urls
from riskadmin.logs.context import log_fields
from riskadmin.web.access import public

@public
def fails(request, name):
    account = "KTR50K-000101"
    raise ValueError("no server at postgresql://app:hunter2@db/risk")

riskadmin.urls.urlpatterns.append(path("fails/<str:name>/", fails, name="fails"))
client = Client(raise_request_exception=False, SERVER_NAME="127.0.0.1", REMOTE_ADDR="192.0.2.9")
page = client.post("/fails/KTR50K-000101/?token=of-somebody", {"email": "someone@firm.example"}, headers={"Cookie": "sessionid=of-somebody"})
assert page.status_code == 500, page.status_code
with log_fields(change=17, person=4):
    logging.getLogger("riskadmin.some").error("Refused for %s", "sue-the-supervisor")
import sentry_sdk
from opentelemetry import trace
sentry_sdk.flush(10)
trace.get_tracer_provider().force_flush(10_000)
"""


@contextmanager
def receiver() -> Iterator[tuple[str, list[tuple[str, bytes]]]]:
    """A server on loopback that keeps what it is sent."""
    received: list[tuple[str, bytes]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            received.append((self.path, gzip.decompress(body) if self.headers["Content-Encoding"] == "gzip" else body))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_port}", received
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.django_db
def test_what_is_sent_holds_no_personal_data_and_no_secret(servers: Servers) -> None:
    database = with_database(servers.database_url, connection.settings_dict["NAME"])
    with receiver() as (address, received):
        env = {
            **os.environ,
            "DATABASE_URL": database,
            "DATABASE_OWNER_URL": "",
            "DATABASE_AUDITOR_URL": "",
            "SENTRY_DSN": f"http://key@{address}/1",
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://{address}",
        }
        done = subprocess.run(
            [sys.executable, "-c", FAILING_REQUEST], cwd=PROJECT, env=env, capture_output=True, text=True, check=False
        )
    assert done.returncode == 0, done.stderr
    errors = b"".join(body for path, body in received if path == "/api/1/envelope/").decode()
    spans = b"".join(body for path, body in received if path == "/v1/traces")
    assert [secret for secret in SECRETS if secret in errors or secret.encode() in spans] == []
    assert "ValueError" in errors
    assert "postgresql://app:[hidden]@db/risk" in errors
    assert '"Refused for %s"' in errors
    assert ('"change":"17"' in errors, '"user":{"id":"4"}' in errors, '"request_id":"' in errors) == (True, True, True)
    assert b"POST fails" in spans


@pytest.mark.parametrize(
    ("name", "value"), [("SENTRY_DSN", "http://key@127.0.0.1:1/1"), ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")]
)
def test_a_missing_package_is_named(settings: Settings, monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    def missing(_: str) -> None:
        raise ModuleNotFoundError("No module named 'some_package'", name="some_package")

    monkeypatch.setattr(start, "import_module", missing)
    start.start_telemetry()  # nothing is set, so nothing is imported
    setattr(settings, name, value)
    with pytest.raises(ImproperlyConfigured, match=rf"^{name} is set.*some_package.*requirements-telemetry.lock"):
        start.start_telemetry()
