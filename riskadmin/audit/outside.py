"""Labels for changes found at Tradovate that riskadmin did not make."""

from django.db import models


class OutsideKind(models.TextChoices):
    """What someone did at Tradovate. Each completes "… outside riskadmin"."""

    LOCK = "lock", "Locked"
    LIQUIDATE = "liquidate", "Liquidated and locked"
    CLOSING_ONLY = "closing_only", "Set to closing only"
    UNLOCK = "unlock", "Unlocked"
    ACTION = "action", "Admin action changed"
    CATEGORY = "category", "Risk category changed"
    FIRM_LIMITS = "firm_limits", "Firm's limits changed"
    TRADER_LIMITS = "trader_limits", "Trader's own limits changed"
    POSITION_LIMITS = "position_limits", "Position limits changed"
    RISK_PARAMETERS = "risk_parameters", "Risk parameters changed"


OUTSIDE = "outside riskadmin"
BY_SOMEBODY = "by someone at Tradovate or the trader's firm, outside riskadmin"
"""Tradovate does not say who made a change."""
