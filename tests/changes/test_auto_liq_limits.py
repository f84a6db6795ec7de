"""Changes of limits as they are planned: what is sent, what is skipped, and what people are told about it."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

from accounts.changes.kinds import KINDS
from accounts.changes.kinds.caps import check_caps
from accounts.changes.kinds.effects import EffectDirection, Liquidation, TargetEffects
from accounts.changes.kinds.stored import Difference, State
from accounts.changes.plan import Plan, Row, plan
from accounts.models import Account, AutoLiqLimits, Cash, RiskStatus, Source
from riskadmin.tradovate.vocabulary import Environment
from riskadmin.web.formats import MINUS
from tests.approvals.policies import wanted
from tests.changes.world import hold_position, make_account

FIRM = KINDS["auto_liq_limits"]

RECORD = {
    "daily_loss_alert_usd": "800",
    "daily_loss_liq_only_usd": "900",
    "daily_loss_auto_liq_usd": "1000",
    "weekly_loss_auto_liq_usd": "2500",
    "changes_locked": False,
    "trailing_max_drawdown_usd": "2500",
    "trailing_max_drawdown_limit_usd": "50100",
    "trailing_max_drawdown_mode": "EOD",
    "do_not_unlock": True,
}
"""What a $50,000 evaluation has."""


def give_limits(account: Account, level: str = "firm", **columns: Any) -> None:
    """Let the mirror have read one level's limits just now: those of RECORD, altered, or the trader's."""
    record = {**(RECORD if level == "firm" else {}), **columns}
    AutoLiqLimits.objects.create(account=account, level=level, **{"fresh_at": timezone.now(), "source": Source.SYNC, **record})


def give_cash(account: Account, *, today: str = "0", week: str = "0", cash: str = "50000", start: str = "50000") -> None:
    """Let the mirror have read the account's money."""
    Cash.objects.create(
        account=account,
        amount_usd=cash,
        amount_sod_usd=start,
        realized_pnl_usd=today,
        week_realized_pnl_usd=week,
        fresh_at=timezone.now(),
        source=Source.SYNC,
    )


def limited(number: int = 101, /, **columns: Any) -> Account:
    """Add a $50,000 evaluation with its limits."""
    account = make_account(number, evaluation_size_usd=50_000)
    give_limits(account, **columns)
    return account


def planned(*account_ids: int, level: str = "", per_target: dict[int, State] | None = None, **parameters: Any) -> Plan:
    common = {**({"level": level} if level else {}), **parameters}
    return plan(FIRM, environment=Environment.DEMO, target_ids=account_ids, parameters=common, per_target=per_target)


def warnings_of(**parameters: Any) -> tuple[str, ...]:
    (row,) = planned(101, **parameters).rows
    assert row.is_sent, row.skip_reason
    return reported(row)


def reported(row: Row) -> tuple[str, ...]:
    """Return the warnings, with a hyphen for the true minus."""
    return tuple(warning.replace(MINUS, "-") for warning in row.warnings)


# --- Before and after -----------------------------------------------------------------------------------------------------


