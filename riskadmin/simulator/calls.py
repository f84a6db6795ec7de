"""One API call and its answer, as the handlers see them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from riskadmin.simulator.edge import RowRule, asked_id
from riskadmin.simulator.fields import BadRequestError, Problem, id_list
from riskadmin.simulator.json_text import encode
from riskadmin.simulator.limits import EndpointLimit
from riskadmin.simulator.sessions import Sessions
from riskadmin.simulator.tables import Host
from riskadmin.simulator.vocabulary import ACCESS_DENIED, Entity
from riskadmin.simulator.world import Cause, World

JSON: Final = b"application/json"
TEXT: Final = b"text/plain; charset=utf-8"
HTML: Final = b"text/html; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer. ``failed`` is used by endpoint limits that count only failures."""

    status: int
    body: bytes = b""
    content_type: bytes = JSON
    failed: bool = False


def ok(value: object, *, failed: bool = False) -> Answer:
    """Return a 200 with JSON."""
    return Answer(200, encode(value), failed=failed)


def plain(status: int, text: str = "") -> Answer:
    """Return an error status with a plain text, the form that non-2xx bodies have."""
    return Answer(status, text.encode(), TEXT, failed=True)


@dataclass(frozen=True, slots=True)
class Caller:
    """The user whom a valid token identifies."""

    user_id: int
    org: int
    admin: bool


@dataclass(slots=True)
class SimulatedCall:
    """One request after parsing and authentication."""

    id: int
    world: World
    sessions: Sessions
    host: Host
    endpoint: Endpoint
    method: str
    ip: str
    now_ms: int
    parameters: Entity
    token: str = ""
    caller: Caller | None = None
    row_rules: list[RowRule] = field(default_factory=list)
    """The faults that may edit or leave out rows of the answer."""
    _accounts: frozenset[int] | None = field(default=None, repr=False)

    @property
    def who(self) -> Caller:
        """Return the caller, for an endpoint that requires one."""
        if self.caller is None:
            raise RuntimeError(f"{self.endpoint.path} was reached without a caller")
        return self.caller

    @property
    def cause(self) -> Cause:
        """Return this call as the cause of effects."""
        user_id = self.caller.user_id if self.caller else None
        return Cause("call", call_id=self.id, user_id=user_id, endpoint=self.endpoint.path)

    @property
    def accounts(self) -> frozenset[int]:
        """Return every account id that the request names, for faults limited to an account."""
        if self._accounts is None:
            self._accounts = frozenset(_named_accounts(self))
        return self._accounts


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One operation: its documented path, its handler, and its rules."""

    path: str
    answer: Callable[[SimulatedCall], Answer]
    failure: Callable[[str], Entity] = lambda text: {"errorText": text}
    """The shape in which this operation refuses within a 200."""
    writes: bool = False
    public: bool = False
    limit: EndpointLimit | None = None
    newer: bool = False
    secret: bool = False
    """Its requests hold credentials and are not stored."""

    def refuse(self, text: str) -> Answer:
        """Return a 200 that refuses with ``text``."""
        return ok(self.failure(text), failed=True)


def simple_failure(text: str) -> Entity:
    """Return a SimpleResponse that refuses."""
    return {"ok": False, "errorText": text}


def deletion_failure(text: str) -> Entity:
    """Return a deletion's answer that refuses."""
    return {"success": False, "errorText": text}


def invalid(problem: Problem) -> Answer:
    """Return a 200 that refuses a field of an entity.

    Operations that answer with the bare entity have no errorText; the page on errors has ``violations`` for
    fields, without saying where it is used [?].
    """
    found = {"constraint": problem.constraint, "value": problem.value, "description": problem.text}
    return ok({"violations": [found]}, failed=True)


def not_admin(call: SimulatedCall) -> Answer:
    """Return the refusal for a caller who is not an organization administrator.

    The page lists it both as HTTP 401 and as errorText. The setting selects one.
    """
    if call.world.settings.not_admin_status == 200:  # noqa: PLR2004 - an HTTP status
        return call.endpoint.refuse(ACCESS_DENIED)
    return plain(call.world.settings.not_admin_status, ACCESS_DENIED)


def _readable_ids(lists: list[object]) -> list[int]:
    """Return the ids of every value that can be read as ids."""
    found: list[int] = []
    for value in lists:
        try:
            found += id_list(value, "")
        except BadRequestError:
            continue
    return found


def _named_accounts(call: SimulatedCall) -> list[int]:
    parameters, host = call.parameters, call.host
    lists: list[object] = [parameters.get("accountId"), parameters.get("accountIds")]
    kind = call.endpoint.path.split("/")[1]
    items = parameters.get("items")
    if isinstance(items, list):
        lists += [item.get("accountId") for item in items if isinstance(item, dict)]
    if not call.endpoint.path.lower().startswith(("/user/", "/tradingpermission/")):
        lists += [parameters.get(name) for name in ("masterid", "masterids")]
        own = [parameters.get(name) for name in ("id", "ids")]
    else:
        own = []
    named = _readable_ids(lists) + [asked_id(call, kind, given) for given in _readable_ids(own)]
    for kind in ("userAccountPositionLimit", "userAccountRiskParameter"):
        key = parameters.get(f"{kind}Id")
        entity = host.get(kind, key) if isinstance(key, int) else None
        account = None if entity is None else host.account_of(kind, entity)
        if account is not None:
            named.append(account)
    return named
