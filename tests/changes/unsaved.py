"""Rows as kinds load them, not in any database; whole accounts as the kinds about money load them."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from django.db.models import Model

from accounts.models import Account, AutoLiqLimits, Cash, Position, RiskStatus
from tests.changes.mirror import LOCKED

T0 = datetime(2026, 11, 20, 15, 0, 0, tzinfo=UTC)
T1 = datetime(2026, 11, 20, 15, 0, 9, tzinfo=UTC)


def load(row: Model, **attributes: Any) -> None:
    """Set what a kind's `subjects` loads beside the columns, such as the positions that are `held`."""
    vars(row).update(attributes)


def prefetch(row: Model, **related: Any) -> None:
    """Set related rows as `prefetch_related` leaves them."""
    load(row, _prefetched_objects_cache=related)


def an_account(
    *,
    cash: str | None = "50000",
    week: str | None = "0",
    peak: str | None = "51000",
    action: str = LOCKED,
    stopped_at: datetime | None = None,
    drawdown: str | None = None,
    positions: int = 0,
) -> Account:
    """An open account as the kinds load it, unsaved."""
    account = Account(pk=1, environment="demo", tradovate_id=1, name="KTR50K-000001", positions_read_at=T1)
    account.risk_status = RiskStatus(
        admin_action=action,
        admin_at=T0,
        liquidate_only_at=stopped_at,
        max_net_liq_usd=None if peak is None else Decimal(peak),
        fresh_at=T1,
    )
    account._state.fields_cache["cash"] = None  # as a joined row that isn't there
    if cash is not None:
        realised = None if week is None else Decimal(week)
        account.cash = Cash(amount_usd=Decimal(cash), week_realized_pnl_usd=realised, fresh_at=T0)
    limits = (
        []
        if drawdown is None
        else [AutoLiqLimits(trailing_max_drawdown_usd=Decimal(drawdown), do_not_unlock=True, fresh_at=T1)]
    )
    load(account, firm_limits=limits, held=[Position(net_pos=1) for _ in range(positions)])
    return account
