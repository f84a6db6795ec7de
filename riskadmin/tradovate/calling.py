"""How a method of the client becomes a call: token, one attempt, the answer read into its type.

There are no retries inside, with one exception: a call answered 401 was certainly not carried out, so it is sent again once
with a renewed token. Both count in the budget. An endpoint that denies access to that token too is stopped for a while.
"""

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from http import HTTPStatus
from typing import TypeVar

from riskadmin.tradovate.breaker import Breaker
from riskadmin.tradovate.budget import Budget
from riskadmin.tradovate.calls import Caller
from riskadmin.tradovate.endpoints import Endpoint
from riskadmin.tradovate.errors import NotHandled, NotHandledReason, OutcomeUnknown
from riskadmin.tradovate.http_record import HttpRecord, Reply
from riskadmin.tradovate.permit import Reservation, WritePermit
from riskadmin.tradovate.reading import Unreadable
from riskadmin.tradovate.rows import Identified, read_rows
from riskadmin.tradovate.tokens import TokenSource
from riskadmin.tradovate.vocabulary import Environment, Lane

logger = logging.getLogger(__name__)

TIMEOUT = (3.05, 15.0)
"""Seconds to connect, and to wait between two bytes."""

T = TypeVar("T")
R = TypeVar("R", bound=Identified)


class Calling:
    """What the reads and the writes of the client share. Safe for threads."""

    def __init__(
        self,
        *,
        environment: Environment,
        base_url: str,
        tokens: TokenSource,
        budget: Budget,
        lane: Lane,
        breaker: Breaker | None = None,
        at_once: AbstractContextManager[object] | None = None,
        timeout: tuple[float, float] = TIMEOUT,
        extra_hosts: Collection[str] = (),
    ) -> None:
        """Raise ``addresses.AddressRefused``, or ``WrongEnvironment`` for the other environment's host.

        ``at_once`` as ``Caller`` takes it.
        """
        self.environment = environment
        self.lane = lane
        self._tokens = tokens
        self._caller = Caller(
            environment=environment,
            base_url=base_url,
            budget=budget,
            breaker=breaker,
            at_once=at_once,
            timeout=timeout,
            extra_hosts=extra_hosts,
        )

    def reserve(self, endpoint: Endpoint, calls: int) -> list[Reservation]:
        """Count calls of an endpoint in advance, for the permits of those calls: as many as there is room for, at least one.

        Raises ``WrongEnvironment``, or ``NotHandled`` when nothing may be sent now.
        """
        self._caller.check(endpoint)
        self._tokens.get()  # first, since fetching a token is a call too, for which there might be no room afterwards
        return self._caller.reserve(endpoint, self.lane, calls)

    def release(self, unused: Sequence[Reservation]) -> None:
        """Release attempts that were counted in advance and are not needed."""
        self._caller.release(unused)

    def _list(self, endpoint: Endpoint, read: Callable[[object], R], query: str = "") -> Reply[list[R]]:
        """Read a list row by row. The reply's ``unreadable`` lists the rows that can't be read."""
        reply = self._call(endpoint, query=query)
        found, unreadable = read_rows(reply.value if isinstance(reply.value, list) else [], read)
        return Reply(found, reply.http_record, unreadable)

    def _one(
        self,
        endpoint: Endpoint,
        read: Callable[[object], T],
        *,
        query: str = "",
        body: Mapping[str, object] | None = None,
    ) -> Reply[T]:
        """Read one answer of a call that changes nothing."""
        return _typed(self._call(endpoint, query=query, body=body), read)

    def _write(
        self,
        endpoint: Endpoint,
        body: Mapping[str, object],
        read: Callable[[object], T],
        *,
        permit: WritePermit,
        ticket: str | None,
    ) -> Reply[T]:
        """Make a call that changes something. ``ticket`` is from an earlier ``NotHandled`` of the same call."""
        if not isinstance(permit, WritePermit):
            raise TypeError("a write needs a WritePermit")
        if ticket is not None:
            body = {**body, "p-ticket": ticket}
        return _typed(self._call(endpoint, body=body, permit=permit), read)

    def _call(
        self,
        endpoint: Endpoint,
        *,
        query: str = "",
        body: Mapping[str, object] | None = None,
        permit: WritePermit | None = None,
    ) -> Reply[object]:
        # Before a token is fetched, which would itself use budget and the network.
        self._caller.check(endpoint)
        token = self._tokens.get()
        try:
            return self._caller.attempt(endpoint, lane=self.lane, token=token, query=query, body=body, permit=permit)
        except NotHandled as error:
            if error.reason is not NotHandledReason.UNAUTHORISED:
                raise
            self._refuse(token, error.http_record)
        except OutcomeUnknown as error:
            if error.http_record and error.http_record.status == HTTPStatus.REQUEST_TIMEOUT:
                self._suspect(token)
            raise
        token = self._tokens.get()
        try:
            return self._caller.attempt(endpoint, lane=self.lane, token=token, query=query, body=body, permit=permit)
        except NotHandled as error:
            if error.reason is NotHandledReason.UNAUTHORISED:
                raise self._caller.deny(endpoint, error) from error
            raise

    def _refuse(self, token: str, http_record: HttpRecord | None) -> None:
        """Have the token replaced. If that fails, the error shows the HTTP record of the caller's call."""
        try:
            self._tokens.refuse(token)
        except NotHandled as error:
            raise NotHandled(
                error.message,
                reason=error.reason,
                retry_after_s=error.retry_after_s,
                http_record=http_record,
            ) from error

    def _suspect(self, token: str) -> None:
        """A session ended by a third login is said to be answered with 408: renew, and let the call fail."""
        try:
            self._tokens.refuse(token)
        except NotHandled as error:
            logger.warning("the token of a call that drew 408 could not be renewed: %s", error.message)


def _typed(reply: Reply[object], read: Callable[[object], T]) -> Reply[T]:
    try:
        return Reply(read(reply.value), reply.http_record)
    except Unreadable as error:
        raise OutcomeUnknown(f"Tradovate's answer can't be read: {error}", http_record=reply.http_record) from error
