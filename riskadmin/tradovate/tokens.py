"""The session token: one for all processes, renewed early, once, and never a third session.

Tradovate allows a user two sessions. A third login ends the oldest, whose calls then fail in unexpected ways. So a login is
made only when there is no live session to renew, by at most one process, while the others wait for it. A renewal keeps the
session, and meanwhile the others go on with the token that is still valid.

Source: partner documentation, "Access token request" and "Renew access token": tokens live 90 minutes.
"""

import secrets
import threading
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Protocol

from riskadmin.tradovate.breaker import Breaker
from riskadmin.tradovate.budget import Budget
from riskadmin.tradovate.calls import Caller
from riskadmin.tradovate.endpoints import ACCESS_TOKEN_REQUEST, RENEW_ACCESS_TOKEN
from riskadmin.tradovate.errors import NotHandled, NotHandledReason, OutcomeUnknown, Rejected, StoreUnavailable
from riskadmin.tradovate.http_record import Reply
from riskadmin.tradovate.reading import Fields, Unreadable
from riskadmin.tradovate.vocabulary import Environment, Lane

RENEW_BEFORE = timedelta(minutes=15)
"""A token with less than this left is renewed."""

USABLE = timedelta(seconds=30)
"""A token with less than this left is not used: it must outlive the call and a difference between clocks."""

LIFETIME = timedelta(minutes=90)
"""The documented life, for an answer without an expiry time."""

LEASE_S = 20.0
"""How long one process may hold the lease for a token call: longer than such a call can take."""

TOKEN_TIMEOUT = (3.05, 10.0)
TOKEN_DEADLINE_S = 15.0

WAIT_S = 25.0
"""How long a caller waits for a token that another process is fetching: longer than a dead process' lease."""

LOGIN_PAUSE_S = 900.0
"""After a refused login: four attempts an hour, so that five failures in an hour can't happen."""

RETRY_PAUSE_S = 120.0
"""After a renewal or login without a clear answer: the last quarter of an hour has room for seven attempts of fifteen."""

RENEWALS_KEPT = 5
"""Of the 15 renewals an hour, reserved for those that are due: a 401 about permission must not use them up."""

FIRST_SESSION = "There was none."
EXPIRED_SESSION = "The token of the last one had expired."
LOST_SESSION = "Tradovate no longer accepted the last one: other logins of the same user displaced it, or Tradovate ended it."

_LOOK_AGAIN_S = 5.0
_POLL_S = 0.1


@dataclass(frozen=True, slots=True)
class StoredToken:
    """A token as all processes share it. ``generation`` grows by one with each saved token."""

    access_token: str = field(repr=False)
    expires_at: datetime
    generation: int


class TokenStore(Protocol):
    """Where one user's token in one environment is stored, with the lease for replacing it.

    Every method is one short transaction of its own, and may raise ``errors.StoreUnavailable``.
    """

    def load(self) -> StoredToken | None:
        """The latest token, expired or not; None before the first."""

    def lease(self, *, holder: str, seconds: float) -> bool:
        """Take the lease for ``seconds`` if it is free, expired or already the holder's. Return whether it was taken."""

    def release(self, *, holder: str) -> None:
        """Release the lease. Nothing happens if the holder does not have it."""

    def save(self, *, holder: str, access_token: str, expires_at: datetime, begins: str = "") -> bool:
        """Replace the token with the next generation while ``holder`` has the lease. Return whether it was replaced.

        ``begins`` says why a new session was begun; a renewal, which keeps the session, has none.
        """


@dataclass(frozen=True, slots=True)
class Credentials:
    """The credentials for an access token. Empty parts of the application's registration are not sent."""

    username: str
    password: str = field(repr=False)
    app_id: str = ""
    app_version: str = ""
    cid: str = ""
    sec: str = field(default="", repr=False)
    device_id: str = ""

    def as_body(self) -> dict[str, object]:
        """The request's body."""
        registration = {
            "appId": self.app_id,
            "appVersion": self.app_version,
            "cid": self.cid,
            "sec": self.sec,
            "deviceId": self.device_id,
        }
        return {
            "name": self.username,
            "password": self.password,
            **{name: value for name, value in registration.items() if value},
        }


