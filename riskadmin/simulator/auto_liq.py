"""The writes under /userAccountAutoLiq: the loss, profit and drawdown limits of accounts."""

from __future__ import annotations

from typing import Final

from riskadmin.simulator import vocabulary as words
from riskadmin.simulator.access import account_refusal, ignored, may_see
from riskadmin.simulator.calls import Answer, Endpoint, SimulatedCall, invalid, not_admin, plain
from riskadmin.simulator.clock import parse_iso
from riskadmin.simulator.edge import asked_id, kept_items, shown_entity
from riskadmin.simulator.fields import (
    BadRequestError,
    Problem,
    flag,
    negative,
    no_choice,
    not_positive,
    number,
    whole_number,
)
from riskadmin.simulator.limits import TICKET_KEYS
from riskadmin.simulator.trading import enforce_limits
from riskadmin.simulator.vocabulary import Entity

_FLAGS: Final = ("changesLocked", "doNotUnlock", "steppedUnlimited")
_KNOWN: Final = frozenset({*words.OWNER_FIELDS, "id", "accountId", "asOwner", *TICKET_KEYS})
_STEP_FIELDS: Final = ("stepNumber", "stepDistance", "cooldownMinutes")


def auto_liq_endpoints() -> list[Endpoint]:
    """Return the four operations."""
    return [
        Endpoint(
            path="/userAccountAutoLiq/updateuserautoliqs",
            answer=_update_many,
            failure=lambda text: {"userAutoLiqs": [], "errorText": text},
            writes=True,
        ),
        Endpoint(path="/userAccountAutoLiq/updateuserautoliq", answer=_update_one, writes=True),
        Endpoint(path="/userAccountAutoLiq/create", answer=_create_entity, writes=True),
        Endpoint(path="/userAccountAutoLiq/update", answer=_update_entity, writes=True),
    ]


# --- updateuserautoliqs and updateuserautoliq ------------------------------------------------------


def _update_many(call: SimulatedCall) -> Answer:
    if not call.who.admin:
        return not_admin(call)
    items = call.parameters.get("items")
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise BadRequestError("items must be an array of objects")
    if not items:
        return call.endpoint.refuse("Empty items")  # [?] like switchriskcategory's
    for item in items:
        problem = _item_problem(item)
        if problem is not None:
            return call.endpoint.refuse(problem.text)
    if not all(may_see(call, "account", item["accountId"]) for item in items):
        return plain(404, words.NOT_FOUND)
    for item in items:
        _update(call, item)
    shown = kept_items(call, "userAccountAutoLiq", [item["accountId"] for item in items])
    return Answer(200, b'{"userAutoLiqs":[' + b",".join([_records(call, account_id) for account_id in shown]) + b"]}")


def _update_one(call: SimulatedCall) -> Answer:
    """Do the same with one item, given as flat fields."""
    problem = _item_problem(call.parameters) if call.who.admin else None
    if problem is not None:
        return call.endpoint.refuse(problem.text)
    refusal = account_refusal(call, call.parameters.get("accountId", 0))
    if refusal is not None:
        return refusal
    _update(call, call.parameters)
    return Answer(200, _records(call, call.parameters["accountId"]))


def _item_problem(item: Entity) -> Problem | None:
    account_id = whole_number(item.get("accountId", 0), "accountId")
    flag(item.get("asOwner"), "asOwner")
    return not_positive(account_id, "accountId") or _limits_problem(item)


def _update(call: SimulatedCall, item: Entity) -> None:
    """Carry out one item."""
    account_id: int = item["accountId"]
    if not ignored(call, account_id):
        # asOwner selects the record. Without it an administrator acts as owner [?].
        owner = item.get("asOwner", True)
        _store(call, "userAccountAutoLiq" if owner else "permissionedAccountAutoLiq", account_id, item)


