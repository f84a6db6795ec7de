"""The mirror: our copy of Tradovate's state. Each row says when it was read, and from which source (`fresh_at`, `source`).

Tradovate's own ids are stored as `tradovate_id`; they are unique within an environment only. Money is in US dollars.
"""

from collections.abc import Sequence
from datetime import datetime

from django.contrib.postgres.indexes import GinIndex
from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.utils import timezone

import accounts.models.api  # noqa: F401  (Django looks for models here)
from accounts.models.base import EnvironmentChoice as EnvironmentChoice
from accounts.models.base import ListedRow, NumberedRow
from accounts.models.base import MirrorRow as MirrorRow
from accounts.models.base import Source as Source
from accounts.models.notes import AccountNote as AccountNote
from accounts.models.status import AccountStatus, account_status
from accounts.models.sync_run import SyncRun as SyncRun
from accounts.models.unreadable import MirroredEntity as MirroredEntity
from accounts.models.unreadable import UnreadableRecord as UnreadableRecord
from riskadmin.audit.outside import OutsideKind
from riskadmin.web.visible import isolated


class RiskCategory(NumberedRow):
    """A pre-trade risk profile (lots, allowed products) that accounts can be switched to."""

    name = models.CharField(max_length=128)
    # An administrator's mark, which no reading touches: the category allows no orders, so a switch into it is like a lock.
    is_halting = models.BooleanField(default=False, db_default=False)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["environment", "tradovate_id"], name="risk_category_once")]

    def __str__(self) -> str:
        return self.name

    @property
    def label(self) -> str:
        """Its name in choices and sentences, with its mark if it is halting."""
        return f"{isolated(self.name)} (halting)" if self.is_halting else isolated(self.name)

    @property
    def choice_label(self) -> str:
        """Its label where categories of several environments are offered."""
        return f"{self.label} ({EnvironmentChoice(self.environment).label})"


class Trader(ListedRow):
    """Tradovate's user who trades accounts; never a member of staff."""

    name = models.CharField(max_length=64)
    email = models.CharField(max_length=254, blank=True)
    status = models.CharField(max_length=32, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["environment", "tradovate_id"], name="trader_once")]
        indexes = [
            # The accounts page searches by part of the trader's name or e-mail.
            GinIndex(fields=["name", "email"], opclasses=["gin_trgm_ops", "gin_trgm_ops"], name="trader_search"),
        ]

    def __str__(self) -> str:
        return self.name


