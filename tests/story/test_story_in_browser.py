"""Compliance answers “everything done to this account in the last month, and who allowed it”, and prints it."""

from collections.abc import Callable
from datetime import timedelta

import pytest
import redis
from django.utils import timezone
from playwright.sync_api import Page, expect
from pytest_django.live_server_helper import LiveServer

from accounts.changes.models import Item
from accounts.changes.states import ItemState
from accounts.models import Account, MirrorMove, MoveSubject, Source
from riskadmin.staff.roles import Role
from tests.browsing import sign_in
from tests.changes.world import LOCKED, NORMAL, approve, ask, make_account, make_accounts, set_status, walk
from tests.staff.people import PASSWORD, make_person


def unlocked(account: Account) -> int:
    """Let support request an unlock of it and sixty others, a supervisor approve it, and the item of the account be sent."""
    support, supervisor = make_person(Role.SUPPORT), make_person(Role.SUPERVISOR)
    change = ask(support, "unlock", 101, *range(201, 261), reason_text="Back after the review")
    approve(supervisor, change, comment="Spoke with the trader")
    item = Item.objects.get(change=change, account=account)
    now = timezone.now()
    Item.objects.filter(pk=item.pk).update(claimed_at=now - timedelta(seconds=2), settled_at=now)
    walk(item, ItemState.APPLIED)
    MirrorMove.objects.create(
        account=account,
        subject=MoveSubject.STATUS,
        fields={"admin_action": [LOCKED, NORMAL], "admin_at": [None, None], "liquidate_only_at": [None, None]},
        known_at=now - timedelta(hours=1),
        read_at=now - timedelta(seconds=1),
        source=Source.SYNC,
    )
    set_status(account, admin_action=NORMAL)
    return change.pk


@pytest.mark.django_db(transaction=True)
def test_what_was_done_to_an_account_and_who_allowed_it(
    live_server: LiveServer, real_broker: redis.Redis, page: Page, check_page: Callable[[Page], None]
) -> None:
    account = make_account(101, LOCKED)
    make_accounts(range(201, 261), LOCKED)
    change = unlocked(account)
    sign_in(page, live_server.url, make_person(Role.COMPLIANCE).username, PASSWORD)
    page.goto(f"{live_server.url}/audit/")
    page.locator("#id_account").fill("KTR50K-000101")
    page.locator("#id_account").press("Enter")
    page.locator("#id_last").select_option("Last 30 days")
    table = page.locator("#list table")
    expect(table).to_contain_text("approved change")
    check_page(page)

    page.goto(f"{live_server.url}/story/account/demo/101/?last=30")
    entries = page.locator(".story-entries > li")
    expect(entries).to_have_count(2)  # the change, and what a reading found
    done = entries.filter(has_text="Approved by")
    done.locator("summary").click()
    expect(done).to_contain_text("Spoke with the trader")
    expect(done).to_contain_text("Back after the review")
    check_page(page)
    page.get_by_role("link", name="right before").click()
    expect(page.locator("main")).to_contain_text("Locked (no orders)")
    check_page(page)
    page.go_back()
    done.locator("summary").click()
    page.get_by_role("link", name="right after").click()
    expect(page.locator("main")).to_contain_text("Normal")
    expect(page.locator("main")).not_to_contain_text("Locked (no orders)")
    expect(page.get_by_role("link", name=f"change {change}")).to_be_visible()
