"""Choosing targets: by filter, by trader, by hand, by file; frozen for one person, and forgotten."""

from datetime import timedelta
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts.changes.kinds import KINDS
from accounts.changes.kinds.spec import Unit
from accounts.changes.models import TargetList
from accounts.changes.targeting import targets
from accounts.changes.targeting.source import Fault
from accounts.changes.targeting.targets import TARGETS_MAX, BadTargets, TargetSelection, forget_target_lists
from accounts.models import RiskCategory, Source
from accounts.pages.filters import AccountFilters
from riskadmin.staff.models import Staff
from riskadmin.staff.roles import Role
from riskadmin.tradovate.vocabulary import Environment
from tests.changes.pages import text_of
from tests.changes.world import LOCKED, let_trade, make_account, make_accounts, make_trader, written
from tests.staff.people import make_person

pytestmark = pytest.mark.django_db

FREEZE = reverse("changes:freeze")
CHOOSE = reverse("changes:choose")
NOTHING = (0, 0, 0, 0)


def squeezed(page: str) -> str:
    """A page with every run of blanks as one, however its template breaks lines."""
    return " ".join(page.split())


def naming(kind_name: str = "lock") -> str:
    return reverse("changes:name_targets", args=[kind_name])


def csv(content: str | bytes, name: str = "limits.csv") -> dict[str, Any]:
    file = SimpleUploadedFile(name, content.encode() if isinstance(content, str) else content, "text/csv")
    return {"how": "csv", "environment": "demo", "file": file}


@pytest.fixture
def support_client(client: Client, support: Staff) -> Client:
    """Support's browser."""
    client.force_login(support)
    return client


