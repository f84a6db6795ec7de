"""The effects of a change on one target, typed, so that they can be counted, stored, and compared with policy."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum


class Liquidation(StrEnum):
    """Whether a change would close a target's positions as soon as it is applied, as far as the mirror shows."""

    NO = "no"
    POSSIBLE = "possible"  # not documented, or the figures it depends on are not in the mirror
    NOW = "now"


class EffectDirection(StrEnum):
    """The effect of a change on the risk that a target may take; it may loosen one thing and tighten another."""

    NEITHER = "neither"
    LOOSER = "looser"
    TIGHTER = "tighter"
    BOTH = "both"

    @classmethod
    def of(cls, directions: Iterable[str]) -> "EffectDirection":
        """Return the direction of a whole from those of its parts, each "looser", "tighter" or ""."""
        found = set(directions) - {""}
        return cls.BOTH if len(found) > 1 else cls(found.pop()) if found else cls.NEITHER


@dataclass(frozen=True, kw_only=True, slots=True)
class TargetEffects:
    """The effects of a change on one target.

    `open_positions` is how many it holds, None if they were never read or are not the target's own. `money_effect_usd` is the
    largest amount by which a figure in dollars changes, without its sign; None if no such figure changes.
    """

    direction: EffectDirection
    liquidation: Liquidation = Liquidation.NO
    open_positions: int | None = None
    money_effect_usd: Decimal | None = None

    @property
    def is_looser(self) -> bool:
        """Whether anything becomes looser."""
        return self.direction in {EffectDirection.LOOSER, EffectDirection.BOTH}

    @property
    def is_tighter(self) -> bool:
        """Whether anything becomes tighter."""
        return self.direction in {EffectDirection.TIGHTER, EffectDirection.BOTH}
