"""What others changed at Tradovate, on Home and on its own page: counted by kind, and one row for many accounts at once."""

import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts.models import Account, MirrorMove, MoveSubject, Source
from accounts.outside.attribute import MOVES_PER_TRANSACTION, attribute_moves
from accounts.outside.queries import FOLDS_AT_MOST, yesterday
from riskadmin.audit.models import Event
from riskadmin.audit.origin import Origin
from riskadmin.staff.roles import Role
from riskadmin.web.clock import display_zone
from riskadmin.web.formats import between
from tests.accounts.mirrored import make_account, make_status, read_a_minute_ago
from tests.staff.people import make_person

pytestmark = pytest.mark.django_db

ORIGIN = Origin(job="tests")
PAGE = reverse("outside:list")


def make_accounts(count: int) -> list[Account]:
    """Many accounts with one statement."""
    return Account.objects.bulk_create(
        Account(environment="demo", tradovate_id=10_000 + number, name=f"EVAL-{10_000 + number}", **read_a_minute_ago())
        for number in range(count)
    )


def moved(accounts: Sequence[Account], subject: MoveSubject, at: datetime, **fields: Any) -> None:
    """Let a reading at some time find the same move of some accounts, last read three minutes before, and attribute it."""
    MirrorMove.objects.bulk_create(
        MirrorMove(
            account=account,
            subject=subject,
            fields=fields,
            known_at=at - timedelta(minutes=3),
            read_at=at,
            noted_at=at,
            source=Source.SYNC,
        )
        for account in accounts
    )
    assert attribute_moves(origin=ORIGIN) == len(accounts)


def locked(account: Account, at: datetime, acted_at: str = "2026-11-20T15:00:00Z") -> None:
    status = {"liquidate_only_at": [None, None], "user_triggered_liq_only": [None, None]}
    moved(
        [account],
        MoveSubject.STATUS,
        at,
        admin_action=["Normal", "LockTradingImmediately"],
        admin_at=[None, acted_at],
        **status,
    )


def words(client: Client, address: str) -> str:
    response = client.get(address)
    assert response.status_code == 200
    return " ".join(response.content.decode().replace("&#x27;", "'").split())


@pytest.fixture
def support(client: Client) -> Client:
    client.force_login(make_person(Role.SUPPORT))
    return client


def test_home_counts_since_yesterday_by_kind_and_leads_to_the_page(support: Client) -> None:
    home = reverse("home")
    assert "Nothing since yesterday." in words(support, home)
    first, second, third = (make_account() for _ in range(3))
    at = yesterday() + timedelta(minutes=5)
    locked(first, yesterday() - timedelta(seconds=1))
    locked(first, at)
    assert f'<a href="{PAGE}?since=yesterday">1 outside change since yesterday</a>' in words(support, home)
    moved([second, third], MoveSubject.CATEGORY, at, category_id=[7, 9], category=["C7", "C9"])
    page = words(support, home)
    assert f'<a href="{PAGE}?since=yesterday">3 outside changes since yesterday</a>' in page
    assert '<div class="fine">Risk category changed: 2</div><div class="fine">Locked: 1</div>' in page


def test_the_page_says_what_when_and_of_which_accounts(support: Client) -> None:
    first, second = make_account("EVAL-A"), make_account("EVAL-B")
    at = yesterday() + timedelta(hours=1)
    moved([first, second], MoveSubject.CATEGORY, at, category_id=[7, 9], category=["C7", "C9"])
    locked(first, at + timedelta(minutes=3))
    page = words(support, PAGE)
    assert page.count("<tr>") == 3  # the head, and two changes, the newest first
    assert page.index("Locked") < page.index("Risk category changed")
    assert between(at - timedelta(minutes=3), at, display_zone()) in page
    assert "Risk category: <span" in page
    assert "><bdi>EVAL-A</bdi></a>" in page
    assert "and 1 more" in page
    assert ">EVAL-B</a>" not in page


def test_limits_are_called_as_on_their_form_here_and_in_the_trail(client: Client) -> None:
    limits = {"daily_loss_auto_liq_usd": ["1000.00", "777.00"]}
    account = make_account("EVAL-A")
    moved([account], MoveSubject.FIRM, yesterday() + timedelta(hours=1), **limits)
    client.force_login(make_person(Role.COMPLIANCE))
    history = reverse("audit:account_history", args=["demo", account.tradovate_id])
    for address in (PAGE, f"{reverse('audit:list')}?what=outside", history):
        page = re.sub(r"<[^>]*>", " ", words(client, address))
        assert "Daily loss: auto-liquidation: from $1,000.00 to $777.00" in " ".join(page.split()), address