class TestFilter:
    @pytest.fixture(autouse=True)
    def accounts(self) -> None:
        category = RiskCategory.objects.create(
            environment="demo", tradovate_id=5, name="Small", fresh_at=timezone.now(), source=Source.SYNC
        )
        make_account(3, LOCKED, name="B", risk_category=category)
        make_account(2, LOCKED, name="C")
        make_account(1, name="A", archived=True)
        make_account(9, LOCKED, environment="live", name="L")

    @pytest.mark.parametrize(
        ("filters", "ids", "source"),
        [
            ({"environment": "demo"}, (1, 3, 2), "filter: demo"),
            ({"status": "locked", "environment": "demo"}, (3, 2), "filter: demo, locked (no orders)"),
            ({"q": " c ", "environment": "demo"}, (2,), "filter: “c”, demo"),
            ({"environment": "live"}, (9,), "filter: live"),
        ],
    )
    def test_it_is_what_the_page_of_accounts_lists(self, filters: dict[str, str], ids: tuple[int, ...], source: str) -> None:
        chosen = targets.of_filters(AccountFilters(filters))
        assert (chosen.ids, chosen.source, chosen.unit) == (ids, source, Unit.ACCOUNT)

    def test_categories_and_attention_are_said_in_words(self) -> None:
        category = RiskCategory.objects.get()
        assert targets.of_filters(AccountFilters({"category": category.pk})).source == "filter: category Small"
        with pytest.raises(BadTargets, match="No account matches this filter any more"):
            targets.of_filters(AccountFilters({"attention": "near"}))

    def test_two_environments_are_no_change(self) -> None:
        with pytest.raises(BadTargets, match="Demo and live accounts can't be in one change"):
            targets.of_filters(AccountFilters({"status": "locked"}))

    def test_too_many_are_shown(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(targets, "TARGETS_MAX", 2)
        with pytest.raises(BadTargets, match="More than 2 accounts match, and one change takes no more"):
            targets.of_filters(AccountFilters({"environment": "demo"}))
        assert targets.of_filters(AccountFilters({"environment": "demo", "status": "locked"})).ids == (3, 2)

    def test_a_search_that_leaves_traders_out_is_shown(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("accounts.pages.queries.TRADERS_AT_MOST", 1)
        make_trader(1, "common one")
        make_trader(2, "common two")
        with pytest.raises(BadTargets, match="more than 200 traders"):
            targets.of_filters(AccountFilters({"q": "common"}))

    def test_the_button_freezes_them_as_they_are_now(self, support_client: Client, support: Staff) -> None:
        response = support_client.post(FREEZE, {"environment": "demo", "status": "locked", "q": "", "kind": "unlock"})
        kept = TargetList.objects.get()
        assert (response.status_code, response["Location"]) == (
            303,
            f"{reverse('changes:new', args=['unlock'])}?targets={kept.pk}",
        )
        assert (kept.ids, kept.created_by, kept.kind, kept.environment) == ([3, 2], support, "unlock", "demo")

        make_account(4, LOCKED, name="AA")  # too late
        page = support_client.get(response["Location"])
        assert [row.target_id for row in page.context["plan"].rows] == [3, 2]
        assert "From filter: demo, locked (no orders)" in text_of(page)
        assert written() == NOTHING

    def test_without_a_kind_it_is_chosen_next(self, support_client: Client) -> None:
        response = support_client.post(FREEZE, {"environment": "demo", "status": "locked"})
        address = f"?targets={TargetList.objects.get().pk}"
        assert response["Location"] == CHOOSE + address
        page = text_of(support_client.get(response["Location"]))
        assert "Ask for a change of 2 accounts" in page
        assert reverse("changes:new", args=["unlock"]) + address in page

    @pytest.mark.parametrize("fields", [{"status": "bored"}, {"environment": "prod"}, {"q": "x" * 65}, {"status": "locked"}])
    def test_a_filter_that_is_none_freezes_nothing(self, support_client: Client, fields: dict[str, str]) -> None:
        assert support_client.post(FREEZE, fields).status_code == 400
        assert not TargetList.objects.exists()

    def test_the_page_of_accounts_offers_it(self, support_client: Client) -> None:
        page = squeezed(text_of(support_client.get(reverse("accounts:list"), {"environment": "demo", "status": "locked"})))
        assert f'action="{FREEZE}"' in page
        assert '<input type="hidden" name="status" value="locked">' in page
        assert "All <strong>2</strong> that match:" in page

    @pytest.mark.parametrize("role", [Role.COMPLIANCE, Role.ADMINISTRATOR])
    def test_a_person_who_may_request_nothing_is_offered_nothing(self, client: Client, role: Role) -> None:
        client.force_login(make_person(role))
        assert FREEZE not in text_of(client.get(reverse("accounts:list")))
        for fields in ({"environment": "demo"}, {"environment": "demo", "kind": "lock"}, {"trader": "demo:1"}):
            assert client.post(FREEZE, fields).status_code == 403
        assert client.get(CHOOSE).status_code == 403
        assert not TargetList.objects.exists()

    @pytest.mark.parametrize("count", [3, 60])
    def test_it_costs_the_same_few_queries_for_any_number(self, support: Staff, count: int) -> None:
        make_accounts(range(100, 100 + count))
        with CaptureQueriesContext(connection) as queries:
            chosen = targets.of_filters(AccountFilters({"environment": "demo"}))
            targets.keep(support, chosen)
        assert len(chosen.ids) == count + 3
        assert len(queries) == 2


class TestTrader:
    def test_all_of_a_traders_accounts(self, support_client: Client) -> None:
        trader, other = make_trader(70, "ana.garcia"), make_trader(71)
        let_trade(trader, make_account(2, name="B"), make_account(1, name="A", archived=True))
        let_trade(other, make_account(3))

        response = support_client.post(FREEZE, {"trader": "demo:70"})
        kept = TargetList.objects.get()
        assert (kept.ids, kept.source) == ([1, 2], "accounts of trader ana.garcia")
        assert response["Location"] == f"{CHOOSE}?targets={kept.pk}"

        page = squeezed(text_of(support_client.get(reverse("accounts:detail", args=["demo", 2]))))
        assert '<input type="hidden" name="trader" value="demo:70">' in page

    @pytest.mark.parametrize("value", [["demo:71"], ["live:70"], ["demo:99"], ["demo:x"], [""], ["demo:70", "demo:71"]])
    def test_one_without_any_is_refused(self, support_client: Client, value: list[str]) -> None:
        let_trade(make_trader(70), make_account(1))
        make_trader(71)
        assert support_client.post(FREEZE, {"trader": value}).status_code == 400
        assert not TargetList.objects.exists()

    def test_the_traders_of_accounts(self) -> None:
        let_trade(make_trader(70), make_account(1), make_account(2))
        let_trade(make_trader(71), make_account(3))
        make_account(4)
        assert targets.traders_of(Environment.DEMO, [3, 1, 4, 2, 99]) == ([71, 70], 2)

    def test_accounts_are_replaced_by_their_traders_for_kinds_about_traders(self, support_client: Client) -> None:
        let_trade(make_trader(70), make_account(1), make_account(2))
        make_account(4)
        page = support_client.get(reverse("changes:new", args=["user_lockout"]), {"account": ["demo:1", "demo:2", "demo:4"]})
        assert [row.target for row in page.context["plan"].rows] == ["demo:trader:70"]
        assert "1 of the accounts has no trader that we know." in text_of(page)


class TestNamed:
    def test_lines_and_commas_and_blanks(self) -> None:
        make_accounts([1, 2, 3, 4, 5])
        chosen = targets.of_text(Environment.DEMO, Unit.ACCOUNT, "1, 2;KTR50K-000003\n\n\tktr50k-000004 5,\n")
        assert (chosen.ids, chosen.problems, chosen.source) == ((1, 2, 3, 4, 5), (), "pasted list")

    def test_traders_may_have_blanks_in_their_names(self) -> None:
        make_trader(70, "kim lee")
        make_trader(71, "kim")
        assert targets.of_text(Environment.DEMO, Unit.TRADER, "kim lee\nkim").ids == (70, 71)

    def test_each_that_leads_nowhere_is_shown_with_its_line(self) -> None:
        make_accounts([1, 2])
        make_account(3, archived=True)
        make_account(4, name="TWIN")
        make_account(5, name="TWIN")
        chosen = targets.of_text(Environment.DEMO, Unit.ACCOUNT, "1\nnobody\nTWIN, 3\nKTR50K-000001\n2\nx\x00y")
        assert chosen.ids == (1, 2)
        assert [(each.line, each.value, each.fault) for each in chosen.problems] == [
            (2, "nobody", Fault.UNKNOWN),
            (3, "TWIN", Fault.AMBIGUOUS),
            (3, "3", Fault.CLOSED),
            (6, "x\N{REPLACEMENT CHARACTER}y", Fault.UNKNOWN),
        ]
        assert targets.source_of(chosen).lines_left_out == (2, 3, 6)
        assert [(each.line, each.words) for each in chosen.notes] == [(4, "KTR50K-000001: the same as line 1; it counts once.")]

    def test_the_page_leads_on_to_the_plan(self, support_client: Client) -> None:
        make_accounts([1, 2])
        assert support_client.get(naming()).status_code == 200
        response = support_client.post(naming(), {"how": "names", "environment": "demo", "text": "1\r\n2\r\nnobody"})
        kept = TargetList.objects.get()
        assert response["Location"] == f"{reverse('changes:new', args=['lock'])}?targets={kept.pk}"
        assert (kept.ids, kept.problems) == (
            [1, 2],
            [
                {
                    "line": 3,
                    "fault": "Unknown",
                    "reason": "No account has this id or name",
                    "column": "",
                    "value": "nobody",
                }
            ],
        )

    @pytest.mark.parametrize(
        ("fields", "message"),
        [
            ({"text": ""}, "This field is required."),
            ({"text": " \r\n"}, "This field is required."),
            ({"text": ",;"}, "Write at least one account&#x27;s id or name."),
            ({"text": "1\x00"}, "Null characters are not allowed."),
            ({"text": "1 " * (TARGETS_MAX + 1)}, "20,001 accounts are named; one change takes at most 20,000."),
            ({"text": "1", "environment": "live"}, "Select a valid choice. live is not one of the available choices."),
            ({"text": "1", "environment": ""}, "This field is required."),
        ],
    )
    def test_what_is_refused_keeps_what_was_typed(self, support_client: Client, fields: dict[str, str], message: str) -> None:
        response = support_client.post(naming(), {"how": "names", "environment": "demo", **fields})
        assert response.status_code == 422
        assert message in text_of(response)
        assert response.context["names_form"]["text"].value() == fields["text"]
        assert not TargetList.objects.exists()


class TestFile:
    def test_it_leads_on_to_the_plan(self, support_client: Client) -> None:
        make_accounts([1, 2])
        response = support_client.post(naming(), csv("account\n1\n2\n2\n", name="../../Müller <b>.csv"))
        kept = TargetList.objects.get()
        assert response["Location"] == f"{reverse('changes:new', args=['lock'])}?targets={kept.pk}"
        assert (kept.ids, kept.problems, kept.source) == ([1, 2], [], "CSV Müller <b>.csv")
        shown = text_of(support_client.get(response["Location"]))
        assert "Müller &lt;b&gt;.csv" in shown
        assert "Line 4: 2: the same as line 3; it counts once." in shown

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            ("", "The file is empty."),
            ("1\n2\n", "Line 1: the header is missing, or has no column “account” (the account&#x27;s id or name)."),
            (b"acc\xffunt\n1", "Line 1: the header has letters that can&#x27;t be read: the file is not UTF-8."),
            (b"x" * (5 * 1024 * 1024 + 1), "The file has 5.0 MiB; at most 5 MiB are taken. Split it."),
        ],
    )
    def test_a_file_that_is_no_table_is_refused(self, support_client: Client, content: str | bytes, message: str) -> None:
        response = support_client.post(naming(), csv(content))
        assert response.status_code == 422
        assert message in text_of(response)
        assert not TargetList.objects.exists()

    def test_without_a_file(self, support_client: Client) -> None:
        response = support_client.post(naming(), {"how": "csv", "environment": "demo"})
        assert (response.status_code, dict(response.context["file_form"].errors)) == (
            422,
            {"file": ["This field is required."]},
        )

    def test_the_template_is_the_header(self, support_client: Client) -> None:
        response = support_client.get(reverse("changes:csv_template", args=["auto_liq_limits"]))
        assert text_of(response).startswith("account,level,daily_loss_alert_usd,")
        assert response["Content-Type"] == "text/csv; charset=utf-8"
        assert response["Content-Disposition"] == 'attachment; filename="auto_liq_limits.csv"'

    @pytest.mark.parametrize("name", ["csv_template", "name_targets"])
    def test_no_such_kind(self, support_client: Client, name: str) -> None:
        assert support_client.get(reverse(f"changes:{name}", args=["locks"])).status_code == 404


