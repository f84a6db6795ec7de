"""Asking for many at once: parameters first, then what has to be agreed to before it is asked for."""

from dataclasses import replace

import pytest
from django.test import Client
from django.urls import reverse

from accounts.changes import preview_views
from accounts.changes.kinds import KINDS
from accounts.changes.kinds.spec import Unit
from accounts.changes.models import Change, Item, TargetList
from accounts.changes.states import Direction
from accounts.changes.targeting import targets
from accounts.changes.targeting.source import Fault
from riskadmin.audit.models import Event
from riskadmin.staff.models import Staff
from riskadmin.tradovate.vocabulary import Environment
from tests.changes.fake_kind import FakeKind
from tests.changes.pages import listed, new, text_of, typed, uploaded
from tests.changes.world import LOCKED, make_account, make_accounts, set_status, written

pytestmark = pytest.mark.django_db

Sent = list[tuple[str, list[int], str]]
NOTHING = (0, 0, 0, 0)
HTMX = {"HX-Request": "true"}


class TestParameters:
    def test_the_form_comes_first(self, support_client: Client) -> None:
        make_accounts([1])
        page = support_client.get(new(), {"account": "demo:1"})
        assert page.status_code == 200
        assert page.context["plan"] is None
        said = text_of(page)
        assert "Show what would happen" in said
        assert 'name="amount"' in said
        assert '<input type="hidden" name="account" value="demo:1">' in said
        assert 'name="reason_code"' not in said

    def test_a_link_may_propose_values(self, support_client: Client) -> None:
        make_accounts([1])
        page = support_client.get(new(), {"account": "demo:1", "amount": "12"})
        assert page.context["plan"] is None
        assert page.context["parameters_form"]["amount"].value() == "12"

    def test_then_what_would_happen_at_an_address_of_its_own(self, support_client: Client) -> None:
        make_accounts([1])
        page = support_client.get(new(), {"account": "demo:1", "preview": "1", "amount": "10", "level": "own"})
        assert page.status_code == 200
        (row,) = page.context["plan"].rows
        assert row.after == {"amount": "10", "level": "own"}
        said = text_of(page)
        assert "Only a fake." in said
        assert '<span class="ba-label">Amount</span>' in said
        assert written() == NOTHING

        sent = typed(page)
        assert (sent["amount"], sent["level"]) == ("10", "own")
        response = support_client.post(new(), sent)
        change = Change.objects.get()
        assert (response.status_code, response["Location"]) == (303, reverse("changes:detail", args=[change.pk]))
        assert change.parameters == {"amount": "10", "level": "own"}
        assert change.items.get().after == {"amount": "10", "level": "own"}

    @pytest.mark.parametrize("headers", [{}, HTMX])
    def test_bad_ones_come_back_as_typed(self, support_client: Client, headers: dict[str, str]) -> None:
        make_accounts([1])
        query = {"account": "demo:1", "preview": "1", "amount": "ten", "level": "own"}
        page = support_client.get(new(), query, headers=headers)
        assert (page.status_code, page.context["plan"]) == (422, None)
        assert dict(page.context["parameters_form"].errors) == {"amount": ["Enter a number."]}
        assert 'value="ten"' in text_of(page)
        assert ("<html" in text_of(page)) == (not headers)

    def test_a_preview_may_be_posted_too(self, support_client: Client) -> None:
        make_accounts([1])
        fields = {
            "account": "demo:1",
            "preview": "1",
            "amount": "10",
            "level": "own",
            "reason_code": "Other",
            "reason_text": "x",
        }
        page = support_client.post(new(), fields)
        assert page.status_code == 200
        assert page.context["form"]["reason_text"].value() == "x"
        assert written() == NOTHING

    def test_a_reason_outlives_parameters_that_turned_bad(self, support_client: Client) -> None:
        make_accounts([1])
        page = support_client.get(new(), {"account": "demo:1", "preview": "1", "amount": "10", "level": "own"})
        response = support_client.post(new(), typed(page, amount="0", reason_text="Typed with care"))
        assert response.status_code == 422
        said = text_of(response)
        assert '<input type="hidden" name="reason_text" value="Typed with care">' in said
        assert f'hx-post="{new()}"' in said
        assert written() == NOTHING

    def test_without_a_reason_everything_is_kept(self, support_client: Client) -> None:
        make_accounts([1])
        page = support_client.get(new(), {"account": "demo:1", "preview": "1", "amount": "10", "level": "own"})
        response = support_client.post(new(), typed(page, reason_text=""))
        assert response.status_code == 422
        assert response.context["typed_parameters"] == (("amount", "10"), ("level", "own"))
        assert dict(response.context["form"].errors) == {
            "reason_text": ["Say why: with the reason Other, Tradovate asks for it in words."]
        }

    def test_other_parameters_than_those_shown_are_another_plan(self, support_client: Client) -> None:
        make_accounts([1])
        page = support_client.get(new(), {"account": "demo:1", "preview": "1", "amount": "10", "level": "own"})
        response = support_client.post(new(), typed(page, amount="9999"))
        assert response.status_code == 409
        assert written() == NOTHING

    def test_no_kind_has_a_parameter_of_the_pages_own_name(self) -> None:
        for kind in KINDS.values():
            fields = kind.parameters_form().fields if kind.parameters_form else {}
            assert not set(fields) & preview_views.RESERVED, kind.name


