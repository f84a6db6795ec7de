"""Effects of new limits on an account: whom they would liquidate now, what they loosen, what looks like a mistake. Pure.

Everything is shown with its arithmetic, on realised figures: the mirror has no open profit.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final

from accounts.changes.kinds.effects import EffectDirection, Liquidation, TargetEffects
from accounts.changes.kinds.limit_fields import LIMIT_FIELDS, LimitField, Record, Sort, direction, in_words, out_of_order
from accounts.changes.kinds.limit_mirror import LevelLimits
from accounts.models import Account
from accounts.models.limit_distances import Distance, Figures, distance_to, is_known_mode, trailing_distance
from riskadmin.web.formats import money, number, percent, percent_outside

Changed = Mapping[str, LimitField]
"""The fields whose value differs, by name."""

SLIP_PCT: Final = 1000
"""The percentage from which a share can only be a mistake, so that its cents do not matter."""

_LIQUIDATING: Final = (
    "daily_loss_auto_liq_usd",
    "daily_loss_auto_liq_pct",
    "weekly_loss_auto_liq_usd",
    "daily_profit_auto_liq_usd",
    "weekly_profit_auto_liq_usd",
)
_RESTRICTING: Final = ("daily_loss_liq_only_usd", "daily_loss_liq_only_pct")
_MARGIN: Final = "margin_auto_liq_pct"
_TRAILING: Final = ("trailing_max_drawdown_usd", "trailing_max_drawdown_limit_usd", "trailing_max_drawdown_mode")

# In percent of the evaluation size. Programs commonly end a day at 2 to 5 %, a week at 5 to 10 %, and trail by 3 to 6 %.
_USUAL: Final[dict[str, tuple[Decimal, Decimal]]] = {
    name: (Decimal(low), Decimal(high))
    for name, low, high in (
        ("daily_loss_alert_usd", "0.5", "6"),
        ("daily_loss_liq_only_usd", "0.5", "6"),
        ("daily_loss_auto_liq_usd", "1", "6"),
        ("weekly_loss_auto_liq_usd", "2", "12"),
        ("trailing_max_drawdown_usd", "2", "12"),
        ("trailing_max_drawdown_limit_usd", "95", "115"),
        ("daily_profit_auto_liq_usd", "0.5", "25"),
        ("weekly_profit_auto_liq_usd", "1", "50"),
    )
}


# The same for percentages of the balance at the start of the day; and of the margin in use, for which low values are unusual.
_USUAL_PCT: Final[dict[str, tuple[Decimal, Decimal]]] = {
    "daily_loss_alert_pct": _USUAL["daily_loss_alert_usd"],
    "daily_loss_liq_only_pct": _USUAL["daily_loss_liq_only_usd"],
    "daily_loss_auto_liq_pct": _USUAL["daily_loss_auto_liq_usd"],
    "margin_alert_pct": (Decimal(25), Decimal(100)),
    "margin_liq_only_pct": (Decimal(25), Decimal(100)),
    "margin_auto_liq_pct": (Decimal(25), Decimal(100)),
}


@dataclass(frozen=True, kw_only=True)
class Effects:
    """The effects of one account's new limits, and what to know about them."""

    target: TargetEffects
    warnings: tuple[str, ...]

    @property
    def weight(self) -> float:
        """The largest amount that changes, in dollars."""
        return float(self.target.money_effect_usd or 0)


def effects_of(account: Account, limits: LevelLimits, *, after: Record, changed: Changed) -> Effects:
    """Return the effects of replacing one level's record by `after`, in which the fields `changed` differ."""
    before, figures = limits.record, limits.figures
    liquidating = list(_reached_now(limits, after, changed))
    warnings = [
        *liquidating,
        *_restricted_now(figures, after, changed),
        *_positions(limits.open_positions, will_close=bool(liquidating)),
        *_loosened(before, after, changed),
        *_ill_matched(after, changed),
        *_unusual(account, after, changed),
        *_unusual_percentages(account, figures, after, changed),
        *_in_the_way(limits, after, changed),
    ]
    directions = (direction(field, before.get(name), after.get(name)) for name, field in changed.items())
    moved = (_money_moved(before, after, field) for field in changed.values() if field.sort is Sort.USD)
    target = TargetEffects(
        direction=EffectDirection.of(directions),
        liquidation=Liquidation.NOW if liquidating else _unforeseeable(limits, after, changed),
        open_positions=limits.open_positions or (None if limits.read_at is None else 0),
        money_effect_usd=max(moved, default=None),
    )
    return Effects(target=target, warnings=tuple(warnings))


