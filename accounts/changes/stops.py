"""What is stopped now: until when, why, which kinds of change wait because of it, and the alternatives.

Every page that promises a time, or offers an action, asks here. The stops are known to the budget (Tradovate's responses, the
hour's calls), the breaker (outages) and the token store (sign-in); each kind declares the endpoints that it needs.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import IntEnum
from typing import Any, Final

from django.utils import timezone

from accounts.changes.kinds import KINDS
from accounts.changes.kinds.kind import Kind
from accounts.gateway import connection
from accounts.models import MirroredEntity
from accounts.models.api import ApiToken
from accounts.sync.complete import ASKED_BY_ID
from riskadmin.tradovate import endpoints
from riskadmin.tradovate.breaker import Outage
from riskadmin.tradovate.budget_state import BudgetState, HaltedEndpoint
from riskadmin.tradovate.endpoints import ACCESS_TOKEN_REQUEST, ENDPOINTS, Endpoint
from riskadmin.tradovate.errors import NotHandled
from riskadmin.tradovate.tokens import USABLE
from riskadmin.tradovate.vocabulary import Environment, Lane
from riskadmin.web.clock import display_zone
from riskadmin.web.formats import listed, moment


class Cause(IntEnum):
    """The type of a stop, the worst first."""

    UNCOUNTED = 1  # PostgreSQL is unavailable, so no call is made
    EVERYTHING = 2  # after a 423 or 429
    OUTAGE = 3  # Tradovate does not respond
    SIGN_IN = 4  # no session, and none can be started now
    ENDPOINT = 5  # after a penalty, a captcha, or a lasting denial of access
    USED_UP = 6  # the hour has no call left for a lane
    LOWERED = 7  # fewer calls an hour than usual: nothing waits because of it, but much takes longer


@dataclass(frozen=True, kw_only=True)
class Waiting:
    """A kind of change that a stop holds up, by its label; `step` is the call that waits, if it is not the first."""

    label: str
    kind: Kind
    step: str = ""


@dataclass(frozen=True, kw_only=True)
class Stop:
    """One stop. `until` is None if its end is not known; `environments` are the connected ones that it is about.

    A denial of access ends when access is restored: at `again_at` it is only tried again. `also` says in sentences what else
    does not happen because of it.

    `where` names the environments if others continue (" on demo"), and is empty if none does. `waits` lists the kinds whose
    calls are not sent; `unconfirmed` those whose calls are sent, and whose outcome can't be read yet.
    """

    cause: Cause
    environments: tuple[Environment, ...]
    where: str
    why: str
    until: datetime | None = None
    again_at: datetime | None = None
    also: str = ""
    endpoint: str = ""
    lane: Lane | None = None
    waits: tuple[Waiting, ...] = ()
    unconfirmed: tuple[Waiting, ...] = ()

    @property
    def is_warning(self) -> bool:
        """Whether no change waits because of it, and some only take longer or are confirmed later."""
        return not self.waits

    @property
    def what(self) -> str:
        """What waits, as the start of a sentence that ends with the time."""
        match self.cause:
            case Cause.LOWERED:
                return "Changes of many accounts take longer"
            case Cause.USED_UP:
                return f"{'Every change waits' if self.lane == Lane.URGENT else 'Bulk changes wait'}{self.where}"
            case Cause.ENDPOINT:
                return self._what_of_endpoint
            case Cause.SIGN_IN if not self.waits:
                return f"No new session can be started{self.where}"
            case _:
                return f"Every change waits{self.where}"

    @property
    def _what_of_endpoint(self) -> str:
        unconfirmed = f"{listed([each.label for each in self.unconfirmed])} can't be confirmed" if self.unconfirmed else ""
        if self.waits:
            return f"{_waiting_words(self.waits, self.where)}{f', and {unconfirmed}' if unconfirmed else ''}"
        read = read_words(self.endpoint)
        other = f"{read[:1].upper()}{read[1:]} can't be read" if read else f"{self.endpoint} can't be called"
        return f"{unconfirmed or other}{self.where}"

    @property
    def because(self) -> str:
        """Why, as a sentence or two."""
        why = f"{self.why[:1].upper()}{self.why[1:].rstrip('.')}."
        if self.again_at is None:
            return why
        again = moment(self.again_at, display_zone())
        return f"{why} It is tried again at {again}; until the permission is back, it will be refused again."

    @property
    def until_words(self) -> str:
        """Until when, if that is not a time."""
        if self.cause == Cause.OUTAGE:
            return f"until Tradovate's {' and '.join(self.environments)} environment answers again"
        if self.again_at:
            return "until Tradovate allows access again"
        return "until PostgreSQL answers again" if self.cause == Cause.UNCOUNTED else "until further notice"

    def holds_up(self, change: "Ahead") -> bool:
        """Say whether calls of a change are not sent because of it."""
        if change.environment not in self.environments or not self.waits:
            return False
        if self.cause == Cause.USED_UP:
            return self.lane == change.lane
        if self.cause != Cause.ENDPOINT:
            return True
        return self.endpoint in change.sends or (change.reads_first and self.endpoint in change.reads)

    def delays(self, change: "Ahead") -> bool:
        """Say whether a change is done later because of it: its calls, or only reading their outcomes."""
        if self.holds_up(change):
            return True
        return self.cause == Cause.ENDPOINT and change.environment in self.environments and self.endpoint in change.reads


@dataclass(frozen=True, kw_only=True)
class Ahead:
    """What a change still needs of Tradovate: calls of `kind` (with its parameters), from `step` on, for its targets."""

    kind: Kind
    environment: Environment
    lane: Lane
    targets: int = 1
    step: int = 0

    @property
    def endpoints(self) -> tuple[Endpoint, ...]:
        """What its calls need; () if that is not known."""
        return self.kind.step_endpoints()[self.step :]

    @property
    def sends(self) -> frozenset[str]:
        """The names of the endpoints that its calls go to."""
        return frozenset(each.name for each in self.endpoints)

    @property
    def reads(self) -> frozenset[str]:
        """The names of the endpoints that read its targets' state."""
        names = {each.name for each in self.kind.reads}
        if self.targets > ASKED_BY_ID:
            # Many targets are read with the one call that lists all, if there is one.
            names |= {listed for name in names if (listed := f"{name.partition('/')[0]}/list") in ENDPOINTS}
        return frozenset(names)

    @property
    def reads_first(self) -> bool:
        """Whether its targets are read before a call is sent."""
        return self.kind.is_read_back and any(map(self.kind.requires_unchanged_state, range(self.step, len(self.kind.steps))))


