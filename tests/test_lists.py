"""The lists of accounts, changes and audit events are one component: what it promises is tested over all of them."""

import csv
import html
import io
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from django.http import QueryDict
from django.template import Context, Template
from django.test import Client
from django.urls import reverse

from accounts.changes.lists import CHANGES
from accounts.changes.states import ItemState
from accounts.models import Account
from accounts.pages import queries as account_queries
from accounts.pages.filters import AccountFilters
from accounts.pages.lists import ACCOUNTS
from riskadmin.audit.lists import EVENTS
from riskadmin.audit.tags import Tag
from riskadmin.notifications.lists import MESSAGES
from riskadmin.staff.models import Staff
from riskadmin.staff.people.lists import PEOPLE
from riskadmin.staff.roles import Role
from riskadmin.web.lists import export
from riskadmin.web.lists.spec import BadSort, Column, ListSpec
from tests.accounts.mirrored import make_active, make_cash, make_category, make_trader
from tests.changes.world import open_item
from tests.listed_rows import make_accounts, make_changes, make_events, make_people
from tests.notifications.notices import make_messages
from tests.staff.people import make_person

pytestmark = pytest.mark.django_db

HTMX = {"HX-Request": "true"}
FORMULA = '=HYPERLINK("http://x","y")'


@dataclass(frozen=True, kw_only=True)
class Listed:
    """One of the lists: who opens it, the order it can be sorted by, and one filter of every kind of field that it has.

    `make` writes some rows of which some are equal in the order's first field, and returns their keys in ascending order.
    `filters` are parameters that leave out some of these rows, and the label of each.
    """

    spec: ListSpec[Any]
    name: str
    role: Role
    sort: str
    make: Callable[[Staff, int], list[int]]
    filters: dict[str, tuple[str, str]]
    bad: dict[str, str]
    key: Callable[[Any], int]
    csv_name: str = ""
    csv_key: str = ""
    narrow: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.spec.name

    @property
    def url(self) -> str:
        return reverse(self.name)


LISTS = [
    Listed(
        spec=ACCOUNTS,
        name="accounts:list",
        role=Role.SUPPORT,
        sort="account",
        make=make_accounts,
        filters={
            "q": ("ana@firm", "Search"),
            "environment": ("live", "Environment"),
            "status": ("locked", "Status"),
            "attention": ("holding", "Needs attention"),
        },
        bad={"q": "x" * 65, "environment": "moon", "status": "dancing", "category": "x", "attention": "y"},
        key=lambda account: account.pk,
        csv_name="accounts:csv",
        csv_key="id",
    ),
    Listed(
        spec=CHANGES,
        name="changes:list",
        role=Role.SUPPORT,
        sort="change",
        make=make_changes,
        filters={"state": ("pending", "State"), "kind": ("lock", "Kind"), "mine": ("on", "Only what I asked for")},
        bad={"state": "nonsense", "kind": "'"},
        key=lambda row: row.change.pk,
        csv_name="changes:csv",
        csv_key="change",
    ),
    Listed(
        spec=EVENTS,
        name="audit:list",
        role=Role.COMPLIANCE,
        sort="time",
        make=make_events,
        filters={
            "what": (Tag.CHANGE_APPROVED.value, "What"),
            "person": ("7", "Who"),
            "account": ("a", "Account"),
            "change": ("4", "Change"),
            "environment": ("demo", "Environment"),
            "since": ("2026-11-02T08:01", "From"),
            "before": ("2026-11-02T08:01", "Before"),
            "request": ("0" * 32, "Request"),
            "trader": ("a", "Trader"),
            "reason": ("Other", "Reason"),
            "ticket": ("HELP-1", "Ticket"),
            "outcome": ("rejected", "Outcome"),
            "last": ("7", "Period"),
        },
        bad={"what": "nothing", "person": "999", "change": "0", "since": "yesterday", "before": "x", "request": "0123"},
        key=lambda line: line.event.pk,
        narrow={"what": "change"},  # without the event of the person who looks
    ),
    Listed(
        spec=MESSAGES,
        name="notifications:outbox",
        role=Role.ADMINISTRATOR,
        sort="message",
        make=make_messages,
        filters={"state": ("failed", "State"), "channel": ("email", "Channel"), "topic": ("expiring", "Topic")},
        bad={"state": "lost", "channel": "pigeon", "topic": "weather"},
        key=lambda message: message.pk,
    ),
    Listed(
        spec=PEOPLE,
        name="people:list",
        role=Role.ADMINISTRATOR,
        sort="username",
        make=make_people,
        filters={
            "role": ("support", "Role"),
            "account": ("off", "Account"),
            "signed_in": ("never", "Signed in"),
            "second_factor": ("has", "Second factor"),
        },
        bad={"role": "owner", "account": "x", "signed_in": "often", "second_factor": "three"},
        key=lambda row: row.person.pk,
        narrow={"role": "support"},  # without the administrator who looks
    ),
]
EXPORTED = [each for each in LISTS if each.csv_name]


