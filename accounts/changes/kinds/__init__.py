"""The kinds of change that can be requested, by name."""

from typing import Any, Final

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
from accounts.changes.kinds.unlock import Unlock
from accounts.changes.kinds.user_lockout import UserLockout

KINDS: Final[dict[str, Kind[Any]]] = {
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
