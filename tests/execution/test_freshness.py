"""What a kind's plan rests on is what a reading brings: however old everything is, after it nothing is old."""

from datetime import datetime, timedelta

import pytest
from django.db.models import Model
from django.utils import timezone

from accounts.changes.freshness import good_since, read_again, stale
from accounts.changes.kinds import KINDS
from accounts.changes.kinds.spec import Unit
from accounts.models import Account, AutoLiqLimits, Cash, RiskStatus, Trader
from riskadmin.tradovate.vocabulary import Environment, Lane
from tests.execution.pre_trade import make_limited
from tests.simulator.driver import Simulator

EVERYTHING: tuple[tuple[type[Model], tuple[str, ...]], ...] = (
    (Account, ("fresh_at", "positions_read_at", "position_limits_read_at", "risk_parameters_read_at")),
    (RiskStatus, ("fresh_at",)),
    (Cash, ("fresh_at",)),
    (AutoLiqLimits, ("fresh_at",)),
    (Trader, ("fresh_at",)),
)


def let_it_be(at: datetime) -> None:
    """Let everything have been read at this time."""
    for model, columns in EVERYTHING:
        model._default_manager.update(**dict.fromkeys(columns, at))


@pytest.mark.parametrize("kind_name", KINDS)
def test_reading_again_leaves_nothing_old(mirror: Simulator, kind_name: str) -> None:
    kind = KINDS[kind_name]
    account = Account.objects.get(tradovate_id=make_limited(mirror).account_id, environment="demo")
    assert account.trader
    target_id = account.trader.tradovate_id if kind.unit == Unit.TRADER else account.tradovate_id
    now = timezone.now()
    let_it_be(now)
    assert stale(kind, kind.subjects(Environment.DEMO, [target_id]), good_since()) == []

    let_it_be(now - timedelta(days=1))
    old = kind.subjects(Environment.DEMO, [target_id])
    assert stale(kind, old, good_since()) == [target_id]
    assert kind.read_at(old[target_id]) == now - timedelta(days=1)

    assert read_again(kind, Environment.DEMO, [target_id], lane=Lane.URGENT) == ""
    assert stale(kind, kind.subjects(Environment.DEMO, [target_id]), good_since()) == []


def test_a_failed_read_is_reported_and_everything_stays_old(mirror: Simulator) -> None:
    kind = KINDS["unlock"]
    target_id = make_limited(mirror).account_id
    let_it_be(timezone.now() - timedelta(days=1))
    mirror.fault("500", endpoint="/accountriskstatus/items")
    assert "500" in read_again(kind, Environment.DEMO, [target_id], lane=Lane.URGENT)
    assert stale(kind, kind.subjects(Environment.DEMO, [target_id]), good_since()) == [target_id]