@pytest.fixture(params=LISTS, ids=str)
def listed(request: pytest.FixtureRequest) -> Listed:
    found: Listed = request.param
    return found


@pytest.fixture
def viewer(listed: Listed) -> Staff:
    return make_person(listed.role)


@pytest.fixture
def browser(client: Client, viewer: Staff, listed: Listed) -> Client:
    client.force_login(viewer)
    client.get(listed.url)  # so that the event of the first view is there from the beginning
    return client


def keys(browser: Client, listed: Listed, query: dict[str, str] | str = "", **more: str) -> list[int]:
    """The rows of the page at an address."""
    address = query if isinstance(query, str) and query else listed.url
    response = browser.get(address, {**(query if isinstance(query, dict) else {}), **more} or None)
    assert response.status_code == 200
    return [listed.key(row) for row in response.context["table"].rows]


def walk(browser: Client, listed: Listed, query: dict[str, str]) -> list[int]:
    """The rows of all pages, first to last."""
    seen: list[int] = []
    cursor: str | None = ""
    while cursor is not None:
        response = browser.get(listed.url, {**query, "cursor": cursor})
        seen += [listed.key(row) for row in response.context["table"].rows]
        cursor = response.context["page"].next_cursor
    return seen


def text(response: Any) -> str:
    return html.unescape(response.content.decode())


class TestChips:
    def test_each_filter_is_a_chip_that_one_click_removes(self, listed: Listed, browser: Client, viewer: Staff) -> None:
        listed.make(viewer, 12)
        everything = keys(browser, listed)
        for name, (value, label) in listed.filters.items():
            page = text(browser.get(listed.url, {name: value}))
            assert re.search(rf'<div class="chip chip-active">\s*<label for="id_{name}">{label}</label>', page), name
            assert page.count("chip-active") == 1
            removing = re.search(
                rf'href="([^"]*)"\s+hx-get="([^"]*)"[^>]*><svg class="icon" role="img" aria-label="Remove filter: {label}"',
                page,
            )
            assert removing is not None, name
            assert removing[1] == removing[2] == listed.url
            narrowed = keys(browser, listed, {name: value})
            assert len(narrowed) < len(everything), name
            assert set(narrowed) <= set(everything)

    def test_removing_one_keeps_the_others_and_the_order(self, listed: Listed, browser: Client, viewer: Staff) -> None:
        listed.make(viewer, 3)
        (first, (one, label)), (second, (two, _)), *_ = listed.filters.items()
        sort = listed.sort if listed.spec.order != listed.sort else f"-{listed.sort}"
        page = text(browser.get(listed.url, {first: one, second: two, "sort": sort}))
        found = re.search(
            rf'href="([^"]*)"\s+hx-get="[^"]*"[^>]*><svg class="icon" role="img" aria-label="Remove filter: {label}"', page
        )
        assert found is not None
        address, _, query = found[1].partition("?")
        assert (address, QueryDict(query).dict()) == (listed.url, {second: two, "sort": sort})
        cleared = re.search(r'chips-clear"\s+href="([^"]*)"', page)
        assert cleared is not None
        assert cleared[1] == f"{listed.url}?sort={sort}"

    def test_without_a_filter_nothing_is_offered_to_be_removed(self, listed: Listed, browser: Client) -> None:
        page = text(browser.get(listed.url, dict.fromkeys(listed.filters, "")))
        assert "chip-active" not in page
        assert "Remove filter" not in page
        assert "Clear all" not in page

    def test_a_change_of_a_filter_swaps_the_list_and_names_its_address(self, listed: Listed, browser: Client) -> None:
        (name, (value, _)), *others = listed.filters.items()
        response = browser.get(listed.url, {name: value, **{other: "" for other, _ in others}}, headers=HTMX)
        fragment = text(response)
        assert "<html" not in fragment
        assert fragment.count('id="list"') == 1
        assert f'hx-get="{listed.url}"' in fragment
        address, _, query = response["HX-Push-Url"].partition("?")
        assert (address, QueryDict(query).dict()) == (listed.url, {name: value})

    def test_without_scripts_a_button_filters(self, listed: Listed, browser: Client) -> None:
        page = text(browser.get(listed.url))
        form = page.partition('<form class="chips"')[2].partition("</form>")[0]
        assert f'action="{listed.url}"' in form
        assert 'method="get"' in form
        assert re.search(r'<noscript>\s*<button type="submit"', form)
        for name in listed.filters:
            assert f'name="{name}"' in form

    def test_a_bad_value_is_shown_at_its_field_and_nothing_is_listed(
        self, listed: Listed, browser: Client, viewer: Staff
    ) -> None:
        listed.make(viewer, 3)
        for name, value in listed.bad.items():
            for headers in ({}, HTMX):
                response = browser.get(listed.url, {name: value}, headers=headers)
                assert response.status_code == 422, name
                assert list(response.context["form"].errors) == [name]
                page = text(response)
                assert f'aria-describedby="id_{name}_error"' in page
                assert f'id="id_{name}_error"' in page
                assert f'href="#id_{name}"' in page  # the summary, which takes the focus
                assert "Nothing is listed" in page
                assert "<tbody" not in page