# --- Immediate liquidations -----------------------------------------------------------------------------------------------


def _reached_now(limits: LevelLimits, after: Record, changed: Changed) -> Iterator[str]:
    figures = limits.figures
    for name in _LIQUIDATING:
        # An account that a limit has already stopped is not stopped again by an unmodified limit.
        if name in after and (name in changed or not limits.is_stopped):
            distance = distance_to(name, Decimal(after[name]), figures)
            if distance and distance.is_reached:
                yield f"Would auto-liquidate now, on realised figures: {_sum(name, distance, figures, after, changed)}"
    drawdown = after.get("trailing_max_drawdown_usd")
    is_new = _touches(changed, _TRAILING)
    if drawdown is None or (limits.is_stopped and not is_new):
        return
    if not is_known_mode(after.get("trailing_max_drawdown_mode")):
        return
    stops_at = after.get("trailing_max_drawdown_limit_usd")
    floor = trailing_distance(Decimal(drawdown), None if stops_at is None else Decimal(stops_at), figures)
    if floor and floor.is_reached and figures.peak_usd is not None:
        is_capped = floor.at_usd != figures.peak_usd - floor.room_usd
        where = "where it stops" if is_capped else f"{money(floor.room_usd)} below the peak of {money(figures.peak_usd)}"
        yield (
            f"Would auto-liquidate now, on realised figures: {money(floor.now_usd)} of cash, "
            f"{'new' if is_new else 'unchanged'} floor {money(floor.at_usd)} ({where})"
        )


def _unforeseeable(limits: LevelLimits, after: Record, changed: Changed) -> Liquidation:
    """Say whether a tightened limit may liquidate although no figure here shows it.

    It may if its figure was not read, or, like the margin in use, is never read; not without positions.
    """
    if limits.open_positions == 0 and limits.read_at is not None:
        return Liquidation.NO
    tighter = {
        name for name, field in changed.items() if direction(field, limits.record.get(name), after.get(name)) == "tighter"
    }
    is_hidden = _MARGIN in tighter or any(
        distance_to(name, Decimal(after[name]), limits.figures) is None for name in _LIQUIDATING if name in tighter
    )
    drawdown = after.get("trailing_max_drawdown_usd")
    if tighter & set(_TRAILING) and drawdown is not None:
        is_hidden |= not is_known_mode(after.get("trailing_max_drawdown_mode"))
        is_hidden |= trailing_distance(Decimal(drawdown), None, limits.figures) is None
    return Liquidation.POSSIBLE if is_hidden else Liquidation.NO


def _restricted_now(figures: Figures, after: Record, changed: Changed) -> Iterator[str]:
    for name in _RESTRICTING:
        if name in changed:
            distance = distance_to(name, Decimal(after[name]), figures)
            if distance and distance.is_reached:
                amounts = _sum(name, distance, figures, after, changed)
                yield f"Would allow closing orders only now, on realised figures: {amounts}"


def _sum(name: str, distance: Distance, figures: Figures, after: Record, changed: Changed) -> str:
    """Return the two amounts that were compared, as in "-$1,200.00 today, new limit -$1,000.00"."""
    when = "this week" if name.startswith("weekly") else "today"
    which = "new" if name in changed else "unchanged"
    said = f"{money(distance.now_usd, always_signed=True)} {when}, {which} limit {money(distance.at_usd, always_signed=True)}"
    if LIMIT_FIELDS[name].sort is Sort.PCT and figures.start_of_day_usd is not None:
        said += f" ({percent(Decimal(after[name]))} of {money(figures.start_of_day_usd)} at the start of the day)"
    return said


