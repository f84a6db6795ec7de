"""The number that an approver types before a change with a large effect can be approved, and the words of the button."""

from dataclasses import dataclass

from django.conf import settings

from accounts.changes.effects import ChangeEffects


@dataclass(frozen=True, kw_only=True)
class Confirmation:
    """What is confirmed by typing its number: "liquidate 8"."""

    number: int
    verb: str

    @property
    def words(self) -> str:
        """What an approval does, after "Approve and"."""
        return f"{self.verb} {self.number:,}"

    @property
    def pattern(self) -> str:
        """What the browser accepts in the field: the number, with its commas or without."""
        return f"{self.number:,}".replace(",", ",?")

    @property
    def error(self) -> str:
        """What to write instead of another number."""
        return f"Type {self.number:,} to confirm: an approval would {self.words}. Nothing was decided."


def confirmation_of(effects: ChangeEffects | None) -> Confirmation | None:
    """Return what has to be confirmed to approve effects: every liquidation, and loosening more than a setting; else None.

    A possible liquidation counts: whether it happens is not known before it is sent.
    """
    if effects is None:
        return None
    if effects.liquidated:
        return Confirmation(number=effects.liquidated, verb="liquidate")
    if effects.possibly_liquidated:
        return Confirmation(number=effects.possibly_liquidated, verb="possibly liquidate")
    if effects.looser > settings.APPROVAL_ASKS_NUMBER_FROM:
        return Confirmation(number=effects.looser, verb="loosen")
    return None
