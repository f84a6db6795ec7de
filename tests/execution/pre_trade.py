"""Accounts with a position limit and a risk parameter of their own, made at the simulator, and changes of them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from accounts.changes.models import Item
from accounts.gateway.connection import client
from accounts.sync.actions import Part, refresh
from riskadmin.staff.models import Staff
from riskadmin.tradovate.permit import WritePermit
from riskadmin.tradovate.pre_trade import PositionLimitFields, RiskParameterFields
from riskadmin.tradovate.vocabulary import Environment, Lane, TotalBy
from tests.changes.world import approve, ask
from tests.execution.worker import active_account, the_item
from tests.simulator.driver import Simulator

# For what a test does by itself, as somebody else might.
PERMIT = WritePermit(call_id=0, good_for_s=3600.0)

LIMIT, PARAMETER = "/userAccountPositionLimit", "/userAccountRiskParameter"


@dataclass(frozen=True, kw_only=True)
class Limited:
    """An account at the simulator and in the mirror, with the numbers of the records made for a test."""

    simulator: Simulator
    account_id: int
    limit: int
    parameter: int
    earlier_effects: int

    def position_limits(self) -> dict[int, dict[str, Any]]:
        """What the simulator holds now, by number."""
        return {each["id"]: each for each in self.simulator.account(self.account_id)["userAccountPositionLimits"]}

    def risk_parameters(self) -> dict[int, dict[str, Any]]:
        """What the simulator holds now, by number."""
        return {each["id"]: each for each in self.simulator.account(self.account_id)["userAccountRiskParameters"]}

    def remove_limit(self) -> None:
        """Remove the position limit behind riskadmin's back, and with it the risk parameter."""
        tradovate = client(Environment.DEMO, Lane.BULK)
        tradovate.delete_user_account_position_limit(permit=PERMIT, position_limit_id=self.limit)

    def effects(self) -> list[str]:
        """What calls have changed about the account since it was made ready, oldest first."""
        return effects_of(self.simulator, self.account_id)[self.earlier_effects :]


def effects_of(simulator: Simulator, account_id: int) -> list[str]:
    """What calls have changed about an account, oldest first."""
    return [each["action"] for each in simulator.effects(account_id=account_id, source="call")]


def make_limited(simulator: Simulator, number: int = 0) -> Limited:
    """Give an account a position limit with a risk parameter, and read both into the mirror."""
    account_id = active_account(number)
    tradovate = client(Environment.DEMO, Lane.BULK)
    overall = PositionLimitFields(account_id=account_id, active=True, total_by=TotalBy.OVERALL, exposed_limit=3, long_limit=2)
    limit = tradovate.create_user_account_position_limit(permit=PERMIT, limit=overall).value.id
    orders = RiskParameterFields(
        user_account_position_limit_id=limit, max_opening_order_qty=2, margin_percentage=Decimal("50.5")
    )
    parameter = tradovate.create_user_account_risk_parameter(permit=PERMIT, parameter=orders).value.id
    refresh(Environment.DEMO, [account_id], lane=Lane.BULK, parts=frozenset({Part.PRE_TRADE}))
    simulator.reset_counters()
    return Limited(
        simulator=simulator,
        account_id=account_id,
        limit=limit,
        parameter=parameter,
        earlier_effects=len(effects_of(simulator, account_id)),
    )


def approved(support: Staff, supervisor: Staff, kind: str, account_id: int, **parameters: object) -> Item:
    """Ask for a change, have it approved, and return its item."""
    change = ask(support, kind, account_id, parameters=parameters)
    approve(supervisor, change)
    return the_item(change)


def as_sent(record: Mapping[str, Any]) -> dict[str, Any]:
    """A record of an item's `after` under Tradovate's names, its numbers as JSON has them."""
    numbers = {"margin_percentage", "margin_dollar_value"}
    return {
        re.sub("_([a-z])", lambda found: found[1].upper(), name): float(value) if name in numbers else value
        for name, value in record.items()
    }
