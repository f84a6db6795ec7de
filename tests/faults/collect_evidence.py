"""Gathers the evidence of a run: the product's rows with SQL, and what the simulator's log says of each item.

What a call was made for is read from its own body: who was named, and the reason, amount or category that only one change
of the run has. Nothing of that comes from the product's own rows about its calls.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final

from accounts.changes.kinds import KINDS
from tests.checker import check
from tests.faults.evidence import CallRecord, EventRecord, ItemRecord, Landing, RunEvidence
from tests.faults.kinds import DRAWN, EVERY_WRITE, usd
from tests.faults.outside_edits import OutsideEdits
from tests.faults.world import World
from tests.simulator import driver

ITEMS: Final = """
    SELECT item.id, item.change_id, change.kind, item.target, item.state, item.step, item.not_before IS NOT NULL, item.note,
           item.after, change.reason_text, change.parameters, change.submitted_at
    FROM changes_item item JOIN changes_change change ON change.id = item.change_id ORDER BY item.id
"""
CALLS: Final = """
    SELECT call.id, call.purpose, call.state, call.started_at, call.ended_at, array_agg(carried.item_id ORDER BY carried.item_id)
    FROM execution_call call LEFT JOIN execution_callitem carried ON carried.call_id = call.id GROUP BY call.id ORDER BY call.id
"""
EVENTS: Final = "SELECT id, tag, change_id, item_id, call_id, detail FROM audit_event WHERE change_id IS NOT NULL ORDER BY id"

REFUSED: Final = frozenset({"unauthorized", "silenced", "maintenance"})
"""Outcomes of calls that never came as far as their operation; the client may repeat them under the same claim."""
ROWS_PER_PAGE: Final = 10_000

Sign = tuple[str, int, str]
"""What tells whose call it is: endpoint, the account or trader it names, and a value that one change has."""


def gather(world: World) -> RunEvidence:
    """Return everything about the run that has just become quiet."""
    signs: dict[Sign, tuple[int, int]] = {}
    items: list[ItemRecord] = []
    for row in world.rows(ITEMS):
        item = _item(row)
        items.append(item)
        for step, sign in enumerate(_signs(item, after=row[8] or {}, reason=row[9])):
            signs[sign] = (item.id, step)
    effects: dict[int, list[dict[str, Any]]] = defaultdict(list)
    others = OutsideEdits(world.real_time)
    for effect in _all(world, "effects"):
        others.learn(effect)
        if effect["source"] == "call":
            effects[effect["call_id"]].append(effect)
    landings, strays, touched = [], [], []
    calls = list(_all(world, "calls"))
    on_demo = [call for call in calls if call["host"] == "demo"]
    done: set[tuple[int, str]] = set()  # target and what was done to it
    for call in on_demo:
        if call["endpoint"].lower() not in EVERY_WRITE or _was_refused(call):
            continue
        for sign in _named(call):
            if sign not in signs:
                strays.append(f"{sign[0]} {sign[2]!r} of {sign[1]}")
                continue
            item_id, step = signs[sign]
            own = [effect for effect in effects[call["id"]] if sign[1] in {effect["account_id"], effect["entity_id"]}]
            at = world.real_time(datetime.fromisoformat(call["at"]))
            touched += [field for effect in own for field in others.touched(effect, item_id=item_id, arrived_at=at)]
            landings.append(
                Landing(
                    id=call["id"],
                    at=at,
                    item_id=item_id,
                    step=step,
                    effect=bool(own),
                    altered=any(effect["before"] != effect["after"] for effect in own),
                )
            )
            done |= {(sign[1], _result(sign)) for _ in own[:1]}
    reached = frozenset(
        place for sign, place in signs.items() if (sign[1], _result(sign)) in done or _is_done_by_others(sign, others)
    )
    id_offset = int(world.simulator.control("GET", "/settings")["extension_id_offset"])
    return RunEvidence(
        items=items,
        calls=[
            CallRecord(
                id=row[0], purpose=row[1], state=row[2], started_at=row[3], ended_at=row[4], items=tuple(filter(None, row[5]))
            )
            for row in world.rows(CALLS)
        ],
        events=[
            EventRecord(id=row[0], tag=row[1], change_id=row[2], item_id=row[3], call_id=row[4], detail=row[5])
            for row in world.rows(EVENTS)
        ],
        landings=landings,
        change_states=dict(world.rows("SELECT id, state FROM changes_change")),
        reached=reached,
        strays=strays,
        silenced=[_silence(call) for call in on_demo if call["status"] == 429 and not call["fault"]],
        trail_full=tuple(world.trail_full),
        complaints=tuple(world.complaints),
        touched=touched,
        # Whose records can't be told apart can't be read back either.
        unreadable=frozenset(item.target for item in items) if id_offset else frozenset(world.unreadable),
        requests=check(calls, extension_id_offset=id_offset),
        hits=sum(bool(call["fault"]) for call in on_demo),
    )


def _was_refused(call: dict[str, Any]) -> bool:
    """Say whether a call never came as far as its operation: for its token, whether it is good or a fault says no."""
    return call["outcome"] in REFUSED or (call["outcome"] == "fault" and call["status"] == 401)


def _silence(call: dict[str, Any]) -> str:
    return f"429 for call {call['id']}, {call['endpoint']}, at {call['at']}"


def _item(row: tuple[Any, ...]) -> ItemRecord:
    kind = KINDS[row[2]].of(row[10])
    return ItemRecord(
        id=row[0],
        change_id=row[1],
        kind=row[2],
        target=row[3],
        state=row[4],
        step=row[5],
        is_due=row[6],
        submitted_at=row[11],
        note=row[7],
        resend_safe=tuple(kind.is_resend_safe(step) for step in range(len(kind.steps))),
        is_read_back=kind.is_read_back,
        may_change_nothing=kind.answer_may_change_nothing,
    )


def _signs(item: ItemRecord, *, after: dict[str, Any], reason: str) -> tuple[Sign, ...]:
    """Say of each of an item's steps how its call is known."""
    target = int(item.target.rsplit(":", 1)[1])
    if not after:
        return ()  # skipped when it was planned
    return tuple((endpoint.lower(), target, value) for endpoint, value in DRAWN[item.kind].marks(after, reason))