class TestList:
    def test_rows_of_a_file_carry_their_own(self, support_client: Client, support: Staff) -> None:
        make_accounts([1, 2])
        page = support_client.get(new(), {"targets": uploaded(support, "account,amount", "1,10", "2,20")})
        assert page.context["parameters_form"] is None
        assert [row.after for row in page.context["plan"].rows] == [
            {"level": "firm", "amount": "10"},
            {"level": "firm", "amount": "20"},
        ]
        assert page.context["parameter_words"] == (("Level", "firm"),)
        assert "From CSV fake.csv" in text_of(page)
        support_client.post(new(), typed(page))
        assert list(Item.objects.order_by("position").values_list("after__amount", flat=True)) == ["10", "20"]
        assert Event.objects.filter(tag="change:request:submitted").first().detail["source"] == "CSV fake.csv"  # type: ignore[union-attr]

    def test_a_file_is_of_its_own_kind(self, support_client: Client, support: Staff) -> None:
        make_accounts([1])
        page = support_client.get(new("lock"), {"targets": uploaded(support, "account,amount", "1,10")})
        assert page.status_code == 400
        assert "This file was made for another kind of change." in text_of(page)
        # Without parameters, accounts are accounts to any kind.
        assert support_client.get(new("lock"), {"targets": uploaded(support, "account", "1")}).status_code == 200

    def test_traders_are_no_accounts(self, support_client: Client, support: Staff) -> None:
        chosen = targets.TargetSelection(environment=Environment.DEMO, unit=Unit.TRADER, ids=(1,), source="x")
        kept = targets.keep(support, chosen)
        assert support_client.get(new("lock"), {"targets": str(kept.pk)}).status_code == 400

    def test_rows_with_errors_have_to_be_skipped_on_purpose(self, support_client: Client, support: Staff) -> None:
        make_accounts([1, 2])
        query = {"targets": uploaded(support, "account,amount", "1,10", "404,20", "2,x", "NOBODY,5")}
        page = support_client.get(new(), query)
        said = text_of(page)
        assert "Leave these 3 rows out, and go on without" in said
        assert [(label, count) for label, _, _, count in page.context["tabs"]] == [
            ("To send", "1"),
            ("Skipped", "0"),
            ("Errors", "3"),
        ]
        faults = text_of(support_client.get(new(), {**query, "tab": "left_out"}))
        assert "Bad value: Enter a number." in faults
        assert "Unknown: No account has this id or name" in faults

        refused = support_client.post(new(), typed(page))
        assert refused.status_code == 422
        assert dict(refused.context["form"].errors) == {
            "leave_out": ["Correct the rows and upload them again, or choose to leave them out."]
        }
        assert written() == NOTHING

        assert support_client.post(new(), typed(page, leave_out="on")).status_code == 303
        change = Change.objects.get()
        assert change.item_count == 1
        event = Event.objects.get(tag="change:rows:left_out")
        assert (event.change_id, event.staff_id, event.detail) == (
            change.pk,
            support.pk,
            {
                "source": "CSV fake.csv",
                "rows": 3,
                "lines": [3, 4, 5],
                "faults": {"Unknown": 2, "Bad value": 1},
            },
        )

    def test_one_row_with_errors(self, support_client: Client, support: Staff) -> None:
        make_accounts([1])
        said = text_of(support_client.get(new("lock"), {"targets": listed(support, "1 nobody")}))
        assert "Leave this entry out, and go on without" in said

    def test_errors_of_a_pasted_list_are_counted_alike_and_said_above_the_form(
        self, support_client: Client, support: Staff
    ) -> None:
        make_accounts([1])
        query = {"targets": listed(support, "1\n404 405\n406 -2,024.25")}
        first = text_of(support_client.get(new("auto_liq_limits"), query))
        assert first.index("4 entries of the list can't be used.") < first.index("daily_loss_alert_usd")
        assert first.index("daily_loss_alert_usd") < first.index('id="faults-title"')

        page = support_client.get(new("lock"), {**query, "tab": "left_out"})
        assert page.context["tabs"][-1][::3] == ("Errors", "4")
        assert (page.context["source"].faults, page.context["sheet"].total) == (((Fault.UNKNOWN, 4),), 4)
        assert "Leave these 4 entries out, and go on without" in text_of(page)
        assert "the list can't be used" not in text_of(page)
        support_client.post(new("lock"), typed(page, leave_out="on"))
        assert Event.objects.get(tag="change:rows:left_out").detail["rows"] == 4

    def test_only_rows_with_errors(self, support_client: Client, support: Staff) -> None:
        page = support_client.get(new("lock"), {"targets": listed(support, "nobody")})
        said = text_of(page)
        assert page.context["plan"] is None
        assert "The only entry can't be used, so there is nothing to change." in said
        assert "No account has this id or name" in said
        assert "reason_code" not in said

    def test_without_errors_nothing_is_shown_of_them(self, support_client: Client, support: Staff) -> None:
        make_accounts([1])
        page = support_client.get(new("lock"), {"targets": listed(support, "1")})
        assert "leave_out" not in text_of(page)
        assert support_client.post(new("lock"), typed(page)).status_code == 303
        assert not Event.objects.filter(tag="change:rows:left_out").exists()