@pytest.mark.django_db
class TestPlan:
    def test_the_whole_record_is_sent_and_only_what_changes_is_shown(self) -> None:
        limited()
        (row,) = planned(101, daily_loss_auto_liq_usd="1200", do_not_unlock=False).rows
        assert row.before == {"level": "firm", **RECORD}
        assert row.after == {"level": "firm", **RECORD, "daily_loss_auto_liq_usd": "1200", "do_not_unlock": False}
        assert row.weight == 200.0
        assert row.before is not None
        assert FIRM.differences(row.before, row.after) == (
            Difference(label="Daily loss: auto-liquidation", before="$1,000.00", after="$1,200.00", direction="looser"),
            Difference(label="Stays locked once a limit has acted", before="Yes", after="No", direction="looser"),
        )
        assert row.warnings == ("Loosens: Daily loss: auto-liquidation; Stays locked once a limit has acted",)

    def test_the_traders_own_limits_are_another_record(self) -> None:
        account = limited()
        give_limits(account, "trader", daily_loss_auto_liq_usd="750")
        (row,) = planned(101, level="trader", daily_loss_auto_liq_usd="500").rows
        assert row.before == {"level": "trader", "daily_loss_auto_liq_usd": "750"}
        assert row.after == {"level": "trader", "daily_loss_auto_liq_usd": "500"}
        assert row.before is not None
        assert [each.label for each in FIRM.differences(row.before, row.after)] == [
            "Daily loss: auto-liquidation (trader's own)"
        ]

    def test_what_an_account_has_of_its_own_wins(self) -> None:
        limited(101)
        limited(102)
        rows = planned(101, 102, per_target={102: {"weekly_loss_auto_liq_usd": "2000"}}, weekly_loss_auto_liq_usd="2200").rows
        assert [(row.after or {})["weekly_loss_auto_liq_usd"] for row in rows] == ["2200", "2000"]

    @pytest.mark.parametrize(
        ("parameters", "reason"),
        [
            ({"daily_loss_auto_liq_usd": "1000"}, "Already so"),
            ({"do_not_unlock": True, "trailing_max_drawdown_mode": "EOD"}, "Already so"),
            ({}, "No limit was filled in"),
            (
                {"level": "trader", "daily_loss_auto_liq_usd": "9"},
                "Its trader's own limits were never read; read the account first",
            ),
        ],
    )
    def test_it_skips(self, parameters: dict[str, Any], reason: str) -> None:
        limited()
        (row,) = planned(101, **parameters).rows
        assert (row.skip_reason, row.after) == (reason, None)

    def test_it_skips_what_was_never_read_and_what_is_gone(self) -> None:
        make_account(101)
        limited(102)
        Account.objects.filter(tradovate_id=102).update(archived=True)
        assert [row.skip_reason for row in planned(101, 102, 999, daily_loss_auto_liq_usd="1").rows] == [
            "Its firm's limits were never read; read the account first",
            "Archived: Tradovate would accept the call and do nothing",
            "Unknown: no such account was read from Tradovate",
        ]

    def test_rows_that_ask_for_another_level_or_for_what_it_lacks_are_skipped(self) -> None:
        give_limits(limited(101), "trader")
        limited(102)
        (other,) = planned(102, per_target={102: {"level": "trader"}}, daily_loss_auto_liq_usd="1").rows
        assert (
            other.skip_reason == "It asks for the other level than the change: ask for those accounts in a change of their own"
        )
        (lacking,) = planned(101, level="trader", per_target={101: {"do_not_unlock": True}}).rows
        assert lacking.skip_reason == "Only the firm's limits have this: Stays locked once a limit has acted"

    @pytest.mark.parametrize(
        "columns", [{"trailing_max_drawdown_mode": "Weekly"}, {"weekly_loss_auto_liq_usd": "12345678901234.56"}]
    )
    def test_odd_values_elsewhere_in_a_record_go_back_as_they_came_and_block_nothing(self, columns: dict[str, Any]) -> None:
        limited(**columns)
        assert planned(101, do_not_unlock=False).rows[0].is_sent

    def test_the_age_is_that_of_the_oldest_of_limits_figures_and_positions(self) -> None:
        now = timezone.now()
        account = limited(fresh_at=now - timedelta(hours=1))
        give_cash(account)
        for hours, rows, column in (
            (1, AutoLiqLimits.objects.all(), "fresh_at"),
            (2, Cash.objects.all(), "fresh_at"),
            (3, RiskStatus.objects.all(), "fresh_at"),
            (4, Account.objects.all(), "positions_read_at"),
        ):
            rows.update(**{column: now - timedelta(hours=hours)})
            assert planned(101, do_not_unlock=False).oldest_read_at == now - timedelta(hours=hours)

    def test_calls_are_by_the_setting(self, settings: Settings) -> None:
        settings.LIMITS_PER_CALL = 2
        for number in range(1, 6):
            limited(number)
        assert planned(*range(1, 6), do_not_unlock=False).calls_needed == 3

    @pytest.mark.parametrize("count", [1, 20])
    def test_it_costs_the_same_few_queries_for_any_number(
        self, django_assert_num_queries: DjangoAssertNumQueries, count: int
    ) -> None:
        for number in range(1, count + 1):
            account = limited(number)
            give_cash(account, today="-1500")
            hold_position(account, 1, number)
        with django_assert_num_queries(5):  # accounts, positions, limits with their figures, what is unreadable, open items
            found = planned(*range(1, count + 1), daily_loss_auto_liq_usd="1200")
        assert len(found.sent) == count


