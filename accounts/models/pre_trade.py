"""Position limits and risk parameters as records and in words. Pure.

A *record* is one of them as JSON values by field name, the same from the mirror as from a response: numbers as shortest decimal
texts, and unset fields left out, as in a call. So two records are equal exactly when Tradovate holds the same.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from enum import StrEnum
from typing import Any, Final

from accounts.models import Account, PositionLimit, RiskParameter
from riskadmin.tradovate.encoding import DIGITS_MAX
from riskadmin.tradovate.pre_trade import UserAccountPositionLimit, UserAccountRiskParameter
from riskadmin.tradovate.vocabulary import ProductType, ProductVerificationStatus, TotalBy
from riskadmin.web.formats import money, number, percent

Record = Mapping[str, Any]

UNSET: Final = "—"
ID: Final = "id"
OWNER: Final = "user_account_position_limit_id"


class PreTradeValueType(StrEnum):
    """The type of a field's value."""

    COUNT = "count"  # a whole number, zero or more
    NUMBER = "number"  # Tradovate's number of something
    WORD = "word"
    FLAG = "flag"
    TEXT = "text"
    PCT = "pct"
    USD = "usd"


class Tighter(StrEnum):
    """Which value of a field restricts a trader more. Unset is no restriction; "" means that it is not documented."""

    LOWER = "lower"
    HIGHER = "higher"
    YES = "yes"
    UNSAID = ""


@dataclass(frozen=True, kw_only=True)
class Field:
    """One field; `name` is the mirror's column, the client's field name, and the name in forms and parameters."""

    name: str
    label: str
    value_type: PreTradeValueType
    tighter: Tighter = Tighter.UNSAID
    words: Mapping[str, str] | None = None
    help: str = ""

    @property
    def is_number(self) -> bool:
        """Whether it holds a count, percent or dollars."""
        return self.value_type in {PreTradeValueType.COUNT, PreTradeValueType.PCT, PreTradeValueType.USD}

    @property
    def is_scope(self) -> bool:
        """Whether it is part of the record's scope."""
        return self in SCOPE


TOTAL_BY_WORDS: Final[dict[str, str]] = {
    TotalBy.OVERALL: "all contracts together",
    TotalBy.CONTRACT: "each contract",
    TotalBy.PRODUCT: "each product",
    TotalBy.PRODUCT_TYPE: "each product type",
    TotalBy.EXCHANGE: "each exchange",
    TotalBy.CONTRACT_GROUP: "each contract group",
    TotalBy.DISCOUNT_GROUP: "each discount group",
    TotalBy.FUNGIBLE_PRODUCT: "each fungible product",
}
PRODUCT_TYPE_WORDS: Final[dict[str, str]] = {
    ProductType.FUTURES: "futures",
    ProductType.OPTIONS: "options",
    ProductType.SPREAD: "spreads",
    ProductType.COMMON_STOCK: "common stock",
    ProductType.CONTINUOUS: "continuous contracts",
    ProductType.CRYPTOCURRENCY: "cryptocurrencies",
    ProductType.MARKET_INTERNALS: "market internals",
    ProductType.SWAP: "swaps",
}
VERIFICATION_WORDS: Final[dict[str, str]] = {
    ProductVerificationStatus.VERIFIED: "verified",
    ProductVerificationStatus.READY_FOR_CONTRACTS: "ready for contracts",
    ProductVerificationStatus.READY_TO_TRADE: "ready to trade",
    ProductVerificationStatus.LOCKED: "locked",
    ProductVerificationStatus.INACTIVE: "inactive",
}

SCOPE: Final = (
    Field(name="contract_id", label="Contract", value_type=PreTradeValueType.NUMBER),
    Field(name="product_id", label="Product", value_type=PreTradeValueType.NUMBER),
    Field(name="exchange_id", label="Exchange", value_type=PreTradeValueType.NUMBER),
    Field(name="product_type", label="Product type", value_type=PreTradeValueType.WORD, words=PRODUCT_TYPE_WORDS),
    Field(name="contract_group_id", label="Contract group", value_type=PreTradeValueType.NUMBER),
    Field(name="risk_discount_contract_group_id", label="Discount group", value_type=PreTradeValueType.NUMBER),
    Field(name="fungible_product_id", label="Fungible product", value_type=PreTradeValueType.NUMBER),
    Field(
        name="product_verification_status",
        label="Product's verification",
        value_type=PreTradeValueType.WORD,
        words=VERIFICATION_WORDS,
    ),
)
POSITION_LIMIT_FIELDS: Final = (
    Field(name="active", label="In force", value_type=PreTradeValueType.FLAG, tighter=Tighter.YES),
    Field(
        name="total_by",
        label="Counted over",
        value_type=PreTradeValueType.WORD,
        words=TOTAL_BY_WORDS,
        help="Over what the contracts are added up before they are held against the limit.",
    ),
    Field(name="short_limit", label="Most short", value_type=PreTradeValueType.COUNT, tighter=Tighter.LOWER),
    Field(name="long_limit", label="Most long", value_type=PreTradeValueType.COUNT, tighter=Tighter.LOWER),
    Field(name="exposed_limit", label="Most in all", value_type=PreTradeValueType.COUNT, tighter=Tighter.LOWER),
    Field(
        name="fungible_exposed_limit", label="Most in all, fungible", value_type=PreTradeValueType.COUNT, tighter=Tighter.LOWER
    ),
    *SCOPE,
    Field(name="risk_time_period_id", label="Time period", value_type=PreTradeValueType.NUMBER),
    Field(name="description", label="Description", value_type=PreTradeValueType.TEXT),
)
RISK_PARAMETER_FIELDS: Final = (
    Field(
        name="max_opening_order_qty", label="Largest opening order", value_type=PreTradeValueType.COUNT, tighter=Tighter.LOWER
    ),
    Field(
        name="max_closing_order_qty", label="Largest closing order", value_type=PreTradeValueType.COUNT, tighter=Tighter.LOWER
    ),
    Field(
        name="fungible_max_opening_order_qty",
        label="Largest opening order, fungible",
        value_type=PreTradeValueType.COUNT,
        tighter=Tighter.LOWER,
    ),
    Field(
        name="fungible_max_closing_order_qty",
        label="Largest closing order, fungible",
        value_type=PreTradeValueType.COUNT,
        tighter=Tighter.LOWER,
    ),
    Field(
        name="max_back_month",
        label="Furthest month",
        value_type=PreTradeValueType.COUNT,
        tighter=Tighter.LOWER,
        help="In months ahead.",
    ),
    Field(
        name="pre_expiration_days",
        label="Days before expiration",
        value_type=PreTradeValueType.COUNT,
        tighter=Tighter.HIGHER,
        help="So many days before a contract expires, it can't be traded any more.",
    ),
    # The effect of a higher margin, and what `hardLimit` is the opposite of, are not documented.
    Field(name="margin_percentage", label="Margin in percent", value_type=PreTradeValueType.PCT),
    Field(name="margin_dollar_value", label="Margin in dollars", value_type=PreTradeValueType.USD),
    Field(name="hard_limit", label="Hard limit", value_type=PreTradeValueType.FLAG),
    *SCOPE,
)

