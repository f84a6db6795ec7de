"""The peak (max net liq) that an account's trailing drawdown depends on, and how near its floor a correction brings it."""

from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Final

from django.db.models import Prefetch, QuerySet

from accounts.changes.kinds.effects import Liquidation
from accounts.changes.kinds.units import held
from accounts.models import Account, AutoLiqLimits, LimitLevel
from accounts.models.limit_distances import Distance, figures_of, trailing_drawdown
from riskadmin.web.formats import money, percent_outside

FIRM_LIMITS = "firm_limits"

# Programs commonly end an evaluation some 3 to 10 % below its size, or that much above.
USUAL_PCT: Final = (Decimal(80), Decimal(125))


def with_firm_limits(accounts: QuerySet[Account]) -> QuerySet[Account]:
    """Return the accounts with what the other functions here read."""
    firm = AutoLiqLimits.objects.filter(level=LimitLevel.FIRM)
    return accounts.prefetch_related(Prefetch("limits", queryset=firm, to_attr=FIRM_LIMITS))


def firm_limits_read(account: Account) -> tuple[datetime, ...]:
    """Return when the firm's limits were read, if the account has any."""
    limits: list[AutoLiqLimits] = getattr(account, FIRM_LIMITS)
    return tuple(each.fresh_at for each in limits)


def never_unlocks(account: Account) -> bool:
    """Say whether the firm's limits are set not to unlock the account automatically."""
    limits: list[AutoLiqLimits] = getattr(account, FIRM_LIMITS)
    return any(each.do_not_unlock for each in limits)


def floor_distance(account: Account, *, peak_usd: Decimal | None, cash_usd: Decimal | None) -> Distance | None:
    """Return the distance from the trailing drawdown's floor if peak and cash became these.

    None without a drawdown, or if a figure isn't known. Open profit is never known.
    """
    return trailing_drawdown(_firm(account), replace(figures_of(account), peak_usd=peak_usd, cash_usd=cash_usd))


def floor_liquidation(account: Account, distance: Distance | None) -> Liquidation:
    """Return whether the trailing drawdown would liquidate the account at this distance from its floor."""
    if distance is not None:
        return Liquidation.NOW if distance.is_reached else Liquidation.NO
    firm = _firm(account)
    return Liquidation.POSSIBLE if firm and firm.trailing_max_drawdown_usd is not None else Liquidation.NO


def _firm(account: Account) -> AutoLiqLimits | None:
    limits: list[AutoLiqLimits] = getattr(account, FIRM_LIMITS)
    return limits[0] if limits else None


def floor_warnings(account: Account, *, peak_usd: Decimal | None, cash_usd: Decimal | None) -> tuple[str, ...]:
    """Return what a person should know of the trailing drawdown if peak and cash became these. Open profit is not known."""
    distance = floor_distance(account, peak_usd=peak_usd, cash_usd=cash_usd)
    if distance is None or not (distance.is_reached or distance.is_near):
        return ()
    where = (
        f"cash {money(distance.now_usd)} against a floor of {money(distance.at_usd)} "
        f"(trailing drawdown {money(distance.room_usd)}, max net liq {money(peak_usd or 0)})"
    )
    if distance.is_reached:
        return (f"Would be liquidated at once: {where}",)
    return (f"Only {money(distance.left_usd)} left above its floor: {where}",)


def size_warnings(account: Account, label: str, amount_usd: Decimal) -> tuple[str, ...]:
    """Return the warning that an amount is far from the account's evaluation size: a digit too many, or too few."""
    size = account.evaluation_size_usd
    if not size or size <= 0 or USUAL_PCT[0] <= amount_usd / size * 100 <= USUAL_PCT[1]:
        return ()
    share = percent_outside(amount_usd / size * 100, *USUAL_PCT)
    return (f"Unusual for its size: {label} at {money(amount_usd)} is {share} of {money(size)}",)


def position_warnings(account: Account) -> tuple[str, ...]:
    """Return the warning that figures which a plan depends on move by themselves while positions are open."""
    positions = len(held(account))
    if not positions:
        return ()
    holds = f"{positions:,} open position{'' if positions == 1 else 's'}"
    return (f"{holds}: its figures move by themselves, and once they have moved nothing is sent",)