@dataclass(frozen=True, kw_only=True)
class Stops:
    """All stops in force, the worst first, and what is left of the hour, None while that can't be counted."""

    found: tuple[Stop, ...]
    state: BudgetState | None

    def on(self, environment: Environment) -> tuple[Stop, ...]:
        """Return those that are about an environment."""
        return tuple(stop for stop in self.found if environment in stop.environments)

    def delaying(self, change: Ahead) -> tuple[Stop, ...]:
        """Return those that delay a change."""
        return tuple(stop for stop in self.found if stop.delays(change))

    def holding_up(self, change: Ahead) -> tuple[Stop, ...]:
        """Return those because of which calls of a change are not sent."""
        return tuple(stop for stop in self.found if stop.holds_up(change))


NO_STOPS = Stops(found=(), state=None)


def last_end(stops: Iterable[Stop]) -> tuple[bool, datetime | None]:
    """Return whether it is known when all of some stops are over, and when; None if there is none."""
    ends = [stop.until for stop in stops]
    return all(ends), max((end for end in ends if end), default=None)


# --- Finding stops ------------------------------------------------------------------------------------------------------


def stops_now() -> Stops:
    """Return all stops in force. Asks PostgreSQL once for the budget, rarely more, and Redis once for each environment."""
    try:
        state = connection.budget().state()
    except NotHandled:
        state = None
    return stops_of(state, connection.outages())