# --- What to know -------------------------------------------------------------------------------------------------------

NOW = "Would auto-liquidate now, on realised figures: "


@pytest.mark.django_db
class TestWarnings:
    def test_a_limit_that_is_reached_now_liquidates(self) -> None:
        account = limited(daily_loss_auto_liq_usd="2000")
        give_cash(account, today="-1200")
        hold_position(account, 2)
        (row,) = planned(101, daily_loss_auto_liq_usd="1000").rows
        assert reported(row) == (
            f"{NOW}-$1,200.00 today, new limit -$1,000.00",
            "1 open position: would be liquidated",
        )
        assert row.weight == 1000
        assert row.effects == TargetEffects(
            direction=EffectDirection.TIGHTER,
            liquidation=Liquidation.NOW,
            open_positions=1,
            money_effect_usd=Decimal(1000),
        )

    @pytest.mark.parametrize(
        ("cash", "parameters", "said"),
        [
            ({"today": "-1000"}, {"daily_loss_auto_liq_usd": "1000"}, ("-$1,000.00 today, new limit -$1,000.00",)),
            ({"week": "-3000"}, {"weekly_loss_auto_liq_usd": "2600"}, ("-$3,000.00 this week, new limit -$2,600.00",)),
            (
                {"today": "-1200"},
                {"daily_loss_auto_liq_pct": "2"},
                ("-$1,200.00 today, new limit -$1,000.00 (2% of $50,000.00 at the start of the day)",),
            ),
            ({"today": "1500"}, {"daily_profit_auto_liq_usd": "1500"}, ("+$1,500.00 today, new limit +$1,500.00",)),
            ({"week": "4000"}, {"weekly_profit_auto_liq_usd": "3500"}, ("+$4,000.00 this week, new limit +$3,500.00",)),
            (
                {"cash": "49000"},
                {"trailing_max_drawdown_usd": "1500"},
                ("$49,000.00 of cash, new floor $49,500.00 ($1,500.00 below the peak of $51,000.00)",),
            ),
            (
                {"cash": "49000"},
                {"trailing_max_drawdown_usd": "1500", "trailing_max_drawdown_limit_usd": "49250"},
                ("$49,000.00 of cash, new floor $49,250.00 (where it stops)",),
            ),
            ({"today": "-999.99"}, {"daily_loss_alert_usd": "700"}, ()),
        ],
    )
    def test_the_arithmetic_is_shown(self, cash: dict[str, str], parameters: dict[str, str], said: tuple[str, ...]) -> None:
        account = limited(daily_loss_auto_liq_usd="5000", daily_loss_liq_only_usd="4000", weekly_loss_auto_liq_usd="9000")
        give_cash(account, **cash)
        RiskStatus.objects.filter(account=account).update(max_net_liq_usd=51_000)
        found = [each for each in warnings_of(**parameters) if each.startswith("Would")]
        assert found == [f"{NOW}{each}" for each in said]

    def test_a_limit_that_stays_and_is_reached_is_shown_unless_it_has_acted(self) -> None:
        account = limited()
        give_cash(account, today="-1200")
        assert warnings_of(weekly_loss_auto_liq_usd="2400") == (f"{NOW}-$1,200.00 today, unchanged limit -$1,000.00",)
        RiskStatus.objects.filter(account=account).update(liquidate_only_at=timezone.now())
        assert warnings_of(weekly_loss_auto_liq_usd="2400") == ()

    def test_closing_only_is_shown(self) -> None:
        give_cash(limited(), today="-850")
        assert warnings_of(daily_loss_liq_only_usd="850") == (
            "Would allow closing orders only now, on realised figures: -$850.00 today, new limit -$850.00",
        )

    @pytest.mark.parametrize(
        ("columns", "parameters", "said"),
        [
            (
                {},
                {"daily_loss_auto_liq_usd": "850"},
                (
                    (
                        "Out of order: Daily loss: closing orders only at $900.00 would not come before "
                        "Daily loss: auto-liquidation at $850.00"
                    ),
                ),
            ),
            ({"daily_loss_liq_only_usd": "1100"}, {"weekly_loss_auto_liq_usd": "2400"}, ()),  # not this change's doing
            (
                {"trailing_max_drawdown_usd": None, "trailing_max_drawdown_mode": ""},
                {"trailing_max_drawdown_limit_usd": "50200"},
                ("A trailing drawdown needs its amount: without one, where its floor stops and what it follows mean nothing",),
            ),
            (
                {"trailing_max_drawdown_mode": ""},
                {"trailing_max_drawdown_usd": "2400"},
                ("The trailing drawdown doesn't say what it follows, the end of each day or every moment",),
            ),
            ({}, {"stepped_unlimited": True}, ("An unlimited stepped cool-down has no steps",)),
            (
                {},
                {"daily_loss_auto_liq_usd": "15000"},
                (
                    "Loosens: Daily loss: auto-liquidation",
                    "Unusual for its size: Daily loss: auto-liquidation at $15,000.00 is 30% of $50,000.00 (usual: 1 to 6%)",
                ),
            ),
            (
                {},
                {"daily_loss_auto_liq_usd": "3001"},
                (
                    "Loosens: Daily loss: auto-liquidation",
                    "Unusual for its size: Daily loss: auto-liquidation at $3,001.00 is 6.002% of $50,000.00 (usual: 1 to 6%)",
                ),
            ),
            (
                {"changes_locked": True},
                {"weekly_loss_auto_liq_usd": "2400"},
                ("Locked against changes: Tradovate may refuse this until the session ends",),
            ),
            (
                {
                    "flatten_at": datetime(2026, 11, 20, 21, 0, tzinfo=UTC),
                    "fresh_at": datetime(2026, 11, 20, 22, 0, tzinfo=UTC),
                },
                {"weekly_loss_auto_liq_usd": "2400"},
                ("Flatten time has passed: 2026-11-20 15:00:00, sent again as it stands",),
            ),
        ],
    )
    def test_suspicious_values_are_shown(
        self, columns: dict[str, Any], parameters: dict[str, Any], said: tuple[str, ...]
    ) -> None:
        limited(**columns)
        assert warnings_of(**parameters) == said

    def test_a_drawdown_that_may_be_lost_in_one_step(self) -> None:
        limited()
        assert warnings_of(trailing_max_drawdown_limit_usd="2000") == (
            "Loosens: Trailing drawdown: highest floor",
            "The floor stops at $2,000.00, a balance, which is no more than the drawdown itself",
            "Unusual for its size: Trailing drawdown: highest floor at $2,000.00 is 4% of $50,000.00 (usual: 95 to 115%)",
        )

    @pytest.mark.parametrize(
        ("name", "value", "said"),
        [
            (
                "daily_loss_auto_liq_pct",
                "0.02",
                ("Daily loss in percent: auto-liquidation at 0.02% of $156,853.00 is $31.37 (usual: 1 to 6%; 2% is written 2)"),
            ),
            (
                "daily_loss_auto_liq_pct",
                "0.8",
                "Daily loss in percent: auto-liquidation at 0.8% of $156,853.00 is $1,254.82 (usual: 1 to 6%)",
            ),
            (
                "daily_loss_alert_pct",
                "40",
                "Daily loss in percent: alert at 40% of $156,853.00 is $62,741.20 (usual: 0.5 to 6%)",
            ),
            (
                "margin_alert_pct",
                "0.8",
                "Margin in use: alert at 0.8% (usual: 25 to 100%; 80% is written 80)",
            ),
        ],
    )
    def test_a_percentage_that_looks_like_a_slip_is_shown_in_dollars(self, name: str, value: str, said: str) -> None:
        give_cash(limited(), cash="156853", start="156853")
        assert [warning for warning in warnings_of(**{name: value}) if warning.startswith("Unusual")] == [
            f"Unusual for its size: {said}"
        ]

    @pytest.mark.parametrize(
        ("name", "value"),
        [("daily_loss_auto_liq_pct", "2"), ("daily_loss_alert_pct", "0.8"), ("margin_auto_liq_pct", "100")],
    )
    def test_a_usual_percentage_is_none(self, name: str, value: str) -> None:
        give_cash(limited(), cash="156853", start="156853")
        assert [warning for warning in warnings_of(**{name: value}) if warning.startswith("Unusual")] == []

    def test_without_a_balance_at_the_start_of_the_day_it_is_of_the_evaluation_size(self) -> None:
        limited()
        assert [warning for warning in warnings_of(daily_loss_auto_liq_pct="0.02") if warning.startswith("Unusual")] == [
            (
                "Unusual for its size: Daily loss in percent: auto-liquidation at 0.02% of $50,000.00 is $10.00 "
                "(usual: 1 to 6%; 2% is written 2)"
            )
        ]

    def test_where_no_size_is_known_the_percentage_alone_is_shown(self) -> None:
        give_limits(make_account(101))
        assert [warning for warning in warnings_of(daily_loss_auto_liq_pct="0.02") if warning.startswith("Unusual")] == [
            "Unusual for its size: Daily loss in percent: auto-liquidation at 0.02% (usual: 1 to 6%; 2% is written 2)"
        ]

    def test_open_positions_are_shown(self) -> None:
        account = limited()
        for number, net_pos in enumerate((1, 0, -2)):
            hold_position(account, net_pos, number)
        assert warnings_of(weekly_loss_auto_liq_usd="2400") == ("2 open positions: judged by the new limits from then on",)


