"""Faults that are variants of Tradovate's answers, refusals that are not true, and changes that somebody else makes."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from typing import Any, Final

from tests.faults.fault import Fault, FaultContext, Step, answers, injected
from tests.faults.kinds import DRAWN, RISK_STATUS, is_of_traders, writes
from tests.faults.world import World

FEW_ROWS: Final = 3
"""At most so many of a change's targets are met by a fault of single rows."""

ODD_TEXTS: Final = ("Busy", "No\x00way", "half a pair \ud83d", "x" * 9000, "Zu spät \u202e12")


BEFORE_TIME: Final = "0001-01-01T00:00:00Z"
ODD_FIELDS: Final[Mapping[str, tuple[dict[str, Any], ...]]] = {
    RISK_STATUS: (
        {"adminAction": "Vaporize"},
        {"adminAction": 7},
        {"adminTimestamp": BEFORE_TIME},
        {"maxNetLiq": math.nan},
        {"minNetLiq": "many"},
        {"maxNetLiq": 1e17},
    ),
    "userAccountAutoLiq": (
        {"dailyLossAutoLiq": math.nan},
        {"dailyLossAutoLiq": "5000 $"},
        {"weeklyLossAutoLiq": 1e17},
        {"trailingMaxDrawdownMode": "Hourly"},
        {"flattenTimestamp": BEFORE_TIME},
    ),
    "account": (
        {"name": "a\x00b"},
        {"name": "half \ud800"},
        {"name": None},
        {"timestamp": BEFORE_TIME},
        {"riskCategoryId": "three"},
        {"userId": 3_000_000_000},
    ),
    "userAccountPositionLimit": ({"totalBy": "Galaxy"}, {"longLimit": 3_000_000_000}, {"description": "a\x00b"}),
    "position": ({"netPos": 3_000_000_000}, {"netPrice": math.nan}, {"timestamp": BEFORE_TIME}, {"netPos": "one"}),
    "cashBalance": ({"amount": math.nan}, {"amount": "many"}, {"amountSOD": 1e17}, {"timestamp": BEFORE_TIME}),
    "user": ({"name": "a\x00b"}, {"status": "Dreaming"}, {"email": None}),
}
WHOLE_ROWS: Final[tuple[dict[str, Any], ...]] = ({"without": ["id"]}, {"row": None}, {"row": "gone"}, {"row": []})


# --- From a run's start to its end --------------------------------------------------------------------------------------


