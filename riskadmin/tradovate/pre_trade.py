"""Pre-trade limits of an account: how much it may hold of what, and how much it may order at once.

Sources: the partner OpenAPI document, and the education pages for what the quantities mean. Each record extends the
fields that a request may carry, so ``dataclasses.replace`` of a record as it stands is a request to change it. Whether
an update drops what is left out is not documented [?].
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Self, TypedDict

from riskadmin.tradovate.encoding import positive, sent_fields
from riskadmin.tradovate.reading import Fields
from riskadmin.tradovate.vocabulary import ProductType, ProductVerificationStatus, TotalBy

DESCRIPTION_MAX = 64
"""Characters of a position limit's description."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What a limit is about; all None means everything. Words are kept as they came, and sent only if documented."""

    contract_id: int | None = None
    product_id: int | None = None
    exchange_id: int | None = None
    product_type: ProductType | str | None = None
    risk_discount_contract_group_id: int | None = None
    product_verification_status: ProductVerificationStatus | str | None = None
    contract_group_id: int | None = None
    fungible_product_id: int | None = None

    def _check_scope(self) -> None:
        if self.product_type is not None:
            ProductType(self.product_type)
        if self.product_verification_status is not None:
            ProductVerificationStatus(self.product_verification_status)


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionLimitFields(Scope):
    """How many contracts an account may hold: short, long, and in all (``exposed``). Without a number there is no limit."""

    account_id: int
    active: bool
    total_by: TotalBy | str
    risk_time_period_id: int | None = None
    short_limit: int | None = None
    long_limit: int | None = None
    exposed_limit: int | None = None
    fungible_exposed_limit: int | None = None
    description: str | None = None

    def to_json(self) -> dict[str, object]:
        """Return the request, without an id; raise ``ValueError`` for what is not documented as possible."""
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
class UserAccountPositionLimit(PositionLimitFields):
    """A position limit as it stands."""

    id: int
    extra: Mapping[str, object]

    @classmethod
    def from_json(cls, data: object) -> Self:
        """Read one as Tradovate sends it."""
        source = Fields(data)
        return cls(
            id=source.need_integer("id"),
            account_id=source.need_integer("accountId"),
            active=source.need_flag("active"),
            total_by=source.need_word("totalBy", TotalBy),
            **_scope(source),
            risk_time_period_id=source.integer("riskTimePeriodId"),
            short_limit=source.integer("shortLimit"),
            long_limit=source.integer("longLimit"),
            exposed_limit=source.integer("exposedLimit"),
            fungible_exposed_limit=source.integer("fungibleExposedLimit"),
            description=source.text("description"),
            extra=source.rest(),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskParameterFields(Scope):
    """How much an account may order at once, of what, and how near to expiration; belongs to a position limit.

    Quantities in contracts, ``max_back_month`` in months, ``margin_dollar_value`` in dollars. The default category has
    quantities of 100.
    """

    user_account_position_limit_id: int
    max_opening_order_qty: int | None = None
    max_closing_order_qty: int | None = None
    fungible_max_opening_order_qty: int | None = None
    fungible_max_closing_order_qty: int | None = None
    max_back_month: int | None = None
    pre_expiration_days: int | None = None
    margin_percentage: Decimal | None = None
    margin_dollar_value: Decimal | None = None
    hard_limit: bool | None = None

    def to_json(self) -> dict[str, object]:
        """Return the request, without an id; raise ``ValueError`` for what is not documented as possible."""
        positive("a position limit's id", self.user_account_position_limit_id)
        self._check_scope()
        return sent_fields(self, RiskParameterFields)


@dataclass(frozen=True, slots=True, kw_only=True)
class UserAccountRiskParameter(RiskParameterFields):
    """A risk parameter as it stands."""

    id: int
    extra: Mapping[str, object]

    @classmethod
    def from_json(cls, data: object) -> Self:
        """Read one as Tradovate sends it."""
        source = Fields(data)
        return cls(
            id=source.need_integer("id"),
            user_account_position_limit_id=source.need_integer("userAccountPositionLimitId"),
            **_scope(source),
            max_opening_order_qty=source.integer("maxOpeningOrderQty"),
            max_closing_order_qty=source.integer("maxClosingOrderQty"),
            fungible_max_opening_order_qty=source.integer("fungibleMaxOpeningOrderQty"),
            fungible_max_closing_order_qty=source.integer("fungibleMaxClosingOrderQty"),
            max_back_month=source.integer("maxBackMonth"),
            pre_expiration_days=source.integer("preExpirationDays"),
            margin_percentage=source.decimal("marginPercentage"),
            margin_dollar_value=source.decimal("marginDollarValue"),
            hard_limit=source.flag("hardLimit"),
            extra=source.rest(),
        )


class _ScopeFields(TypedDict):
    contract_id: int | None
    product_id: int | None
    exchange_id: int | None
    product_type: ProductType | str | None
    risk_discount_contract_group_id: int | None
    product_verification_status: ProductVerificationStatus | str | None
    contract_group_id: int | None
    fungible_product_id: int | None


def _scope(source: Fields) -> _ScopeFields:
    return {
        "contract_id": source.integer("contractId"),
        "product_id": source.integer("productId"),
        "exchange_id": source.integer("exchangeId"),
        "product_type": source.word("productType", ProductType),
        "risk_discount_contract_group_id": source.integer("riskDiscountContractGroupId"),
        "product_verification_status": source.word("productVerificationStatus", ProductVerificationStatus),
        "contract_group_id": source.integer("contractGroupId"),
        "fungible_product_id": source.integer("fungibleProductId"),
    }