class Account(ListedRow):
    """A trading account at Tradovate.

    `archived` is our own flag: the account is closed, inactive, archived, or missing from Tradovate's list. Tradovate accepts
    calls for archived accounts without an error (setadminautoliqaction, best practices), so nothing is ever sent for them.
    """

    name = models.CharField(max_length=64)
    account_type = models.CharField(max_length=32, blank=True)
    closed = models.BooleanField(default=False)
    restricted = models.BooleanField(default=False)
    archived = models.BooleanField(default=False)
    risk_category = models.ForeignKey(
        RiskCategory,
        null=True,
        on_delete=models.SET_NULL,
        related_name="accounts",
        db_index=False,  # the index account_in_category starts with it
    )
    evaluation_size_usd = models.DecimalField(max_digits=16, decimal_places=2, null=True)
    opened_at = models.DateTimeField(null=True)
    # The trader of the newest accepted permission; all permissions are in TradingPermission.
    trader = models.ForeignKey(Trader, null=True, on_delete=models.SET_NULL, related_name="accounts")
    # The parts of this account that could not be read. Filled in by `unreadable.attach`.
    unreadable: Sequence[UnreadableRecord] = ()
    # When its risk status was last read, if full reads no longer include it. Filled in by `not_reported.attach`.
    not_reported_since: datetime | None = None
    # When its positions were last read, all at once: an account without positions has no row that could record it.
    positions_read_at = models.DateTimeField(null=True)
    # The same for its position limits and for their risk parameters; both are read on demand only.
    position_limits_read_at = models.DateTimeField(null=True)
    risk_parameters_read_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["environment", "tradovate_id"], name="account_once"),
            models.CheckConstraint(
                condition=models.Q(archived=True) | models.Q(closed=False, missing_since__isnull=True),
                name="account_gone_is_archived",
            ),
        ]
        indexes = [
            # The accounts page in its own order: all accounts, those of one environment, those of one risk category.
            models.Index(fields=["name", "id"], name="account_in_order"),
            models.Index(fields=["environment", "name", "id"], name="account_in_environment"),
            models.Index(fields=["risk_category", "name", "id"], name="account_in_category"),
            # Search by the start of a name (one or two letters) and by any part of it (three or more).
            models.Index(fields=["name"], opclasses=["varchar_pattern_ops"], name="account_name_prefix"),
            GinIndex(fields=["name"], opclasses=["gin_trgm_ops"], name="account_name_part"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def status_since(self) -> datetime | None:
        """Since when it has had this status, where Tradovate says so. Reads `risk_status`: select it with the account."""
        status: RiskStatus | None = getattr(self, "risk_status", None)
        if self.archived or status is None:
            return self.missing_since
        if self.status == AccountStatus.ACTIVE:
            return None
        return status.liquidate_only_at if self.status == AccountStatus.BREACHED else status.admin_at

    @property
    def status(self) -> AccountStatus:
        """The account's status. Reads `risk_status`: select it with the account."""
        status = getattr(self, "risk_status", None)
        return account_status(
            archived=self.archived,
            closed=self.closed,
            admin_action=status.admin_action if status else None,
            liquidate_only=bool(status and status.liquidate_only_at),
            read=status is not None,
        )


class TradingPermission(ListedRow):
    """Who may trade an account: the link between trader and account."""

    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="permissions")
    trader = models.ForeignKey(Trader, on_delete=models.CASCADE, related_name="permissions")
    status = models.CharField(max_length=32)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["environment", "tradovate_id"], name="trading_permission_once")]

    def __str__(self) -> str:
        return f"{self.trader_id} on {self.account_id}: {self.status}"