class TestOwnLists:
    def test_no_one_sees_another_persons_lists(self, client: Client, support: Staff, supervisor: Staff) -> None:
        make_accounts([1])
        kept = targets.keep(support, targets.of_text(Environment.DEMO, Unit.ACCOUNT, "1"))
        client.force_login(supervisor)
        for address in (reverse("changes:new", args=["lock"]), CHOOSE):
            assert client.get(address, {"targets": str(kept.pk)}).status_code == 404
        assert client.post(reverse("changes:new", args=["lock"]), {"targets": str(kept.pk)}).status_code == 404
        assert targets.kept(supervisor, kept.pk) is None
        assert targets.kept(support, kept.pk) == kept

    @pytest.mark.parametrize("value", ["", "x", "11111111-1111-4111-8111-111111111111", "\x00", "../x", "1"])
    def test_no_such_list(self, support_client: Client, value: str) -> None:
        for address in (reverse("changes:new", args=["lock"]), CHOOSE):
            assert support_client.get(address, {"targets": value}).status_code == 404

    def test_what_is_kept_comes_back_as_it_was(self, support: Staff) -> None:
        make_accounts([1, 2])
        chosen = targets.of_text(Environment.DEMO, Unit.ACCOUNT, "2 1 nobody")
        with_own = TargetSelection(
            **{**vars(chosen), "parameters": {"level": "own"}, "per_target": {1: {"amount": "10"}, 2: {}}}
        )
        assert targets.chosen_of(targets.keep(support, with_own)) == with_own

    def test_they_are_forgotten_after_two_days(self, support: Staff) -> None:
        make_accounts([1])
        old, young = (targets.keep(support, targets.of_text(Environment.DEMO, Unit.ACCOUNT, "1")) for _ in range(2))
        TargetList.objects.filter(pk=old.pk).update(created_at=timezone.now() - timedelta(days=2, minutes=1))
        TargetList.objects.filter(pk=young.pk).update(created_at=timezone.now() - timedelta(days=2) + timedelta(minutes=1))
        forget_target_lists()
        assert list(TargetList.objects.all()) == [young]


