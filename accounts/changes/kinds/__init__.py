"""The registry: the kinds of change that can be requested, by name, and what stands for those that were stored.

Stored rows outlive the code of their kind. To show a stored change, take its kind from `for_stored`; to act on it, from
`sendable`. `KINDS` is only for what is about to be requested.
"""

from typing import Final, Protocol

from accounts.changes.kinds.auto_liq_limits import AutoLiqLimitsKind
from accounts.changes.kinds.demo_balance import DemoBalance
from accounts.changes.kinds.kind import Kind
from accounts.changes.kinds.liquidate import Liquidate
from accounts.changes.kinds.liquidate_only import LiquidateOnly
from accounts.changes.kinds.lock import Lock
from accounts.changes.kinds.max_net_liq import MaxNetLiq
from accounts.changes.kinds.position_limit import PositionLimitKind
from accounts.changes.kinds.remediation import Remediation
from accounts.changes.kinds.reset_auto_liq_status import ResetAutoLiqStatus
from accounts.changes.kinds.risk_category import SwitchRiskCategory
from accounts.changes.kinds.risk_parameter import RiskParameterKind
from accounts.changes.kinds.stored import NOT_SUPPORTED, RetiredKind, State, StoredKind
from accounts.changes.kinds.unlock import Unlock
from accounts.changes.kinds.user_lockout import UserLockout

KINDS: Final[dict[str, Kind]] = {
    kind.name: kind
    for kind in (
        Lock(),
        LiquidateOnly(),
        Unlock(),
        Liquidate(),
        SwitchRiskCategory(),
        AutoLiqLimitsKind(),
        PositionLimitKind(),
        RiskParameterKind(),
        UserLockout(),
        ResetAutoLiqStatus(),
        MaxNetLiq(),
        DemoBalance(),
        Remediation(),
    )
}


class KindRetired(LookupError):
    """A stored change is of a kind that no longer exists, so nothing can be planned, sent, read back or undone for it."""

    def __init__(self) -> None:
        super().__init__(NOT_SUPPORTED)


class StoredChange(Protocol):
    """What a stored change says about its kind; `changes.models.Change` is one."""

    kind: str
    parameters: State


def for_stored(change: StoredChange) -> StoredKind:
    """Return the kind of a stored change, for the change's parameters; a `RetiredKind` if it no longer exists."""
    kind = KINDS.get(change.kind)
    return kind.of(change.parameters) if kind else RetiredKind.named(change.kind)


def named(kind_name: str) -> StoredKind:
    """Return the kind with a stored name, whatever the parameters; a `RetiredKind` if it no longer exists."""
    return KINDS.get(kind_name) or RetiredKind.named(kind_name)


def sendable(change: StoredChange) -> Kind:
    """Return the kind of a stored change that is to be planned, sent or read; raises KindRetired."""
    kind = for_stored(change)
    if not isinstance(kind, Kind):
        raise KindRetired
    return kind
