"""Traders in the mirror, for tests of whatever is about people rather than accounts."""

from django.utils import timezone

from accounts.models import Account, Source, Trader, TradingPermission


def make_trader(number: int, name: str = "", *, environment: str = "demo", is_gone: bool = False) -> Trader:
    """Add a trader, read just now."""
    now = timezone.now()
    return Trader.objects.create(
        environment=environment,
        tradovate_id=number,
        name=name or f"trader{number}",
        fresh_at=now,
        source=Source.SYNC,
        missing_since=now if is_gone else None,
    )


def let_trade(trader: Trader, *accounts: Account) -> None:
    """Give accounts to a trader."""
    for account in accounts:
        account.trader = trader
        account.save(update_fields=["trader"])
        TradingPermission.objects.create(
            environment=account.environment,
            tradovate_id=account.tradovate_id,
            account=account,
            trader=trader,
            status="Accepted",
            fresh_at=timezone.now(),
            source=Source.SYNC,
        )
