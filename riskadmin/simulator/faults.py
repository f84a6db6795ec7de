"""Faults that a test injects: delays, refusals, cut connections and invalid answers, per endpoint, account and count."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any, Final

from riskadmin.simulator.calls import HTML, JSON, TEXT, Answer, SimulatedCall
from riskadmin.simulator.edge import RowRule
from riskadmin.simulator.json_text import encode
from riskadmin.simulator.tables import PUBLIC_KINDS
from riskadmin.simulator.vocabulary import HOSTS

DELAYS: Final = frozenset({"latency", "hold", "hang"})
ANSWERS: Final = frozenset({"429", "423", "500", "errorText", "html", "answer"})
CUTS: Final = frozenset({"hang", "cut", "cut-body"})
ROWS: Final = frozenset({"odd", "omit"})
"""Kinds that edit rows of the call's own answer, or leave some out."""
KINDS: Final = DELAYS | ANSWERS | CUTS | ROWS | {"p-ticket"}

SNAPSHOT: Final = "cashBalanceSnapshot"
"""The row of an answer that is created for the answer and not stored."""
ROW_KINDS: Final = (*PUBLIC_KINDS, SNAPSHOT)

# Kind -> status and body. The documents give a body only for 429: empty [?].
_BARE: Final = {"429": (429, ""), "423": (423, "Locked"), "500": (500, "Internal Server Error")}
_HTML_PAGE: Final = b"<!DOCTYPE html><html><head><title>Tradovate</title></head><body><h1>Just a moment</h1></body></html>"


_ABSENT: Final = object()


class BadFaultError(ValueError):
    """A fault definition that is invalid."""


class Cut(Enum):
    """A connection that ends early."""

    SILENT = auto()
    """Without any byte of an answer."""
    HALF = auto()
    """In the middle of the body."""


@dataclass(slots=True)
class Fault:
    """One rule. ``when`` says whether the call's effect has happened when the fault appears."""

    id: int
    kind: str
    host: str | None = None
    endpoint: str | None = None
    account_id: int | None = None
    user_id: int | None = None
    count: int | None = None
    skip: int = 0
    probability: float = 1.0
    seed: int = 0
    when: str = "before"
    ms: int = 0
    text: str = ""
    p_time: int = 5
    captcha: bool = False
    status: int = 200
    body: Any = None
    content_type: str = ""
    effect_after_ms: int = 0
    """How long after the refusal a call takes effect after all. 0: never."""
    entity: str | None = None
    account_ids: list[int] | None = None
    ids: list[int] | None = None
    fields: dict[str, Any] | None = None
    without: list[str] | None = None
    row: Any = _ABSENT
    """What replaces the whole row: a string, null, anything."""

    hits: int = 0
    holding: int = 0
    released: asyncio.Event = field(default_factory=asyncio.Event, repr=False)
    changed: asyncio.Event = field(default_factory=asyncio.Event, repr=False)
    _dice: random.Random = field(default_factory=random.Random, repr=False)

    def __post_init__(self) -> None:
        self._dice.seed(self.seed)

    def matches(self, call: SimulatedCall) -> bool:
        """Return whether this rule applies to such a call."""
        return not (
            (self.host is not None and self.host != call.host.name)
            or (self.endpoint is not None and self.endpoint != call.endpoint.path.lower())
            or (self.account_id is not None and self.account_id not in call.accounts)
            or (self.user_id is not None and (call.caller is None or call.caller.user_id != self.user_id))
        )

    def is_about(self, kind: str, key: int | None, account_id: int | None) -> bool:
        """Return whether this rule applies to such a row of an answer."""
        return (
            (self.entity is None or self.entity == kind)
            and (self.account_ids is None or account_id in self.account_ids)
            and (self.ids is None or key in self.ids)
        )

    def spend(self) -> bool:
        """Return whether this call is hit, and count it. The rule applies to the call."""
        if self.count is not None and self.hits >= self.count:
            return False
        if self.skip > 0:
            self.skip -= 1
            return False
        if self.probability < 1.0 and self._dice.random() >= self.probability:
            return False
        self.hits += 1
        return True

    async def delay(self) -> None:
        """Wait as this fault says. Returns immediately when it has no delay."""
        if self.kind == "latency":
            await asyncio.sleep(self.ms / 1000)
        elif self.kind in {"hold", "hang"}:
            self.holding += 1
            self.changed.set()
            try:
                await self.released.wait()
            finally:
                self.holding -= 1
                self.changed.set()

    async def wait_for_effect(self) -> None:
        """Wait until a refused call takes effect after all: its time has come, or the rule releases it."""
        self.holding += 1
        self.changed.set()
        try:
            async with asyncio.timeout(self.effect_after_ms / 1000):
                await self.released.wait()
        except TimeoutError:
            pass
        finally:
            self.holding -= 1
            self.changed.set()

    def edited(self, entity: object) -> object:
        """Return a row as this rule changes it."""
        if self.row is not _ABSENT or not isinstance(entity, dict):
            return self.row if self.row is not _ABSENT else entity
        edited = {**entity, **(self.fields or {})}
        return {name: value for name, value in edited.items() if name not in (self.without or ())}

    def outcome(self, call: SimulatedCall) -> Answer | Cut | None:
        """Return what replaces the call's own answer, if anything. The API host creates the tickets."""
        if self.kind in CUTS:
            return Cut.HALF if self.kind == "cut-body" else Cut.SILENT
        if self.kind in _BARE:
            status, text = _BARE[self.kind]
            return Answer(status, (self.text or text).encode(), TEXT, failed=True)
        if self.kind == "errorText":
            return call.endpoint.refuse(self.text)
        if self.kind == "html":
            return Answer(self.status, self.text.encode() or _HTML_PAGE, HTML, failed=True)
        return self._given_answer() if self.kind == "answer" else None

    def _given_answer(self) -> Answer:
        """Return the status and body of the rule. A string is sent as text, anything else as JSON."""
        raw = isinstance(self.body, str)
        content = self.body.encode(errors="surrogatepass") if raw else encode(self.body)
        return Answer(self.status, content, self.content_type.encode() or (TEXT if raw else JSON), failed=True)

    def as_json(self) -> dict[str, Any]:
        """Return the rule and its progress."""
        names = [name for name in _FIELDS if not _is_unset(getattr(self, name))]
        return {
            "id": self.id,
            "kind": self.kind,
            **{name: getattr(self, name) for name in names},
            "hits": self.hits,
            "holding": self.holding,
        }


