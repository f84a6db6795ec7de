"""Mirror rows for tests that need no simulator, each read a minute ago unless a test says otherwise."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count
from typing import Any

from accounts.models import Account, AutoLiqLimits, Cash, LimitLevel, Position, RiskCategory, RiskStatus, Source, Trader

_ids = count(1_000)


def read_a_minute_ago() -> dict[str, Any]:
    """What rows of the mirror say of their age, counted from now: a run of all tests takes longer than rows count as new."""
    return {"fresh_at": datetime.now(UTC) - timedelta(minutes=1), "source": Source.SYNC}


def make_account(name: str = "", *, environment: str = "demo", **fields: Any) -> Account:
    """An open account no one has read the risk status of."""
    tradovate_id = fields.pop("tradovate_id", None) or next(_ids)
    return Account.objects.create(
        environment=environment, tradovate_id=tradovate_id, name=name or f"EVAL-{tradovate_id}", **read_a_minute_ago() | fields
    )


def make_active(name: str = "", **fields: Any) -> Account:
    """An account that may trade."""
    account = make_account(name, **fields)
    make_status(account)
    return account


def make_status(account: Account, *, admin_action: str = "Normal", **fields: Any) -> RiskStatus:
    """A risk status."""
    return RiskStatus.objects.create(account=account, admin_action=admin_action, **read_a_minute_ago() | fields)


def make_trader(name: str, *, email: str = "", environment: str = "demo") -> Trader:
    """A trader."""
    return Trader.objects.create(
        environment=environment, tradovate_id=next(_ids), name=name, email=email, **read_a_minute_ago()
    )


def make_category(name: str, *, environment: str = "demo") -> RiskCategory:
    """A risk category."""
    return RiskCategory.objects.create(environment=environment, tradovate_id=next(_ids), name=name, **read_a_minute_ago())


def make_cash(account: Account, *, today: str = "0", **fields: Any) -> Cash:
    """A balance of 50,000 dollars, with what was realised today."""
    figures = {"amount_usd": Decimal(50_000), "amount_sod_usd": Decimal(50_000), "realized_pnl_usd": Decimal(today)}
    return Cash.objects.create(account=account, **read_a_minute_ago() | figures | fields)


def make_limits(account: Account, level: LimitLevel = LimitLevel.FIRM, **fields: Any) -> AutoLiqLimits:
    """Limits of one level."""
    return AutoLiqLimits.objects.create(account=account, level=level, **read_a_minute_ago() | fields)


def make_position(account: Account, *, net_pos: int = 1, **fields: Any) -> Position:
    """An open position."""
    number = next(_ids)
    return Position.objects.create(
        account=account, tradovate_id=number, contract_id=number, net_pos=net_pos, **read_a_minute_ago() | fields
    )