def test_the_end_of_an_unknown_admin_action_is_no_unlock(support: Client) -> None:
    account = make_account()
    make_status(account)
    status = {"liquidate_only_at": [None, None], "user_triggered_liq_only": [None, None]}
    times = {"admin_at": [None, "2026-11-20T15:00:00Z"]}
    moved([account], MoveSubject.STATUS, timezone.now(), admin_action=["FreezeForAudit", "Normal"], **times, **status)

    page = words(support, PAGE)
    assert "Admin action changed" in page
    assert "FreezeForAudit" in page
    assert "Unlocked" not in page
    assert "Unlocked" not in words(support, reverse("home"))
    detail = words(support, reverse("accounts:detail", args=["demo", account.tradovate_id]))
    assert "Admin action changed (FreezeForAudit → Normal)" in detail


def test_an_unknown_admin_action_is_shown_as_unknown_and_found_as_unreadable(support: Client) -> None:
    account = make_account()
    make_status(account, admin_action="FreezeForAudit")
    detail = words(support, reverse("accounts:detail", args=["demo", account.tradovate_id]))
    assert "Unknown admin action: FreezeForAudit. Whether orders may be placed is not known." in detail
    assert "Orders may be placed meanwhile" not in detail
    found = words(support, f"{reverse('accounts:list')}?attention=unreadable")
    assert account.name in found
    assert "Unknown admin action" in found


def test_older_ones_are_left_out_where_only_the_newest_are_requested(support: Client) -> None:
    locked(make_account("EVAL-A"), yesterday() - timedelta(seconds=1))
    assert "EVAL-A" in words(support, PAGE)
    page = words(support, f"{PAGE}?since=yesterday")
    assert "EVAL-A" not in page
    assert "Nothing was changed outside riskadmin" in page


def test_a_lock_of_each_at_its_own_time_is_one_row_where_one_reading_found_them(support: Client) -> None:
    at = yesterday() + timedelta(hours=1)
    for number, account in enumerate(make_accounts(3)):
        locked(account, at, acted_at=f"2026-11-20T15:00:0{number}Z")
    page = words(support, PAGE)
    assert "and 2 more" in page
    assert page.count("<tr>") == 2


def test_the_vendor_moving_everybody_is_an_event_for_each_and_one_row(support: Client) -> None:
    accounts = make_accounts(MOVES_PER_TRANSACTION + 5)
    at = yesterday() + timedelta(hours=1)
    with CaptureQueriesContext(connection) as captured:
        moved(accounts, MoveSubject.CATEGORY, at, category_id=[7, 9], category=["C7", "C9"])
    # Two batches, each a few statements, and a look that finds nothing more.
    assert len([each for each in captured if "accounts_mirrormove" in each["sql"] and "INSERT" not in each["sql"]]) == 5
    events = Event.objects.filter(tag="outside:category:changed", before={"category": "C7"}, after={"category": "C9"})
    assert events.values("account_id").distinct().count() == events.count() == MOVES_PER_TRANSACTION + 5
    page = words(support, PAGE)
    assert page.count("<tr>") == 2
    assert f"and {MOVES_PER_TRANSACTION + 4:,} more" in page
    assert f"{MOVES_PER_TRANSACTION + 5:,} outside changes since yesterday" in words(support, reverse("home"))


def test_the_page_costs_the_same_for_any_number_and_shows_so_many_at_most(support: Client) -> None:
    at = yesterday() + timedelta(hours=1)
    accounts = make_accounts(FOLDS_AT_MOST + 1)

    def cost() -> int:
        with CaptureQueriesContext(connection) as captured:
            words(support, PAGE)
        return len(captured)

    locked(accounts[0], at)
    few = cost()
    for number, account in enumerate(accounts[1:]):
        locked(account, at + timedelta(seconds=number + 1))
    assert cost() == few
    page = words(support, PAGE)
    assert page.count("<tr>") == FOLDS_AT_MOST + 1
    assert f"Only the newest {FOLDS_AT_MOST} are shown." in page


def test_only_those_who_may_read_the_trail_are_led_there(client: Client) -> None:
    link = f"{reverse('audit:list')}?what=outside"
    locked(make_account("EVAL-A"), yesterday() + timedelta(hours=1))
    for role in Role:
        client.force_login(make_person(role))
        assert (link in words(client, PAGE)) is (role == Role.COMPLIANCE)
    client.force_login(make_person(Role.COMPLIANCE, "compliance2"))
    page = words(client, link)
    assert "Locked outside riskadmin" in page
    assert "EVAL-A" in page
