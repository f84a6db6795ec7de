"""One attempt at one endpoint, from the checks in code to the interpretation of the answer."""

import json
from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from http import HTTPStatus

from riskadmin.tradovate.addresses import checked_base_url
from riskadmin.tradovate.answers import denial_words, interpret, stop_for
from riskadmin.tradovate.breaker import Breaker
from riskadmin.tradovate.budget import Budget
from riskadmin.tradovate.endpoints import Endpoint
from riskadmin.tradovate.errors import NotHandled, NotHandledReason, OutcomeUnknown, WrongEnvironment
from riskadmin.tradovate.http_record import RESPONSE_TEXT_MAX, WITHHELD, HttpRecord, Reply
from riskadmin.tradovate.permit import Reservation, WritePermit
from riskadmin.tradovate.transport import DEADLINE_S, WRITE_DEADLINE_S, Answer, Transport
from riskadmin.tradovate.vocabulary import Environment, Lane

_CONFIDENTIAL_KEPT = ("errorText", "userStatus", "expirationTime", "p-time", "p-captcha")
"""The part that is stored of an answer that holds a token: enough to see why there was none."""


class Caller:
    """Makes attempts in one environment. Shared by the client and the token source; safe for threads."""

    def __init__(
        self,
        *,
        environment: Environment,
        base_url: str,
        budget: Budget,
        timeout: tuple[float, float],
        breaker: Breaker | None = None,
        at_once: AbstractContextManager[object] | None = None,
        extra_hosts: Collection[str] = (),
        deadline_s: float = DEADLINE_S,
    ) -> None:
        """Raise ``addresses.AddressRefused`` or ``WrongEnvironment`` for a base URL that may not be used.

        ``at_once`` is entered while an attempt is at Tradovate: a semaphore limits how many are.
        """
        self._environment = environment
        self._budget = budget
        self._breaker = breaker
        self._at_once = at_once or nullcontext()
        address = checked_base_url(base_url, environment, extra_hosts=extra_hosts)
        self._transport = Transport(address, timeout=timeout, deadline_s=deadline_s)

    def check(self, endpoint: Endpoint) -> None:
        """Raise ``WrongEnvironment`` where the endpoint may not be called. Uses no budget and sends nothing."""
        if self._environment not in endpoint.environments:
            raise WrongEnvironment(f"{endpoint.name} may not be called in the {self._environment} environment")

    def reserve(self, endpoint: Endpoint, lane: Lane, attempts: int, *, keep_free: int = 0) -> list[Reservation]:
        """Count attempts at an endpoint before they are made: as many as there is room for, at least one.

        Raises ``NotHandled``, also while the breaker is open. What is not used must be returned with ``release``.
        """
        failures = self._breaker.check() if self._breaker else 0
        admissions = self._budget.reserve_many(endpoint, lane, attempts, keep_free=keep_free, environment=self._environment)
        return [Reservation(admission, failures) for admission in admissions]

    def release(self, unused: Sequence[Reservation]) -> None:
        """Release attempts that were counted in advance and are not needed."""
        if unused:
            self._budget.withdraw(*(reservation.admission for reservation in unused))

    def deny(self, endpoint: Endpoint, error: NotHandled) -> NotHandled:
        """Stop an endpoint that denies access to a renewed token too. Return the error that says why and for how long."""
        reason = denial_words(error)
        return NotHandled(
            reason,
            reason=NotHandledReason.UNAUTHORISED,
            retry_after_s=self._budget.deny(endpoint, self._environment, reason),
            http_record=error.http_record,
        )

    def attempt(
        self,
        endpoint: Endpoint,
        *,
        lane: Lane,
        token: str | None,
        query: str = "",
        body: Mapping[str, object] | None = None,
        keep_free: int = 0,
        permit: WritePermit | None = None,
    ) -> Reply[object]:
        """Make one attempt and return the JSON of a clean answer.

        ``query`` is sent unchanged, without its question mark. Raises an error of the tree in ``errors``. Reserves in the
        budget before, and afterwards applies the stops that the answer requires.
        """
        self.check(endpoint)
        reservation = permit.take_reservation(endpoint) if permit else None
        if reservation is None:
            (reservation,) = self.reserve(endpoint, lane, 1, keep_free=keep_free)
        path = f"{endpoint.path}?{query}" if query else endpoint.path
        with self._at_once:
            if self._budget.overtaken(reservation.admission):  # perhaps by a stop of this call too: the budget knows
                self._budget.withdraw(reservation.admission)
                (reservation,) = self.reserve(endpoint, lane, 1, keep_free=keep_free)
            admission = reservation.admission
            answer = self._transport.send(
                endpoint.method,
                path,
                body=body,
                token=token,
                body_limit=endpoint.body_limit,
                deadline_s=WRITE_DEADLINE_S if endpoint.writes else None,
                leaves_by=min(admission.lapses, permit.lapses) if permit else admission.lapses,
            )
        if answer.held_up:
            self._budget.withdraw(admission)
            raise NotHandled("the process was held up before the call", reason=NotHandledReason.HELD_UP)
        text = answer.text
        if token and not endpoint.confidential:
            text = text.replace(token, WITHHELD)  # a proxy may have echoed the request
        http_record = self._exchange(endpoint, path, body, answer, text)
        self._report_to_breaker(answer, reservation.failures)
        if not answer.sent:
            self._budget.withdraw(admission)
            raise NotHandled(
                f"no connection to Tradovate ({answer.trouble})",
                reason=NotHandledReason.NOT_CONNECTED,
                http_record=http_record,
            )
        if answer.status is None or (answer.trouble and answer.status == HTTPStatus.OK):
            raise OutcomeUnknown(f"no whole answer from Tradovate ({answer.trouble})", http_record=http_record)
        try:
            data = interpret(endpoint, answer.status, text, http_record)
        except NotHandled as error:
            if stop := stop_for(error):
                self._budget.halt(stop.seconds, stop.reason, None if stop.everything else endpoint)
            if error.reason is NotHandledReason.RATE_LIMITED:
                self._budget.lower(admission)
            raise
        self._budget.succeeded(admission)
        return Reply(data, http_record)

    def _report_to_breaker(self, answer: Answer, failures: int) -> None:
        """Count answers that show an outage of Tradovate as a whole, rather than a problem with this call.

        A 408 counts neither way: a session that another login has ended is also said to be answered with it.
        """
        if self._breaker is None or answer.status == HTTPStatus.REQUEST_TIMEOUT:
            return
        if not answer.sent:
            self._breaker.failed(f"no connection: {answer.trouble}")
        elif answer.status is None or answer.trouble:
            self._breaker.failed(f"no whole answer: {answer.trouble}")
        elif answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            self._breaker.failed(f"HTTP {answer.status}")
        elif answer.status == HTTPStatus.OK and answer.text.lstrip().startswith("<"):
            self._breaker.failed("a page instead of data")  # as a proxy shows while the service behind it is unavailable
        else:
            self._breaker.answered(failures)

    def _exchange(
        self,
        endpoint: Endpoint,
        path: str,
        body: Mapping[str, object] | None,
        answer: Answer,
        text: str,
    ) -> HttpRecord:
        if endpoint.confidential:
            body, text = None, _without_token(text)
        return HttpRecord(
            endpoint=endpoint.name,
            environment=self._environment,
            method=endpoint.method,
            path=path,
            request_body=body,
            status=answer.status,
            response_text=text[:RESPONSE_TEXT_MAX],
            sent_at=answer.sent_at,
            elapsed_ms=answer.elapsed_ms,
        )


def _without_token(text: str) -> str:
    try:
        data = json.loads(text)
    except ValueError:
        return WITHHELD if text else ""
    if not isinstance(data, dict):
        return WITHHELD
    return json.dumps({key: data[key] for key in _CONFIDENTIAL_KEPT if key in data})