def stops_of(state: BudgetState | None, outages: Sequence[Outage]) -> Stops:
    """Return the stops that follow from the budget's state and the outages. One query if sign-in is impossible, else none."""
    everywhere = tuple(connection.connected_environments())
    if not everywhere:
        return Stops(found=(), state=state)
    found = [_of_outage(outage, everywhere) for outage in outages]
    if state is None:
        why = "PostgreSQL does not answer, so calls can't be counted, and none is made"
        return _sorted([*found, _of_all(Cause.UNCOUNTED, everywhere, why)], state)
    if state.halted_until:
        found.append(_of_all(Cause.EVERYTHING, everywhere, state.halt_reason, until=state.halted_until))
    for halted in state.halted_endpoints:
        found += _of_endpoint(halted, everywhere)
    for lane in Lane:
        if state.left(lane) == 0:
            whose = "bulk calls" if lane == Lane.BULK else "calls"
            why = f"the {whose} of this hour are used up; each comes back an hour after it was made"
            found.append(_of_all(Cause.USED_UP, everywhere, why, until=state.free_at(lane), lane=lane))
    if state.lowered:
        why = (
            f"Tradovate answered 429 when {state.lowered.counted:,} calls were counted, so only {state.limit:,} calls an hour "
            f"are made instead of {state.lowered.configured:,}"
        )
        found.append(Stop(cause=Cause.LOWERED, environments=everywhere, where="", why=why, until=state.lowered.until))
    return _sorted([_not_before(stop, state.halted_until) for stop in found], state)


def _not_before(stop: Stop, until: datetime | None) -> Stop:
    """Return a stop that ends no sooner than the stop of all calls, if there is one."""
    if until is None or stop.cause == Cause.LOWERED:
        return stop
    return replace(stop, until=stop.until and max(stop.until, until), again_at=stop.again_at and max(stop.again_at, until))


def _sorted(found: Sequence[Stop], state: BudgetState | None) -> Stops:
    def rank(stop: Stop) -> tuple[bool, int, str]:
        return stop.is_warning, stop.cause, stop.endpoint

    return Stops(found=tuple(sorted(found, key=rank)), state=state)


def _of_all(cause: Cause, everywhere: tuple[Environment, ...], why: str, **more: Any) -> Stop:
    also = _FULL_READS_WAIT if more.get("lane") == Lane.BULK else _nothing_is_read("")
    return Stop(cause=cause, environments=everywhere, where="", why=why, waits=_all_kinds(everywhere), also=also, **more)


def _of_outage(outage: Outage, everywhere: tuple[Environment, ...]) -> Stop:
    where, since = (outage.environment,), moment(outage.since, display_zone())
    return Stop(
        cause=Cause.OUTAGE,
        environments=where,
        where=_where(where, everywhere),
        why=f"no answer since {since} ({outage.reason}). It is tried again on its own, at the latest every minute",
        waits=_all_kinds(where),
        also=_nothing_is_read(_where(where, everywhere)),
    )


def _of_endpoint(halted: HaltedEndpoint, everywhere: tuple[Environment, ...]) -> list[Stop]:
    endpoint = ENDPOINTS.get(halted.endpoint)
    called_in = endpoint.environments if endpoint else frozenset(Environment)
    where = tuple(each for each in everywhere if each in called_in and halted.environment in {None, each})
    if not where:
        return []
    if endpoint == ACCESS_TOKEN_REQUEST:
        return _of_sign_in(halted, where, everywhere)
    waits: list[Waiting] = []
    unconfirmed: list[Waiting] = []
    for environment in where:
        for label, kind in _offered(environment):
            change = Ahead(kind=kind, environment=environment, lane=Lane.URGENT)
            names = [each.name for each in change.endpoints]
            if halted.endpoint in names:
                step = names.index(halted.endpoint)
                waits.append(Waiting(label=label, kind=kind, step=kind.steps[step] if step else ""))
            elif halted.endpoint in change.reads:
                (waits if change.reads_first else unconfirmed).append(Waiting(label=label, kind=kind))
    return [
        Stop(
            cause=Cause.ENDPOINT,
            environments=where,
            where=_where(where, everywhere),
            why=halted.reason if halted.endpoint in halted.reason else f"{halted.reason} for {halted.endpoint}",
            until=None if halted.is_denial else halted.until,
            again_at=halted.until if halted.is_denial else None,
            also=_not_read(halted.endpoint, _where(where, everywhere)),
            endpoint=halted.endpoint,
            waits=_once(waits),
            unconfirmed=_once(unconfirmed),
        )
    ]


