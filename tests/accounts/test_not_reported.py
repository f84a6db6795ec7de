"""Parts of an account that full reads no longer include are marked as old on its page, in the list and in previews."""

from datetime import datetime, timedelta

import pytest
from django.db.models import F
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import Account, AutoLiqLimits, LimitLevel, RiskStatus, SyncRun
from accounts.sync.actions import sync
from accounts.sync.not_reported import attach
from riskadmin.staff.roles import Role
from riskadmin.tradovate.vocabulary import Environment
from tests.accounts.mirrored import make_account as make_unread
from tests.accounts.mirrored import make_active, make_limits, make_status
from tests.changes.world import LOCKED, make_account, planned
from tests.simulator.driver import Simulator
from tests.staff.people import make_person

pytestmark = pytest.mark.django_db

LONG_AGO = timedelta(minutes=6)


def read_whole(at: datetime, *, failure: str = "", environment: str = "demo") -> None:
    SyncRun.objects.create(environment=environment, started_at=at, seen_at=at, ended_at=at, failure=failure)


def words(client: Client, url: str, **query: str) -> str:
    response = client.get(url, query)
    assert response.status_code == 200
    return " ".join(response.content.decode().replace("&#x27;", "'").split())


def page_of(client: Client, account: Account) -> str:
    return words(client, reverse("accounts:detail", args=[account.environment, account.tradovate_id]))


@pytest.fixture
def support(client: Client) -> Client:
    client.force_login(make_person(Role.SUPPORT))
    return client


def is_not_reported(account: Account) -> bool:
    fresh = Account.objects.select_related("risk_status").get(pk=account.pk)
    attach([fresh])
    return fresh.not_reported_since is not None


def test_a_record_without_an_account_is_shown_on_the_account_that_lacks_it(simulator: Simulator, client: Client) -> None:
    client.force_login(make_person(Role.SUPPORT))
    sync(Environment.DEMO)
    account, limited = Account.objects.filter(archived=False, risk_status__admin_action="Normal", limits__level="firm")[:2]
    RiskStatus.objects.update(fresh_at=F("fresh_at") - LONG_AGO)
    AutoLiqLimits.objects.update(fresh_at=F("fresh_at") - LONG_AGO)
    simulator.fault("odd", entity="accountRiskStatus", account_ids=[account.tradovate_id], without=["id"])
    simulator.fault("odd", entity="userAccountAutoLiq", account_ids=[limited.tradovate_id], row=None)
    run = sync(Environment.DEMO)
    assert run is not None
    assert (run.failure, run.untold) == ("", 1)

    page = page_of(client, account)
    assert "Tradovate's last answers did not include its risk status." in page
    assert "Risk status: not included since" in page
    assert "Missing from recent answers" in page
    assert "It had no lock then." in page
    assert "No lock." not in page
    assert "Firm's limits: not included since" in page_of(client, limited)
    assert "Firm's limits: not included since" not in page
    assert words(client, reverse("accounts:list"), q=account.name).count(">Missing from recent answers<") == 1


def test_only_what_is_older_than_the_last_full_read_that_ended_well_by_more_than_a_sync(support: Client) -> None:
    now = timezone.now()
    account = make_unread()
    make_status(account, fresh_at=now - LONG_AGO)
    assert not is_not_reported(account), "nothing was read whole yet"
    read_whole(now - timedelta(minutes=1), failure="Tradovate answered HTTP 500")
    read_whole(now - timedelta(minutes=1), environment="live")
    assert not is_not_reported(account), "no full read ended well"
    read_whole(now - timedelta(minutes=4))
    assert not is_not_reported(account), "one answer was short, perhaps"
    read_whole(now - timedelta(minutes=1))
    assert is_not_reported(account)
    Account.objects.filter(pk=account.pk).update(archived=True)
    assert not is_not_reported(account)
    assert "did not include" not in page_of(support, account)


def test_recently_reported_accounts_are_not_marked(support: Client) -> None:
    read_whole(timezone.now())
    account = make_active()
    make_limits(account, LimitLevel.FIRM)
    page = page_of(support, account)
    assert "did not include" not in page
    assert "No lock." in page
    assert "Missing from recent answers" not in words(support, reverse("accounts:list"))


def test_a_preview_warns_and_a_lock_is_made_all_the_same() -> None:
    make_account(1, LOCKED)
    make_account(2)
    assert [row.skip_reason for row in planned("lock", 1, 2).rows] == ["Already locked", ""]
    read_whole(timezone.now())
    RiskStatus.objects.update(fresh_at=timezone.now() - LONG_AGO)
    for row in planned("lock", 1, 2).rows:
        assert row.is_sent
        assert row.warnings[0].startswith("Tradovate's last answers did not include its risk status: what is shown is from ")
