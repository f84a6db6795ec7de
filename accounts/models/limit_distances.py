"""An account's auto-liquidation limits in words, both levels side by side, with the account's distance from each.

Distances use realised figures only: Tradovate's cash balance has no open profit, and the page says so. Pure.
"""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from accounts.models import Account, AutoLiqLimits, Cash, LimitLevel, RiskStatus
from accounts.models.auto_liq_fields import AUTO_LIQ_FIELDS, AutoLiqField, Effect, Figure, ValueType
from riskadmin.tradovate.vocabulary import TrailingDrawdownMode


@dataclass(frozen=True, kw_only=True)
class Figures:
    """The figures that limits are compared with; each is None if it isn't known."""

    today_usd: Decimal | None
    week_usd: Decimal | None
    start_of_day_usd: Decimal | None
    cash_usd: Decimal | None
    peak_usd: Decimal | None


@dataclass(frozen=True, kw_only=True)
class Distance:
    """An account's distance from a limit, in dollars: its current figure, the limit, and the room between them.

    `room_usd` is the total room that the limit allows.
    """

    now_usd: Decimal
    at_usd: Decimal
    left_usd: Decimal
    room_usd: Decimal

    @property
    def is_reached(self) -> bool:
        """Whether no room is left."""
        return self.left_usd <= 0

    @property
    def is_near(self) -> bool:
        """Whether less than a fifth of the room that the limit allows is left."""
        return not self.is_reached and self.left_usd * 5 < self.room_usd


@dataclass(frozen=True, kw_only=True)
class LimitLine:
    """One limit at both levels. `distance` is to the nearer of the two; `nearer` says which level that is."""

    effect: Effect
    unit: ValueType
    firm: Decimal | None
    trader: Decimal | None
    distance: Distance | None
    nearer: LimitLevel | None


@dataclass(frozen=True, kw_only=True)
class Group:
    """Limits on the same figure, mildest first; `now_usd` is today's figure, if there is one."""

    label: str
    now_usd: Decimal | None
    lines: tuple[LimitLine, ...]


Measure = Callable[[Decimal, Figures], Distance | None]


def _loss_today(limit: Decimal, figures: Figures) -> Distance | None:
    return _down_to(-limit, figures.today_usd)


def _loss_today_pct(limit: Decimal, figures: Figures) -> Distance | None:
    if figures.start_of_day_usd is None or figures.start_of_day_usd <= 0:
        return None
    return _down_to(-(figures.start_of_day_usd * limit / 100).quantize(Decimal("0.01")), figures.today_usd)


def _loss_this_week(limit: Decimal, figures: Figures) -> Distance | None:
    return _down_to(-limit, figures.week_usd)


def _profit_today(limit: Decimal, figures: Figures) -> Distance | None:
    return _up_to(limit, figures.today_usd)


def _profit_this_week(limit: Decimal, figures: Figures) -> Distance | None:
    return _up_to(limit, figures.week_usd)


def _not_known(limit: Decimal, figures: Figures) -> Distance | None:  # noqa: ARG001  (a Measure)
    """Margin in use is not in the mirror."""
    return None


def _down_to(at: Decimal, now: Decimal | None) -> Distance | None:
    return None if now is None else Distance(now_usd=now, at_usd=at, left_usd=now - at, room_usd=abs(at))


def _up_to(at: Decimal, now: Decimal | None) -> Distance | None:
    return None if now is None else Distance(now_usd=now, at_usd=at, left_usd=at - now, room_usd=abs(at))


_MEASURES: Final[dict[tuple[Figure, ValueType], Measure]] = {
    (Figure.DAILY_LOSS, ValueType.USD): _loss_today,
    (Figure.DAILY_LOSS, ValueType.PCT): _loss_today_pct,
    (Figure.WEEKLY_LOSS, ValueType.USD): _loss_this_week,
    (Figure.DAILY_PROFIT, ValueType.USD): _profit_today,
    (Figure.WEEKLY_PROFIT, ValueType.USD): _profit_this_week,
    (Figure.MARGIN, ValueType.PCT): _not_known,
}


