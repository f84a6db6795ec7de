"""Position limits of accounts and the risk parameters below them: create, update, delete.

Both are stored and returned. No orders are simulated, so neither ever refuses one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Final

from riskadmin.simulator import vocabulary as words
from riskadmin.simulator.access import ignored, may_see
from riskadmin.simulator.calls import Answer, Endpoint, SimulatedCall, deletion_failure, invalid, not_admin, ok, plain
from riskadmin.simulator.edge import shown, shown_entity
from riskadmin.simulator.fields import (
    Problem,
    first,
    flag,
    in_words,
    missing,
    negative,
    no_choice,
    not_positive,
    number,
    text,
    too_long,
    whole_number,
)
from riskadmin.simulator.limits import TICKET_KEYS
from riskadmin.simulator.vocabulary import NOT_FOUND, Entity

_NEVER_STORED: Final = frozenset({"id", *TICKET_KEYS})


@dataclass(frozen=True, slots=True)
class Family:
    """One of the two kinds of entity: its owner and the rules for its fields."""

    kind: str
    owner: str
    """The kind of its master, named by the field ``owner_field``."""
    owner_field: str
    effect: str
    """The start of its effects' names: ``position_limit`` for ``position_limit_created``."""
    counts: tuple[str, ...]
    """Whole numbers from 0 up."""
    ids: tuple[str, ...] = words.SCOPE_IDS
    amounts: tuple[str, ...] = ()
    """Doubles from 0 up: US dollars and percentages."""
    flags: tuple[str, ...] = ()
    choices: tuple[tuple[str, tuple[str, ...]], ...] = tuple(words.SCOPE_CHOICES.items())
    texts: tuple[str, ...] = ()
    required: tuple[str, ...] = ()

    @property
    def fields(self) -> tuple[str, ...]:
        """Return every field except id and owner."""
        enumerated = tuple(name for name, _ in self.choices)
        return (*self.ids, *enumerated, *self.flags, *self.counts, *self.amounts, *self.texts)


POSITION_LIMIT: Final = Family(
    kind="userAccountPositionLimit",
    owner="account",
    owner_field="accountId",
    effect="position_limit",
    ids=(*words.SCOPE_IDS, "riskTimePeriodId"),
    counts=("shortLimit", "longLimit", "exposedLimit", "fungibleExposedLimit"),
    flags=("active",),
    choices=(*words.SCOPE_CHOICES.items(), ("totalBy", words.TOTALS)),
    texts=("description",),
    required=("active", "totalBy"),
)
RISK_PARAMETER: Final = Family(
    kind="userAccountRiskParameter",
    owner="userAccountPositionLimit",
    owner_field="userAccountPositionLimitId",
    effect="risk_parameter",
    counts=(
        "maxOpeningOrderQty",
        "maxClosingOrderQty",
        "fungibleMaxOpeningOrderQty",
        "fungibleMaxClosingOrderQty",
        "maxBackMonth",
        "preExpirationDays",
    ),
    amounts=("marginPercentage", "marginDollarValue"),
    flags=("hardLimit",),
)


def position_limit_endpoints() -> list[Endpoint]:
    """Return the six operations; both deletions are under /userAccountPositionLimit, as documented."""
    found = []
    for family in (POSITION_LIMIT, RISK_PARAMETER):
        operations: tuple[tuple[str, Callable[[Family, SimulatedCall], Answer]], ...] = (
            ("create", _create),
            ("update", _update),
        )
        found += [
            Endpoint(path=f"/{family.kind}/{name}", answer=partial(operation, family), writes=True)
            for name, operation in operations
        ]
        found.append(
            Endpoint(
                path=f"/userAccountPositionLimit/delete{family.kind.lower()}",
                answer=partial(_delete, family),
                failure=deletion_failure,
                writes=True,
            )
        )
    return found


def _create(family: Family, call: SimulatedCall) -> Answer:
    if not call.who.admin:
        return not_admin(call)
    entity = _read(family, call.parameters)
    problem = _problem(family, entity)
    if problem is not None:
        return invalid(problem)
    if not may_see(call, family.owner, entity[family.owner_field]):
        return plain(404, NOT_FOUND)
    table = call.host.tables[family.kind]
    # An id in the request is ignored [?].
    entity = {"id": table.next_id, **entity}
    if ignored(call, _account(family, call, entity)):
        # Accepted, but its id leads nowhere [?].
        table.next_id += 1
        return Answer(200, shown_entity(call, family.kind, entity, _account(family, call, entity)))
    return _store(family, call, entity, "created")