class TestOrder:
    @pytest.mark.parametrize("is_descending", [False, True])
    def test_sorted_pages_show_every_row_once_in_order(
        self, listed: Listed, browser: Client, viewer: Staff, *, is_descending: bool
    ) -> None:
        ascending = listed.make(viewer, 120)
        sort = f"{'-' if is_descending else ''}{listed.sort}"
        seen = walk(browser, listed, {**listed.narrow, "sort": sort})
        assert seen == (ascending[::-1] if is_descending else ascending)
        assert walk(browser, listed, listed.narrow) == (seen if sort == listed.spec.order else seen[::-1])

    def test_the_heading_says_how_it_is_sorted_and_turns_it_round(self, listed: Listed, browser: Client, viewer: Staff) -> None:
        listed.make(viewer, 3)
        own, other = ("descending", "ascending") if listed.spec.order.startswith("-") else ("ascending", "descending")
        page = text(browser.get(listed.url))
        assert page.count("aria-sort") == 1
        assert f'aria-sort="{own}"' in page
        turned = re.search(rf'id="sort-{listed.sort}"\s+class="sort"\s+href="([^"]*)"', page)
        assert turned is not None
        page = text(browser.get(turned[1]))
        assert f'aria-sort="{other}"' in page
        back = re.search(rf'id="sort-{listed.sort}"\s+class="sort"\s+href="([^"]*)"', page)
        assert back is not None
        assert back[1] == listed.url

    def test_a_sort_order_that_is_none_is_refused(self, listed: Listed, browser: Client) -> None:
        unsorted = next(column.name for column in listed.spec.columns if not column.sort)
        for sort in ("x", "--account", unsorted, f"-{unsorted}"):
            response = browser.get(listed.url, {"sort": sort})
            assert response.status_code == 400
            assert "This list can't be sorted" in text(response)

    def test_a_cursor_of_another_order_is_refused(self, listed: Listed, browser: Client, viewer: Staff) -> None:
        listed.make(viewer, 60)
        cursor = browser.get(listed.url).context["page"].next_cursor
        other = listed.spec.sorting("").reversed.parameter
        assert browser.get(listed.url, {"sort": other, "cursor": cursor}).status_code == 400

    def test_the_pager_keeps_filters_and_order(self, listed: Listed, browser: Client, viewer: Staff) -> None:
        listed.make(viewer, 120)
        other = listed.spec.sorting("").reversed.parameter
        page = text(browser.get(listed.url, {**listed.narrow, "sort": other}))
        found = re.search(r'rel="next"\s+href="\?([^"]*)"', page)
        assert found is not None
        query = QueryDict(found[1]).dict()
        assert query.pop("cursor")
        assert query == {**listed.narrow, "sort": other}

    def test_a_list_has_the_order_that_it_declares(self) -> None:
        with pytest.raises(BadSort):
            ListSpec(
                name="x",
                noun="x",
                columns=(Column(name="a", label="A"),),
                filters=AccountFilters,
                order="a",
                row_template="",
                rows=list,
            )