class TokenSource:
    """Provides one user's token in one environment. Safe for threads. One per process is enough."""

    def __init__(
        self,
        *,
        environment: Environment,
        base_url: str,
        store: TokenStore,
        credentials: Credentials,
        budget: Budget,
        breaker: Breaker | None = None,
        extra_hosts: Collection[str] = (),
        wait_s: float = WAIT_S,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Raise as ``Caller`` does for a base URL that may not be used. ``now`` is replaced in tests."""
        self._store = store
        self._credentials = credentials
        self._budget = budget
        self._caller = Caller(
            environment=environment,
            base_url=base_url,
            budget=budget,
            breaker=breaker,
            timeout=TOKEN_TIMEOUT,
            extra_hosts=extra_hosts,
            deadline_s=TOKEN_DEADLINE_S,
        )
        self._wait_s = wait_s
        self._now = now
        self._holder = secrets.token_hex(8)
        self._working = threading.Lock()
        self._cached: StoredToken | None = None
        self._look_again = 0.0

    def get(self) -> str:
        """Return a token to send. May renew it, or log in, or wait for another process that does.

        Raises ``NotHandled``: without a token nothing of the caller's own call was sent.
        """
        cached = self._cached
        if cached and (self._left(cached) >= RENEW_BEFORE or (self._usable(cached) and time.monotonic() < self._look_again)):
            return cached.access_token
        stored = self._load()
        if stored and self._usable(stored):
            if self._left(stored) < RENEW_BEFORE:
                stored = self._renew_meanwhile(stored)
            self._cached = stored
            return stored.access_token
        return self._replace(lambda latest: latest is not None and self._usable(latest), refused=None)

    def refuse(self, token: str) -> None:
        """Report that Tradovate refused ``token``: one renewal, or login, follows for all processes.

        Returns when there is another token. Raises ``NotHandled``.
        """
        self._replace(lambda latest: latest is not None and latest.access_token != token, refused=token)

    def _left(self, token: StoredToken) -> timedelta:
        return token.expires_at - self._now()

    def _usable(self, token: StoredToken) -> bool:
        return self._left(token) >= USABLE

    def _load(self) -> StoredToken | None:
        try:
            return self._store.load()
        except StoreUnavailable as error:
            raise _no_token("the token store is away") from error

    def _renew_meanwhile(self, stored: StoredToken) -> StoredToken:
        """Renew a token that is still valid, if no one else does. Errors are ignored while it is valid."""
        self._look_again = time.monotonic() + _LOOK_AGAIN_S
        if not self._working.acquire(blocking=False):
            return stored
        try:
            if not self._store.lease(holder=self._holder, seconds=LEASE_S):
                return stored
            try:
                latest = self._store.load()
                if latest and self._left(latest) >= RENEW_BEFORE:
                    return latest
                return self._renewed(latest or stored, keep_free=0) or self._logged_in(LOST_SESSION)
            finally:
                self._store.release(holder=self._holder)
        except (NotHandled, StoreUnavailable):
            return stored
        finally:
            self._working.release()

    def _replace(self, good: Callable[[StoredToken | None], bool], *, refused: str | None) -> str:
        """Wait until the stored token is valid, and renew it or log in if no one else does."""
        deadline = time.monotonic() + self._wait_s
        if not self._working.acquire(timeout=self._wait_s):
            raise _no_token("another thread is still fetching a token")
        try:
            while True:
                latest = self._store.load()
                if latest and good(latest):
                    self._cached = latest
                    return latest.access_token
                if self._store.lease(holder=self._holder, seconds=LEASE_S):
                    return self._replaced(good, refused=refused)
                if time.monotonic() > deadline:
                    raise _no_token("another process is still fetching a token")
                time.sleep(_POLL_S)
        except StoreUnavailable as error:
            raise _no_token("the token store is away") from error
        finally:
            self._working.release()

    def _replaced(self, good: Callable[[StoredToken | None], bool], *, refused: str | None) -> str:
        """While holding the lease: check again, then renew or log in."""
        try:
            latest = self._store.load()
            if not good(latest):
                usable = latest if latest and self._usable(latest) else None
                renewed = self._renewed(usable, keep_free=RENEWALS_KEPT) if usable and refused else None
                latest = renewed or self._logged_in(_why(latest, usable))
            assert latest is not None  # noqa: S101  good() says so, for mypy
            self._cached = latest
            return latest.access_token
        finally:
            self._store.release(holder=self._holder)

    def _renewed(self, stored: StoredToken, *, keep_free: int) -> StoredToken | None:
        """Renew, keeping the session. None when Tradovate no longer has the session."""
        try:
            reply = self._caller.attempt(RENEW_ACCESS_TOKEN, lane=Lane.URGENT, token=stored.access_token, keep_free=keep_free)
            return self._saved(reply)
        except Rejected:
            return None
        except NotHandled as error:
            if error.reason is NotHandledReason.UNAUTHORISED:
                return None
            if keep_free and error.reason is NotHandledReason.NO_BUDGET:
                raise NotHandled(
                    "Tradovate denies access, and tokens were renewed for that too often in this hour",
                    reason=NotHandledReason.UNAUTHORISED,
                    retry_after_s=error.retry_after_s,
                ) from error
            raise _not_ours(error) from error
        except OutcomeUnknown as error:
            if error.http_record and error.http_record.status == HTTPStatus.REQUEST_TIMEOUT:
                return None  # a session that a third login ended is said to be answered like this
            self._budget.halt(RETRY_PAUSE_S, "the last renewal had no clear answer", RENEW_ACCESS_TOKEN)
            raise _no_token("the renewal had no clear answer", retry_after_s=RETRY_PAUSE_S) from error

    def log_in(self, why: str) -> None:
        """Start a session with these credentials, whatever session there is. Raises ``NotHandled``.

        It replaces the token of all processes. A second session of the user is allowed beside the last one.
        """
        deadline = time.monotonic() + self._wait_s
        with self._working:
            try:
                while not self._store.lease(holder=self._holder, seconds=LEASE_S):
                    if time.monotonic() > deadline:
                        raise _no_token("another process is still fetching a token")
                    time.sleep(_POLL_S)
                try:
                    self._cached = self._logged_in(why)
                finally:
                    self._store.release(holder=self._holder)
            except StoreUnavailable as error:
                raise _no_token("the token store is away") from error

    def _logged_in(self, why: str) -> StoredToken:
        """Start a session. A refusal stops further logins for a while."""
        self._store.lease(holder=self._holder, seconds=LEASE_S)
        try:
            reply = self._caller.attempt(ACCESS_TOKEN_REQUEST, lane=Lane.URGENT, token=None, body=self._credentials.as_body())
            return self._saved(reply, begins=why)
        except Rejected as error:
            raise self._refused(error.text, error) from error
        except NotHandled as error:
            if error.reason is NotHandledReason.UNAUTHORISED:
                raise self._refused(error.message, error) from error
            raise _not_ours(error) from error
        except OutcomeUnknown as error:
            # A session may now exist whose token no one has, so don't try again immediately.
            self._budget.halt(RETRY_PAUSE_S, "the last login had no clear answer", ACCESS_TOKEN_REQUEST)
            raise _no_token("the login had no clear answer", retry_after_s=RETRY_PAUSE_S) from error

    def _refused(self, words: str, error: Rejected | NotHandled) -> NotHandled:
        self._budget.halt(LOGIN_PAUSE_S, f"the login was refused: {words[:120]}", ACCESS_TOKEN_REQUEST)
        return NotHandled(
            f"Tradovate refuses our login: {words}",
            reason=NotHandledReason.LOGIN_REFUSED,
            retry_after_s=LOGIN_PAUSE_S,
            http_record=error.http_record,
        )

    def _saved(self, reply: Reply[object], *, begins: str = "") -> StoredToken:
        try:
            fields = Fields(reply.value)
            access_token = fields.text("accessToken")
            expires_at = fields.instant("expirationTime") or self._now() + LIFETIME
        except Unreadable as error:
            raise OutcomeUnknown("an unreadable token answer", http_record=reply.http_record) from error
        if access_token and not (access_token.isascii() and access_token.isprintable()):
            raise OutcomeUnknown("a token that no header can hold", http_record=reply.http_record)
        if not access_token:
            raise Rejected("Tradovate gave no token", status=200, http_record=reply.http_record)
        saved = self._store.save(holder=self._holder, access_token=access_token, expires_at=expires_at, begins=begins)
        latest = self._store.load()
        if not saved or latest is None:
            raise _no_token("the lease ran out before the token came")
        return latest


def _why(latest: StoredToken | None, usable: StoredToken | None) -> str:
    """Return why a session has to be begun."""
    if latest is None:
        return FIRST_SESSION
    return LOST_SESSION if usable else EXPIRED_SESSION


def _no_token(message: str, *, retry_after_s: float | None = None) -> NotHandled:
    return NotHandled(message, reason=NotHandledReason.TOKEN_UNAVAILABLE, retry_after_s=retry_after_s)


def _not_ours(error: NotHandled) -> NotHandled:
    """Return the same error as the reason why there is no token, without the ticket, which belongs to the token call."""
    penalty = error.reason is NotHandledReason.PENALTY
    return NotHandled(
        f"no token: {error.message}",
        reason=NotHandledReason.TOKEN_UNAVAILABLE if penalty else error.reason,
        retry_after_s=error.retry_after_s,
        http_record=error.http_record,
    )
