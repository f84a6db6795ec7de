"""Effects of new limits on an account: whom they would liquidate now, what they loosen, what looks like a mistake. Pure.

Everything is shown with its arithmetic, on realised figures: the mirror has no open profit.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final

from accounts.changes.kinds.effects import EffectDirection, Liquidation, TargetEffects
from accounts.changes.kinds.limit_fields import Record, direction, in_words, out_of_order
from accounts.changes.kinds.limit_mirror import LevelLimits
from accounts.models import Account
from accounts.models.auto_liq_fields import AUTO_LIQ_FIELDS, AutoLiqField, Effect, FieldGroup, Figure, ValueType
from accounts.models.limit_distances import Distance, Figures, distance_to, is_known_mode, trailing_distance
from riskadmin.web.formats import money, number, percent, percent_outside

Changed = Mapping[str, AutoLiqField]
"""The fields whose value differs, by name."""

SLIP_PCT: Final = 1000
"""The percentage from which a share can only be a mistake, so that its cents do not matter."""

_LIQUIDATING: Final = tuple(field for field in AUTO_LIQ_FIELDS.values() if field.effect is Effect.AUTO_LIQ)
_RESTRICTING: Final = tuple(field for field in AUTO_LIQ_FIELDS.values() if field.effect is Effect.LIQ_ONLY)
_TRAILING: Final = frozenset(field.name for field in AUTO_LIQ_FIELDS.values() if field.group is FieldGroup.TRAILING)


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
        *_unusual(account, figures, after, changed),
        *_in_the_way(limits, after, changed),
    ]
    directions = (direction(field, before.get(name), after.get(name)) for name, field in changed.items())
    moved = (_money_moved(before, after, field) for field in changed.values() if field.value_type is ValueType.USD)
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
    for field in _LIQUIDATING:
        # An account that a limit has already stopped is not stopped again by an unmodified limit.
        if field.name in after and (field.name in changed or not limits.is_stopped):
            distance = distance_to(field, Decimal(after[field.name]), figures)
            if distance and distance.is_reached:
                yield f"Would auto-liquidate now, on realised figures: {_sum(field, distance, figures, after, changed)}"
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
    is_hidden = any(
        distance_to(field, Decimal(after[field.name]), limits.figures) is None
        for field in _LIQUIDATING
        if field.name in tighter
    )
    drawdown = after.get("trailing_max_drawdown_usd")
    if tighter & _TRAILING and drawdown is not None:
        is_hidden |= not is_known_mode(after.get("trailing_max_drawdown_mode"))
        is_hidden |= trailing_distance(Decimal(drawdown), None, limits.figures) is None
    return Liquidation.POSSIBLE if is_hidden else Liquidation.NO


def _restricted_now(figures: Figures, after: Record, changed: Changed) -> Iterator[str]:
    for field in _RESTRICTING:
        if field.name in changed:
            distance = distance_to(field, Decimal(after[field.name]), figures)
            if distance and distance.is_reached:
                amounts = _sum(field, distance, figures, after, changed)
                yield f"Would allow closing orders only now, on realised figures: {amounts}"


def _sum(field: AutoLiqField, distance: Distance, figures: Figures, after: Record, changed: Changed) -> str:
    """Return the two amounts that were compared, as in "-$1,200.00 today, new limit -$1,000.00"."""
    when = field.figure.when if field.figure else ""
    which = "new" if field.name in changed else "unchanged"
    said = f"{money(distance.now_usd, always_signed=True)} {when}, {which} limit {money(distance.at_usd, always_signed=True)}"
    if field.value_type is ValueType.PCT and figures.start_of_day_usd is not None:
        said += f" ({percent(Decimal(after[field.name]))} of {money(figures.start_of_day_usd)} at the start of the day)"
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
        drawdown, stops_at = after.get("trailing_max_drawdown_usd"), after.get("trailing_max_drawdown_limit_usd")
        if drawdown is None:
            yield "A trailing drawdown needs its amount: without one, where its floor stops and what it follows mean nothing"
        elif after.get("trailing_max_drawdown_mode") is None:
            yield "The trailing drawdown doesn't say what it follows, the end of each day or every moment"
        if stops_at is not None and drawdown is not None and Decimal(stops_at) <= Decimal(drawdown):
            yield f"The floor stops at {money(Decimal(stops_at))}, a balance, which is no more than the drawdown itself"
    if after.get("stepped_unlimited") and not after.get("stepped_cooldown") and "stepped_unlimited" in changed:
        yield "An unlimited stepped cool-down has no steps"


def _unusual(account: Account, figures: Figures, after: Record, changed: Changed) -> Iterator[str]:
    size = account.evaluation_size_usd
    base = figures.start_of_day_usd or size
    for field in AUTO_LIQ_FIELDS.values():
        if field.usual is None or field.name not in changed:
            continue
        value = Decimal(after[field.name])
        if field.value_type is ValueType.PCT:
            yield from _unusual_percentage(field, value, field.usual, base if field.figure is Figure.DAILY_LOSS else None)
        elif size and size > 0:
            yield from _unusual_amount(field, value, field.usual, size)


def _unusual_amount(field: AutoLiqField, value: Decimal, usual: tuple[Decimal, Decimal], size: Decimal) -> Iterator[str]:
    low, high = usual
    share = value / size * 100
    if not low <= share <= high:
        shown = percent_outside(share, low, high, places=2 if share < SLIP_PCT else 0)
        yield (
            f"Unusual for its size: {field.label} at {money(value)} is {shown} "
            f"of {money(size)} (usual: {number(low)} to {percent(high)})"
        )


def _unusual_percentage(
    field: AutoLiqField, value: Decimal, usual: tuple[Decimal, Decimal], base: Decimal | None
) -> Iterator[str]:
    """Yield what is unusual about a percentage of `base`, if that is known in dollars."""
    low, high = usual
    if low <= value <= high:
        return
    said = f"{field.label} at {percent(value)}"
    if base and base > 0:
        said += f" of {money(base)} is {money(value * base / 100)}"
    words = f"usual: {number(low)} to {percent(high)}"
    if low <= value * 100 <= high:  # a spreadsheet stores 2% as 0.02
        words += f"; {percent(value * 100)} is written {number(value * 100)}"
    yield f"Unusual for its size: {said} ({words})"


def _in_the_way(limits: LevelLimits, after: Record, changed: Changed) -> Iterator[str]:
    if limits.record.get("changes_locked"):
        yield "Locked against changes: Tradovate may refuse this until the session ends"
    flatten_at = after.get("flatten_at")
    if flatten_at is not None and limits.read_at and datetime.fromisoformat(flatten_at) <= limits.read_at:
        what = "what Tradovate does then is not known" if "flatten_at" in changed else "sent again as it stands"
        yield f"Flatten time has passed: {in_words(AUTO_LIQ_FIELDS['flatten_at'], flatten_at)}, {what}"


def _money_moved(before: Record, after: Record, field: AutoLiqField) -> Decimal:
    return abs(Decimal(after[field.name]) - Decimal(before.get(field.name, 0)))


def _touches(changed: Changed, names: Collection[str]) -> bool:
    return any(name in changed for name in names)
