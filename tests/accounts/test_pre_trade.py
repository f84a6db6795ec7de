"""Position limits and risk parameters in the mirror: replaced account by account, in either order; and on the account's page."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import Account, PositionLimit, RiskParameter, Source, pre_trade
from accounts.sync.mapping import ReadStamp
from accounts.sync.store import account_keys, store_position_limits, store_risk_parameters
from riskadmin.staff.roles import Role
from riskadmin.tradovate.pre_trade import UserAccountPositionLimit, UserAccountRiskParameter
from riskadmin.tradovate.vocabulary import Environment
from tests.accounts.mirrored import make_active
from tests.staff.people import make_person

OLDER = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
NEWER = OLDER + timedelta(seconds=10)
ID = 77

pytestmark = pytest.mark.django_db


def store(at: datetime, *limits: dict[str, Any], accounts: tuple[int, ...] = (ID,)) -> int:
    """Write position limits as a read of some accounts finds them."""
    common = {"accountId": ID, "active": True, "totalBy": "Overall"}
    found = [UserAccountPositionLimit.from_json(common | each) for each in limits]
    keys = account_keys(Environment.DEMO, accounts)
    return store_position_limits(keys, found, ReadStamp(Environment.DEMO, at, Source.REFRESH), unreadable=())


def store_parameters(at: datetime, *parameters: dict[str, Any]) -> int:
    """Write risk parameters as a read of the account finds them."""
    found = [UserAccountRiskParameter.from_json({"userAccountPositionLimitId": 5} | each) for each in parameters]
    return store_risk_parameters(
        account_keys(Environment.DEMO, [ID]), found, ReadStamp(Environment.DEMO, at, Source.REFRESH), unreadable=()
    )


def test_all_of_an_accounts_are_replaced() -> None:
    account = make_active(tradovate_id=ID)
    assert store(OLDER, {"id": 5, "longLimit": 1}, {"id": 6}) == 2
    assert store_parameters(OLDER, {"id": 8, "maxBackMonth": 1}, {"id": 9}) == 2

    assert store(NEWER, {"id": 5, "longLimit": 2}) == 1
    assert store_parameters(NEWER, {"id": 8, "marginPercentage": Decimal("50.5")}) == 1

    limit = PositionLimit.objects.get()
    assert (limit.tradovate_id, limit.long_limit, limit.account) == (5, 2, account)
    parameter = RiskParameter.objects.get()
    assert (parameter.tradovate_id, parameter.max_back_month, parameter.margin_percentage) == (8, None, Decimal("50.5"))
    account.refresh_from_db()
    assert (account.position_limits_read_at, account.risk_parameters_read_at) == (NEWER, NEWER)


def test_an_older_read_brings_nothing_back() -> None:
    make_active(tradovate_id=ID)
    store(NEWER, {"id": 5})
    store_parameters(NEWER)

    assert store(OLDER, {"id": 5, "longLimit": 1}, {"id": 6}) == 0
    assert store_parameters(OLDER, {"id": 8}) == 0

    assert PositionLimit.objects.get().long_limit is None
    assert not RiskParameter.objects.exists()


def test_a_limit_that_is_gone_takes_its_parameters_along_and_the_others_stay() -> None:
    make_active(tradovate_id=ID)
    store(OLDER, {"id": 5}, {"id": 6})
    store_parameters(OLDER, {"id": 8}, {"id": 9, "userAccountPositionLimitId": 6})

    store(NEWER, {"id": 6})

    assert [each.tradovate_id for each in RiskParameter.objects.all()] == [9]


def test_what_belongs_to_nothing_known_is_left_out() -> None:
    make_active(tradovate_id=ID)
    make_active(tradovate_id=ID + 1)
    assert store(OLDER, {"id": 5, "accountId": 999}, {"id": 6, "accountId": ID + 1}) == 0
    assert store_parameters(OLDER, {"id": 8}) == 0
    assert not PositionLimit.objects.exists()


def test_unknown_fields_are_kept_by_their_names() -> None:
    make_active(tradovate_id=ID)
    store(OLDER, {"id": 5, "colour": "red", "mood": 1, "productType": "Tulips"})
    limit = PositionLimit.objects.get()
    assert (limit.unknown_fields, limit.product_type) == (["colour", "mood"], "Tulips")


def test_the_mirror_and_an_answer_say_the_same_record() -> None:
    make_active(tradovate_id=ID)
    limit = {
        "id": 5,
        "accountId": ID,
        "active": False,
        "totalBy": "Product",
        "productId": 7,
        "productType": "Futures",
        "shortLimit": 0,
        "description": "Gold",
    }
    parameter = {
        "id": 8,
        "userAccountPositionLimitId": 5,
        "marginPercentage": Decimal("50.50"),
        "marginDollarValue": Decimal(1200),
        "hardLimit": False,
    }
    store(NEWER, limit)
    store_parameters(NEWER, parameter)

    read = pre_trade.position_limit_record(UserAccountPositionLimit.from_json(limit))
    assert pre_trade.position_limit_record(PositionLimit.objects.get()) == read
    assert read == {
        "id": 5,
        "active": False,
        "total_by": "Product",
        "short_limit": 0,
        "product_id": 7,
        "product_type": "Futures",
        "description": "Gold",
    }
    read = pre_trade.risk_parameter_record(UserAccountRiskParameter.from_json(parameter))
    assert pre_trade.risk_parameter_record(RiskParameter.objects.get()) == read
    assert read == {
        "id": 8,
        "user_account_position_limit_id": 5,
        "margin_percentage": "50.5",
        "margin_dollar_value": "1200",
        "hard_limit": False,
    }


def page_of(client: Client, role: Role, account: Account) -> str:
    client.force_login(make_person(role))
    response = client.get(reverse("accounts:detail", args=[account.environment, account.tradovate_id]))
    page = " ".join(response.content.decode().replace("&#x27;", "'").split())
    return page.partition('id="position-limits"')[2].partition("</section>")[0]


def links(account: Account) -> dict[str, str]:
    """Where the section leads, by what is to be done."""
    limit, parameter = (reverse("changes:new", args=[kind]) for kind in ("position_limit", "risk_parameter"))
    target = f"?account={account.environment}:{account.tradovate_id}&amp;action="
    return {
        "add": f'href="{limit}{target}create"',
        "change": f'href="{limit}{target}update&amp;limit=5"',
        "remove": f'href="{limit}{target}delete&amp;limit=5"',
        "add a parameter": f'href="{parameter}{target}create&amp;limit=5"',
        "change a parameter": f'href="{parameter}{target}update&amp;parameter=8"',
        "remove a parameter": f'href="{parameter}{target}delete&amp;parameter=8"',
    }


@pytest.fixture
def limited() -> Account:
    """An account with a limit for one product, not in force, and a risk parameter on it."""
    account = make_active(tradovate_id=ID)
    store(NEWER, {"id": 5, "active": False, "productId": 7, "productType": "Futures", "longLimit": 1_000})
    store_parameters(NEWER, {"id": 8, "maxOpeningOrderQty": 2, "marginPercentage": Decimal("50.5"), "hardLimit": True})
    return account


@pytest.mark.parametrize("role", [Role.SUPPORT, Role.SUPERVISOR])
def test_the_page_shows_them_with_links_to_change_them(client: Client, limited: Account, role: Role) -> None:
    section = page_of(client, role, limited)

    assert "product 7, futures" in section
    assert "not in force" in section
    assert "Counted over: all contracts together; Most long: 1,000" in section
    assert "Largest opening order: 2; Margin in percent: 50.5%; Hard limit: yes" in section
    assert [name for name, link in links(limited).items() if link not in section] == []


def test_people_who_may_not_request_see_no_links(client: Client, limited: Account) -> None:
    section = page_of(client, Role.COMPLIANCE, limited)
    assert "Most long: 1,000" in section
    assert "href" not in section


def test_nothing_is_requested_for_an_archived_account(client: Client, limited: Account) -> None:
    Account.objects.update(archived=True)
    limited.refresh_from_db()
    assert "href" not in page_of(client, Role.SUPPORT, limited)


def test_an_account_without_any_says_what_that_means(client: Client) -> None:
    account = make_active(tradovate_id=ID)
    assert "Not read yet." in page_of(client, Role.SUPPORT, account)
    store(NEWER)
    assert "None of its own: only the limits of its risk category hold." in page_of(client, Role.SUPERVISOR, account)
