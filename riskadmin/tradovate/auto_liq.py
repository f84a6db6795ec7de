"""Changing auto-liq limits: the request and its answer. Source: seed 000."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from decimal import Decimal
from typing import Self

from riskadmin.tradovate.encoding import positive, sent_fields
from riskadmin.tradovate.entities import CooldownStep, PermissionedAccountAutoLiq, UserAccountAutoLiq
from riskadmin.tradovate.reading import Fields
from riskadmin.tradovate.vocabulary import TrailingDrawdownMode

MAX_AUTO_LIQ_UPDATES = 10_000
"""Items of one updateuserautoliqs. No limit is documented [?]: this is the limit of the similar switchriskcategory."""

FIRM_ONLY = frozenset(
    {each.name for each in fields(UserAccountAutoLiq)} - {each.name for each in fields(PermissionedAccountAutoLiq)}
)
"""The fields that a trader's own limits don't have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AutoLiqFields:
    """The fields of the seed: percentages of margin and of the day's start, dollars of loss, profit and drawdown.

    None is left out. Whether Tradovate then keeps the old value or drops it is not documented [?], so ``AutoLiqUpdate``
    carries the current record. How to clear a field is not documented either, so it is not possible here.
    """

    changes_locked: bool | None = None
    margin_percentage_alert: Decimal | None = None
    daily_loss_percentage_alert: Decimal | None = None
    daily_loss_alert: Decimal | None = None
    margin_percentage_liq_only: Decimal | None = None
    daily_loss_percentage_liq_only: Decimal | None = None
    daily_loss_liq_only: Decimal | None = None
    margin_percentage_auto_liq: Decimal | None = None
    daily_loss_percentage_auto_liq: Decimal | None = None
    daily_loss_auto_liq: Decimal | None = None
    weekly_loss_auto_liq: Decimal | None = None
    flatten_timestamp: datetime | None = None
    trailing_max_drawdown: Decimal | None = None
    trailing_max_drawdown_limit: Decimal | None = None
    trailing_max_drawdown_mode: str | None = None
    daily_profit_auto_liq: Decimal | None = None
    weekly_profit_auto_liq: Decimal | None = None
    do_not_unlock: bool | None = None
    stepped_cooldown: tuple[CooldownStep, ...] | None = None
    stepped_unlimited: bool | None = None

    def to_json(self) -> dict[str, object]:
        """Return the fields that are set, under Tradovate's names. Raise ``ValueError`` for none, or for one out of range.

        A request without fields might be read as clearing every limit.
        """
        if self.trailing_max_drawdown_mode is not None:
            TrailingDrawdownMode(self.trailing_max_drawdown_mode)
        body = sent_fields(self)
        if not body:
            raise ValueError("an update sets at least one field")
        if self.stepped_cooldown is not None:
            body["steppedCooldown"] = {"steps": [sent_fields(step) for step in self.stepped_cooldown]}
        return body


@dataclass(frozen=True, slots=True, kw_only=True)
class AutoLiqUpdate:
    """New limits of one account.

    ``as_owner`` selects the firm's own record (True) or the trader's stricter one, which has fewer fields [inferred].
    ``carried`` is Tradovate's current record, including unknown fields and exact digits: what ``fields`` does not name is
    sent unchanged from it.
    """

    account_id: int
    as_owner: bool
    fields: AutoLiqFields
    carried: Mapping[str, object] = field(default_factory=dict)

    def to_json(self) -> dict[str, object]:
        """Return the item. Raise ``ValueError`` for an invalid one."""
        positive("an account id", self.account_id)
        if not self.as_owner and any(getattr(self.fields, name) is not None for name in FIRM_ONLY):
            raise ValueError("a trader's own limits have no drawdown, flatten time, unlocking or cooldown")
        kept = {name: value for name, value in self.carried.items() if name != "id" and value is not None}
        return {**kept, "accountId": self.account_id, "asOwner": self.as_owner, **self.fields.to_json()}


@dataclass(frozen=True, slots=True, kw_only=True)
class AutoLiqUpdated:
    """Tradovate's answer about one account's current limits: both levels, or only one of them.

    It names no account: ``record_ids`` are the ids of its records, which are the account's where that is proven.
    """

    user_account_auto_liq: UserAccountAutoLiq | None
    permissioned_account_auto_liq: PermissionedAccountAutoLiq | None
    extra: Mapping[str, object]

    @classmethod
    def from_json(cls, data: object) -> Self:
        """Read one from Tradovate's JSON."""
        source = Fields(data)
        firm = source.raw("userAccountAutoLiq")
        trader = source.raw("permissionedAccountAutoLiq")
        return cls(
            user_account_auto_liq=None if firm is None else UserAccountAutoLiq.from_json(firm),
            permissioned_account_auto_liq=None if trader is None else PermissionedAccountAutoLiq.from_json(trader),
            extra=source.rest(),
        )

    @property
    def record_ids(self) -> frozenset[int]:
        """The ids of its records."""
        records = (self.user_account_auto_liq, self.permissioned_account_auto_liq)
        return frozenset(record.id for record in records if record is not None)
