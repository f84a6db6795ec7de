"""When an approver has to type a number before a change can be approved."""

from django.conf import settings

from accounts.approvals.subjects import Confirmation
from accounts.changes.effects import ChangeEffects


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