_FIELDS: Final[dict[str, type | tuple[type, ...]]] = {
    "host": str,
    "endpoint": str,
    "account_id": int,
    "user_id": int,
    "count": int,
    "skip": int,
    "probability": (int, float),
    "seed": int,
    "when": str,
    "ms": int,
    "text": str,
    "p_time": int,
    "captcha": bool,
    "status": int,
    "body": object,
    "content_type": str,
    "effect_after_ms": int,
    "entity": str,
    "account_ids": list,
    "ids": list,
    "fields": dict,
    "without": list,
    "row": object,
}


def _is_unset(value: object) -> bool:
    return value is None or value is _ABSENT or value == ""


class Faults:
    """The rules in force, in the order in which they were given. They do not survive a restart."""

    def __init__(self) -> None:
        self._rules: dict[int, Fault] = {}
        self._next_id = 1

    def add(self, given: dict[str, Any], known_endpoints: frozenset[str]) -> Fault:
        """Add a rule. Raise BadFaultError, and add nothing, when it is invalid."""
        rule = dict(given)
        kind = rule.pop("kind", None)
        if kind not in KINDS:
            raise BadFaultError(f"kind must be one of {', '.join(sorted(KINDS))}")
        for name, value in rule.items():
            if name not in _FIELDS:
                raise BadFaultError(f"no field {name!r}; there are {', '.join(_FIELDS)}")
            if not isinstance(value, _FIELDS[name]):
                raise BadFaultError(f"{name} can't be {value!r}")
        if "endpoint" in rule:
            rule["endpoint"] = "/" + rule["endpoint"].lower().strip("/").removeprefix("v1/")
        if kind == "cut-body":
            rule["when"] = "after"  # there is no body before the effect
        _check(kind, rule, known_endpoints)
        fault = Fault(id=self._next_id, kind=kind, **rule)
        self._rules[fault.id] = fault
        self._next_id += 1
        return fault

    def __bool__(self) -> bool:
        return bool(self._rules)

    def hitting(self, call: SimulatedCall) -> list[Fault]:
        """Return the rules that hit this call as a whole, counting each hit."""
        return [fault for fault in self._rules.values() if fault.kind not in ROWS and fault.matches(call) and fault.spend()]

    def row_rules(self, call: SimulatedCall) -> list[RowRule]:
        """Return the rules that may edit or leave out rows of this call's answer."""
        return [RowRule(fault) for fault in self._rules.values() if fault.kind in ROWS and fault.matches(call)]

    def get(self, fault_id: int) -> Fault | None:
        """Return a rule by id."""
        return self._rules.get(fault_id)

    def all(self) -> list[Fault]:
        """Return the rules in force."""
        return list(self._rules.values())

    def remove(self, fault_id: int) -> bool:
        """Delete a rule and release the calls it holds."""
        fault = self._rules.pop(fault_id, None)
        if fault is not None:
            fault.released.set()
        return fault is not None

    def clear(self) -> None:
        """Delete every rule and release every held call."""
        for fault_id in list(self._rules):
            self.remove(fault_id)


def _check(kind: str, rule: dict[str, Any], known_endpoints: frozenset[str]) -> None:
    """Raise BadFaultError when the fields of a rule contradict each other or name something that does not exist."""
    if rule.get("when", "before") not in {"before", "after"}:
        raise BadFaultError("when must be before or after")
    if kind == "p-ticket" and rule.get("when") == "after":
        raise BadFaultError("a request that draws a p-ticket was not handled: when can't be after")
    if rule.get("host") not in {None, *HOSTS}:
        raise BadFaultError("host must be demo or live")
    if "endpoint" in rule and rule["endpoint"] not in known_endpoints:
        raise BadFaultError(f"no endpoint {rule['endpoint']}")
    if "effect_after_ms" in rule and (kind not in ANSWERS | {"cut"} or rule.get("when") == "after"):
        raise BadFaultError("an effect can come later only where an answer or a cut came before it")
    _check_rows(kind, rule)


def _check_rows(kind: str, rule: dict[str, Any]) -> None:
    """Raise BadFaultError when the rule's selection or edits of rows are invalid."""
    editing = rule.keys() & {"fields", "without", "row"}
    if kind not in ROWS and rule.keys() & {"entity", "account_ids", "ids"} | editing:
        raise BadFaultError(f"only {' and '.join(sorted(ROWS))} are about rows of answers")
    if kind == "odd" and ("entity" not in rule or not editing):
        raise BadFaultError("odd needs an entity, and fields, without or row")
    if kind == "omit" and editing:
        raise BadFaultError("omit leaves rows out and edits none")
    if kind in ROWS and "when" in rule:
        raise BadFaultError("an answer's rows have no when")
    if "entity" in rule and rule["entity"] not in ROW_KINDS:
        raise BadFaultError(f"entity must be one of {', '.join(ROW_KINDS)}")
    if any(type(each) is not int for name in ("account_ids", "ids") for each in rule.get(name, [])):
        raise BadFaultError("account_ids and ids are lists of ids")