def _of_sign_in(halted: HaltedEndpoint, where: tuple[Environment, ...], everywhere: tuple[Environment, ...]) -> list[Stop]:
    """A stop of the login holds up the environments that have no session; the others continue while theirs lasts."""
    good_until = timezone.now() + USABLE
    signed_in = set(ApiToken.objects.filter(expires_at__gte=good_until).values_list("environment", flat=True))
    without, others = (tuple(each for each in where if (each in signed_in) == has) for has in (False, True))
    shared: dict[str, Any] = {"cause": Cause.SIGN_IN, "until": halted.until, "endpoint": halted.endpoint}
    found = []
    if without:
        why = f"no session at Tradovate is open: {halted.reason}"
        named = _where(without, everywhere)
        found.append(
            Stop(environments=without, where=named, why=why, waits=_all_kinds(without), also=_nothing_is_read(named), **shared)
        )
    if others:
        why = f"{halted.reason}. Calls go on only while Tradovate accepts the session that is open"
        found.append(Stop(environments=others, where=_where(others, everywhere), why=why, **shared))
    return found


FULL_READ: Final = frozenset(
    each.name
    for each in (
        endpoints.RISK_CATEGORIES,
        endpoints.TRADING_PERMISSIONS,
        endpoints.ACCOUNTS,
        endpoints.ACCOUNT_RISK_STATUSES,
        endpoints.USERS,
        endpoints.USER_ACCOUNT_AUTO_LIQS,
        endpoints.PERMISSIONED_ACCOUNT_AUTO_LIQS,
        endpoints.POSITIONS,
        endpoints.POSITIONS_BY_ACCOUNT,
        endpoints.CASH_BALANCES,
        endpoints.CASH_BALANCES_BY_ACCOUNT,
    )
)
"""What every full read calls, and fails without."""

_UNSEEN: Final = "and changes made outside riskadmin may go unseen."
_FULL_READS_WAIT: Final = f"Full reads wait too: what pages show is what was known before, {_UNSEEN}"


def read_words(endpoint: str) -> str:
    """Return what an endpoint reads, in words; "" for one that writes, or reads nothing that the mirror keeps."""
    known = ENDPOINTS.get(endpoint)
    entity = endpoint.partition("/")[0]
    if known is None or known.writes or entity not in MirroredEntity.values:
        return ""
    return MirroredEntity(entity).plural


def _nothing_is_read(where: str) -> str:
    return f"Nothing is read from Tradovate{where} either: what pages show is what was known before, {_UNSEEN}"


def _not_read(endpoint: str, where: str) -> str:
    """Say what happens to readings while an endpoint is stopped."""
    words = read_words(endpoint)
    if not words:
        return ""
    if endpoint in FULL_READ:
        return f"Full reads{where} fail because of it: what pages show is old, {_UNSEEN}"
    if endpoint.partition("/")[0] in {MirroredEntity.POSITION_LIMIT, MirroredEntity.RISK_PARAMETER}:
        return f"What pages show of {words} is old."
    return f"Some readings of {words} fail because of it: what pages show of them may be old."


def _where(environments: Sequence[Environment], everywhere: Sequence[Environment]) -> str:
    return "" if len(environments) == len(everywhere) else f" on {' and '.join(environments)}"


def _offered(environment: Environment) -> list[tuple[str, Kind]]:
    """Return the kinds that an environment takes, each with a distinct label."""
    return [variant for kind in KINDS.values() if environment in kind.environments for variant in kind.variants()]


def _all_kinds(environments: Sequence[Environment]) -> tuple[Waiting, ...]:
    kinds = (kind for kind in KINDS.values() if kind.environments.intersection(environments))
    return tuple(Waiting(label=kind.action_label, kind=kind) for kind in kinds)


def _once(waiting: Iterable[Waiting]) -> tuple[Waiting, ...]:
    return tuple({each.label: each for each in waiting}.values())


def _waiting_words(waits: Sequence[Waiting], where: str) -> str:
    """Say which kinds wait: "Lock and Unlock wait on demo, and Remediate before its step “Unlock”,"."""
    whole = [each.label for each in waits if not each.step]
    parts = [f"{each.label} before its step “{each.step}”" for each in waits if each.step]
    if not whole:
        return f"{listed(parts)} wait{'s' if len(parts) == 1 else ''}{where}"
    words = f"{listed(whole)} wait{'s' if len(whole) == 1 else ''}{where}"
    return f"{words}, and {listed(parts)}," if parts else words