def _named(call: dict[str, Any]) -> Iterator[Sign]:
    """Say of a writing call whom it names, with what tells whose it is."""
    endpoint, body = call["endpoint"], json.loads(call["request"])
    match endpoint.lower():
        case path if path == driver.SET_ACTION.lower():
            yield _sign(endpoint, body["accountId"], f"{body['adminAction']} {body.get('adminActionReason', '')}")
        case path if path == driver.UPDATE_LIMITS.lower():
            for item in body["items"]:
                yield _sign(endpoint, item["accountId"], usd(item.get("dailyLossAutoLiq", 0)))
        case path if path == driver.SWITCH_CATEGORY.lower():
            for account_id in body["accountIds"]:
                yield _sign(endpoint, account_id, str(body["riskCategoryId"]))
        case path if path == driver.CREATE_POSITION_LIMIT.lower():
            yield _sign(endpoint, body["accountId"], str(body.get("longLimit", "")))
        case path if path == driver.EXPIRE_LOCKOUT.lower():
            yield _sign(endpoint, body["userId"], body.get("notes", ""))
        case path if path == driver.MAX_NET_LIQ.lower():
            yield _sign(endpoint, body["accountId"], usd(body["maxNetLiq"]))
        case path if path == driver.DEMO_BALANCE.lower():
            yield _sign(endpoint, body["accountId"], body.get("comment", ""))
        case _:
            yield _sign(endpoint, body["accountId"], "")


def _sign(endpoint: str, target: int, value: str) -> Sign:
    return endpoint.lower(), target, value


def _result(sign: Sign) -> str:
    """Return what a call makes of its target, where another one's call may make the same of it."""
    endpoint, _, value = sign
    return value.split(" ", 1)[0] if endpoint == driver.SET_ACTION.lower() else f"{endpoint} {value}"


def _is_done_by_others(sign: Sign, others: OutsideEdits) -> bool:
    """Say whether somebody else has given the target what the call was to give it."""
    endpoint, target, value = sign
    if endpoint == driver.SET_ACTION.lower():
        return (target, "adminAction", _result(sign)) in others.reached
    if endpoint == driver.SWITCH_CATEGORY.lower():
        return (target, "riskCategoryId", int(value)) in others.reached
    return False


def _all(world: World, what: str, **filters: object) -> Iterator[dict[str, Any]]:
    """Read a whole log of the simulator's, page by page."""
    since = 0
    read = world.simulator.calls if what == "calls" else world.simulator.effects
    while page := read(since_id=since, limit=ROWS_PER_PAGE, **filters):
        yield from page
        since = page[-1]["id"]
