"""Each kind as fault runs request it and recognise its calls. All else about a kind comes from the registry."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from random import Random
from typing import Any, Final

from accounts.changes.kinds import KINDS
from accounts.changes.kinds.spec import Unit
from riskadmin.staff.roles import Role
from tests.simulator import driver

RISK_STATUS: Final = "accountRiskStatus"

Marks = tuple[tuple[str, str], ...]
"""Endpoint and mark of each call for an item: a value in the body that only one change of the run has."""


@dataclass(frozen=True)
class Pools:
    """Tradovate's ids of demo accounts and traders by what can be asked for them, in a fixed order."""

    open: tuple[int, ...]
    locked: tuple[int, ...]
    stopped: tuple[int, ...]
    holding: tuple[int, ...]
    limited: tuple[int, ...]  # whose position limits have been read
    traders: tuple[int, ...]
    categories: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Draw:
    """A change as it is drawn: its number in the run, the run's dice and pools, and a comment that only it has."""

    number: int
    rng: Random
    pools: Pools
    comment: str


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """How one kind is drawn: for targets of a pool, at most how many, how often, and with which cleaned parameters.

    `marks` says how its calls are recognised in the simulator's log, from what an item is to reach and the change's reason;
    `rows` is the entity that a reading of its targets rests on, which faults of single rows edit or leave out.
    """

    pool: str
    most: int
    how_often: int
    marks: Callable[[Mapping[str, Any], str], Marks]
    parameters: Callable[[Draw], dict[str, Any]] = lambda _: {}
    rows: str = RISK_STATUS


def usd(amount: object) -> str:
    """Return an amount as marks write it."""
    return f"{Decimal(str(amount)):.2f}"


def _action(after: Mapping[str, Any], reason: str) -> Marks:
    return tuple((driver.SET_ACTION, f"{action} {reason}") for action in after.get("admin_actions") or [after["admin_action"]])


def _peak(after: Mapping[str, Any], reason: str) -> Marks:
    return ((driver.MAX_NET_LIQ, usd(after["max_net_liq_usd"])),)


def _cash(after: Mapping[str, Any], reason: str) -> Marks:
    return ((driver.DEMO_BALANCE, after["comment"]),)


DRAWN: Final[dict[str, Drawn]] = {
    "lock": Drawn(pool="open", most=40, how_often=5, marks=_action),
    "liquidate_only": Drawn(pool="open", most=12, how_often=1, marks=_action),
    "unlock": Drawn(pool="locked", most=5, how_often=3, marks=_action),
    "liquidate": Drawn(pool="holding", most=10, how_often=3, marks=_action, rows="position"),
    "auto_liq_limits": Drawn(
        pool="open",
        most=40,
        how_often=3,
        marks=lambda after, _: ((driver.UPDATE_LIMITS, usd(after["daily_loss_auto_liq_usd"])),),
        parameters=lambda draw: {"level": "firm", "daily_loss_auto_liq_usd": Decimal(5000 + draw.number)},
        rows="userAccountAutoLiq",
    ),
    "risk_category": Drawn(
        pool="open",
        most=60,
        how_often=3,
        marks=lambda after, _: ((driver.SWITCH_CATEGORY, str(after["category_id"])),),
        parameters=lambda draw: {"category": draw.rng.choice(draw.pools.categories)},
        rows="account",
    ),
    "position_limit": Drawn(
        pool="limited",
        most=8,
        how_often=2,
        marks=lambda after, _: ((driver.CREATE_POSITION_LIMIT, str(after["record"]["long_limit"])),),
        parameters=lambda draw: {"action": "create", "total_by": "Overall", "long_limit": 100 + draw.number},
        rows="userAccountPositionLimit",
    ),
    "user_lockout": Drawn(
        pool="traders", most=8, how_often=2, marks=lambda _, reason: ((driver.EXPIRE_LOCKOUT, reason),), rows="user"
    ),
    "reset_auto_liq_status": Drawn(pool="stopped", most=6, how_often=2, marks=lambda *_: ((driver.RESET_STATUS, ""),)),
    "max_net_liq": Drawn(
        pool="open",
        most=12,
        how_often=2,
        marks=_peak,
        parameters=lambda draw: {"max_net_liq_usd": Decimal(20_000 + draw.number)},
    ),
    "demo_balance": Drawn(
        pool="open",
        most=12,
        how_often=3,
        marks=_cash,
        parameters=lambda draw: {"cash_change_usd": Decimal(100 + draw.number), "comment": draw.comment},
        rows="cashBalance",
    ),
    "remediation": Drawn(
        pool="locked",
        most=4,
        how_often=2,
        marks=lambda after, reason: (*_cash(after, reason), *_peak(after, reason), *_action(after, reason)),
        parameters=lambda draw: {
            "amount_usd": Decimal(30_000),
            "max_net_liq_usd": Decimal(31_000 + draw.number),
            "comment": draw.comment,
        },
        rows="cashBalance",
    ),
}

NOT_DRAWN: Final = frozenset({"risk_parameter"})
"""It belongs to a position limit of its account (docs/faults.md)."""

WITHOUT_APPROVAL: Final = frozenset(name for name, kind in KINDS.items() if kind.is_protective)
"""The kinds that need no one's decision."""

EVERY_WRITE: Final = frozenset(
    f"/{endpoint.name}".lower()
    for kind in KINDS.values()
    for _, variant in kind.variants()
    for endpoint in variant.step_endpoints()
)
"""The writing endpoints of all kinds."""


def writes(kind_name: str) -> tuple[str, ...]:
    """Return the writing endpoints of a kind as it is drawn, for faults that are to meet its calls."""
    return tuple(dict.fromkeys(f"/{endpoint.name}" for endpoint in KINDS[kind_name].step_endpoints()))


def is_of_traders(kind_name: str) -> bool:
    """Say whether a kind's targets are traders."""
    return KINDS[kind_name].unit == Unit.TRADER


def requester(kind_name: str) -> str:
    """Return who of the run's people requests a kind."""
    return "support" if Role.SUPPORT in KINDS[kind_name].spec.requested_by else "supervisor2"
