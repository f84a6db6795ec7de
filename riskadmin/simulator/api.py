"""The two API hosts: from an HTTP request to its answer, with refusals in the order of the real API.

Maintenance, user-level limit (429), unknown endpoint (404), token, penalty ticket, endpoint limit, injected faults, the
operation itself. The row of the call and everything it changed are committed together before the first byte of the answer
is sent.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import parse_qs

from riskadmin.simulator.auto_liq import auto_liq_endpoints
from riskadmin.simulator.calls import JSON, Answer, Caller, Endpoint, SimulatedCall, ok, plain
from riskadmin.simulator.cash import cash_endpoints
from riskadmin.simulator.clock import in_maintenance
from riskadmin.simulator.edge import without_false
from riskadmin.simulator.faults import Cut, Fault, Faults
from riskadmin.simulator.fields import BadRequestError
from riskadmin.simulator.json_text import decode
from riskadmin.simulator.limits import Limits
from riskadmin.simulator.lockouts import lockout_endpoints
from riskadmin.simulator.login import auth_endpoints
from riskadmin.simulator.position_limits import position_limit_endpoints
from riskadmin.simulator.reads import read_endpoints
from riskadmin.simulator.risk_status import risk_status_endpoints
from riskadmin.simulator.sessions import Sessions, TokenState
from riskadmin.simulator.store import PUT_CALL
from riskadmin.simulator.tables import Host
from riskadmin.simulator.trading import Calendar
from riskadmin.simulator.vocabulary import INVALID_TOKEN, NOT_FOUND, Entity
from riskadmin.simulator.world import World

# By lower-case path: the documents write paths in two ways, so case is not significant.
ENDPOINTS: Final = {
    endpoint.path.lower(): endpoint
    for endpoint in (
        *auth_endpoints(),
        *risk_status_endpoints(),
        *auto_liq_endpoints(),
        *position_limit_endpoints(),
        *cash_endpoints(),
        *lockout_endpoints(),
        *read_endpoints(),
    )
}

_BAD_TICKET_S: Final = 5
"""p-time of the new ticket after a wrong or early one, where the endpoint has no penalty of its own [?]."""


@dataclass(frozen=True, slots=True)
class Request:
    """A request as it was received."""

    method: str
    path: str
    query: bytes
    authorization: str
    body: bytes
    ip: str


@dataclass(slots=True)
class Row:
    """The row about one call in the store."""

    call: SimulatedCall
    subject: str
    request: str | None
    status: int | None = None
    outcome: str = "waiting"
    fault: str = ""
    counted: bool = False
    answer: str | None = None


class Api:
    """Answers the calls of both hosts."""

    def __init__(self, *, world: World, sessions: Sessions, limits: Limits, faults: Faults, calendar: Calendar) -> None:
        self._world = world
        self._sessions = sessions
        self._limits = limits
        self._faults = faults
        self._calendar = calendar
        self._next_call = world.store.next_id("call")
        self._late: set[asyncio.Task[None]] = set()

    async def answer(self, host: Host, request: Request) -> Answer | Cut:
        """Handle one request and return what to send."""
        now_ms = self._world.clock.now_ms()
        if now_ms >= self._world.due_ms:
            self._calendar.settle()
        row, refusal = self._arrive(host, request, now_ms)
        if refusal is not None:
            self._keep_answer(row, refusal)
            self._commit(row)
            return refusal
        call = row.call
        hit = self._faults.hitting(call) if self._faults else []
        call.row_rules = self._faults.row_rules(call) if self._faults else []
        redeemed = "p-ticket" in call.parameters
        # A redeemed ticket lets a penalised request through.
        hit = [fault for fault in hit if not (redeemed and fault.kind == "p-ticket")]
        row.fault = ",".join(fault.kind for fault in hit)
        before = [fault for fault in hit if fault.when == "before"]
        if before and not await self._hold(row, before):
            return Cut.SILENT
        replaced = self._replacement(call, before)
        if replaced is None:
            own = self._perform(row)
            after = [fault for fault in hit if fault.when == "after"]
            replaced = self._replacement(call, after)
            self._finish(row, own if replaced is None else replaced, "done" if replaced is None else "replaced")
            for fault in after:
                await fault.delay()
            if self._world.settings.latency_ms:
                await asyncio.sleep(self._world.settings.latency_ms / 1000)
            return own if replaced is None else replaced
        self._finish(row, replaced, "fault")
        for fault in before:
            if fault.effect_after_ms:
                self._take_effect_later(row, fault)
                break
        return replaced

    async def _hold(self, row: Row, faults: list[Fault]) -> bool:
        """Let a call wait as faults say; return False if its state was meanwhile left for an earlier one."""
        returns = self._world.returns
        self._commit(row)  # counted and recorded when it arrives, however long it is held
        for fault in faults:
            await fault.delay()
        return returns == self._world.returns

    def _take_effect_later(self, row: Row, fault: Fault) -> None:
        """Carry out a call that was refused, when the fault says so. No one sees its answer."""
        returns = self._world.returns

        async def take_effect() -> None:
            await fault.wait_for_effect()
            if returns != self._world.returns:
                return  # it belongs to a state that was left for an earlier one
            self._perform(row)
            row.outcome = "late"
            self._commit(row)

        task = asyncio.create_task(take_effect())
        self._late.add(task)
        task.add_done_callback(self._late.discard)

    # --- arrival ---------------------------------------------------------------------------------

    def _arrive(self, host: Host, request: Request, now_ms: int) -> tuple[Row, Answer | None]:
        """Read, identify and count a request. The answer is set when it is refused here."""
        path = request.path.lower().rstrip("/").removeprefix("/v1")
        endpoint = ENDPOINTS.get(path)
        if (
            endpoint is None
            or (endpoint.newer and not self._world.settings.newer_endpoints)
            or (endpoint.writes and request.method != "POST")
        ):
            endpoint = Endpoint(path=path, answer=lambda _: plain(404, NOT_FOUND), public=True)
        token = request.authorization.removeprefix("Bearer ").strip()
        state, user_id = self._sessions.state(token, now_ms)
        call = SimulatedCall(
            id=self._next_call,
            world=self._world,
            sessions=self._sessions,
            host=host,
            endpoint=endpoint,
            method=request.method,
            ip=request.ip,
            now_ms=now_ms,
            parameters={},
            token=token,
            caller=None if user_id is None else self._caller(user_id),
        )
        self._next_call += 1
        subject = f"ip:{request.ip}" if user_id is None else f"user:{user_id}"
        kept = None if endpoint.secret else request.body.decode(errors="replace") or request.query.decode(errors="replace")
        row = Row(call, subject, kept)
        refusal = self._refusal(row, state, request)
        if refusal is not None:
            row.status = refusal.status
        return row, refusal

    def _caller(self, user_id: int) -> Caller:
        demo = self._world.hosts["demo"]
        org: int = demo.tables["user"].rows[user_id]["organizationId"]
        return Caller(user_id, org, demo.get("_role", user_id) is not None)

    def _refusal(self, row: Row, state: TokenState, request: Request) -> Answer | None:
        """Return the answer that ends the call before its operation, or None."""
        call, settings = row.call, self._world.settings
        if settings.maintenance == "on" or (settings.maintenance == "schedule" and in_maintenance(call.now_ms)):
            row.outcome = "maintenance"
            return plain(settings.maintenance_status)
        if not self._limits.admit(row.subject, call.now_ms, settings):
            row.outcome = "silenced"
            return plain(429)
        try:
            call.parameters = _parameters(request)
        except BadRequestError as error:
            row.outcome = "unreadable"
            return plain(400, str(error))
        if not call.endpoint.public and state is not TokenState.GOOD:
            row.outcome = "unauthorized"
            evicted = state is TokenState.EVICTED
            refusal = plain(settings.evicted_token_status if evicted else settings.expired_token_status, INVALID_TOKEN)
            self._count_failure(row, refusal)
            return refusal
        return self._penalty(row)

    def _penalty(self, row: Row) -> Answer | None:
        """Return a penalty ticket when the endpoint's limit is used up or the ticket sent is invalid."""
        call, settings = row.call, self._world.settings
        path, limit = call.endpoint.path, call.endpoint.limit
        if "p-ticket" in call.parameters:
            if self._redeem(call):
                return None
            row.outcome = "penalty"
            return self._ticket(call, captcha=False, seconds=limit.penalty_s if limit else _BAD_TICKET_S)
        if limit is None or not self._limits.over(call.ip, path, limit, call.now_ms, settings):
            return None
        row.outcome = "penalty"
        seconds = self._limits.penalty_s(call.ip, path, limit.penalty_s, call.now_ms, settings)
        return self._ticket(call, captcha=limit.captcha, seconds=seconds)

    def _redeem(self, call: SimulatedCall) -> bool:
        return self._limits.redeem(ip=call.ip, endpoint=call.endpoint.path, parameters=call.parameters, now_ms=call.now_ms)

    def _ticket(self, call: SimulatedCall, *, captcha: bool, seconds: int) -> Answer:
        """Answer 200 with a ticket: the request was not handled."""
        ticket = self._limits.issue(
            ip=call.ip,
            endpoint=call.endpoint.path,
            parameters=call.parameters,
            ready_ms=call.now_ms + seconds * 1000,
            captcha=captcha,
        )
        body: Entity = {"p-ticket": ticket.id, "p-time": seconds}
        return ok(body | {"p-captcha": True} if captcha else body, failed=True)

    # --- the operation ---------------------------------------------------------------------------

    def _perform(self, row: Row) -> Answer:
        call = row.call
        try:
            answer = call.endpoint.answer(call)
        except BadRequestError as error:
            answer = plain(400, str(error))
        self._count_failure(row, answer)
        acting = [rule.fault.kind for rule in call.row_rules if rule.has_acted]
        row.fault = ",".join(filter(None, [row.fault, *acting]))
        return self._as_spoken(answer)

    def _as_spoken(self, answer: Answer) -> Answer:
        """Return an answer in this host's format."""
        if not self._world.settings.omit_false or answer.content_type != JSON:
            return answer
        return replace(answer, body=without_false(answer.body))

    def _count_failure(self, row: Row, answer: Answer) -> None:
        limit = row.call.endpoint.limit
        if limit is not None and (answer.failed or not limit.only_failed):
            self._limits.count(row.call.ip, row.call.endpoint.path, row.call.now_ms)
            row.counted = True

    def _replacement(self, call: SimulatedCall, faults: list[Fault]) -> Answer | Cut | None:
        for fault in faults:
            if fault.kind == "p-ticket":
                return self._ticket(call, captcha=fault.captcha, seconds=fault.p_time)
            outcome = fault.outcome(call)
            if isinstance(outcome, Answer) and fault.kind == "errorText":
                return self._as_spoken(outcome)
            if outcome is not None:
                return outcome
        return None

    # --- the record ------------------------------------------------------------------------------

    def _finish(self, row: Row, sent: Answer | Cut, outcome: str) -> None:
        row.status = None if sent is Cut.SILENT else 200 if isinstance(sent, Cut) else sent.status
        row.outcome = outcome
        self._keep_answer(row, sent)
        self._commit(row)

    def _keep_answer(self, row: Row, sent: Answer | Cut) -> None:
        """Keep the answer as far as the setting allows. An answer of /auth may hold a token."""
        most = self._world.settings.kept_answer_bytes
        if isinstance(sent, Answer) and len(sent.body) <= most and not row.call.endpoint.path.startswith("/auth/"):
            row.answer = sent.body.decode(errors="replace")

    def _commit(self, row: Row) -> None:
        call = row.call
        self._world.store.later(
            PUT_CALL,
            (
                call.id,
                call.now_ms,
                call.host.name,
                call.method,
                call.endpoint.path,
                call.ip,
                row.subject,
                call.caller.user_id if call.caller else None,
                row.status,
                row.outcome,
                row.fault,
                row.counted,
                row.request,
                row.answer,
            ),
        )
        self._world.store.flush()


def _parameters(request: Request) -> Entity:
    """Merge query and JSON body: the API does not strictly distinguish methods."""
    found: Entity = {}
    if request.query:
        pairs = parse_qs(request.query.decode(errors="replace"), keep_blank_values=True)
        found = {name: values[0] if len(values) == 1 else values for name, values in pairs.items()}
    if request.body:
        try:
            body = decode(request.body)
        except ValueError:
            raise BadRequestError("The body is not JSON") from None
        if not isinstance(body, dict):
            raise BadRequestError("The body is not a JSON object")
        found |= body
    elif request.method == "POST" and not found:
        raise BadRequestError("The body is missing")
    return found