class TestCount:
    """Anyone who asks for very much types how much it is."""

    def test_a_hundred_are_requested_as_they_are(self, support_client: Client, support: Staff) -> None:
        make_accounts(range(1, 101))
        page = support_client.get(new("lock"), {"targets": listed(support, " ".join(map(str, range(1, 101))))})
        assert "confirm_count" not in text_of(page)
        assert support_client.post(new("lock"), typed(page)).status_code == 303

    def test_more_are_not_without_their_number(
        self, subtests: pytest.Subtests, support_client: Client, support: Staff, sent: Sent
    ) -> None:
        make_accounts(range(1, 102))
        make_account(200, LOCKED)  # skipped, so it does not count
        page = support_client.get(new("lock"), {"targets": listed(support, " ".join(map(str, [*range(1, 102), 200])))})
        for count in ("", "100", "102", "0", "1.5", "-101", "x"):
            with subtests.test(count=count):
                response = support_client.post(new("lock"), typed(page, confirm_count=count))
                assert response.status_code == 422
                assert list(response.context["form"].errors) == ["confirm_count"]
                assert response.context["form"]["confirm_count"].value() == count
                assert response.context["form"]["reason_text"].value() == "Asked for by hand"
                assert written() == NOTHING
                assert sent == []

    @pytest.mark.parametrize("count", ["101", " 101 ", "1,01"])
    def test_with_it_they_are(self, support_client: Client, support: Staff, count: str) -> None:
        make_accounts(range(1, 102))
        page = support_client.get(new("lock"), {"targets": listed(support, " ".join(map(str, range(1, 102))))})
        assert 'name="confirm_count"' in text_of(page)
        assert support_client.post(new("lock"), typed(page, confirm_count=count)).status_code == 303
        assert Change.objects.get().item_count == 101

    def test_what_destroys_is_counted_even_alone(self, support_client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(FakeKind, "spec", replace(FakeKind.spec, direction=Direction.DESTRUCTIVE))
        make_accounts([1])
        page = support_client.get(new(), {"account": "demo:1", "preview": "1", "amount": "10", "level": "own"})
        assert support_client.post(new(), typed(page)).status_code == 422
        assert written() == NOTHING
        assert support_client.post(new(), typed(page, confirm_count="1")).status_code == 303

    def test_a_changed_plan_is_shown_first(self, support_client: Client, support: Staff) -> None:
        make_accounts(range(1, 103))
        page = support_client.get(new("lock"), {"targets": listed(support, " ".join(map(str, range(1, 103))))})
        set_status(page.context["plan"].rows[0].account, admin_action=LOCKED)
        response = support_client.post(new("lock"), typed(page, confirm_count="102"))
        assert response.status_code == 409
        assert response.context["form"]["confirm_count"].value() == "102"
        again = typed(response, confirm_count="102")
        assert support_client.post(new("lock"), again).status_code == 422
        assert support_client.post(new("lock"), {**again, "confirm_count": "101"}).status_code == 303


def test_requesting_never_alters_a_list(support_client: Client, support: Staff) -> None:
    make_accounts([1])
    list_id = listed(support, "1")
    before = TargetList.objects.values().get()
    page = support_client.get(new("lock"), {"targets": list_id})
    support_client.post(new("lock"), typed(page))
    assert TargetList.objects.values().get() == before