class TestColumns:
    def test_the_chosen_ones_are_shown_and_remembered(self, listed: Listed, browser: Client, viewer: Staff) -> None:
        listed.make(viewer, 3)
        fixed = [column.name for column in listed.spec.columns if not column.is_optional]
        optional = [column for column in listed.spec.columns if column.is_optional]
        wanted = [column.name for column in optional if not column.is_shown_at_first] + [optional[0].name]
        where = f"http://testserver{listed.url}?sort={listed.sort}"

        response = browser.post(
            reverse("web:columns"), {"list": listed.spec.name, "column": wanted}, headers={"Referer": where}
        )

        assert (response.status_code, response["Location"]) == (303, where)
        for _ in range(2):  # also for the next visit
            table = browser.get(listed.url).context["table"]
            assert {heading.column.name for heading in table.headings} == {*fixed, *wanted}

    def test_none_means_those_of_the_start(self, listed: Listed, browser: Client) -> None:
        browser.cookies[f"columns-{listed.spec.name}"] = listed.spec.columns[-1].name
        browser.post(reverse("web:columns"), {"list": listed.spec.name})
        page = text(browser.get(listed.url))
        for column in listed.spec.columns:
            if column.is_optional:
                assert (f'value="{column.name}" checked>' in page) == column.is_shown_at_first, column.name

    def test_the_cells_follow_their_headings_whatever_is_chosen(self, listed: Listed, browser: Client, viewer: Staff) -> None:
        listed.make(viewer, 3)
        names = [column.name for column in listed.spec.columns if column.is_optional]
        for chosen in ([name] for name in names), [names]:
            for each in chosen:
                browser.cookies[f"columns-{listed.spec.name}"] = ".".join(each)
                page = text(browser.get(listed.url))
                headings = browser.get(listed.url).context["table"].headings
                cells = re.findall(r'data-label="([^"]*)"', page)
                assert cells[: len(headings)] == [heading.column.label for heading in headings]
                assert len(cells) % len(headings) == 0

    @pytest.mark.parametrize("cookie", ["", "..", "x.y", "<script>", "account.account"])
    def test_a_cookie_that_makes_no_sense_is_ignored(self, listed: Listed, browser: Client, cookie: str) -> None:
        browser.cookies[f"columns-{listed.spec.name}"] = cookie
        response = browser.get(listed.url)
        assert response.status_code == 200
        assert "<script>" not in text(response)

    @pytest.mark.parametrize("posted", [{}, {"list": "a b"}, {"list": "accounts", "column": ["trader", "<b>"]}])
    def test_a_form_that_names_no_list_keeps_nothing(self, client: Client, posted: dict[str, Any]) -> None:
        client.force_login(make_person(Role.SUPPORT))
        response = client.post(reverse("web:columns"), posted)
        assert response.status_code == 400
        assert not any(name.startswith("columns") for name in response.cookies)

    @pytest.mark.parametrize("referer", ["", "https://elsewhere.example/accounts/"])
    def test_no_one_is_redirected_to_another_site(self, client: Client, referer: str) -> None:
        client.force_login(make_person(Role.SUPPORT))
        response = client.post(reverse("web:columns"), {"list": "accounts", "column": "trader"}, headers={"Referer": referer})
        assert response["Location"] == "/"

    def test_a_cell_of_no_column_is_an_error(self) -> None:
        table = ACCOUNTS.panel([], caption="")
        template = Template('{% load lists %}{% cell "nothing" %}x{% endcell %}')
        with pytest.raises(KeyError):
            template.render(Context({"table": table}))