def cap(context: FaultContext) -> Fault:
    most = context.rng.randint(6, 30)
    settings = {
        "entity_cap": most,
        "entity_cap_min": context.rng.choice((0, max(most // 2, 3))),
        "entity_cap_varies": "call",
        "entity_cap_drops": context.rng.choice(("tail", "random")),
        "variant_seed": context.rng.randint(1, 1_000_000),
    }
    least = settings["entity_cap_min"] or most
    return _variant("cap", f"answers of {least} to {most} entities, {settings['entity_cap_drops']} left out", settings)


def reorder(context: FaultContext) -> Fault:
    return _variant(
        "reorder", "rows in another order", {"answer_order": "shuffled", "variant_seed": context.rng.randint(1, 1_000_000)}
    )


def omitted_falses(context: FaultContext) -> Fault:
    return _variant("omitted_falses", "booleans that are false are left out", {"omit_false": True})


def other_ids(context: FaultContext) -> Fault:
    # Beyond every id of an account: two accounts' records must not be taken for each other.
    return _variant("other_ids", "extensions with ids of their own", {"extension_id_offset": 7_000_000})


def partial_updates(context: FaultContext) -> Fault:
    return _variant("partial_updates", "what an update leaves out is kept", {"omitted_limits": "keep"})


def _variant(name: str, words: str, settings: Mapping[str, object]) -> Fault:
    return Fault(name, f"{words}, all the time", (Step(0, _nothing),), settings=settings)


def _nothing(_: World) -> None:
    """A variant is there from the start; there is nothing to do."""


# --- Refusals that are not true -----------------------------------------------------------------------------------------


def refused_but_done(context: FaultContext) -> Fault:
    kind, fields = _refusal(context)
    return answers(context, kind, "after", **fields)


def late_effect(context: FaultContext) -> Fault:
    kind, fields = _refusal(context)
    return answers(context, kind, "before", for_s=6.0, effect_after_ms=context.rng.randint(200, 4000), **fields)


def _refusal(context: FaultContext) -> tuple[str, dict[str, Any]]:
    return context.rng.choice(
        (
            ("errorText", {"text": context.rng.choice(ODD_TEXTS)}),
            ("errorText", {"text": "Busy"}),
            ("answer", {"body": {"ok": False}}),
            ("answer", {"status": 404, "body": "Not found"}),
        )
    )


def refused_endpoint(context: FaultContext) -> Fault:
    """A key that may not use one endpoint for a while; it is put right by people."""
    for_s = context.away_s()
    endpoint = context.rng.choice((*writes(context.kind), "/accountRiskStatus/ldeps", "/account/items", "/position/ldeps"))
    rule = {"endpoint": endpoint, "status": 401, "body": "Access is denied"}
    strike, lift = injected("answer", rule)
    return Fault(
        "refused_endpoint", f"401 at {endpoint} for {for_s:.0f} s", (Step(0, strike), Step(for_s, lift)), lies_in_wait=True
    )


# --- Rows ---------------------------------------------------------------------------------------------------------------


def odd_rows(context: FaultContext) -> Fault:
    entity = DRAWN[context.kind].rows
    edit = context.rng.choice((*({"fields": fields} for fields in ODD_FIELDS[entity]), *WHOLE_ROWS))
    return _rows(context, "odd", entity, edit, json.dumps(edit))


def missing_rows(context: FaultContext) -> Fault:
    entity = context.rng.choice(("position", "account", DRAWN[context.kind].rows))
    return _rows(context, "omit", "user" if is_of_traders(context.kind) else entity, {}, "left out")


def _rows(context: FaultContext, kind: str, entity: str, edit: Mapping[str, Any], words: str) -> Fault:
    """Edit or leave out rows of some of the change's targets for a while."""
    some = context.rng.sample(context.targets, min(len(context.targets), FEW_ROWS))
    for_s = context.rng.uniform(4.0, 12.0)
    chosen = {"ids": some} if entity == "user" else {"account_ids": some}
    strike, lift = injected(kind, {"entity": entity, **chosen, **edit})

    def mark_and_strike(world: World) -> None:
        strike(world)
        world.unreadable |= _targets(context, some)

    return Fault(
        kind,
        f"{entity} of {', '.join(map(str, some))} {words}, for {for_s:.0f} s",
        (Step(0, mark_and_strike), Step(for_s, lift)),
        lies_in_wait=True,
    )


# --- Somebody else ------------------------------------------------------------------------------------------------------

DECIDED_AFTER_S: Final = 9.0
"""So long a change waits for its decision while somebody else acts on its targets: longer than a call may follow its reading."""


def outside_change(context: FaultContext) -> Fault:
    """At Tradovate itself somebody changes some of the targets, after they were asked about and before anything is sent."""
    some = context.rng.sample(context.targets, min(len(context.targets), FEW_ROWS))
    what, edit = context.rng.choice(_edits(context))
    kind, fields = edit

    def act(world: World) -> None:
        for account in some:
            world.simulator.patch(kind, account, **fields)
        world.unreadable |= _targets(context, some)

    words = f"{what} of {', '.join(map(str, some))}"
    return Fault("outside_change", words, (Step(0, act),), decided_after_s=DECIDED_AFTER_S)


def _edits(context: FaultContext) -> tuple[tuple[str, tuple[str, dict[str, Any]]], ...]:
    """Return what somebody may do to targets of this kind: words, then kind of entity and fields."""
    number = context.rng.randint(1, 900)
    status = ("a lock", (RISK_STATUS, {"adminAction": "LockTradingImmediately", "adminTimestamp": "2031-03-04T00:01:00Z"}))
    category = ("another category", ("account", {"riskCategoryId": context.rng.choice((4, 5, 6))}))
    untouched = ("other limits", ("userAccountAutoLiq", {"weeklyLossAutoLiq": 60_000 + number / 7, "doNotUnlock": True}))
    same = ("the same limit", ("userAccountAutoLiq", {"dailyLossAutoLiq": 40_000 + number / 7}))
    unheard = ("an unknown limit", ("userAccountAutoLiq", {"noveltyLossAutoLiq": 70_000 + number / 7}))
    if is_of_traders(context.kind):
        return (("another status", ("user", {"status": "Active"})),)
    if context.kind == "auto_liq_limits":
        return untouched, same, unheard
    return (category, untouched) if context.kind == "risk_category" else (status, category, untouched)


def _targets(context: FaultContext, some: list[int]) -> set[str]:
    unit = "trader" if is_of_traders(context.kind) else "account"
    return {f"demo:{unit}:{each}" for each in some}


ANSWER_FAULTS: Final[dict[str, Callable[[FaultContext], Fault]]] = {
    "cap": cap,
    "reorder": reorder,
    "omitted_falses": omitted_falses,
    "other_ids": other_ids,
    "partial_updates": partial_updates,
    "refused_but_done": refused_but_done,
    "late_effect": late_effect,
    "refused_endpoint": refused_endpoint,
    "odd_rows": odd_rows,
    "missing_rows": missing_rows,
    "outside_change": outside_change,
}
