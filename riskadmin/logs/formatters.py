"""How lines are written: as JSON, one object a line, or as text for people. Neither lets a value begin a line of its own."""

import logging
from datetime import UTC, datetime
from typing import Any, Final

from pythonjsonlogger.json import JsonFormatter

from riskadmin.logs.context import FIELDS
from riskadmin.logs.scrub import scrubbed

MESSAGE_MAX: Final = 8_000
OF_ACCESS: Final = ("method", "route", "status", "ms")

_CONTROL: Final = {
    code: f"\\x{code:02x}" for code in (*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029) if chr(code) != "\t"
} | {0x0A: "\\n", 0x0D: "\\r"}


class JsonLines(JsonFormatter):
    """Writes the fields that are listed here and no others: what libraries attach to a record may hold a whole request."""

    def add_fields(self, log_data: dict[str, Any], record: logging.LogRecord, message_dict: dict[str, Any]) -> None:
        """Fill in one line."""
        log_data["time"] = datetime.fromtimestamp(record.created, tz=UTC).isoformat(timespec="milliseconds")
        log_data["level"] = record.levelname
        log_data["logger"] = record.name
        log_data["message"] = scrubbed(record.message)[:MESSAGE_MAX]
        request_id = record.__dict__.get("request_id", "-")
        if request_id != "-":
            log_data["request_id"] = request_id
        for name in (*FIELDS, *OF_ACCESS):
            if record.__dict__.get(name) is not None:
                log_data[name] = record.__dict__[name]
        if message_dict.get("exc_info"):
            log_data["exception"] = scrubbed(str(message_dict["exc_info"]))[-MESSAGE_MAX:]
        log_data["process"] = record.process


class Lines(logging.Formatter):
    """Writes lines for people; a traceback follows on lines of its own."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  (logging's name)
        """Return the line, with control characters escaped."""
        return scrubbed(super().formatMessage(record)).translate(_CONTROL)


class RouteInsteadOfPath(logging.Filter):
    """Takes paths out of Django's own lines about requests: a path may hold the key of a password reset."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Let every record through."""
        request = record.__dict__.get("request")
        if request is not None and isinstance(record.args, tuple):
            match = getattr(request, "resolver_match", None)
            route = (match and match.view_name) or "an unknown address"
            record.request_id = getattr(request, "request_id", "-")  # Django logs it after the request has ended
            record.args = tuple(route if arg == getattr(request, "path", None) else arg for arg in record.args)
        return True
