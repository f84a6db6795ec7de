"""What can't be read is shown with its evidence where its row is; whatever is in the mirror, no page fails."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings

from accounts.changes.kinds import KINDS
from accounts.models import Account, LimitLevel, MirroredEntity, SyncRun, UnreadableRecord
from accounts.models.status import AccountStatus
from accounts.pages.queries import Attention
from riskadmin.staff.roles import Role
from tests.accounts.mirrored import (
    make_account,
    make_active,
    make_cash,
    make_category,
    make_limits,
    make_position,
    make_status,
    make_trader,
)
from tests.changes.world import NORMAL, ask, planned
from tests.changes.world import make_account as make_fresh
from tests.staff.people import make_person

YEAR_ONE = datetime(1, 1, 1, tzinfo=UTC)
LAST_DAY = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
LARGE = Decimal("99999999999999.99")
ODD_NAME = "\u202eevil\u2066\u200b<b>&\ufffd"
EVIDENCE = '"a \u202elot <b>"'

pytestmark = pytest.mark.django_db


def mark(account: Account, entity: MirroredEntity = MirroredEntity.RISK_STATUS, **fields: Any) -> UnreadableRecord:
    known: dict[str, Any] = {"tradovate_id": account.tradovate_id, "field": "maxNetLiq", "value": EVIDENCE}
    at = timezone.now() - timedelta(minutes=5)
    return UnreadableRecord.objects.create(
        environment="demo", entity=entity, account=account, since=at, read_at=at, **known | fields
    )


@pytest.fixture
def support(client: Client) -> Client:
    client.force_login(make_person(Role.SUPPORT))
    return client


def text(client: Client, url: str, **query: str) -> str:
    response = client.get(url, query)
    assert response.status_code == 200, url
    return " ".join(response.content.decode().split())


def test_the_account_page_shows_what_was_sent_instead(support: Client) -> None:
    trader = make_trader("Ann")
    account = make_active("EVAL-1", trader=trader)
    mark(account)
    mark(account, MirroredEntity.POSITION, tradovate_id=None, field="", value="null")
    UnreadableRecord.objects.create(
        environment="demo",
        entity=MirroredEntity.TRADER,
        tradovate_id=trader.tradovate_id,
        trader=trader,
        field="name",
        value="7",
        since=timezone.now(),
        read_at=timezone.now(),
    )
    page = text(support, reverse("accounts:detail", args=["demo", account.tradovate_id]))
    assert "Tradovate sent something unreadable" in page
    assert f"Risk status <bdi>{account.tradovate_id}</bdi>: <code>maxNetLiq</code> is" in page
    assert "<bdi>&quot;a \u202elot &lt;b&gt;&quot;</bdi>" in page
    assert "Position : the whole record is <code><bdi>null</bdi></code>" in page
    assert f"Trader <bdi>{trader.tradovate_id}</bdi>: <code>name</code> is <code><bdi>7</bdi></code>" in page


def test_an_account_that_is_read_well_has_no_mark(support: Client) -> None:
    account, other = make_active("EVAL-1"), make_active("EVAL-2")
    mark(other)
    assert "unreadable" not in text(support, reverse("accounts:detail", args=["demo", account.tradovate_id]))


def test_the_list_marks_the_account_and_filters_for_it(support: Client) -> None:
    make_active("EVAL-1")
    odd = make_active("EVAL-2")
    mark(odd)
    page = text(support, reverse("accounts:list"))
    assert page.count(">Unreadable</span>") == 1
    assert f'title="Risk status {odd.tradovate_id}: maxNetLiq is &quot;a \u202elot &lt;b&gt;&quot;"' in page
    filtered = support.get(reverse("accounts:list"), {"attention": Attention.UNREADABLE})
    assert [account.name for account in filtered.context["found"].page.rows] == ["EVAL-2"]


def test_the_system_page_names_what_a_full_read_could_not_read(client: Client) -> None:
    client.force_login(make_person(Role.ADMINISTRATOR))
    now = timezone.now()
    SyncRun.objects.create(
        environment="demo",
        started_at=now,
        seen_at=now,
        ended_at=now,
        unreadable=1_201,
        unreadable_examples=["Account 7: name is null"],
    )
    page = text(client, reverse("system"))
    assert "1,201 unreadable" in page
    assert "<bdi>Account 7: name is null</bdi>" in page


def test_no_plan_rests_on_what_cannot_be_read_but_a_lock_goes_out() -> None:
    locked, lockable = make_fresh(101, "LockTradingImmediately"), make_fresh(102, NORMAL)
    mark(locked)
    mark(lockable)
    words = 'Tradovate sent something unreadable. Risk status {}: maxNetLiq is "a \u202elot <b>"'
    for number in (101, 102):
        (row,) = planned("unlock", number).rows
        assert row.skip_reason == words.format(number)
        (row,) = planned("lock", number).rows
        assert row.is_sent, "also where it was locked when it was last read"


def test_a_plan_continues_where_something_else_cannot_be_read() -> None:
    account = make_fresh(101, "LockTradingImmediately")
    mark(account, MirroredEntity.CASH)
    mark(account, MirroredEntity.ACCOUNT)
    (row,) = planned("unlock", 101).rows
    assert row.is_sent
    mark(account, MirroredEntity.POSITION)
    (row,) = planned("unlock", 101).rows
    assert "Position 101" in row.skip_reason


# --- No page fails -------------------------------------------------------------------------------------------------------


@pytest.fixture
def odd_account() -> Account:
    """An account of which everything is as odd as the tables allow."""
    trader = make_trader(ODD_NAME, email=ODD_NAME)
    category = make_category(ODD_NAME)
    account = make_account(
        ODD_NAME,
        trader=trader,
        risk_category=category,
        opened_at=YEAR_ONE,
        evaluation_size_usd=-LARGE,
        account_type="NoSuchType",
        positions_read_at=LAST_DAY,
    )
    make_status(
        account,
        admin_action="FreezeForever",
        admin_at=YEAR_ONE,
        liquidate_only_at=LAST_DAY,
        max_net_liq_usd=LARGE,
        min_net_liq_usd=-LARGE,
    )
    make_cash(account, today="-99999999999999.99", amount_usd=LARGE, amount_sod_usd=-LARGE, week_realized_pnl_usd=LARGE)
    for level in LimitLevel:
        make_limits(
            account,
            level,
            daily_loss_auto_liq_usd=LARGE,
            daily_loss_alert_usd=-LARGE,
            margin_alert_pct=Decimal("99999.9999"),
            flatten_at=YEAR_ONE,
            trailing_max_drawdown_mode="Sometimes",
            trailing_max_drawdown_usd=LARGE,
            stepped_cooldown=[{"step": -1, "distance_usd": "1" + "0" * 300, "cooldown_minutes": 2**62}],
        )
    make_position(account, net_pos=-(2**31), net_price=Decimal("-999999999999.999999"), traded_at=YEAR_ONE)
    mark(account, value="NaN")
    return account


def pages_of(account: Account) -> list[str]:
    place = [account.environment, account.tradovate_id]
    return [
        reverse("accounts:detail", args=place),
        reverse("changes:account_panel", args=place),
        reverse("changes:account_actions", args=place),
        reverse("limit_templates:account_panel", args=place),
        reverse("audit:account_history", args=place),
        reverse("accounts:list"),
        *(f"{reverse('accounts:list')}?status={status}" for status in AccountStatus),
        *(f"{reverse('accounts:list')}?attention={attention}" for attention in Attention),
        f"{reverse('accounts:list')}?q=%E2%80%AEevil",
        f"{reverse('accounts:list')}?q=%00%ED%A0%80",
        *(reverse(f"changes:{name}") for name in ("list", "calendar")),
        *(reverse(f"limit_templates:{name}") for name in ("list", "drift")),
        reverse("execution:unresolved"),
        reverse("audit:list"),
        reverse("approvals:inbox"),
        reverse("home"),
    ]


@pytest.mark.parametrize("role", [Role.SUPPORT, Role.SUPERVISOR])
def test_no_page_fails_whatever_is_in_the_mirror(client: Client, odd_account: Account, role: Role) -> None:
    client.force_login(make_person(role))
    for url in pages_of(odd_account):
        assert client.get(url).status_code in {200, 403, 422}, url


@pytest.mark.parametrize("kind", list(KINDS))
def test_no_preview_fails_whatever_is_in_the_mirror(
    client: Client, odd_account: Account, kind: str, settings: Settings
) -> None:
    settings.STALE_SECONDS = 86_400  # nothing is read here
    client.force_login(make_person(Role.SUPERVISOR))
    target = f"demo:{odd_account.tradovate_id}"
    assert client.get(reverse("changes:new", args=[kind]), {"account": target}).status_code in {200, 302, 403, 422}


def test_the_pages_of_a_change_show_odd_names(client: Client) -> None:
    account = make_fresh(101, name=ODD_NAME)
    requester = make_person(Role.SUPPORT)
    change = ask(requester, "lock", 101)
    client.force_login(make_person(Role.SUPERVISOR))
    for url in (reverse("changes:detail", args=[change.pk]), reverse("changes:results", args=[change.pk])):
        response = client.get(url)
        assert response.status_code == 200
    assert account.name == ODD_NAME
