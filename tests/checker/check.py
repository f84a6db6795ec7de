"""The rules, each a function from one call and what was answered before it to what is wrong with it. Pure."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from typing import Any, Final

from tests.checker.exact_json import NumberText, text_of
from tests.checker.log import AUTH_PATHS, READ_PATHS, HttpRecord
from tests.checker.records import Answered, id_of, rows_of
from tests.schemas import ENDPOINTS, document, request_errors, schema_name

KEEP_ANSWERS: Final = 50_000_000
"""What ``kept_answer_bytes`` is set to: the largest list of any test."""

QUERY_MAX: Final = 8000
"""Characters of a query: a request line of 8 KiB is what servers commonly take. No page states a limit."""
READ_IDS_MAX: Final = 500
"""Ids of one read: no page states a number, and the lowest cap heard of is twice that."""
WRITE_IDS_MAX: Final = 10_000
"""Accounts of one write: switchriskcategory's documented limit, taken for its sister updateuserautoliqs too."""

# Reads: the parameter that each operation takes.
PARAMETERS: Final = {
    "list": None,
    "item": "id",
    "items": "ids",
    "deps": "masterid",
    "ldeps": "masterids",
    "find": "name",
    "suggest": "t",
}
# Kinds whose master is no account: the field that names it.
MASTERS: Final = {
    "account": "userId",
    "tradingPermission": "userId",
    "userAccountRiskParameter": "userAccountPositionLimitId",
    "contractMargin": "id",
    "productMargin": "id",
}
# Writes of whole records: the schema of a record, and how it names the record.
RECORDS: Final = {
    "updateuserautoliqs": "updateUserAutoLiqItem",
    "updateuserautoliq": "updateUserAutoLiqItem",
    "useraccountautoliq-update": "userAccountAutoLiq",
    "useraccountpositionlimit-update": "userAccountPositionLimit",
    "useraccountriskparameter-update": "userAccountRiskParameter",
}
Rule = Callable[[HttpRecord, Answered], Iterator[str]]


def check(calls: Iterable[Mapping[str, Any]], *, extension_id_offset: int = 0) -> list[str]:
    """Return what is wrong with the requests among the simulator's calls, oldest first; an empty list means nothing."""
    answered = Answered(extension_id_offset)
    sent_with: dict[str, int] = {}
    found: list[str] = []
    for row in sorted(calls, key=lambda each: each["id"]):
        http_record = HttpRecord.of(row)
        problems = [problem for rule in RULES for problem in rule(http_record, answered)]
        problems += _ticket_used_again(http_record, sent_with)
        found += [f"call {http_record.number}, {http_record.host} {http_record.endpoint}: {problem}" for problem in problems]
        answered.learn(http_record)
    return found


# --- every request ---------------------------------------------------------------------------------


def _readable(http_record: HttpRecord, _: Answered) -> Iterator[str]:
    """A request can be read, and goes to an operation that a page has."""
    if http_record.problem:
        yield http_record.problem
    if http_record.outcome == "unreadable":
        yield "Tradovate could not read it"
    if http_record.path not in READ_PATHS | AUTH_PATHS and not _is_documented_write(http_record):
        yield "no page has this operation"


def _environment(http_record: HttpRecord, _: Answered) -> Iterator[str]:
    """Nothing that is for demo only goes to live."""
    if _is_documented_write(http_record) and http_record.host not in document(schema_name(http_record.path))["environments"]:
        yield f"not to be called on {http_record.host}"


def _ticket(http_record: HttpRecord, answered: Answered) -> Iterator[str]:
    """A penalty ticket was given for this very request, needs no captcha, and its time has come."""
    if "p-ticket" not in http_record.asked:
        return
    ticket = answered.tickets.get(str(http_record.asked["p-ticket"]))
    if ticket is None:
        yield "a penalty ticket that was never given"
        return
    if (ticket.endpoint, ticket.request) != (http_record.path, http_record.request_text):
        yield f"the ticket of another request, that of call {ticket.issued_by}"
    if ticket.captcha:
        yield "a ticket that only a person can redeem"
    if http_record.at < ticket.ready_at:
        yield f"a ticket {(ticket.ready_at - http_record.at).total_seconds():.3f} s before its time"


def _ticket_used_again(http_record: HttpRecord, sent_with: dict[str, int]) -> Iterator[str]:
    """No ticket is sent twice, but by a call that was refused before anybody looked at it."""
    if "p-ticket" not in http_record.asked or http_record.was_refused:
        return
    ticket = str(http_record.asked["p-ticket"])
    if ticket in sent_with:
        yield f"the ticket that call {sent_with[ticket]} has used"
    sent_with[ticket] = http_record.number


# --- reads -----------------------------------------------------------------------------------------


def _read(http_record: HttpRecord, _: Answered) -> Iterator[str]:
    """A read takes its one parameter, ids with commas between them, each once and not too many."""
    if not http_record.is_read:
        return
    name = PARAMETERS[http_record.operation]
    unknown = sorted(set(http_record.without_ticket) - {name} - ({"l"} if http_record.operation == "suggest" else set()))
    if unknown:
        yield f"unknown parameter {', '.join(unknown)}"
    if name is None or name in {"name", "t"}:
        return
    ids = _asked_ids(http_record)
    if not ids:
        yield f"{name} is no list of ids with commas between them"
    if len(ids) != len(set(ids)):
        yield f"{name} has an id twice"
    if len(ids) > (1 if http_record.operation in {"item", "deps"} else READ_IDS_MAX):
        yield f"{name} has {len(ids)} ids"
    if len(http_record.query) > QUERY_MAX:
        yield f"a query of {len(http_record.query)} characters"


