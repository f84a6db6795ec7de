"""The accounts page: open to every role, exact under every filter, and as cheap with 200 accounts as with 20."""

from datetime import UTC, datetime

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from pytest_django import Settings

from accounts.models import Account, LimitLevel, SyncRun, Trader
from accounts.pages import queries
from accounts.pages.filters import AccountFilters
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
from tests.staff.people import make_person

LIST = reverse("accounts:list")
NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)

pytestmark = pytest.mark.django_db


@pytest.fixture
def support(client: Client) -> Client:
    client.force_login(make_person(Role.SUPPORT))
    return client


def shown(client: Client, **filters: str | int) -> list[str]:
    """The names of the accounts on the page."""
    response = client.get(LIST, filters)
    assert response.status_code == 200
    return [account.name for account in response.context["found"].page.rows]


@pytest.mark.parametrize("role", Role)
def test_every_role_may_look(client: Client, role: Role) -> None:
    make_active("EVAL-1")
    client.force_login(make_person(role))

    assert shown(client) == ["EVAL-1"]


def test_a_stranger_is_sent_to_sign_in(client: Client) -> None:
    response = client.get(LIST)

    assert response.status_code == 302
    assert response["Location"] == f"{reverse('staff:sign_in')}?next=%2Faccounts%2F"


@pytest.mark.parametrize(
    ("role", "kinds"),
    [
        (Role.SUPPORT, ["lock", "liquidate_only", "unlock"]),
        (Role.SUPERVISOR, ["lock", "liquidate_only", "unlock"]),
        (Role.COMPLIANCE, []),
        (Role.ADMINISTRATOR, []),
    ],
)
def test_requests_are_offered_to_those_who_may_make_them(client: Client, role: Role, kinds: list[str]) -> None:
    account = make_active()
    make_active("ARCHIVED", archived=True)
    client.force_login(make_person(role))

    page = client.get(LIST).content.decode()

    for kind in ("lock", "liquidate_only", "unlock"):
        assert (f'formaction="{reverse("changes:new", args=[kind])}"' in page) == (kind in kinds)
    assert page.count('name="account"') == (1 if kinds else 0)  # an archived account can't be chosen
    assert (f'value="demo:{account.tradovate_id}"' in page) == bool(kinds)


def test_accounts_come_in_the_order_of_their_names(support: Client) -> None:
    for name in ("B", "C", "A"):
        make_active(name)

    assert shown(support) == ["A", "B", "C"]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("EVAL-00", ["EVAL-001", "EVAL-002"]),
        ("eval-00", ["EVAL-001", "EVAL-002"]),
        ("EV", ["EVAL-001", "EVAL-002"]),
        ("V", []),
        ("-002", ["EVAL-002"]),
        ("777001", ["PRO-9"]),
        ("777", []),
        ("garcia", ["EVAL-002", "PRO-9"]),
        ("ANA@firm", ["EVAL-002", "PRO-9"]),
        ("Ana Garcia", ["EVAL-002", "PRO-9"]),
        ("Garcia, Ana", ["EVAL-002", "PRO-9"]),
        ("Ana Garcia <someone@else.example>", ["EVAL-002", "PRO-9"]),
        ('"Mail Program" <ana@firm.example>', ["EVAL-002", "PRO-9"]),
        ("Ana A Garcia", ["EVAL-002", "PRO-9"]),
        ("Ana Lopez", []),
        ("a an", []),
        ("100%", ["ODD 100%_X"]),
        ("%_X", ["ODD 100%_X"]),
        ("___", []),
        ("nobody", []),
        ("  EVAL-001  ", ["EVAL-001"]),
        ("9" * 30, []),
        ("'; --", []),
    ],
)
def test_the_search_finds_names_ids_and_traders(support: Client, text: str, names: list[str]) -> None:
    ana = make_trader("ana.garcia", email="ana@firm.example")
    make_active("EVAL-001")
    make_active("EVAL-002", trader=ana)
    make_active("PRO-9", trader=ana, tradovate_id=777001)
    make_active("ODD 100%_X")

    assert shown(support, q=text) == names