class TestChoosing:
    def test_each_kind_that_one_may_request_is_offered(self, support_client: Client, support: Staff) -> None:
        page = support_client.get(CHOOSE)
        offered = [offer.kind for _, offers in page.context["groups"] for offer in offers]
        assert offered
        assert all(support.may(kind.capability) for kind in offered)
        assert f'href="{naming("lock")}"' in text_of(page)

    def test_for_chosen_accounts_it_leads_to_their_plan(self, support_client: Client) -> None:
        make_accounts([1, 2])
        page = text_of(support_client.get(CHOOSE, {"account": ["demo:1", "demo:2"]}))
        assert f'href="{reverse("changes:new", args=["lock"])}?account=demo%3A1&amp;account=demo%3A2"' in page

    def test_what_can_not_be_done_there_says_why(self, support_client: Client) -> None:
        page = text_of(support_client.get(CHOOSE, {"account": "live:1"}))
        assert f'href="{reverse("changes:new", args=["lock"])}' not in page
        assert "Tradovate takes this on demo only." in page
        traders = text_of(support_client.get(CHOOSE, {"trader": "demo:1"}))
        assert "This is about accounts; traders are chosen." in traders
        assert f'href="{reverse("changes:new", args=["user_lockout"])}?trader=demo%3A1"' in traders

    @pytest.mark.parametrize("query", [{"account": "x"}, {"account": ["demo:1", "live:1"]}, {"trader": "demo:0"}])
    def test_garbage_is_refused(self, support_client: Client, query: dict[str, Any]) -> None:
        assert support_client.get(CHOOSE, query).status_code == 400

    def test_the_list_of_changes_leads_there(self, support_client: Client) -> None:
        assert f'href="{CHOOSE}"' in text_of(support_client.get(reverse("changes:list")))


@pytest.mark.parametrize("role", Role)
def test_the_pages_of_a_kind_are_open_to_who_may_request_it(subtests: pytest.Subtests, client: Client, role: Role) -> None:
    let_trade(make_trader(70), make_account(1))
    person = make_person(role)
    client.force_login(person)
    for kind_name, kind in KINDS.items():
        expected = 200 if person.may(kind.capability) else 403
        for address in (
            naming(kind_name),
            reverse("changes:csv_template", args=[kind_name]),
            f"{reverse('changes:new', args=[kind_name])}?account=demo:1",
        ):
            with subtests.test(address):
                assert client.get(address).status_code == expected
    assert not TargetList.objects.exists()