def figures_of(account: Account) -> Figures:
    """Return the figures that an account's limits are compared with. Reads `cash` and `risk_status`: select them with it."""
    cash: Cash | None = getattr(account, "cash", None)
    status: RiskStatus | None = getattr(account, "risk_status", None)
    return Figures(
        today_usd=cash.realized_pnl_usd if cash else None,
        week_usd=cash.week_realized_pnl_usd if cash else None,
        start_of_day_usd=cash.amount_sod_usd if cash else None,
        cash_usd=cash.amount_usd if cash else None,
        peak_usd=status.max_net_liq_usd if status else None,
    )


def limit_groups(firm: AutoLiqLimits | None, trader: AutoLiqLimits | None, figures: Figures) -> list[Group]:
    """Return the limits that at least one level sets, in order; a group without any is left out."""
    now = {
        Figure.DAILY_LOSS: figures.today_usd,
        Figure.DAILY_PROFIT: figures.today_usd,
        Figure.WEEKLY_LOSS: figures.week_usd,
        Figure.WEEKLY_PROFIT: figures.week_usd,
    }
    groups = [
        Group(label=figure.label, now_usd=now.get(figure), lines=_lines(figure, firm, trader, figures)) for figure in Figure
    ]
    return [group for group in groups if group.lines]


def distance_to(field: AutoLiqField, limit: Decimal, figures: Figures) -> Distance | None:
    """Return an account's distance from a limit; None if it can't be known, or if the field is not a limit on a figure."""
    return _MEASURES[field.figure, field.value_type](limit, figures) if field.figure else None


def trailing_drawdown(firm: AutoLiqLimits | None, figures: Figures) -> Distance | None:
    """Return how far the cash is above the trailing floor; None if there is no such limit or its peak isn't known.

    Also None if its mode is not documented by Tradovate: then it is not known what the floor trails.
    """
    if firm is None or firm.trailing_max_drawdown_usd is None:
        return None
    if not is_known_mode(firm.trailing_max_drawdown_mode):
        return None
    return trailing_distance(firm.trailing_max_drawdown_usd, firm.trailing_max_drawdown_limit_usd, figures)


def is_known_mode(mode: str | None) -> bool:
    """Say whether Tradovate documents this mode of a trailing drawdown; no mode counts as documented."""
    return not mode or mode in set(TrailingDrawdownMode)


def trailing_distance(drawdown_usd: Decimal, stops_at_usd: Decimal | None, figures: Figures) -> Distance | None:
    """Return how far the cash is above the floor of a trailing drawdown; None if the figures aren't known.

    The floor trails the highest net liquidation by `trailing_max_drawdown_usd` and never rises above
    `trailing_max_drawdown_limit_usd` (post-trade risk page).
    """
    if figures.peak_usd is None or figures.cash_usd is None:
        return None
    floor = figures.peak_usd - drawdown_usd
    if stops_at_usd is not None:
        floor = min(floor, stops_at_usd)
    return Distance(now_usd=figures.cash_usd, at_usd=floor, left_usd=figures.cash_usd - floor, room_usd=drawdown_usd)


def _lines(figure: Figure, firm: AutoLiqLimits | None, trader: AutoLiqLimits | None, figures: Figures) -> tuple[LimitLine, ...]:
    found = []
    for field in AUTO_LIQ_FIELDS.values():
        if field.figure is not figure or field.effect is None:
            continue
        values: dict[LimitLevel, Decimal | None] = {
            LimitLevel.FIRM: getattr(firm, field.name, None),
            LimitLevel.TRADER: getattr(trader, field.name, None),
        }
        given = {level: value for level, value in values.items() if value is not None}
        if not given:
            continue
        # Every limit is a size: the smaller one is reached first. On a tie it is the firm's.
        nearer = min(given, key=lambda level: (given[level], level != LimitLevel.FIRM))
        found.append(
            LimitLine(
                effect=field.effect,
                unit=field.value_type,
                firm=values[LimitLevel.FIRM],
                trader=values[LimitLevel.TRADER],
                distance=distance_to(field, given[nearer], figures),
                nearer=nearer if len(given) > 1 else None,
            )
        )
    return tuple(found)
