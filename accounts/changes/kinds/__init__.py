"""The kinds of change that can be asked for, by name."""

from typing import Any, Final

from accounts.changes.kinds.auto_liq_limits import AutoLiqLimitsKind
from accounts.changes.kinds.kind import Kind
from accounts.changes.kinds.liquidate_only import LiquidateOnly
from accounts.changes.kinds.lock import Lock
from accounts.changes.kinds.risk_category import SwitchRiskCategory
from accounts.changes.kinds.unlock import Unlock

KINDS: Final[dict[str, Kind[Any]]] = {
    kind.name: kind for kind in (Lock(), LiquidateOnly(), Unlock(), SwitchRiskCategory(), AutoLiqLimitsKind())
}
