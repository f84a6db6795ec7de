"""Pre-trade limits of an account: how much it may hold of what, and how much it may order at once.

Sources: the partner OpenAPI document, and the education pages for what the quantities mean. Each record extends the fields
that a request may have, so ``dataclasses.replace`` of a current record is a request to change it. Whether an update drops
what is left out is not documented [?].
"""

from dataclasses import dataclass, field
from typing import Annotated

from riskadmin.tradovate.encoding import positive, sent_fields
from riskadmin.tradovate.entity import Entity
from riskadmin.tradovate.values import (
    Extra,
    FlagOrFalse,
    Integer,
    OptionalFlag,
    OptionalInteger,
    OptionalNumber,
    OptionalText,
    Record,
    optional_word,
    word,
)
from riskadmin.tradovate.vocabulary import ProductType, ProductVerificationStatus, TotalBy

DESCRIPTION_MAX = 64
"""The most characters of a position limit's description."""

_ProductType = Annotated[ProductType | str | None, optional_word(ProductType)]
_VerificationStatus = Annotated[ProductVerificationStatus | str | None, optional_word(ProductVerificationStatus)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What a limit applies to. All None means everything. Words are kept as received, and sent only if documented."""

    contract_id: OptionalInteger = None
    product_id: OptionalInteger = None
    exchange_id: OptionalInteger = None
    product_type: _ProductType = None
    risk_discount_contract_group_id: OptionalInteger = None
    product_verification_status: _VerificationStatus = None
    contract_group_id: OptionalInteger = None
    fungible_product_id: OptionalInteger = None

    def _check_scope(self) -> None:
        if self.product_type is not None:
            ProductType(self.product_type)
        if self.product_verification_status is not None:
            ProductVerificationStatus(self.product_verification_status)


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionLimitFields(Scope):
    """How many contracts an account may hold: short, long, and in total (``exposed``). Without a number there is no limit."""

    account_id: Integer
    active: FlagOrFalse
    total_by: Annotated[TotalBy | str, word(TotalBy)]
    risk_time_period_id: OptionalInteger = None
    short_limit: OptionalInteger = None
    long_limit: OptionalInteger = None
    exposed_limit: OptionalInteger = None
    fungible_exposed_limit: OptionalInteger = None
    description: OptionalText = None

    def to_json(self) -> dict[str, object]:
        """Return the request, without an id. Raise ``ValueError`` for what the documentation does not allow."""
        positive("an account id", self.account_id)
        TotalBy(self.total_by)
        self._check_scope()
        limits = (self.short_limit, self.long_limit, self.exposed_limit, self.fungible_exposed_limit)
        if any(limit is not None and limit < 0 for limit in limits):
            raise ValueError("a position limit is at least 0")
        if len(self.description or "") > DESCRIPTION_MAX:
            raise ValueError(f"a description has at most {DESCRIPTION_MAX} characters")
        return sent_fields(self, PositionLimitFields)


@dataclass(frozen=True, slots=True, kw_only=True)
class UserAccountPositionLimit(PositionLimitFields, Entity):
    """A current position limit."""

    id: Integer
    extra: Extra
    record: Record = field(default_factory=dict, compare=False, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskParameterFields(Scope):
    """How much of what an account may order at once, and how near to expiration; belongs to a position limit.

    Quantities in contracts, ``max_back_month`` in months, ``margin_dollar_value`` in dollars. The default category has
    quantities of 100.
    """

    user_account_position_limit_id: Integer
    max_opening_order_qty: OptionalInteger = None
    max_closing_order_qty: OptionalInteger = None
    fungible_max_opening_order_qty: OptionalInteger = None
    fungible_max_closing_order_qty: OptionalInteger = None
    max_back_month: OptionalInteger = None
    pre_expiration_days: OptionalInteger = None
    margin_percentage: OptionalNumber = None
    margin_dollar_value: OptionalNumber = None
    hard_limit: OptionalFlag = None

    def to_json(self) -> dict[str, object]:
        """Return the request, without an id. Raise ``ValueError`` for what the documentation does not allow."""
        positive("a position limit's id", self.user_account_position_limit_id)
        self._check_scope()
        return sent_fields(self, RiskParameterFields)


@dataclass(frozen=True, slots=True, kw_only=True)
class UserAccountRiskParameter(RiskParameterFields, Entity):
    """A current risk parameter."""

    id: Integer
    extra: Extra
    record: Record = field(default_factory=dict, compare=False, repr=False)
