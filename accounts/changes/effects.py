"""The effects of a change, counted over its targets; as shown, and as stored with the change."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from accounts.changes.kinds.effects import Liquidation, TargetEffects
from accounts.changes.states import Direction
from accounts.changes.topics import Topic

VERSION: Final = 1
"""The version of the stored form. A change keeps the version that it was stored in."""


@dataclass(frozen=True, kw_only=True)
class Measure:
    """A property that targets are counted by, and that a list of them is filtered by.

    `one` and `many` are the words after a count, `tone` and `icon` its look; `of_accounts` is for accounts only.
    """

    name: str
    holds: Callable[[TargetEffects], bool]
    one: str
    many: str
    tone: str
    icon: str
    of_accounts: bool = False


MEASURES: Final[Mapping[str, Measure]] = {
    measure.name: measure
    for measure in (
        Measure(
            name="liquidated",
            holds=lambda effects: effects.liquidation is Liquidation.NOW,
            one="would be liquidated",
            many="would be liquidated",
            tone="danger",
            icon="flame",
            of_accounts=True,
        ),
        Measure(
            name="possibly_liquidated",
            holds=lambda effects: effects.liquidation is Liquidation.POSSIBLE,
            one="might be liquidated",
            many="might be liquidated",
            tone="warn",
            icon="flame",
            of_accounts=True,
        ),
        Measure(
            name="holding_positions",
            holds=lambda effects: bool(effects.open_positions),
            one="holds open positions",
            many="hold open positions",
            tone="neutral",
            icon="trending-up",
            of_accounts=True,
        ),
        Measure(
            name="positions_unknown",
            holds=lambda effects: effects.open_positions is None,
            one="has positions that were never read",
            many="have positions that were never read",
            tone="warn",
            icon="help-circle",
            of_accounts=True,
        ),
        Measure(
            name="looser",
            holds=lambda effects: effects.is_looser,
            one="becomes looser",
            many="become looser",
            tone="warn",
            icon="",
        ),
        Measure(
            name="tighter",
            holds=lambda effects: effects.is_tighter,
            one="becomes tighter",
            many="become tighter",
            tone="ok",
            icon="",
        ),
    )
}


@dataclass(frozen=True, kw_only=True)
class ChangeEffects:
    """The effects of a change: how many targets it would be sent for, how many each measure applies to, and warnings.

    `open_positions` and `largest_money_effect_usd` are over all targets, as far as they are known.
    """

    targets: int
    skipped: int
    liquidated: int
    possibly_liquidated: int
    holding_positions: int
    positions_unknown: int
    open_positions: int
    looser: int
    tighter: int
    largest_money_effect_usd: Decimal | None
    warnings: tuple[Topic, ...]

    def measured(self, *, of_accounts: bool) -> list[tuple[Measure, int]]:
        """Return each measure that applies to any target, with its count; possible liquidations are always included."""
        counts = ((measure, getattr(self, name)) for name, measure in MEASURES.items())
        return [
            (measure, count)
            for measure, count in counts
            if (of_accounts or not measure.of_accounts) and (count or (measure.name == "liquidated" and self.targets))
        ]

    def to_json(self) -> dict[str, Any]:
        """Return it as it is stored."""
        largest = self.largest_money_effect_usd
        return {
            "version": VERSION,
            **{name: getattr(self, name) for name in _COUNTS},
            "largest_money_effect_usd": None if largest is None else format(largest, "f"),
            "warnings": [{"words": topic.words, "count": topic.count} for topic in self.warnings],
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any] | None) -> "ChangeEffects | None":
        """Return what is stored; None if nothing is, or if its version is not known here."""
        if stored is None or stored["version"] != VERSION:
            return None
        largest = stored["largest_money_effect_usd"]
        return cls(
            **{name: stored[name] for name in _COUNTS},
            largest_money_effect_usd=None if largest is None else Decimal(largest),
            warnings=tuple(Topic(words=each["words"], count=each["count"]) for each in stored["warnings"]),
        )


def may_liquidate(direction: Direction, effects: ChangeEffects | None) -> bool:
    """Whether sending a change might close positions; also if its effects are not known. Not asked of what only protects."""
    if direction == Direction.PROTECTIVE:
        return False
    if direction == Direction.DESTRUCTIVE or effects is None:
        return True
    return bool(effects.liquidated or effects.possibly_liquidated)


COMPARED: Final = ("liquidated", "possibly_liquidated", "holding_positions")
"""Measures that move while accounts continue to trade."""


def differing(was: ChangeEffects | None, now: ChangeEffects | None) -> list[tuple[Measure, int, int]]:
    """Return the measures that differ between two times, with both counts; none if either time's are not known."""
    if was is None or now is None:
        return []
    pairs = ((MEASURES[name], getattr(was, name), getattr(now, name)) for name in COMPARED)
    return [(measure, before, after) for measure, before, after in pairs if before != after]


_COUNTS: Final = ("targets", "skipped", *MEASURES, "open_positions")


def counted(targets: Iterable[TargetEffects], *, skipped: int, warnings: tuple[Topic, ...]) -> ChangeEffects:
    """Return the effects of a change from those of the targets that it would be sent for."""
    each = list(targets)
    counts = {name: sum(map(measure.holds, each)) for name, measure in MEASURES.items()}
    return ChangeEffects(
        targets=len(each),
        skipped=skipped,
        **counts,
        open_positions=sum(effects.open_positions or 0 for effects in each),
        largest_money_effect_usd=max(
            (effects.money_effect_usd for effects in each if effects.money_effect_usd is not None), default=None
        ),
        warnings=warnings,
    )