def rows_of(response: Any) -> list[dict[str, str]]:
    """A CSV file as rows by heading."""
    assert response.status_code == 200
    assert response.streaming
    assert response["Content-Type"] == "text/csv; charset=utf-8"
    content = response.getvalue().decode()
    assert content.startswith("\ufeff")
    return list(csv.DictReader(io.StringIO(content[1:], newline="")))


class TestCsv:
    @pytest.mark.parametrize("listed", EXPORTED, ids=str, indirect=True)
    def test_it_has_the_rows_of_all_pages_in_their_order(self, listed: Listed, browser: Client, viewer: Staff) -> None:
        listed.make(viewer, 60)
        (name, (value, _)), *_ = listed.filters.items()
        for query in ({}, {name: value}, {"sort": listed.spec.sorting("").reversed.parameter}):
            rows = rows_of(browser.get(reverse(listed.csv_name), query))
            written = [int(row[listed.csv_key]) for row in rows]
            if listed.csv_key == "id":
                known = dict(Account.objects.values_list("tradovate_id", "pk"))
                written = [known[tradovate_id] for tradovate_id in written]
            assert written == walk(browser, listed, query)
            assert written

    @pytest.mark.parametrize("listed", EXPORTED, ids=str, indirect=True)
    def test_the_page_links_to_it_with_its_filters(self, listed: Listed, browser: Client, viewer: Staff) -> None:
        listed.make(viewer, 3)
        (name, (value, _)), *_ = listed.filters.items()
        query = {name: value, "sort": listed.spec.sorting("").reversed.parameter}
        link = re.search(r'href="([^"]*)" data-proof', text(browser.get(listed.url, query)))
        assert link is not None
        address, _, wanted = link[1].partition("?")
        assert (address, QueryDict(wanted).dict()) == (reverse(listed.csv_name), query)

    @pytest.mark.parametrize("listed", EXPORTED, ids=str, indirect=True)
    def test_it_ends_at_a_bound_and_says_so(
        self, listed: Listed, browser: Client, viewer: Staff, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        listed.make(viewer, 7)
        monkeypatch.setattr(export, "BATCH", 2)
        monkeypatch.setattr(export, "ROWS_MAX", 7)
        assert len(rows_of(browser.get(reverse(listed.csv_name)))) == 7
        monkeypatch.setattr(export, "ROWS_MAX", 5)
        *rows, last = rows_of(browser.get(reverse(listed.csv_name)))
        assert len(rows) == 5
        assert next(iter(last.values())) == "More than 5 rows match. Only the first 5 are in this file: narrow the filters."

    @pytest.mark.parametrize("listed", EXPORTED, ids=str, indirect=True)
    def test_a_bad_filter_makes_no_file(self, listed: Listed, browser: Client, viewer: Staff) -> None:
        listed.make(viewer, 3)
        for name, value in listed.bad.items():
            response = browser.get(reverse(listed.csv_name), {name: value})
            assert response.status_code == 400
            assert "no file was made" in text(response)

    def test_no_cell_is_a_formula_and_numbers_stay_numbers(self, client: Client) -> None:
        person = make_person(Role.SUPPORT)
        client.force_login(person)
        account = make_active(FORMULA, trader=make_trader("@SUM(A1)"), risk_category=make_category("+1"))
        make_cash(account, today="-800")
        open_item(person, account, "lock", ItemState.QUEUED)

        (row,) = rows_of(client.get(reverse("accounts:csv")))
        assert (row["name"], row["trader"], row["risk category"]) == (f"'{FORMULA}", "'@SUM(A1)", "'+1")
        assert row["realised today (USD)"] == "-800.00"
        (row,) = rows_of(client.get(reverse("changes:csv")))
        assert row["first"] == f"'{FORMULA}"

    def test_a_search_that_leaves_traders_out_is_shown_in_the_file(
        self, client: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(account_queries, "TRADERS_AT_MOST", 1)
        client.force_login(make_person(Role.SUPPORT))
        for name in ("garcia.1", "garcia.2"):
            make_active(trader=make_trader(name))
        *rows, last = rows_of(client.get(reverse("accounts:csv"), {"q": "garcia"}))
        assert [row["trader"] for row in rows] == ["garcia.1"]
        assert "More than 200 traders match" in next(iter(last.values()))
