"""Limits in words: which of both levels is met first, and how far that is, in exact dollars."""

from decimal import Decimal
from typing import Any

import pytest

from accounts.models import AutoLiqLimits, LimitLevel
from accounts.models.auto_liq_fields import ValueType
from accounts.models.limit_distances import Distance, Figures, LimitLine, limit_groups, trailing_drawdown


def figures(**given: str) -> Figures:
    known = {"today_usd": "-1200", "week_usd": "-2000", "start_of_day_usd": "50000", "cash_usd": "48800", "peak_usd": "51000"}
    return Figures(**{name: Decimal(value) if value else None for name, value in (known | given).items()})


def limits(level: LimitLevel = LimitLevel.FIRM, **fields: Any) -> AutoLiqLimits:
    values = {name: Decimal(value) for name, value in fields.items()}
    return AutoLiqLimits(level=level, **values)


def only_line(firm: AutoLiqLimits | None, trader: AutoLiqLimits | None = None, **given: Any) -> LimitLine:
    (group,) = limit_groups(firm, trader, figures(**given))
    (line,) = group.lines
    return line


def left(line: LimitLine) -> Decimal:
    assert line.distance is not None
    return line.distance.left_usd


@pytest.mark.parametrize(
    ("field", "value", "at", "expected"),
    [
        ("daily_loss_auto_liq_usd", "1500", "-1500", "300"),
        ("daily_loss_auto_liq_usd", "1200", "-1200", "0"),
        ("daily_loss_alert_usd", "1000", "-1000", "-200"),
        ("daily_loss_auto_liq_pct", "3", "-1500", "300"),
        ("weekly_loss_auto_liq_usd", "5000", "-5000", "3000"),
        ("daily_profit_auto_liq_usd", "2000", "2000", "3200"),
        ("weekly_profit_auto_liq_usd", "2000", "2000", "4000"),
    ],
)
def test_the_distance_to_each_limit(field: str, value: str, at: str, expected: str) -> None:
    line = only_line(limits(LimitLevel.FIRM, **{field: value}))

    assert line.distance is not None
    assert line.distance.at_usd == Decimal(at)
    assert line.distance.left_usd == Decimal(expected)
    assert line.distance.is_reached == (Decimal(expected) <= 0)


@pytest.mark.parametrize(("room", "is_near"), [("1500", False), ("1499", True), ("1201", True), ("1200", False)])
def test_near_is_less_than_a_fifth_left(room: str, *, is_near: bool) -> None:
    line = only_line(limits(daily_loss_auto_liq_usd=room))

    assert line.distance is not None
    assert line.distance.is_near == is_near


def test_the_smaller_of_both_levels_is_met_first_and_named() -> None:
    firm, trader = limits(daily_loss_auto_liq_usd="2000"), limits(LimitLevel.TRADER, daily_loss_auto_liq_usd="1500")

    line = only_line(firm, trader)

    assert (line.firm, line.trader, line.nearer) == (Decimal(2000), Decimal(1500), LimitLevel.TRADER)
    assert left(line) == Decimal(300)
    assert only_line(trader, firm).nearer == LimitLevel.FIRM
    assert only_line(trader, trader).nearer == LimitLevel.FIRM


def test_a_limit_of_one_level_only_names_no_nearer_one() -> None:
    line = only_line(None, limits(LimitLevel.TRADER, daily_loss_auto_liq_usd="1500"))

    assert (line.firm, line.nearer) == (None, None)
    assert left(line) == Decimal(300)


def test_a_limit_of_zero_is_a_limit() -> None:
    line = only_line(limits(daily_loss_auto_liq_usd="0"))

    assert line.firm == 0
    assert line.distance is not None
    assert line.distance.is_reached


@pytest.mark.parametrize(
    ("field", "unknown"),
    [
        ("daily_loss_auto_liq_usd", "today_usd"),
        ("daily_loss_auto_liq_pct", "start_of_day_usd"),
        ("weekly_loss_auto_liq_usd", "week_usd"),
    ],
)
def test_without_the_figure_there_is_no_distance(field: str, unknown: str) -> None:
    assert only_line(limits(LimitLevel.FIRM, **{field: "3"}), None, **{unknown: ""}).distance is None


def test_a_share_of_an_empty_start_of_day_is_no_distance() -> None:
    assert only_line(limits(daily_loss_auto_liq_pct="3"), start_of_day_usd="0").distance is None


def test_margin_has_no_distance_and_is_in_per_cent() -> None:
    line = only_line(limits(margin_auto_liq_pct="90"))

    assert (line.unit, line.distance) == (ValueType.PCT, None)


def test_unset_limits_are_left_out_whole_groups_included() -> None:
    assert limit_groups(None, None, figures()) == []
    assert limit_groups(limits(), limits(LimitLevel.TRADER), figures()) == []
    groups = limit_groups(limits(weekly_loss_auto_liq_usd="1"), limits(daily_loss_alert_usd="1"), figures())
    assert [group.label for group in groups] == ["Daily loss", "Weekly loss"]
    assert [group.now_usd for group in groups] == [Decimal(-1200), Decimal(-2000)]


@pytest.mark.parametrize(
    ("limit", "floor", "expected"),
    [("", "48500", "300"), ("48000", "48000", "800"), ("49000", "48500", "300")],
    ids=["trailing", "at its highest", "below its highest"],
)
def test_the_drawdown_floor_trails_the_peak_up_to_its_limit(limit: str, floor: str, expected: str) -> None:
    given = {"trailing_max_drawdown_usd": "2500"} | ({"trailing_max_drawdown_limit_usd": limit} if limit else {})

    distance = trailing_drawdown(limits(LimitLevel.FIRM, **given), figures())

    assert distance == Distance(
        now_usd=Decimal(48800), at_usd=Decimal(floor), left_usd=Decimal(expected), room_usd=Decimal(2500)
    )


def test_what_a_drawdown_of_an_undocumented_mode_trails_is_unknown() -> None:
    firm = limits(trailing_max_drawdown_usd="2500")
    firm.trailing_max_drawdown_mode = "EOD"
    assert trailing_drawdown(firm, figures()) is not None
    firm.trailing_max_drawdown_mode = "Weekly"
    assert trailing_drawdown(firm, figures()) is None


@pytest.mark.parametrize("unknown", ["peak_usd", "cash_usd"])
def test_without_peak_or_cash_the_drawdown_is_unknown(unknown: str) -> None:
    assert trailing_drawdown(limits(trailing_max_drawdown_usd="2500"), figures(**{unknown: ""})) is None
    assert trailing_drawdown(limits(), figures()) is None
    assert trailing_drawdown(None, figures()) is None
