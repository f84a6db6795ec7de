"""Every endpoint that this code may call, with its documented rules.

The code enforces environments, whatever the configuration. Where a page's example and its prose name different hosts, the
prose applies (seeds 001 and 004: "Environments: Demo", though their examples show the live host).
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType
from typing import Literal

from riskadmin.tradovate.vocabulary import Environment

DEMO_ONLY = frozenset({Environment.DEMO})
EVERYWHERE = frozenset(Environment)

MAX_IDS_PER_READ = 500
"""Tradovate caps the entities of one answer at an undisclosed number. This is below the reported values."""

MAX_IDS_QUERY = 7000
"""Characters of a comma-separated id list: with the rest, below the 8 KiB request line that servers commonly accept."""

_READ_LIMIT = 64 * 1024 * 1024
_WRITE_LIMIT = 1024 * 1024


class Counts(Enum):
    """Which attempts an endpoint's own hourly limit counts."""

    ALL = "all"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One endpoint.

    ``name`` is the path without its slash, as sent. ``answer`` is the shape of a clean 200. ``hourly_limit`` is the
    endpoint's own limit, None where only the user's applies. ``body_limit`` is in bytes: a longer answer is not read.
    ``confidential`` answers hold a token and are stored without it.
    """

    name: str
    method: Literal["GET", "POST"]
    answer: Literal["object", "list"]
    environments: frozenset[Environment] = EVERYWHERE
    writes: bool = False
    hourly_limit: int | None = None
    counts: Counts = Counts.ALL
    body_limit: int = _READ_LIMIT
    confidential: bool = False

    @property
    def path(self) -> str:
        """Its path under the base URL."""
        return f"/{self.name}"


def _read(name: str) -> Endpoint:
    return Endpoint(name=name, method="GET", answer="list")


def _read_one(name: str) -> Endpoint:
    return Endpoint(name=name, method="GET", answer="object", body_limit=_WRITE_LIMIT)


def _write(
    name: str,
    *,
    environments: frozenset[Environment],
    hourly_limit: int | None = None,
    body_limit: int = _WRITE_LIMIT,
) -> Endpoint:
    return Endpoint(
        name=name,
        method="POST",
        answer="object",
        environments=environments,
        writes=True,
        hourly_limit=hourly_limit,
        body_limit=body_limit,
    )


ACCESS_TOKEN_REQUEST = Endpoint(
    name="auth/accesstokenrequest",
    method="POST",
    answer="object",
    hourly_limit=5,
    counts=Counts.FAILED,
    body_limit=_WRITE_LIMIT,
    confidential=True,
)
RENEW_ACCESS_TOKEN = Endpoint(
    name="auth/renewaccesstoken",
    method="GET",
    answer="object",
    hourly_limit=15,
    body_limit=_WRITE_LIMIT,
    confidential=True,
)

ACCOUNTS = _read("account/list")
ACCOUNT = _read_one("account/item")
ACCOUNTS_BY_ID = _read("account/items")
USERS = _read("user/list")
USERS_BY_ID = _read("user/items")
TRADING_PERMISSIONS = _read("tradingPermission/list")
TRADING_PERMISSIONS_BY_ID = _read("tradingPermission/items")
ACCOUNT_RISK_STATUSES = _read("accountRiskStatus/list")
ACCOUNT_RISK_STATUSES_BY_ID = _read("accountRiskStatus/items")
ACCOUNT_RISK_STATUSES_BY_ACCOUNT = _read("accountRiskStatus/ldeps")
USER_ACCOUNT_AUTO_LIQS = _read("userAccountAutoLiq/list")
USER_ACCOUNT_AUTO_LIQS_BY_ACCOUNT = _read("userAccountAutoLiq/ldeps")
PERMISSIONED_ACCOUNT_AUTO_LIQS = _read("permissionedAccountAutoLiq/list")
PERMISSIONED_ACCOUNT_AUTO_LIQS_BY_ACCOUNT = _read("permissionedAccountAutoLiq/ldeps")
USER_ACCOUNT_POSITION_LIMIT = _read_one("userAccountPositionLimit/item")
USER_ACCOUNT_POSITION_LIMITS_BY_ACCOUNT = _read("userAccountPositionLimit/ldeps")
USER_ACCOUNT_RISK_PARAMETER = _read_one("userAccountRiskParameter/item")
USER_ACCOUNT_RISK_PARAMETERS_BY_POSITION_LIMIT = _read("userAccountRiskParameter/ldeps")
CONTRACT_MARGINS_BY_CONTRACT = _read("contractMargin/ldeps")
PRODUCT_MARGINS = _read("productMargin/list")
PRODUCT_MARGINS_BY_PRODUCT = _read("productMargin/ldeps")
POSITION = _read_one("position/item")
POSITIONS = _read("position/list")
POSITIONS_BY_ACCOUNT = _read("position/ldeps")
CASH_BALANCES = _read("cashBalance/list")
CASH_BALANCES_BY_ACCOUNT = _read("cashBalance/ldeps")
# A POST that changes nothing.
CASH_BALANCE_SNAPSHOT = Endpoint(
    name="cashBalance/getcashbalancesnapshot",
    method="POST",
    answer="object",
    body_limit=_WRITE_LIMIT,
)
RISK_CATEGORIES = _read("riskCategory/list")

SET_ADMIN_AUTO_LIQ_ACTION = _write("accountRiskStatus/setadminautoliqaction", environments=DEMO_ONLY)
SWITCH_RISK_CATEGORY = _write("accountRiskStatus/switchriskcategory", environments=EVERYWHERE, hourly_limit=5000)
EXPIRE_USER_LOCKOUT = _write("user/expireuserlockout", environments=DEMO_ONLY)
# For an organisation's administrator this endpoint has no limit of its own. Others may make one change an account and hour.
CHANGE_DEMO_BALANCE = _write("cashBalance/changedemobalance", environments=DEMO_ONLY)
# The pages mention simulation accounts, which are on demo, without naming an environment [?].
UPDATE_MAX_NET_LIQ = _write("accountRiskStatus/updatemaxnetliq", environments=DEMO_ONLY)
# No page names an environment for those below [?]. Their records exist in both environments, so neither is refused.
RESET_AUTO_LIQ_STATUS = _write("accountRiskStatus/resetautoliqstatus", environments=EVERYWHERE)
UPDATE_USER_AUTO_LIQS = _write("userAccountAutoLiq/updateuserautoliqs", environments=EVERYWHERE, body_limit=_READ_LIMIT)
CREATE_USER_ACCOUNT_POSITION_LIMIT = _write("userAccountPositionLimit/create", environments=EVERYWHERE)
UPDATE_USER_ACCOUNT_POSITION_LIMIT = _write("userAccountPositionLimit/update", environments=EVERYWHERE)
DELETE_USER_ACCOUNT_POSITION_LIMIT = _write(
    "userAccountPositionLimit/deleteuseraccountpositionlimit",
    environments=EVERYWHERE,
)
CREATE_USER_ACCOUNT_RISK_PARAMETER = _write("userAccountRiskParameter/create", environments=EVERYWHERE)
UPDATE_USER_ACCOUNT_RISK_PARAMETER = _write("userAccountRiskParameter/update", environments=EVERYWHERE)
# Not under userAccountRiskParameter: the unusual prefix is Tradovate's.
DELETE_USER_ACCOUNT_RISK_PARAMETER = _write("userAccountPositionLimit/deleteuseraccountriskparameter", environments=EVERYWHERE)

ENDPOINTS = MappingProxyType({each.name: each for each in tuple(vars().values()) if isinstance(each, Endpoint)})
"""All of the above by name."""


def id_batches(ids: Iterable[int]) -> Iterator[tuple[int, ...]]:
    """Split ids, in order and without repeats, into lists that fit into one read."""
    batch: list[int] = []
    length = 0
    for each in dict.fromkeys(ids):
        size = len(str(each)) + 1
        if batch and (len(batch) == MAX_IDS_PER_READ or length + size > MAX_IDS_QUERY):
            yield tuple(batch)
            batch, length = [], 0
        batch.append(each)
        length += size
    if batch:
        yield tuple(batch)