def _update(family: Family, call: SimulatedCall) -> Answer:
    if not call.who.admin:
        return not_admin(call)
    key = whole_number(call.parameters.get("id", 0), "id")
    entity = _read(family, call.parameters)
    problem = not_positive(key, "id") or _problem(family, entity)
    if problem is not None:
        return invalid(problem)
    if not may_see(call, family.kind, key) or not may_see(call, family.owner, entity[family.owner_field]):
        return plain(404, NOT_FOUND)
    present = call.host.tables[family.kind].rows[key]
    if entity[family.owner_field] != present[family.owner_field]:
        changed = f"{in_words(family.owner_field)} can't be changed"  # [?]
        return invalid(Problem(changed, "immutable", entity[family.owner_field]))
    if ignored(call, _account(family, call, entity)):
        return Answer(200, shown(call, family.kind, key))
    kept = present if call.world.settings.omitted_limits == "keep" else {"id": key}
    merged = {**kept, **{name: value for name, value in call.parameters.items() if _is_field(family, name)}}
    return _store(family, call, {name: value for name, value in merged.items() if value is not None}, "updated")


def _delete(family: Family, call: SimulatedCall) -> Answer:
    if not call.who.admin:
        return not_admin(call)
    name = f"{family.kind}Id"
    key = whole_number(call.parameters.get(name, 0), name)
    problem = not_positive(key, name)
    if problem is not None:
        return call.endpoint.refuse(problem.text)
    if not may_see(call, family.kind, key):
        return plain(404, NOT_FOUND)
    if not ignored(call, _account(family, call, call.host.tables[family.kind].rows[key])):
        if family is POSITION_LIMIT:
            # The risk parameters of a limit are deleted with it [?].
            for child in call.host.tables[RISK_PARAMETER.kind].of_master(key):
                _remove(RISK_PARAMETER, call, child)
        _remove(family, call, key)
    return ok({"success": True})


def _store(family: Family, call: SimulatedCall, entity: Entity, verb: str) -> Answer:
    call.world.change(call.host, family.kind, entity, action=f"{family.effect}_{verb}", cause=call.cause)
    return Answer(200, shown(call, family.kind, entity["id"]))


def _remove(family: Family, call: SimulatedCall, key: int) -> None:
    call.world.remove(call.host, family.kind, key, action=f"{family.effect}_deleted", cause=call.cause)


def _account(family: Family, call: SimulatedCall, entity: Entity) -> int:
    account = call.host.account_of(family.kind, entity)
    if account is None:
        raise RuntimeError(f"{family.kind} without an account")
    return account


def _is_field(family: Family, name: str) -> bool:
    """Return whether a key of the body is stored: documented fields, and those that no document names [?]."""
    return name == family.owner_field or name in family.fields or name not in _NEVER_STORED


def _read(family: Family, body: Entity) -> Entity:
    """Return the fields of a body, without its id. Raise BadRequestError when one has the wrong type."""
    for name in (*family.ids, *family.counts):
        if body.get(name) is not None:
            whole_number(body[name], name)
    for name in family.amounts:
        if body.get(name) is not None:
            number(body[name], name)
    for name in family.flags:
        flag(body.get(name), name)
    for name in family.texts:
        text(body.get(name), name)
    owner = whole_number(body.get(family.owner_field, 0), family.owner_field)
    present = {name: value for name, value in body.items() if value is not None and _is_field(family, name)}
    return {family.owner_field: owner, **present}


def _problem(family: Family, entity: Entity) -> Problem | None:
    """Return the first value that isn't allowed. The bounds are documented; their texts are invented [?]."""
    return first(_problems(family, entity))


def _problems(family: Family, entity: Entity) -> Iterator[Problem | None]:
    yield not_positive(entity[family.owner_field], family.owner_field)
    for name in family.required:
        yield missing(entity.get(name), name)
    for name, choices in family.choices:
        yield no_choice(entity.get(name), name, choices)
    for name in (*family.counts, *family.amounts):
        yield negative(entity.get(name, 0), name)
    for name in family.texts:
        yield too_long(entity.get(name), name, words.DESCRIPTION_MAX)