def _records(call: SimulatedCall, account_id: int) -> bytes:
    """Return both of the account's records as JSON."""
    return b'{"userAccountAutoLiq":%b,"permissionedAccountAutoLiq":%b}' % (
        _record(call, "userAccountAutoLiq", account_id),
        _record(call, "permissionedAccountAutoLiq", account_id),
    )


def _store(call: SimulatedCall, kind: str, account_id: int, given: Entity) -> None:
    """Write the fields of a record and apply the limits."""
    names = words.OWNER_FIELDS if kind == "userAccountAutoLiq" else words.PERMISSIONED_FIELDS
    record: Entity = {"id": account_id}
    if call.world.settings.omitted_limits == "keep":
        record = dict(call.host.get(kind, account_id) or record)
    # Fields that no document names are stored as they come [?]: a newer version of the page may document them.
    record |= {name: value for name, value in given.items() if name in names or name not in _KNOWN}
    record = {name: value for name, value in record.items() if value is not None}
    call.world.change(call.host, kind, record, action="limits_updated", cause=call.cause)
    enforce_limits(call.world, call.host, account_id, cause=call.cause)


def _record(call: SimulatedCall, kind: str, account_id: int) -> bytes:
    record = call.host.get(kind, account_id)
    return shown_entity(call, kind, {"id": account_id} if record is None else record, account_id)


# --- create and update, of the entity --------------------------------------------------------------


def _create_entity(call: SimulatedCall) -> Answer:
    return _write_entity(call, make=True)


def _update_entity(call: SimulatedCall) -> Answer:
    return _write_entity(call, make=False)


def _write_entity(call: SimulatedCall, *, make: bool) -> Answer:
    """Write the owner's record, whose id is the account's [?], and answer with it."""
    if not call.who.admin:
        return not_admin(call)
    given_id = whole_number(call.parameters.get("id", 0), "id")
    # A record has no known id before it exists, so create names the account [?].
    account_id = given_id if make else asked_id(call, "userAccountAutoLiq", given_id)
    problem = not_positive(given_id, "id") or _limits_problem(call.parameters)
    if problem is not None:
        return invalid(problem)
    kind = "userAccountAutoLiq"
    if not may_see(call, "account", account_id):
        return plain(404, words.NOT_FOUND)
    present = call.host.get(kind, account_id) is not None
    if make and present:
        return invalid(Problem("User Account Auto Liq already exists", "unique", account_id))  # [?]
    if not make and not present:
        return plain(404, words.NOT_FOUND)
    if not ignored(call, account_id):
        _store(call, kind, account_id, call.parameters)
    return Answer(200, _record(call, kind, account_id))


# --- what the fields may hold ----------------------------------------------------------------------


def _limits_problem(given: Entity) -> Problem | None:
    """Return what is wrong with the limits. Raise BadRequestError when a field has the wrong type.

    The page gives no texts: these follow the pattern of similar endpoints [?].
    """
    for name in words.OWNER_NUMBERS:
        value = given.get(name)
        problem = None if value is None else negative(number(value, name), name)
        if problem is not None:
            return problem
    for name in _FLAGS:
        flag(given.get(name), name)
    _check_flatten(given.get("flattenTimestamp"))
    _check_steps(given.get("steppedCooldown"))
    return no_choice(given.get("trailingMaxDrawdownMode"), "trailingMaxDrawdownMode", words.DRAWDOWN_MODES)


def _check_flatten(value: object) -> None:
    try:
        if value is not None:
            parse_iso(str(value))
    except ValueError:
        raise BadRequestError("flattenTimestamp must be a date-time") from None


def _check_steps(config: object) -> None:
    if config is None:
        return
    steps = config.get("steps") if isinstance(config, dict) else None
    if not isinstance(steps, list) or not all(
        isinstance(step, dict) and all(isinstance(step.get(name), (int, float)) for name in _STEP_FIELDS) for step in steps
    ):
        raise BadRequestError("steppedCooldown must have steps")