# --- Caps ---------------------------------------------------------------------------------------------------------------


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("cap", "size", "reason"),
    [
        (
            {"max": Decimal(1100)},
            50_000,
            "Beyond the firm's cap: Daily loss: auto-liquidation at $1,200.00, and the most that may be set is $1,100.00",
        ),
        (
            {"max": Decimal(9000), "max_pct_of_size": Decimal(2)},
            50_000,
            (
                "Beyond the firm's cap: Daily loss: auto-liquidation at $1,200.00, and the most that may be set is "
                "$1,000.00 (2% of $50,000.00)"
            ),
        ),
        (
            {"max_pct_of_size": Decimal(2)},
            None,
            "The firm's cap can't be judged: Daily loss: auto-liquidation may be 2% of the evaluation size, which isn't known",
        ),
        ({"max": Decimal(1200), "max_pct_of_size": Decimal("2.4")}, 50_000, ""),
    ],
)
def test_no_one_exceeds_the_firms_caps(settings: Settings, cap: dict[str, Decimal], size: int | None, reason: str) -> None:
    settings.LIMIT_CAPS = {"daily_loss_auto_liq_usd": cap}
    limited()
    Account.objects.update(evaluation_size_usd=size)
    (row,) = planned(101, daily_loss_auto_liq_usd="1200").rows
    assert (row.skip_reason, row.is_sent) == (reason, not reason)
    # What is not altered is not held against a cap: tightening something else stays possible.
    assert planned(101, weekly_loss_auto_liq_usd="2000").rows[0].is_sent


@pytest.mark.parametrize(
    "caps",
    [
        {"daily_loss_usd": {"max": Decimal(1)}},
        {"do_not_unlock": {"max": Decimal(1)}},
        {"margin_auto_liq_pct": {"max_pct_of_size": Decimal(1)}},
    ],
)
def test_a_cap_that_limits_no_one_stops_the_start(caps: dict[str, dict[str, Decimal]]) -> None:
    with pytest.raises(ImproperlyConfigured, match=next(iter(caps))):
        check_caps(caps)


# --- Policy -------------------------------------------------------------------------------------------------------------


@pytest.mark.django_db
@pytest.mark.parametrize(("accounts", "decisions"), [(1, 1), (300, 1), (301, 2)])
def test_more_than_300_accounts_take_two_supervisors(accounts: int, decisions: int) -> None:
    assert wanted("auto_liq_limits", items=accounts).who == f"{decisions} supervisor{'s' if decisions > 1 else ''}"
