"""What a change's preview found is stored with it, for every kind, typed and versioned, and no part of its digest."""

from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from accounts.changes.effects import ChangeEffects
from accounts.changes.kinds import KINDS
from accounts.changes.kinds.effects import EffectDirection
from accounts.changes.kinds.stored import State
from accounts.changes.models import Change
from accounts.changes.plan import plan
from accounts.changes.topics import Topic
from accounts.models import Account, Cash, RiskCategory, RiskStatus, Source
from riskadmin.staff.models import Staff
from riskadmin.tradovate.vocabulary import Environment
from tests.changes.test_auto_liq_limits import give_cash, give_limits, limited
from tests.changes.test_pre_trade import make_limit, make_limited, make_parameter
from tests.changes.world import ACTED_AT, LOCKED, ask, hold_position, make_account, make_trader

pytestmark = pytest.mark.django_db

Sent = list[tuple[str, list[int], str]]
NOTHING = {
    "version": 1,
    "targets": 1,
    "skipped": 0,
    "liquidated": 0,
    "possibly_liquidated": 0,
    "holding_positions": 0,
    "positions_unknown": 0,
    "open_positions": 0,
    "looser": 0,
    "tighter": 0,
    "largest_money_effect_usd": None,
}


@dataclass(frozen=True, kw_only=True)
class Case:
    """A request for target 101 with what its preview finds, beside the warnings, where that is not `NOTHING`."""

    make: Callable[[], object]
    parameters: State = field(default_factory=dict)
    found: dict[str, Any]


def holding(account: Account) -> Account:
    """Let an account hold two positions."""
    hold_position(account, 2, number=account.tradovate_id)
    hold_position(account, -1, number=100_000 + account.tradovate_id)
    return account


def with_figures(*, peak: str = "50000", **columns: Any) -> Account:
    """A locked evaluation with cash, limits and a peak."""
    account = limited(101)
    give_cash(account)
    RiskStatus.objects.filter(account=account).update(max_net_liq_usd=peak, **columns)
    return account


def with_category() -> None:
    """Hold positions, in no category; there is one to switch to."""
    RiskCategory.objects.create(environment="demo", tradovate_id=7, name="Strict", fresh_at=timezone.now(), source=Source.SYNC)
    holding(make_account(101))


def with_a_parameter() -> None:
    """Have a position limit with a risk parameter on it."""
    make_parameter(make_limit(make_limited()))


HELD = {"holding_positions": 1, "open_positions": 2}

CASES: dict[str, Case] = {
    "lock": Case(make=lambda: holding(make_account(101)), found={"tighter": 1, **HELD}),
    "liquidate_only": Case(make=lambda: make_account(101), found={"tighter": 1}),
    "unlock": Case(make=lambda: holding(make_account(101, LOCKED, admin_at=ACTED_AT)), found={"looser": 1, **HELD}),
    "liquidate": Case(make=lambda: holding(make_account(101)), found={"liquidated": 1, "tighter": 1, **HELD}),
    "risk_category": Case(
        make=with_category,
        parameters={"id": 7, "name": "Strict", "environment": "demo"},
        found={"possibly_liquidated": 1, **HELD},
    ),
    "auto_liq_limits": Case(
        make=lambda: give_cash(holding(limited(101)), today="-900"),
        parameters={"daily_loss_auto_liq_usd": "850", "weekly_loss_auto_liq_usd": "3000"},
        found={"liquidated": 1, "looser": 1, "tighter": 1, "largest_money_effect_usd": "500", **HELD},
    ),
    "position_limit": Case(
        make=lambda: make_limit(holding(make_limited())),
        parameters={"action": "update", "limit": 31, "exposed_limit": 2},
        found={"possibly_liquidated": 1, "tighter": 1, **HELD},
    ),
    "risk_parameter": Case(
        make=with_a_parameter,
        parameters={"action": "update", "parameter": 41, "max_opening_order_qty": 3, "margin_dollar_value": "500"},
        found={"looser": 1, "largest_money_effect_usd": "500"},
    ),
    "user_lockout": Case(make=lambda: make_trader(101), found={"looser": 1, "positions_unknown": 1}),
    "reset_auto_liq_status": Case(make=lambda: holding(make_account(101)), found={"looser": 1, **HELD}),
    "max_net_liq": Case(
        make=lambda: with_figures(peak="50000"),
        parameters={"max_net_liq_usd": "52600"},
        # The floor rises to where it stops, $50,100, above the cash.
        found={"liquidated": 1, "tighter": 1, "largest_money_effect_usd": "2600"},
    ),
    "demo_balance": Case(
        make=lambda: give_cash(holding(make_account(101))),
        parameters={"cash_change_usd": "-250.5"},
        found={"possibly_liquidated": 1, "largest_money_effect_usd": "250.5", **HELD},
    ),
    "remediation": Case(
        make=lambda: with_figures(peak="50000", admin_action=LOCKED, admin_at=ACTED_AT),
        parameters={"amount_usd": "51000", "max_net_liq_usd": "49000"},
        found={"looser": 1, "largest_money_effect_usd": "1000"},
    ),
}


