"""Errors to Sentry, without people's data: of a request its method and route, of a person the id, of a text no secret."""

from typing import Any, cast

import sentry_sdk
from django.conf import settings
from sentry_sdk.types import Event, Hint

from riskadmin.logs.context import fields_now
from riskadmin.logs.scrub import scrubbed
from riskadmin.web.request_id import current_request_id

KEPT = ("event_id", "timestamp", "platform", "level", "logger", "release", "environment", "sdk", "transaction")
KEPT_TAGS = ("change", "call", "environment", "lane")


def start() -> None:
    """Send errors to SENTRY_DSN. Nothing else is sent: no traces, no sessions, no log lines, no local variables."""
    sentry_sdk.init(
        dsn=settings.SENTRY_DSN,
        environment=settings.SENTRY_ENVIRONMENT or None,
        before_send=without_personal_data,
        send_default_pii=False,
        include_local_variables=False,
        include_source_context=False,
        max_request_body_size="never",
        max_breadcrumbs=0,
        auto_session_tracking=False,
        send_client_reports=False,
    )


def without_personal_data(event: Event, hint: Hint) -> Event:  # noqa: ARG001  (Sentry passes it)
    """Return what is sent of an event: built from what is allowed, so that what a new version of Sentry adds stays here."""
    given = cast("dict[str, Any]", event)
    sent = {name: given[name] for name in KEPT if name in given}
    sent["contexts"] = {name: value for name, value in given.get("contexts", {}).items() if name in {"runtime", "trace"}}
    sent["tags"] = {name: str(value) for name, value in fields_now().items() if name in KEPT_TAGS}
    request_id = current_request_id()
    if request_id:
        sent["tags"]["request_id"] = request_id
    if "method" in given.get("request", {}):
        sent["request"] = {"method": given["request"]["method"]}
    person = fields_now().get("person")
    if person is not None:
        sent["user"] = {"id": str(person)}
    if "logentry" in given:
        # As it was written in the code: what is filled in may be anything.
        sent["logentry"] = {"message": scrubbed(str(given["logentry"].get("message", "")))}
    if "exception" in given:
        sent["exception"] = {"values": [_exception(each) for each in given["exception"].get("values", [])]}
    return cast("Event", sent)


def _exception(given: dict[str, Any]) -> dict[str, Any]:
    kept: dict[str, Any] = {name: given[name] for name in ("type", "module") if name in given}
    frames = [
        {name: frame[name] for name in ("filename", "function", "module", "lineno", "in_app") if name in frame}
        for frame in (given.get("stacktrace") or {}).get("frames", [])
    ]
    return {**kept, "value": scrubbed(str(given.get("value", "")))[:500], "stacktrace": {"frames": frames}}