@pytest.mark.parametrize("text", ["Hoffman", "Hoffman, Lars", "Li Hoffman", "Lars Hoffman <lars@firm.example>", "Li Wu", "<x>"])
def test_the_search_for_traders_is_served_by_the_index(text: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
    plan = Trader.objects.filter(queries.trader_q(text)).explain()
    assert "trader_search" in plan
    assert "Seq Scan" not in plan


def test_a_search_that_too_many_traders_match_says_so(support: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queries, "TRADERS_AT_MOST", 2)
    for name in ("garcia.1", "garcia.2", "garcia.3"):
        make_active(trader=make_trader(name))

    response = support.get(LIST, {"q": "garcia"})

    found = response.context["found"]
    assert [account.trader.name for account in found.page.rows] == ["garcia.1", "garcia.2"]
    assert response.context["is_cut"]
    assert "More than 200 traders match" in response.content.decode()


def test_filters_narrow_exactly(support: Client) -> None:
    gold, blue = make_category("Gold"), make_category("Blue")
    make_active("A", risk_category=gold)
    locked = make_account("B", risk_category=blue)
    make_status(locked, admin_action="LockTradingImmediately")
    make_active("C", environment="live", risk_category=gold)
    make_account("D", closed=True, archived=True)

    assert shown(support, environment="live") == ["C"]
    assert shown(support, category=gold.pk) == ["A", "C"]
    assert shown(support, status="locked") == ["B"]
    assert shown(support, status="active") == ["A", "C"]
    assert shown(support, status="closed") == ["D"]
    assert shown(support, status="active", environment="demo", category=gold.pk, q="A") == ["A"]
    assert shown(support, status="active", category=blue.pk) == []


def test_what_needs_attention(support: Client) -> None:
    holding = make_account("HOLDING")
    make_status(holding, admin_action="LockTradingImmediately")
    make_position(holding)
    flat = make_account("LOCKED AND FLAT")
    make_status(flat, admin_action="LockTradingImmediately")
    stays = make_account("STAYS")
    make_status(stays, liquidate_only_at=NOW)
    make_limits(stays, do_not_unlock=True)
    both = make_account("STOPPED, THEN LOCKED")
    make_status(both, admin_action="LockTradingImmediately", liquidate_only_at=NOW)
    make_limits(both, do_not_unlock=True)
    lifted = make_account("LIFTED")
    make_status(lifted, liquidate_only_at=NOW)
    make_limits(lifted, do_not_unlock=False)
    for name, today in (("NEAR", "-800"), ("FAR", "-799.99"), ("WINS", "800")):
        account = make_active(name)
        make_cash(account, today=today)
        make_limits(account, daily_loss_auto_liq_usd=2000)
        make_limits(account, LimitLevel.TRADER, daily_loss_auto_liq_usd=1000)
    odd = make_account("ODD")
    make_status(odd, admin_action="DisableAutoLiq")
    gone = make_active("GONE", archived=True)
    make_position(gone)
    make_active("PLAIN")
    make_position(make_active("PLAIN AND LONG"))

    assert shown(support, attention="holding") == ["HOLDING"]
    assert shown(support, attention="stays") == ["STAYS"]
    assert shown(support, attention="locked") == ["HOLDING", "LOCKED AND FLAT", "STOPPED, THEN LOCKED"]
    assert shown(support, attention="near") == ["NEAR"]
    assert shown(support, attention="unusual") == ["ODD"]
    assert shown(support, attention="any") == [
        "HOLDING",
        "LOCKED AND FLAT",
        "NEAR",
        "ODD",
        "STAYS",
        "STOPPED, THEN LOCKED",
    ]


@pytest.mark.parametrize(
    "filters", [{"status": "dancing"}, {"environment": "moon"}, {"category": "x"}, {"attention": "y"}, {"q": "x" * 65}]
)
def test_a_bad_filter_is_answered_with_422_and_no_account(support: Client, filters: dict[str, str]) -> None:
    make_active("EVAL-1")

    response = support.get(LIST, filters)

    assert response.status_code == 422
    assert "EVAL-1" not in response.content.decode()


def test_nothing_can_be_done_with_what_a_bad_filter_matches() -> None:
    make_active("EVAL-1")
    assert AccountFilters({}).qs.count() == 1
    assert AccountFilters({"environment": "moon"}).qs.count() == 0
    assert not AccountFilters({"q": "EVAL", "status": "dancing"}).qs.exists()


def test_a_made_up_cursor_is_a_bad_request(support: Client) -> None:
    assert support.get(LIST, {"cursor": "x"}).status_code == 400


def test_pages_follow_each_other_without_a_gap(support: Client) -> None:
    names = [f"EVAL-{number:03}" for number in range(120)]
    for name in reversed(names):
        make_active(name)
    seen: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        response = support.get(LIST, {"cursor": cursor, "status": "active"})
        page = response.context["found"].page
        seen += [account.name for account in page.rows]
        cursor = page.next_cursor

    assert seen == names
    assert str(response.context["found"].count) == "120"


def test_the_count_stops_at_a_bound(support: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queries, "COUNTED_TO", 3)
    for number in range(4):
        make_active(f"EVAL-{number}")

    assert "3+ accounts" in support.get(LIST).content.decode()
    assert str(queries.BoundedCount(number=1000, is_more=True)) == "1,000+"


def test_twenty_and_two_hundred_accounts_take_the_same_queries(support: Client) -> None:
    trader, category = make_trader("ana.garcia"), make_category("Gold")

    def add(count: int) -> None:
        for _ in range(count):
            account = make_active(trader=trader, risk_category=category)
            make_cash(account)
            make_position(account)

    def queries_of(**filters: str) -> int:
        with CaptureQueriesContext(connection) as captured:
            assert support.get(LIST, filters).status_code == 200
        return len(captured)

    add(20)
    plain, searched = queries_of(), queries_of(q="garcia", attention="any", status="active")
    add(180)

    assert Account.objects.count() == 200
    assert (queries_of(), queries_of(q="garcia", attention="any", status="active")) == (plain, searched)
    assert plain <= 10
    assert searched <= plain + 1


def test_a_filter_by_category_reads_the_categories_once(support: Client) -> None:
    gold = make_category("Gold")
    make_active("A", risk_category=gold)
    make_active("B")
    with CaptureQueriesContext(connection) as captured:
        assert shown(support, category=gold.pk, sort="-account") == ["A"]
    assert len([each for each in captured if 'FROM "accounts_riskcategory"' in each["sql"]]) == 1
    assert len(captured) <= 10


def test_rows_say_what_they_know_and_an_em_dash_for_what_they_dont(support: Client) -> None:
    make_account("UNREAD")

    page = support.get(LIST).content.decode()

    assert "Not read yet" in page
    assert page.count("not set</span>") == 5  # trader, category, today, cash, positions


def test_an_empty_mirror_and_a_search_without_result_say_what_to_do(support: Client) -> None:
    assert "Accounts appear here once Tradovate has been read." in support.get(LIST).content.decode()

    page = support.get(LIST, {"q": "nobody"}).content.decode()

    assert "No account matches" in page
    assert "Show all accounts" in page


def test_the_page_shows_its_age_and_that_reads_fail(support: Client, settings: Settings) -> None:
    settings.TRADOVATE_URLS = {"demo": "http://127.0.0.1:9/v1", "live": ""}
    assert "Demo has not been read yet" in support.get(LIST).content.decode()
    SyncRun.objects.create(environment="demo", started_at=NOW, seen_at=NOW, ended_at=NOW)
    page = support.get(LIST).content.decode()
    assert "Demo read" in page
    assert "Live" not in page.partition('class="freshness"')[2].partition("</div>")[0]

    later = datetime(2026, 11, 20, 12, 5, tzinfo=UTC)
    SyncRun.objects.create(environment="demo", started_at=later, seen_at=later, ended_at=later, failure="Tradovate is shut")

    page = support.get(LIST).content.decode()
    assert "can't be read from Tradovate" in page.replace("&#x27;", "'")
    assert "Tradovate is shut." in page


def test_htmx_gets_the_table_alone(support: Client) -> None:
    make_active("EVAL-1")

    page = support.get(LIST, headers={"HX-Request": "true"}).content.decode()

    assert "EVAL-1" in page
    assert "<html" not in page