_PLACES: Final = Decimal("0.00000001")  # the mirror's precision


def position_limit_record(limit: PositionLimit | UserAccountPositionLimit) -> Record:
    """Return a position limit, from the mirror or as read, as a record."""
    number_of = limit.tradovate_id if isinstance(limit, PositionLimit) else limit.id
    return {ID: number_of, **_values(limit, POSITION_LIMIT_FIELDS)}


def risk_parameter_record(parameter: RiskParameter | UserAccountRiskParameter) -> Record:
    """Return a risk parameter, from the mirror (its position limit selected) or as read, as a record."""
    if isinstance(parameter, RiskParameter):
        ids = {ID: parameter.tradovate_id, OWNER: parameter.position_limit.tradovate_id}
    else:
        ids = {ID: parameter.id, OWNER: parameter.user_account_position_limit_id}
    return {**ids, **_values(parameter, RISK_PARAMETER_FIELDS)}


def in_json(value: object) -> Any:
    """Return a value in the form that records hold."""
    if isinstance(value, Decimal):
        kept = value.quantize(_PLACES, ROUND_HALF_UP) if value.adjusted() < DIGITS_MAX else value
        return format(kept.normalize(), "f")
    return str(value) if isinstance(value, StrEnum) else value


def in_words(field: Field, value: object) -> str:
    """Return a record's value in words."""
    if value is None:
        return UNSET
    match field.value_type:
        case PreTradeValueType.FLAG:
            return "yes" if value else "no"
        case PreTradeValueType.WORD:
            return (field.words or {}).get(str(value), str(value))
        case PreTradeValueType.COUNT:
            return number(Decimal(str(value)))
        case PreTradeValueType.PCT:
            return percent(Decimal(str(value)))
        case PreTradeValueType.USD:
            return money(Decimal(str(value)))
        case PreTradeValueType.NUMBER | PreTradeValueType.TEXT:
            return str(value)


def scope_words(record: Record) -> str:
    """Return a record's scope: "product 7, futures", or "everything"."""
    parts = [
        in_words(field, record[field.name])
        if field.name == "product_type"
        else f"{field.label.lower()} {in_words(field, record[field.name])}"
        for field in SCOPE
        if field.name in record
    ]
    return ", ".join(parts) or "everything"


@dataclass(frozen=True, kw_only=True)
class PreTradeLine:
    """One position limit or risk parameter on the account's page, with the risk parameters that depend on it."""

    id: int
    scope: str
    terms: tuple[tuple[str, str], ...]
    is_active: bool
    parameters: tuple["PreTradeLine", ...] = ()


def lines(account: Account) -> tuple[PreTradeLine, ...]:
    """Return the account's position limits for its page. Reads `position_limits` with their `risk_parameters`."""
    return tuple(
        _line(
            position_limit_record(limit),
            POSITION_LIMIT_FIELDS,
            [_line(risk_parameter_record(each), RISK_PARAMETER_FIELDS, ()) for each in _in_order(limit.risk_parameters.all())],
        )
        for limit in _in_order(account.position_limits.all())
    )


def _line(record: Record, fields: Sequence[Field], parameters: Sequence[PreTradeLine]) -> PreTradeLine:
    shown = [field for field in fields if field.name in record and not field.is_scope and field.name != "active"]
    return PreTradeLine(
        id=record[ID],
        scope=scope_words(record),
        terms=tuple((field.label, in_words(field, record[field.name])) for field in shown),
        is_active=record.get("active", True),
        parameters=tuple(parameters),
    )


def _in_order(found: Iterable[Any]) -> list[Any]:
    return sorted(found, key=lambda row: int(row.tradovate_id))


def _values(source: object, fields: Sequence[Field]) -> dict[str, Any]:
    found = ((field.name, in_json(getattr(source, field.name))) for field in fields)
    return {name: value for name, value in found if value is not None and value != ""}