def test_every_kind_is_among_the_cases() -> None:
    assert set(CASES) == set(KINDS)


@pytest.mark.parametrize("kind_name", CASES)
def test_a_change_of_every_kind_stores_what_its_preview_found(
    kind_name: str, support: Staff, supervisor: Staff, sent: Sent
) -> None:
    case = CASES[kind_name]
    case.make()
    requester = support if support.may(KINDS[kind_name].capability) else supervisor
    ask(requester, kind_name, 101, parameters=case.parameters)

    stored = Change.objects.get().effects
    assert stored is not None
    warnings = stored.pop("warnings")
    assert stored == {**NOTHING, **case.found}
    (row,) = plan(
        KINDS[kind_name], environment=Environment.DEMO, target_ids=[101], parameters=case.parameters, requested_as=1
    ).rows
    said = [{"words": warning, "count": 1} for warning in row.warnings if "on its way" not in warning]
    assert warnings == said
    kind = KINDS[kind_name]
    for form, stored_row in (
        (kind.parameters_type, case.parameters),
        (kind.state_type, row.before),
        (kind.after_type, row.after),
    ):
        assert stored_row is not None
        assert form.from_json(stored_row).to_json() == stored_row


@pytest.mark.parametrize("kind_name", CASES)
def test_the_direction_is_that_of_the_differences_that_are_shown(kind_name: str) -> None:
    case, kind = CASES[kind_name], KINDS[kind_name]
    case.make()
    planned = plan(kind, environment=Environment.DEMO, target_ids=[101], parameters=case.parameters)
    (row,) = planned.rows
    assert row.effects is not None
    shown = {each.direction for each in planned.kind.differences(row.before or {}, row.after or {})}
    assert row.effects.direction == EffectDirection.of(shown)


@pytest.mark.parametrize(
    ("kind_name", "positions", "liquidation"),
    [
        ("liquidate", "read", "no"),
        ("liquidate", "never read", "possible"),
        ("risk_category", "read", "no"),
        ("risk_category", "never read", "possible"),
        ("demo_balance", "read", "no"),
        ("demo_balance", "never read", "possible"),
        ("lock", "never read", "no"),
    ],
)
def test_positions_that_were_never_read_are_not_taken_for_none(kind_name: str, positions: str, liquidation: str) -> None:
    give_cash(make_account(101))
    if positions == "never read":
        Account.objects.update(positions_read_at=None)
    parameters = CASES[kind_name].parameters
    (row,) = plan(KINDS[kind_name], environment=Environment.DEMO, target_ids=[101], parameters=parameters).rows
    assert row.effects is not None
    assert (row.effects.open_positions, row.effects.liquidation) == (None if positions == "never read" else 0, liquidation)


@pytest.mark.parametrize(
    ("parameters", "liquidation"),
    [
        ({"daily_loss_auto_liq_usd": "900"}, "possible"),  # tighter, and today's result was never read
        ({"daily_loss_auto_liq_usd": "1100"}, "no"),  # looser
        ({"margin_auto_liq_pct": "80"}, "possible"),  # the margin in use is never read
        ({"trailing_max_drawdown_usd": "2000"}, "possible"),
        ({"daily_loss_alert_usd": "700"}, "no"),
    ],
)
def test_a_tighter_limit_whose_figure_is_not_known_may_liquidate(parameters: State, liquidation: str) -> None:
    holding(limited(101))
    give_limits(make_account(102))
    rows = plan(KINDS["auto_liq_limits"], environment=Environment.DEMO, target_ids=[101, 102], parameters=parameters).rows
    assert [row.effects.liquidation for row in rows if row.effects] == [liquidation, "no"]  # the other one holds nothing


def test_figures_that_moved_change_the_stored_effects_but_no_digest(support: Staff, sent: Sent) -> None:
    give_cash(limited(101), today="-100")
    parameters = {"daily_loss_auto_liq_usd": "850"}
    shown = plan(KINDS["auto_liq_limits"], environment=Environment.DEMO, target_ids=[101], parameters=parameters)
    Cash.objects.update(realized_pnl_usd="-900")

    change = ask(support, "auto_liq_limits", 101, parameters=parameters, digest=shown.digest)

    assert shown.rows[0].effects is not None
    assert shown.rows[0].effects.liquidation == "no"
    assert change.effects is not None
    assert change.effects["liquidated"] == 1


def test_what_is_stored_is_read_again_as_it_was() -> None:
    effects = ChangeEffects(
        targets=3,
        skipped=1,
        liquidated=2,
        possibly_liquidated=0,
        holding_positions=2,
        positions_unknown=1,
        open_positions=5,
        looser=1,
        tighter=2,
        largest_money_effect_usd=Decimal("1500.50"),
        warnings=(Topic(words="Loosens", count=1),),
    )
    assert ChangeEffects.from_json(effects.to_json()) == effects
    assert effects.to_json()["largest_money_effect_usd"] == "1500.50"


@pytest.mark.parametrize("stored", [None, {"version": 2}])
def test_what_was_never_stored_or_is_of_another_version_is_not_guessed(stored: dict[str, Any] | None) -> None:
    assert ChangeEffects.from_json(stored) is None
