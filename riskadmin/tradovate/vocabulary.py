"""Words with a fixed set of values: Tradovate's, spelled as Tradovate spells them, and two of our own.

Source of Tradovate's: "Set Admin Auto Liq Action" (partner documentation, seed 001).
"""

from enum import StrEnum


class Environment(StrEnum):
    """Which of Tradovate's two environments a call is for."""

    DEMO = "demo"
    LIVE = "live"


class Lane(StrEnum):
    """Which share of the API budget a call may use: bulk work leaves room for urgent work."""

    URGENT = "urgent"
    BULK = "bulk"


class AdminAction(StrEnum):
    """``adminAction`` of an account's risk status."""

    NORMAL = "Normal"
    LOCK = "LockTradingImmediately"
    LIQUIDATE = "LiquidateImmediately"
    LIQUIDATE_ONLY = "LiquidateOnlyModeImmediately"
    # Set by Tradovate itself ("not intended for partner workflows"): read, never sent.
    PLACE_AUTO_LIQ_ON_HOLD = "PlaceAutoLiqOnHold"
    DISABLE_AUTO_LIQ = "DisableAutoLiq"
    AGREED_ON_LIQ_ONLY_MODE_BY_AUTO_LIQ = "AgreedOnLiqOnlyModeByAutoLiq"
    AGREED_ON_LIQUIDATION_BY_AUTO_LIQ = "AgreedOnLiquidationByAutoLiq"


ASKABLE_ADMIN_ACTIONS = frozenset({AdminAction.NORMAL, AdminAction.LOCK, AdminAction.LIQUIDATE, AdminAction.LIQUIDATE_ONLY})


class ReasonCode(StrEnum):
    """``adminActionReasonCode``. Most partners use ``Other`` with a text."""

    CLOSE_AML_DECISION = "CloseAMLDecision"
    CLOSE_COMPLIANCE_DECISION = "CloseComplianceDecision"
    CLOSE_CUSTOMER_REQUEST = "CloseCustomerRequest"
    CLOSE_DECEASED = "CloseDeceased"
    CLOSE_ESCHEATMENT = "CloseEscheatment"
    CLOSE_FRAUD = "CloseFraud"
    CLOSE_INACTIVE_UNFUNDED_ACCOUNT = "CloseInactiveUnfundedAccount"
    FULL_BALANCE_WITHDRAWAL = "FullBalanceWithdrawal"
    OTHER = "Other"
    RESTRICTED_AML_REQUEST = "RestrictedAMLRequest"
    RESTRICTED_ACCOUNTS_REQUEST = "RestrictedAccountsRequest"
    RESTRICTED_COMPLIANCE_REQUEST = "RestrictedComplianceRequest"
    RESTRICTED_RISK_RESTRICTION = "RestrictedRiskRestriction"
    RESTRICTED_TREASURY_REQUEST = "RestrictedTreasuryRequest"
    RESTRICTED_W8_EXPIRED = "RestrictedW8Expired"

    @property
    def is_for_brokerage(self) -> bool:
        """Whether Tradovate uses it for the management of brokerage accounts (seed 001)."""
        return self.value.startswith(("Close", "Restricted"))


REASON_TEXT_MAX = 8192
"""The most characters of ``adminActionReason`` that Tradovate accepts. ``Other`` requires a text."""


class TrailingDrawdownMode(StrEnum):
    """``trailingMaxDrawdownMode``: when the peak that a trailing drawdown follows may rise. Source: seed 000."""

    EOD = "EOD"
    REAL_TIME = "RealTime"


class TotalBy(StrEnum):
    """``totalBy`` of a position limit: what its contracts are summed over. Source, also below: the OpenAPI document."""

    CONTRACT = "Contract"
    CONTRACT_GROUP = "ContractGroup"
    DISCOUNT_GROUP = "DiscountGroup"
    EXCHANGE = "Exchange"
    FUNGIBLE_PRODUCT = "FungibleProduct"
    OVERALL = "Overall"
    PRODUCT = "Product"
    PRODUCT_TYPE = "ProductType"


class ProductType(StrEnum):
    """``productType`` of a limit."""

    COMMON_STOCK = "CommonStock"
    CONTINUOUS = "Continuous"
    CRYPTOCURRENCY = "Cryptocurrency"
    FUTURES = "Futures"
    MARKET_INTERNALS = "MarketInternals"
    OPTIONS = "Options"
    SPREAD = "Spread"
    SWAP = "Swap"


class ProductVerificationStatus(StrEnum):
    """``productVerificationStatus`` of a limit."""

    INACTIVE = "Inactive"
    LOCKED = "Locked"
    READY_FOR_CONTRACTS = "ReadyForContracts"
    READY_TO_TRADE = "ReadyToTrade"
    VERIFIED = "Verified"
