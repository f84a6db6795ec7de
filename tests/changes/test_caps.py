"""The firm's caps hold whatever kind sets the number, and say so where it was typed or beside the account."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from accounts.changes.kinds import KINDS
from accounts.changes.kinds.caps import CAPPED, check_caps
from accounts.changes.kinds.kind import Skip
from accounts.changes.kinds.pre_trade import PreTradeKind
from accounts.changes.kinds.stored import State
from accounts.changes.targeting.csv_upload import read_csv
from accounts.models import PositionLimit, Source
from riskadmin.staff.models import Staff
from riskadmin.tradovate.vocabulary import Environment
from tests.changes.kinds import an_account
from tests.changes.pages import new, text_of
from tests.changes.world import make_account

Caps = dict[str, dict[str, Decimal]]


def highest(**caps: int) -> Caps:
    return {name: {"max": Decimal(value)} for name, value in caps.items()}


def reason_of(kind_name: str, parameters: State, **columns: Any) -> str:
    """Why an account with $50,000 and a peak of $51,000 would be skipped."""
    account = an_account()
    for name, value in columns.items():
        setattr(account, name, value)
    outcome = KINDS[kind_name].plan(account, parameters=parameters, contested=False)
    return outcome.reason if isinstance(outcome, Skip) else ""


@pytest.mark.parametrize(
    ("kind_name", "caps", "parameters", "reason"),
    [
        (
            "demo_balance",
            highest(cash_change_usd=1000),
            {"cash_change_usd": "1000.01"},
            "Change of the balance at $1,000.01, and the most that may be set is $1,000.00",
        ),
        (
            "demo_balance",
            highest(cash_change_usd=1000),
            {"cash_change_usd": "-1000.01"},
            "Change of the balance at \N{MINUS SIGN}$1,000.01, and the most that may be set is $1,000.00",
        ),
        (
            "demo_balance",
            highest(cash_change_usd=1000),
            {"amount_usd": "51500"},  # which is a change by 1,500
            "Change of the balance at $1,500.00, and the most that may be set is $1,000.00",
        ),
        (
            "demo_balance",
            highest(amount_usd=50_500),
            {"cash_change_usd": "501"},  # which makes it 50,501
            "Balance at $50,501.00, and the most that may be set is $50,500.00",
        ),
        ("demo_balance", highest(amount_usd=40_000), {"cash_change_usd": "-1"}, ""),  # nearer to the cap than it is
        ("demo_balance", highest(amount_usd=50_500, cash_change_usd=500), {"cash_change_usd": "500"}, ""),
        ("demo_balance", highest(max_net_liq_usd=1), {"cash_change_usd": "500"}, ""),
        (
            "max_net_liq",
            highest(max_net_liq_usd=60_000),
            {"max_net_liq_usd": "60000.01"},
            "Max net liq at $60,000.01, and the most that may be set is $60,000.00",
        ),
        ("max_net_liq", highest(max_net_liq_usd=60_000), {"max_net_liq_usd": "60000"}, ""),
        (
            "remediation",
            highest(max_net_liq_usd=60_000),
            {"amount_usd": "50001", "max_net_liq_usd": "61000"},
            "Max net liq at $61,000.00, and the most that may be set is $60,000.00",
        ),
        (
            "remediation",
            highest(amount_usd=45_000),
            {"amount_usd": "49000", "max_net_liq_usd": "1"},
            "Balance at $49,000.00, and the most that may be set is $45,000.00",
        ),
    ],
)
def test_kinds_of_money(settings: Settings, kind_name: str, caps: Caps, parameters: State, reason: str) -> None:
    settings.LIMIT_CAPS = caps
    assert reason_of(kind_name, parameters) == (f"Beyond the firm's cap: {reason}" if reason else "")


@pytest.mark.parametrize(("size", "is_skipped"), [(50_000, False), (49_999, True), (None, True)])
def test_a_share_of_the_size(settings: Settings, size: int | None, *, is_skipped: bool) -> None:
    settings.LIMIT_CAPS = {"max_net_liq_usd": {"max_pct_of_size": Decimal(110)}}
    size_usd = None if size is None else Decimal(size)
    assert bool(reason_of("max_net_liq", {"max_net_liq_usd": "55000"}, evaluation_size_usd=size_usd)) is is_skipped


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("parameters", "reason"),
    [
        (
            {"action": "create", "active": True, "total_by": "Overall", "long_limit": 21},
            "Beyond the firm's cap: Most long at 21, and the most that may be set is 20",
        ),
        ({"action": "create", "active": True, "total_by": "Overall", "long_limit": 20, "short_limit": 99}, ""),
        (
            {"action": "update", "limit": 7, "long_limit": 22},
            "Beyond the firm's cap: Most long at 22, and the most that may be set is 20",
        ),
        # It has 30 already: to lower something else stays possible, and so does to remove it.
        ({"action": "update", "limit": 7, "short_limit": 3}, ""),
        ({"action": "update", "limit": 7, "long_limit": 20}, ""),
        ({"action": "delete", "limit": 7}, ""),
    ],
)
def test_position_limits(settings: Settings, parameters: State, reason: str) -> None:
    settings.LIMIT_CAPS = highest(long_limit=20)
    now = timezone.now()
    account = make_account(101, position_limits_read_at=now, risk_parameters_read_at=now)
    PositionLimit.objects.create(
        account=account, tradovate_id=7, active=True, total_by="Overall", long_limit=30, fresh_at=now, source=Source.SYNC
    )
    kind = KINDS["position_limit"].of(parameters)
    assert isinstance(kind, PreTradeKind)
    outcome = kind.plan(kind.subjects(Environment.DEMO, [101])[101], parameters=parameters, contested=False)
    assert (outcome.reason if isinstance(outcome, Skip) else "") == reason


@pytest.mark.parametrize(
    ("kind_name", "typed", "field", "said"),
    [
        ("demo_balance", {"cash_change_usd": "-501"}, "cash_change_usd", "$500.00"),
        ("demo_balance", {"amount_usd": "60001"}, "amount_usd", "$60,000.00"),
        ("max_net_liq", {"max_net_liq_usd": "70001"}, "max_net_liq_usd", "$70,000.00"),
        ("remediation", {"amount_usd": "1", "max_net_liq_usd": "70001"}, "max_net_liq_usd", "$70,000.00"),
        ("auto_liq_limits", {"daily_loss_auto_liq_usd": "1001"}, "daily_loss_auto_liq_usd", "$1,000.00"),
        ("position_limit", {"action": "update", "limit": "7", "long_limit": "21"}, "long_limit", "20"),
        ("risk_parameter", {"action": "update", "parameter": "7", "max_opening_order_qty": "6"}, "max_opening_order_qty", "5"),
    ],
)
def test_the_form_says_it_at_the_field(
    settings: Settings, kind_name: str, typed: Mapping[str, str], field: str, said: str
) -> None:
    settings.LIMIT_CAPS = highest(
        cash_change_usd=500,
        amount_usd=60_000,
        max_net_liq_usd=70_000,
        daily_loss_auto_liq_usd=1000,
        long_limit=20,
        max_opening_order_qty=5,
    )
    form_class = KINDS[kind_name].parameters_form
    assert form_class is not None
    assert form_class(dict(typed)).errors == {field: [f"Beyond the firm's cap: the most that may be set is {said}."]}


@pytest.mark.django_db
def test_the_page_and_the_rows_of_a_file_say_it_too(support_client: Client, support: Staff, settings: Settings) -> None:
    settings.LIMIT_CAPS = highest(daily_loss_auto_liq_usd=1000)
    make_account(1)
    page = support_client.get(
        new("auto_liq_limits"), {"account": "demo:1", "preview": "1", "daily_loss_auto_liq_usd": "1000.01"}
    )
    assert page.status_code == 422
    assert "the most that may be set is $1,000.00." in text_of(page)
    content = b"account,daily_loss_auto_liq_usd\n1,1000.01\n"
    (problem,) = read_csv(KINDS["auto_liq_limits"], Environment.DEMO, content, filename="limits.csv").problems
    assert (problem.line, problem.column, problem.value) == (2, "daily_loss_auto_liq_usd", "1000.01")
    assert problem.reason == "Beyond the firm's cap: the most that may be set is $1,000.00."


@pytest.mark.parametrize("caps", [highest(pre_expiration_days=1), {"long_limit": {"max_pct_of_size": Decimal(1)}}])
def test_a_cap_that_limits_no_one_stops_the_start(caps: Caps) -> None:
    with pytest.raises(ImproperlyConfigured, match=next(iter(caps))):
        check_caps(caps)


def test_every_number_may_have_one() -> None:
    check_caps({name: {"max": Decimal(1)} for name in CAPPED})
