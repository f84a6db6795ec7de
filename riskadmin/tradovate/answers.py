"""The decision table: what an answer means, by status and body. HTTP 200 alone is never success.

Source: partner documentation, "Error handling" and "Rate limits", and the ``errorText`` tables of the endpoints.
"""

from dataclasses import dataclass
from decimal import Decimal
from http import HTTPStatus

from riskadmin.tradovate.endpoints import Endpoint
from riskadmin.tradovate.errors import NotHandled, NotHandledReason, OutcomeUnknown, Rejected
from riskadmin.tradovate.http_record import HttpRecord
from riskadmin.tradovate.reading import Unreadable, parse_json

HALT_S = 3600.0
"""How long 423 and 429 stop all calls ("stop all calls, wait 1 hour"), and a captcha those of its endpoint."""

PENALTY_DEFAULT_S = 60.0
"""For a penalty without a time."""

PENALTY_MAX_S = 86_400.0
"""A penalty of more than a day is assumed to be a mistake, and the wait is one day."""

TEXT_MAX = 8192
"""Characters of a plain-text refusal that are kept."""


@dataclass(frozen=True, slots=True)
class Penalty:
    """What an answer requires us to stop, and for how long: ``everything`` or only the endpoint."""

    seconds: float
    reason: str
    everything: bool


def interpret(endpoint: Endpoint, status: int, text: str, http_record: HttpRecord) -> object:
    """Return the JSON of a clean answer with the endpoint's shape. Raise the matching error for any other answer."""
    match status:
        case HTTPStatus.OK:
            return _accepted(endpoint, text, http_record)
        case HTTPStatus.UNAUTHORIZED | HTTPStatus.FORBIDDEN:
            raise _unauthorised(endpoint, status, text, http_record)
        case HTTPStatus.BAD_REQUEST if "access token" in text.lower():
            # The education pages name 400 beside 401 for an expired token. If it counted as a refusal of the call itself, a
            # lock would be reported as rejected because our session ended.
            raise _unauthorised(endpoint, status, text, http_record)
        case HTTPStatus.LOCKED:
            raise NotHandled(
                "Tradovate warns of a lockout (HTTP 423)",
                reason=NotHandledReason.LOCKOUT_WARNING,
                retry_after_s=HALT_S,
                http_record=http_record,
            )
        case HTTPStatus.TOO_MANY_REQUESTS:
            raise NotHandled(
                "too many calls in an hour (HTTP 429)",
                reason=NotHandledReason.RATE_LIMITED,
                retry_after_s=HALT_S,
                http_record=http_record,
            )
        case HTTPStatus.REQUEST_TIMEOUT:
            raise OutcomeUnknown("Tradovate gave up on the call (HTTP 408)", http_record=http_record)
        case _ if HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR:
            raise Rejected(_words(endpoint, text) or f"HTTP {status}", status=status, http_record=http_record)
        case _:
            # 5xx; also a redirect, which is never followed with a token, and any other 2xx. None of them is documented, so
            # none says whether the call was carried out.
            raise OutcomeUnknown(f"Tradovate answered HTTP {status}", http_record=http_record)


def stop_for(error: NotHandled) -> Penalty | None:
    """Return what this answer requires us to stop. None where only the caller has to wait."""
    match error.reason:
        case NotHandledReason.RATE_LIMITED | NotHandledReason.LOCKOUT_WARNING:
            return Penalty(HALT_S, error.message, everything=True)
        case NotHandledReason.CAPTCHA:
            return Penalty(HALT_S, error.message, everything=False)
        case NotHandledReason.PENALTY:
            return Penalty(error.retry_after_s, error.message, everything=False) if error.retry_after_s else None
        case _:
            return None


def denial_words(error: NotHandled) -> str:
    """Say why an endpoint that denies access with any token is stopped: its answer, and the possible cause."""
    return f"{error.message}: a permission of the API key may be missing"


def _accepted(endpoint: Endpoint, text: str, http_record: HttpRecord) -> object:
    try:
        data = parse_json(text)
    except Unreadable as error:
        raise OutcomeUnknown("Tradovate answered 200 with a body that is not JSON", http_record=http_record) from error
    if isinstance(data, dict):
        _raise_penalty(data, http_record)
        refusal = _refusal(data)
        if refusal is not None:
            raise Rejected(refusal, status=HTTPStatus.OK, http_record=http_record)
    if not isinstance(data, dict if endpoint.answer == "object" else list):
        raise OutcomeUnknown(
            f"Tradovate answered 200 without the {endpoint.answer} that belongs there", http_record=http_record
        )
    return data


def _raise_penalty(data: dict[str, object], http_record: HttpRecord) -> None:
    ticket = data.get("p-ticket")
    if data.get("p-captcha") is True:
        raise NotHandled(
            "Tradovate demands a captcha",
            reason=NotHandledReason.CAPTCHA,
            retry_after_s=HALT_S,
            http_record=http_record,
        )
    if ticket is None:
        return
    wait = data.get("p-time")
    known = isinstance(wait, int | Decimal) and not isinstance(wait, bool) and wait >= 0
    raise NotHandled(
        "Tradovate makes us wait (p-ticket)",
        reason=NotHandledReason.PENALTY,
        retry_after_s=min(float(str(wait)), PENALTY_MAX_S) if known else PENALTY_DEFAULT_S,
        ticket=str(ticket),
        http_record=http_record,
    )


def _refusal(data: dict[str, object]) -> str | None:
    """Return the text of a refusal inside a 200, or None when there is none."""
    if error_text := data.get("errorText"):
        return str(error_text)
    violations = data.get("violations")
    if isinstance(violations, list) and violations:
        return "; ".join(_violation(each) for each in violations)
    for verdict in ("ok", "success"):
        if data.get(verdict) is False:
            return f"{verdict}: false, without a reason"
    return None


def _violation(violation: object) -> str:
    if isinstance(violation, dict):
        for part in ("description", "constraint"):
            if words := violation.get(part):
                return str(words)
    return str(violation)


def _words(endpoint: Endpoint, text: str) -> str:
    """Tradovate's own text in a body outside 200: an ``errorText``, a JSON string or plain text; never a web page.

    Only the ``errorText`` where the request held a password, because a proxy may have echoed the request.
    """
    stripped = text.strip()
    if stripped.startswith("<"):
        return ""
    try:
        data = parse_json(stripped)
    except Unreadable:
        data = stripped
    if isinstance(data, dict):
        return (_refusal(data) or "")[:TEXT_MAX]
    return data[:TEXT_MAX] if isinstance(data, str) and not endpoint.confidential else ""


def _unauthorised(endpoint: Endpoint, status: int, text: str, http_record: HttpRecord) -> NotHandled:
    words = _words(endpoint, text)
    # For a token call the login is refused, and its own message says so.
    where = "" if endpoint.confidential else f" to {endpoint.name}"
    return NotHandled(
        f"Tradovate denies access{where} (HTTP {status}{': ' + words if words else ''})",
        reason=NotHandledReason.UNAUTHORISED,
        http_record=http_record,
    )