class RiskStatus(MirrorRow):
    """An account's risk status at Tradovate: the persistent admin action, and what the risk engine did by itself."""

    account = models.OneToOneField(Account, on_delete=models.CASCADE, related_name="risk_status")
    admin_action = models.CharField(max_length=64, blank=True)
    admin_at = models.DateTimeField(null=True)
    liquidate_only_at = models.DateTimeField(null=True)
    user_triggered_liq_only = models.BooleanField(null=True)
    max_net_liq_usd = models.DecimalField(max_digits=16, decimal_places=2, null=True)
    min_net_liq_usd = models.DecimalField(max_digits=16, decimal_places=2, null=True)

    class Meta:
        indexes = [
            # The accounts page filtered by status: the few accounts that are not active.
            models.Index(
                fields=["admin_action", "account"],
                condition=~models.Q(admin_action__in=["", "Normal"]),
                name="risk_status_acted",
            ),
            models.Index(
                fields=["account"],
                condition=models.Q(liquidate_only_at__isnull=False),
                name="risk_status_stopped",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.account_id}: {self.admin_action}"


class LimitLevel(models.TextChoices):
    """The owner of an auto-liquidation limits record; Tradovate keeps one record for each level."""

    FIRM = "firm", "Firm (userAccountAutoLiq)"
    TRADER = "trader", "Trader (permissionedAccountAutoLiq)"


class AutoLiqLimits(MirrorRow):
    """One level of an account's auto-liquidation limits. An unset limit is NULL: that rule is not evaluated."""

    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="limits", db_index=False)
    level = models.CharField(max_length=8, choices=LimitLevel)
    changes_locked = models.BooleanField(null=True)
    margin_alert_pct = models.DecimalField(max_digits=9, decimal_places=4, null=True)
    margin_liq_only_pct = models.DecimalField(max_digits=9, decimal_places=4, null=True)
    margin_auto_liq_pct = models.DecimalField(max_digits=9, decimal_places=4, null=True)
    daily_loss_alert_pct = models.DecimalField(max_digits=9, decimal_places=4, null=True)
    daily_loss_liq_only_pct = models.DecimalField(max_digits=9, decimal_places=4, null=True)
    daily_loss_auto_liq_pct = models.DecimalField(max_digits=9, decimal_places=4, null=True)
    daily_loss_alert_usd = models.DecimalField(max_digits=16, decimal_places=2, null=True)
    daily_loss_liq_only_usd = models.DecimalField(max_digits=16, decimal_places=2, null=True)
    daily_loss_auto_liq_usd = models.DecimalField(max_digits=16, decimal_places=2, null=True)
    weekly_loss_auto_liq_usd = models.DecimalField(max_digits=16, decimal_places=2, null=True)
    daily_profit_auto_liq_usd = models.DecimalField(max_digits=16, decimal_places=2, null=True)
    weekly_profit_auto_liq_usd = models.DecimalField(max_digits=16, decimal_places=2, null=True)
    # The remaining fields exist on the firm's level only.
    flatten_at = models.DateTimeField(null=True)
    trailing_max_drawdown_usd = models.DecimalField(max_digits=16, decimal_places=2, null=True)
    trailing_max_drawdown_limit_usd = models.DecimalField(max_digits=16, decimal_places=2, null=True)
    trailing_max_drawdown_mode = models.CharField(max_length=16, blank=True)
    do_not_unlock = models.BooleanField(null=True)
    stepped_cooldown = models.JSONField(null=True)
    stepped_unlimited = models.BooleanField(null=True)
    # The record exactly as Tradovate sent it, as JSON: fields that a change does not name are sent back to Tradovate
    # unmodified.
    record = models.TextField(blank=True, default="", db_default="")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["account", "level"], name="limits_once_per_level")]
        verbose_name_plural = "auto-liq limits"

    def __str__(self) -> str:
        return f"{self.account_id} ({self.level})"


class MoveSubject(models.TextChoices):
    """What a move is about. Moves of limits are named after their level."""

    FIRM = LimitLevel.FIRM.value, "Firm's limits"
    TRADER = LimitLevel.TRADER.value, "Trader's own limits"
    STATUS = "status", "Risk status"
    CATEGORY = "category", "Risk category"
    POSITION_LIMITS = "position_limits", "Position limits"
    RISK_PARAMETERS = "risk_parameters", "Risk parameters"


class MirrorMove(models.Model):
    """A difference between a reading of an account and what the mirror had. A first reading creates no move.

    The move itself happened between `known_at`, when the old values were last read, and the response of the reading that began
    at `read_at` and was written at `noted_at`. `fields` holds the old and the new value of each thing that moved, null where it
    was not set. Once `judged_at` is set, `outside` holds the part that neither riskadmin nor Tradovate itself did.
    """

    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="moves", db_index=False)
    subject = models.CharField(max_length=16, choices=MoveSubject)
    fields = models.JSONField(encoder=DjangoJSONEncoder)
    known_at = models.DateTimeField()
    read_at = models.DateTimeField()
    noted_at = models.DateTimeField(default=timezone.now)
    source = models.CharField(max_length=8, choices=Source)
    judged_at = models.DateTimeField(null=True)
    outside_kind = models.CharField(max_length=16, choices=OutsideKind, blank=True, default="", db_default="")
    outside = models.JSONField(null=True)

    class Meta:
        indexes = [
            # The account's page, and since when its limits differ from what they should be.
            models.Index(fields=["account", "subject", "-read_at"], name="move_newest"),
            models.Index(fields=["id"], condition=models.Q(judged_at=None), name="move_to_judge"),
            models.Index(fields=["-read_at"], condition=~models.Q(outside_kind=""), name="move_outside"),
        ]

    def __str__(self) -> str:
        return f"{self.account_id} ({self.subject}): {', '.join(self.fields)}"


