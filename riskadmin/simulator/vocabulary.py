"""Tradovate's enumerations, limits and error texts, exactly as the partner pages print them."""

from __future__ import annotations

from typing import Any, Final, TypeAlias

Entity: TypeAlias = dict[str, Any]
"""One API entity in JSON form: camelCase keys, absent instead of null, money as JSON numbers."""

HOSTS: Final = ("demo", "live")

NORMAL: Final = "Normal"
LOCK: Final = "LockTradingImmediately"
LIQUIDATE: Final = "LiquidateImmediately"
LIQUIDATE_ONLY: Final = "LiquidateOnlyModeImmediately"
HOLD_AUTO_LIQ: Final = "PlaceAutoLiqOnHold"
DISABLE_AUTO_LIQ: Final = "DisableAutoLiq"
AGREED_LIQ_ONLY: Final = "AgreedOnLiqOnlyModeByAutoLiq"
AGREED_LIQUIDATION: Final = "AgreedOnLiquidationByAutoLiq"

ADMIN_ACTIONS: Final = frozenset(
    {
        NORMAL,
        LOCK,
        LIQUIDATE,
        LIQUIDATE_ONLY,
        HOLD_AUTO_LIQ,
        DISABLE_AUTO_LIQ,
        AGREED_LIQ_ONLY,
        AGREED_LIQUIDATION,
    }
)

# "Temporarily … for one minute": the only actions that end by themselves.
MINUTE_LONG_ACTIONS: Final = frozenset({HOLD_AUTO_LIQ, AGREED_LIQ_ONLY})

REASON_CODES: Final = frozenset(
    {
        "CloseAMLDecision",
        "CloseComplianceDecision",
        "CloseCustomerRequest",
        "CloseDeceased",
        "CloseEscheatment",
        "CloseFraud",
        "CloseInactiveUnfundedAccount",
        "FullBalanceWithdrawal",
        "Other",
        "RestrictedAMLRequest",
        "RestrictedAccountsRequest",
        "RestrictedComplianceRequest",
        "RestrictedRiskRestriction",
        "RestrictedTreasuryRequest",
        "RestrictedW8Expired",
    }
)
REASON_OTHER: Final = "Other"
REASON_TEXT_MAX: Final = 8192
SWITCH_ACCOUNTS_MAX: Final = 10_000

DRAWDOWN_MODES: Final = ("EOD", "RealTime")

# UpdateUserAutoLiqItem, in the page's order. The permissioned record has some of these numbers.
PERMISSIONED_NUMBERS: Final = (
    "marginPercentageAlert",
    "dailyLossPercentageAlert",
    "dailyLossAlert",
    "marginPercentageLiqOnly",
    "dailyLossPercentageLiqOnly",
    "dailyLossLiqOnly",
    "marginPercentageAutoLiq",
    "dailyLossPercentageAutoLiq",
    "dailyLossAutoLiq",
    "weeklyLossAutoLiq",
    "dailyProfitAutoLiq",
    "weeklyProfitAutoLiq",
)
OWNER_NUMBERS: Final = (*PERMISSIONED_NUMBERS, "trailingMaxDrawdown", "trailingMaxDrawdownLimit")
PERMISSIONED_FIELDS: Final = (*PERMISSIONED_NUMBERS, "changesLocked")
OWNER_FIELDS: Final = (
    *OWNER_NUMBERS,
    "changesLocked",
    "flattenTimestamp",
    "trailingMaxDrawdownMode",
    "doNotUnlock",
    "steppedCooldown",
    "steppedUnlimited",
)

# UserAccountPositionLimit and UserAccountRiskParameter: enumerations as the documents list them.
TOTALS: Final = (
    "Contract",
    "ContractGroup",
    "DiscountGroup",
    "Exchange",
    "FungibleProduct",
    "Overall",
    "Product",
    "ProductType",
)
PRODUCT_TYPES: Final = (
    "CommonStock",
    "Continuous",
    "Cryptocurrency",
    "Futures",
    "MarketInternals",
    "Options",
    "Spread",
    "Swap",
)
VERIFICATION_STATUSES: Final = ("Inactive", "Locked", "ReadyForContracts", "ReadyToTrade", "Verified")
SCOPE_IDS: Final = (
    "contractId",
    "productId",
    "exchangeId",
    "riskDiscountContractGroupId",
    "contractGroupId",
    "fungibleProductId",
)
SCOPE_CHOICES: Final = {"productType": PRODUCT_TYPES, "productVerificationStatus": VERIFICATION_STATUSES}
DESCRIPTION_MAX: Final = 64

# setadminautoliqaction: the page's table of error messages, word for word.
ACCOUNT_ID_TEXT: Final = "Account Id should be greater than 0"
ADMIN_ACTION_TEXT: Final = "Admin Action should be between Normal and LiquidateImmediately"
REASON_CODE_TEXT: Final = "Admin Action Reason Code should be between CloseAMLDecision and Other"
REASON_LENGTH_TEXT: Final = "Admin Action Reason should be no longer than 8192"
REASON_MISSING_TEXT: Final = "Admin Action Reason should be specified"
ACCESS_DENIED: Final = "Access is denied"

# switchriskcategory: both texts are from the page.
EMPTY_ACCOUNT_IDS: Final = "Empty accountIds"
TOO_MANY_ACCOUNTS: Final = "Only 10000 accounts are allowed in single operation"

# changedemobalance: all nine texts are from the documents. Its denial is worded differently from similar endpoints.
CASH_ACCESS_DENIED: Final = "Access denied"
CASH_CHANGE_LOW: Final = "Cash Change should be greater than -1000000"
CASH_CHANGE_HIGH: Final = "Cash Change should be less than 1000000"
COMMENT_LENGTH_TEXT: Final = "Comment should be no longer than 64"
DEMO_ACCOUNT_CLOSED: Final = "Demo account is closed"
CASH_ABOVE_MOST: Final = "Maximum cash amount in the simulation account must be less than or equal to $50,000"
CASH_ONCE_AN_HOUR: Final = "One change to the simulation cash balance is permitted per hour. Please try again later."
ONLY_ON_DEMO: Final = "This endpoint should be called on demo.tradovateapi.com"
CASH_CHANGE_BOUND: Final = 1_000_000
CASH_MOST: Final = 50_000
COMMENT_MAX: Final = 64
COMMENT_DEFAULT: Final = "Demo Change"

# expireuserlockout: its page gives no texts. The first two are those of similar endpoints, and the third is modelled on
# them [?].
LOCKOUT_UNAUTHORIZED: Final = "Unauthorized: only org admins may expire a trading lockout."
LOCKOUT_USER_NOT_FOUND: Final = "User not found."
LOCKOUT_NOT_ACTIVE: Final = "User does not have an active lockout."
NOTES_LENGTH_TEXT: Final = "Notes should be no longer than 8192"

# Reported by users of other clients. The pages give no text for either.
WRONG_PASSWORD: Final = "Incorrect username or password. Please try again, noting that passwords are case-sensitive."  # noqa: S105 - a text
APP_NOT_REGISTERED: Final = "The app is not registered"

# Bodies of 401 and 404 over REST are undocumented [?].
INVALID_TOKEN: Final = "Invalid access token"  # noqa: S105 - the API's words, no secret
NOT_FOUND: Final = "Not found"