def _answer_to_question(http_record: HttpRecord, answered: Answered) -> Iterator[str]:
    """Whatever was answered was asked for. A fault may answer anything: then nothing can be said."""
    if http_record.fault or not http_record.kind:
        return
    if http_record.is_read:
        asked = set(_asked_ids(http_record))
        if http_record.operation in {"item", "items"}:
            yield from (f"the id {key} was answered and not asked for" for key in _row_ids(http_record) if key not in asked)
        elif http_record.operation in {"deps", "ldeps"}:
            for kind, row in rows_of(http_record):
                master = id_of(row, MASTERS[kind]) if kind in MASTERS else answered.account_of(kind, row)
                if master not in asked:
                    yield f"a row of {master} was answered and not asked for"
    elif http_record.path.startswith("/useraccountautoliq/updateuserautoliq"):
        asked = {key for record in _records(http_record) if (key := id_of(record, "accountId")) is not None}
        for kind, row in rows_of(http_record):
            if answered.account_of(kind, row) not in asked:
                yield f"a record of {answered.account_of(kind, row)} was answered and not asked for"


def _asked_ids(http_record: HttpRecord) -> list[int]:
    """Return the ids of a read, none when they are not written as the pages write them."""
    name = PARAMETERS[http_record.operation]
    value = http_record.asked.get(name) if name else None
    parts = value.split(",") if isinstance(value, str) else []
    return [int(part) for part in parts] if all(part.isdigit() for part in parts) else []


def _row_ids(http_record: HttpRecord) -> Iterator[int]:
    for _, row in rows_of(http_record):
        key = id_of(row)
        if key is not None:
            yield key


# --- writes ----------------------------------------------------------------------------------------


def _write(http_record: HttpRecord, answered: Answered) -> Iterator[str]:
    """A write is a POST whose body fits the page's schema; beyond it only what the record itself was shown to have."""
    if not _is_documented_write(http_record):
        return
    if http_record.method != "POST":
        yield f"a write by {http_record.method}"
    name = schema_name(http_record.path)
    body = http_record.without_ticket
    if name in RECORDS:
        known = _field_names(RECORDS[name])
        yield from _unknown_fields(http_record, known, answered)
        body = _without_unknown(body, known)
    yield from request_errors(name, json.loads(text_of(body)))
    yield from (f"{value} is no number that JSON has" for value in _numbers(body) if value.strip("-") in {"NaN", "Infinity"})
    accounts = _accounts_of_many(http_record)
    if len(accounts) > WRITE_IDS_MAX:
        yield f"{len(accounts)} accounts"
    if len(accounts) != len(set(accounts)):
        yield "an account twice"


def _unknown_fields(http_record: HttpRecord, known: frozenset[str], answered: Answered) -> Iterator[str]:
    for record in _records(http_record):
        for field, value in record.items():
            if field not in known and not _is_carried_over(http_record, record, field, value, answered):
                yield f"unknown key {field} = {text_of(value)}, with which the record was never shown"


def _records(http_record: HttpRecord) -> list[dict[str, Any]]:
    items = http_record.asked.get("items", [http_record.without_ticket])
    return [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []


def _is_carried_over(http_record: HttpRecord, record: dict[str, Any], field: str, value: object, answered: Answered) -> bool:
    """Say whether a record of an earlier answer has this field, with this very text."""
    key = id_of(record)
    kind = http_record.kind
    if http_record.operation.startswith("updateuserautoliq"):
        account = id_of(record, "accountId")
        key = None if account is None else account + answered.id_offset
        kind = "permissionedAccountAutoLiq" if record.get("asOwner") is False else "userAccountAutoLiq"
    return key is not None and answered.has_shown(kind, key, field, value)


def _without_unknown(body: dict[str, Any], known: frozenset[str]) -> dict[str, Any]:
    if isinstance(body.get("items"), list):
        items = [_without_unknown(item, known) if isinstance(item, dict) else item for item in body["items"]]
        return {**body, "items": items}
    return {name: value for name, value in body.items() if name in known}


def _accounts_of_many(http_record: HttpRecord) -> list[str]:
    accounts = http_record.asked.get("accountIds", [])
    items = http_record.asked.get("items", [])
    named = accounts if isinstance(accounts, list) else []
    named = [*named, *(item.get("accountId") for item in items if isinstance(item, dict))] if isinstance(items, list) else named
    return [text_of(each) for each in named]


def _numbers(value: object) -> Iterator[str]:
    if isinstance(value, NumberText):
        yield value
    elif isinstance(value, dict):
        for each in value.values():
            yield from _numbers(each)
    elif isinstance(value, list):
        for each in value:
            yield from _numbers(each)


@cache
def _field_names(definition: str) -> frozenset[str]:
    return frozenset(document("entities")["$defs"][definition]["properties"])


def _is_documented_write(http_record: HttpRecord) -> bool:
    return (
        http_record.path.count("/") == 2 and schema_name(http_record.path) in ENDPOINTS and http_record.path not in READ_PATHS
    )


RULES: Final[tuple[Rule, ...]] = (_readable, _environment, _ticket, _read, _answer_to_question, _write)