class Cash(MirrorRow):
    """An account's cash and realised P&L today and this week."""

    account = models.OneToOneField(Account, on_delete=models.CASCADE, related_name="cash")
    amount_usd = models.DecimalField(max_digits=16, decimal_places=2)
    amount_sod_usd = models.DecimalField(max_digits=16, decimal_places=2, null=True)
    realized_pnl_usd = models.DecimalField(max_digits=16, decimal_places=2, null=True)
    week_realized_pnl_usd = models.DecimalField(max_digits=16, decimal_places=2, null=True)

    class Meta:
        verbose_name_plural = "cash"

    def __str__(self) -> str:
        return f"{self.account_id}: {self.amount_usd}"


class Position(MirrorRow):
    """An open position in one contract; flat rows (net 0) persist at Tradovate and are not kept here."""

    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="positions", db_index=False)
    tradovate_id = models.BigIntegerField()
    contract_id = models.BigIntegerField()
    net_pos = models.IntegerField()
    net_price = models.DecimalField(max_digits=18, decimal_places=6, null=True)
    traded_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["account", "tradovate_id"], name="position_once")]

    def __str__(self) -> str:
        return f"{self.account_id}: {self.net_pos} of {self.contract_id}"

    @property
    def size(self) -> int:
        """The number of contracts, long or short."""
        return abs(self.net_pos)


class PreTradeRow(MirrorRow):
    """What a pre-trade record applies to, if not to everything. Columns have the client's field names."""

    tradovate_id = models.BigIntegerField()
    contract_id = models.BigIntegerField(null=True)
    product_id = models.BigIntegerField(null=True)
    exchange_id = models.BigIntegerField(null=True)
    product_type = models.TextField(blank=True)
    risk_discount_contract_group_id = models.BigIntegerField(null=True)
    product_verification_status = models.TextField(blank=True)
    contract_group_id = models.BigIntegerField(null=True)
    fungible_product_id = models.BigIntegerField(null=True)
    # Names of fields that Tradovate sent and that this code does not know.
    unknown_fields = models.JSONField(default=list)
    # The record exactly as Tradovate sent it, as JSON: fields that a change does not name are sent back to Tradovate
    # unmodified.
    record = models.TextField(blank=True, default="", db_default="")

    class Meta:
        abstract = True


class PositionLimit(PreTradeRow):
    """The number of contracts that an account may hold. An unset number is NULL: no limit."""

    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="position_limits", db_index=False)
    active = models.BooleanField()
    total_by = models.TextField()
    risk_time_period_id = models.BigIntegerField(null=True)
    short_limit = models.BigIntegerField(null=True)
    long_limit = models.BigIntegerField(null=True)
    exposed_limit = models.BigIntegerField(null=True)
    fungible_exposed_limit = models.BigIntegerField(null=True)
    description = models.TextField(blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["account", "tradovate_id"], name="position_limit_once")]

    def __str__(self) -> str:
        return f"{self.account_id}: limit {self.tradovate_id}"


class RiskParameter(PreTradeRow):
    """The most that an account may order at once, within the scope of a position limit. An unset number is NULL: no limit."""

    position_limit = models.ForeignKey(PositionLimit, on_delete=models.CASCADE, related_name="risk_parameters", db_index=False)
    max_opening_order_qty = models.BigIntegerField(null=True)
    max_closing_order_qty = models.BigIntegerField(null=True)
    fungible_max_opening_order_qty = models.BigIntegerField(null=True)
    fungible_max_closing_order_qty = models.BigIntegerField(null=True)
    max_back_month = models.BigIntegerField(null=True)
    pre_expiration_days = models.BigIntegerField(null=True)
    margin_percentage = models.DecimalField(max_digits=24, decimal_places=8, null=True)
    margin_dollar_value = models.DecimalField(max_digits=24, decimal_places=8, null=True)
    hard_limit = models.BooleanField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["position_limit", "tradovate_id"], name="risk_parameter_once")]

    def __str__(self) -> str:
        return f"{self.position_limit_id}: parameter {self.tradovate_id}"
