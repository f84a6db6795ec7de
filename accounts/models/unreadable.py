"""Records that Tradovate sent and that can't be read, and the entities they belong to."""

from typing import Final

from django.db import models

from accounts.models.base import EnvironmentChoice
from riskadmin.tradovate.http_record import describe_unreadable


class MirroredEntity(models.TextChoices):
    """The entities that the mirror keeps, by Tradovate's names and with labels."""

    RISK_CATEGORY = "riskCategory", "Risk category"
    TRADER = "user", "Trader"
    ACCOUNT = "account", "Account"
    PERMISSION = "tradingPermission", "Trading permission"
    RISK_STATUS = "accountRiskStatus", "Risk status"
    FIRM_LIMITS = "userAccountAutoLiq", "Firm's limits"
    TRADER_LIMITS = "permissionedAccountAutoLiq", "Trader's own limits"
    CASH = "cashBalance", "Cash balance"
    POSITION = "position", "Position"
    POSITION_LIMIT = "userAccountPositionLimit", "Position limit"
    RISK_PARAMETER = "userAccountRiskParameter", "Risk parameter"

    @property
    def plural(self) -> str:
        """What pages call several of its records, inside a sentence."""
        return _PLURALS[self]


_PLURALS: Final = {
    MirroredEntity.RISK_CATEGORY: "risk categories",
    MirroredEntity.TRADER: "traders",
    MirroredEntity.ACCOUNT: "accounts",
    MirroredEntity.PERMISSION: "trading permissions",
    MirroredEntity.RISK_STATUS: "risk statuses",
    MirroredEntity.FIRM_LIMITS: "the firm's limits",
    MirroredEntity.TRADER_LIMITS: "the traders' own limits",
    MirroredEntity.CASH: "cash balances",
    MirroredEntity.POSITION: "positions",
    MirroredEntity.POSITION_LIMIT: "position limits",
    MirroredEntity.RISK_PARAMETER: "risk parameters",
}


class UnreadableRecord(models.Model):
    """A record that Tradovate sent with a value that can't be read or stored: its mirror row keeps its previous values.

    It is deleted with the next good reading of the same record. `field` names what can't be read, comma-separated if there are
    several, and is empty if the record is not an object at all; `value` is what was sent there, as JSON. Without an id it is
    not known which record it is.
    """

    environment = models.CharField(max_length=8, choices=EnvironmentChoice)
    entity = models.CharField(max_length=32, choices=MirroredEntity)
    tradovate_id = models.BigIntegerField(null=True)
    account = models.ForeignKey("accounts.Account", null=True, on_delete=models.CASCADE, related_name="+")
    trader = models.ForeignKey("accounts.Trader", null=True, on_delete=models.CASCADE, related_name="+")
    field = models.TextField(blank=True)
    value = models.TextField()
    since = models.DateTimeField()  # when the first failed reading began
    read_at = models.DateTimeField()  # when the last failed reading began

    class Meta:
        # Records without an id are all distinct: PostgreSQL does not treat two NULLs as equal.
        constraints = [models.UniqueConstraint(fields=["environment", "entity", "tradovate_id"], name="unreadable_once")]

    def __str__(self) -> str:
        return f"{self.entity} {self.tradovate_id}: {self.field} = {self.value}"

    @property
    def words(self) -> str:
        """What was sent, in one readable line."""
        which = "" if self.tradovate_id is None else f" {self.tradovate_id}"
        return f"{self.get_entity_display()}{which}: {describe_unreadable(self.field, self.value)}"
