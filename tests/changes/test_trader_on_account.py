"""What concerns an account's trader, on the account's own page: what may be asked for, and what is under way."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.changes.models import Change
from accounts.changes.states import ItemState
from accounts.models import Account, Source, Trader, TradingPermission
from riskadmin.staff.models import Staff
from riskadmin.staff.roles import Role
from riskadmin.tradovate.vocabulary import Environment
from tests.changes.world import make_account, open_item
from tests.staff.people import make_person

pytestmark = pytest.mark.django_db

FRESH: dict[str, Any] = {"fresh_at": timezone.now(), "source": Source.SYNC}


@pytest.fixture
def trader() -> Trader:
    return Trader.objects.create(environment="demo", tradovate_id=77, name="ana.garcia", **FRESH)


@pytest.fixture
def account(trader: Trader) -> Account:
    made = make_account(101, trader=trader)
    TradingPermission.objects.create(
        environment="demo", tradovate_id=1, account=made, trader=trader, status="Accepted", **FRESH
    )
    return made


def actions_page(client: Client, environment: str = "demo") -> str:
    return client.get(reverse("changes:account_actions", args=[environment, 101])).content.decode()


@pytest.mark.parametrize("role", [Role.SUPPORT, Role.SUPERVISOR])
def test_the_end_of_the_traders_lockout_is_offered(client: Client, account: Account, role: Role) -> None:
    client.force_login(make_person(role))
    page = actions_page(client)
    assert f"{reverse('changes:new', args=['user_lockout'])}?trader=demo:77" in page
    assert "End the trader&#x27;s lockout" in page


def test_no_one_else_is_offered_it(client: Client, account: Account) -> None:
    client.force_login(make_person(Role.COMPLIANCE))
    assert "user_lockout" not in actions_page(client)


def test_it_is_not_offered_where_it_has_no_target(client: Client, trader: Trader) -> None:
    client.force_login(make_person(Role.SUPPORT))
    account = make_account(101)
    make_account(101, environment="live")
    assert "user_lockout" not in actions_page(client)
    assert "user_lockout" not in actions_page(client, Environment.LIVE)

    trader.missing_since = timezone.now()
    trader.save()
    account.trader = trader
    account.save()
    assert "user_lockout" not in actions_page(client)


def test_from_the_offer_to_the_change(client: Client, account: Account, support: Staff, sent: list[Any]) -> None:
    client.force_login(support)
    address = reverse("changes:new", args=["user_lockout"])

    page = client.get(f"{address}?trader=demo:77")
    assert page.status_code == 200
    said = page.content.decode()
    assert "End the lockout of 1 trader" in said
    assert "Trades 1 open account" in said
    form = page.context["form"]
    answer = client.post(
        address,
        {
            "trader": "demo:77",
            "reason_code": "Other",
            "reason_text": "Called",
            "form_key": form["form_key"].value(),
            "digest": page.context["plan"].digest,
        },
    )

    change = Change.objects.get()
    assert answer["Location"] == reverse("changes:detail", args=[change.pk])
    assert [(item.target, item.target_name, item.account) for item in change.items.all()] == [
        ("demo:trader:77", "ana.garcia", None)
    ]
    panel = client.get(reverse("changes:account_panel", args=["demo", 101])).content.decode()
    assert reverse("changes:detail", args=[change.pk]) in panel
    assert "<ins><bdi>ended</bdi></ins>" in panel


def test_two_accounts_of_one_trader_are_one_target(client: Client, account: Account, trader: Trader) -> None:
    client.force_login(make_person(Role.SUPPORT))
    make_account(102, trader=trader)

    page = client.get(reverse("changes:new", args=["user_lockout"]) + "?account=demo:101&account=demo:102")

    assert [row.target for row in page.context["plan"].rows] == ["demo:trader:77"]


def test_another_traders_changes_stay_off_the_panel(client: Client, account: Account, support: Staff) -> None:
    client.force_login(support)
    other = make_account(102)
    open_item(support, other, "lock", ItemState.QUEUED)
    assert client.get(reverse("changes:account_panel", args=["demo", 101])).context["rows"] == []
