"""The four ways in which a call to Tradovate can fail.

The class shows what is known of the call: ``NotHandled`` and ``WrongEnvironment`` certainly had no effect, ``Rejected`` was
refused by Tradovate, ``OutcomeUnknown`` got no answer that says.
"""

from enum import StrEnum

from riskadmin.tradovate.http_record import HttpRecord


class TradovateError(Exception):
    """Base of the tree. ``message`` is for people and never contains a secret."""

    def __init__(self, message: str, *, http_record: HttpRecord | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.http_record = http_record


class Rejected(TradovateError):
    """Tradovate refused. That does not prove that nothing happened: a write is read back anyway.

    ``text`` is Tradovate's own text if it gave one; ``status`` is the HTTP status of the answer.
    """

    def __init__(self, text: str, *, status: int, http_record: HttpRecord | None = None) -> None:
        super().__init__(text, http_record=http_record)
        self.text = text
        self.status = status


class NotHandledReason(StrEnum):
    """Why a call was not handled."""

    PENALTY = "penalty"
    """HTTP 200 with a ``p-ticket``: the endpoint is halted for ``retry_after_s``, then the same call goes with the ticket."""
    CAPTCHA = "captcha"
    """A penalty that only a person could clear: the endpoint is halted for an hour."""
    RATE_LIMITED = "rate_limited"
    """HTTP 429: every call of this user is halted for an hour."""
    LOCKOUT_WARNING = "lockout_warning"
    """HTTP 423: every call of this user is halted for an hour."""
    NOT_CONNECTED = "not_connected"
    """No connection was made (refused, DNS, TLS, connect timeout), so nothing was sent."""
    UNAUTHORISED = "unauthorised"
    """401, 403 or a 400 about the access token, also with a renewed token."""
    LOGIN_REFUSED = "login_refused"
    """Tradovate refuses our name and password: a person has to check them."""
    TOKEN_UNAVAILABLE = "token_unavailable"  # noqa: S105  a reason, not a secret
    """There is no session token at the moment, for a temporary reason."""
    NO_BUDGET = "no_budget"
    """Our own count of the rolling hour refused it; nothing was sent."""
    HALTED = "halted"
    """An earlier answer stopped this user or this endpoint for a while; nothing was sent."""
    OUTAGE = "outage"
    """Several calls in a row got no answer, so this one was not tried. A probe finds out when Tradovate answers again."""
    HELD_UP = "held_up"
    """This process was delayed for so long that its admission had expired; nothing was sent."""
    BUDGET_UNAVAILABLE = "budget_unavailable"
    """The budget can't be counted (the ledger is unavailable), so nothing was sent."""


class NotHandled(TradovateError):
    """The call had no effect and may be sent again later.

    ``retry_after_s`` is how long to wait, None when that is not known. ``ticket`` goes with the next attempt of the same
    call.
    """

    def __init__(
        self,
        message: str,
        *,
        reason: NotHandledReason,
        retry_after_s: float | None = None,
        ticket: str | None = None,
        http_record: HttpRecord | None = None,
    ) -> None:
        super().__init__(message, http_record=http_record)
        self.reason = reason
        self.retry_after_s = retry_after_s
        self.ticket = ticket


class OutcomeUnknown(TradovateError):
    """The call was sent and no readable answer came: it may or may not have been applied.

    A write must be read back before anything else is done about it. A read may simply be repeated.
    """


class WrongEnvironment(TradovateError):
    """The call may not be made in this environment. Refused in code: no budget is used, nothing is sent."""


class StoreUnavailable(Exception):
    """An implementation of ``Ledger`` or ``TokenStore`` can't reach its database."""