def _positions(held: int, *, will_close: bool) -> Iterator[str]:
    if held:
        what = "would be liquidated" if will_close else "judged by the new limits from then on"
        yield f"{held} open position{'' if held == 1 else 's'}: {what}"


# --- Likely mistakes ------------------------------------------------------------------------------------------------------


def _loosened(before: Record, after: Record, changed: Changed) -> Iterator[str]:
    looser = [field.label for name, field in changed.items() if direction(field, before.get(name), after.get(name)) == "looser"]
    if looser:
        yield f"Loosens: {'; '.join(looser)}"


def _ill_matched(after: Record, changed: Changed) -> Iterator[str]:
    for milder, harsher in out_of_order(after, changed):
        yield (
            f"Out of order: {milder.label} at {in_words(milder, after[milder.name])} "
            f"would not come before {harsher.label} at {in_words(harsher, after[harsher.name])}"
        )
    if _touches(changed, _TRAILING):
        drawdown, stops_at, mode = (after.get(name) for name in _TRAILING)
        if drawdown is None:
            yield "A trailing drawdown needs its amount: without one, where its floor stops and what it follows mean nothing"
        elif mode is None:
            yield "The trailing drawdown doesn't say what it follows, the end of each day or every moment"
        if stops_at is not None and drawdown is not None and Decimal(stops_at) <= Decimal(drawdown):
            yield f"The floor stops at {money(Decimal(stops_at))}, a balance, which is no more than the drawdown itself"
    if after.get("stepped_unlimited") and not after.get("stepped_cooldown") and "stepped_unlimited" in changed:
        yield "An unlimited stepped cool-down has no steps"


def _unusual(account: Account, after: Record, changed: Changed) -> Iterator[str]:
    size = account.evaluation_size_usd
    if not size or size <= 0:
        return
    for name, (low, high) in _USUAL.items():
        if name in changed:
            value = Decimal(after[name])
            share = value / size * 100
            if not low <= share <= high:
                shown = percent_outside(share, low, high, places=2 if share < SLIP_PCT else 0)
                yield (
                    f"Unusual for its size: {LIMIT_FIELDS[name].label} at {money(value)} is {shown} "
                    f"of {money(size)} (usual: {number(low)} to {percent(high)})"
                )


def _unusual_percentages(account: Account, figures: Figures, after: Record, changed: Changed) -> Iterator[str]:
    base = figures.start_of_day_usd or account.evaluation_size_usd
    for name, (low, high) in _USUAL_PCT.items():
        if name not in changed:
            continue
        value = Decimal(after[name])
        if low <= value <= high:
            continue
        said = f"{LIMIT_FIELDS[name].label} at {percent(value)}"
        if name.startswith("daily_loss") and base and base > 0:
            said += f" of {money(base)} is {money(value * base / 100)}"
        usual = f"usual: {number(low)} to {percent(high)}"
        if low <= value * 100 <= high:  # a spreadsheet stores 2% as 0.02
            usual += f"; {percent(value * 100)} is written {number(value * 100)}"
        yield f"Unusual for its size: {said} ({usual})"


def _in_the_way(limits: LevelLimits, after: Record, changed: Changed) -> Iterator[str]:
    if limits.record.get("changes_locked"):
        yield "Locked against changes: Tradovate may refuse this until the session ends"
    flatten_at = after.get("flatten_at")
    if flatten_at is not None and limits.read_at and datetime.fromisoformat(flatten_at) <= limits.read_at:
        what = "what Tradovate does then is not known" if "flatten_at" in changed else "sent again as it stands"
        yield f"Flatten time has passed: {in_words(LIMIT_FIELDS['flatten_at'], flatten_at)}, {what}"


def _money_moved(before: Record, after: Record, field: LimitField) -> Decimal:
    return abs(Decimal(after[field.name]) - Decimal(before.get(field.name, 0)))


def _touches(changed: Changed, names: tuple[str, ...]) -> bool:
    return any(name in changed for name in names)
