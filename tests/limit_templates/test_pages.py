"""Templates as people meet them: made from an account, decided, assigned, applied, and corrected where something differs."""

from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from accounts.changes.actions import NoLongerOffered, submit
from accounts.changes.kinds import KINDS
from accounts.changes.models import Change, Item, TargetList
from accounts.changes.plan import plan
from accounts.limit_templates.models import LimitTemplate, TemplateVersion
from accounts.models import LimitLevel
from riskadmin.staff.models import Staff
from riskadmin.tradovate.vocabulary import Environment, ReasonCode
from tests.changes.pages import new, read_aloud, typed
from tests.changes.world import ORIGIN, make_account
from tests.limit_templates.templates import (
    EVALUATION,
    SIZE,
    assign_size,
    decided,
    propose_again,
    proposed,
    put_in_force,
    read_limits,
)

pytestmark = pytest.mark.django_db

FILLED_IN = {
    "name": "50K evaluation",
    "level": "firm",
    "daily_loss_auto_liq_usd": "1000",
    "trailing_max_drawdown_usd": "2500",
    "trailing_max_drawdown_mode": "EOD",
    "do_not_unlock": "yes",
}
PARAMETERS = {"level": "firm", **EVALUATION, "template": "50K evaluation, version 1"}


def page(name: str, *arguments: object) -> str:
    return reverse(f"limit_templates:{name}", args=arguments)


@pytest.fixture
def support_client(client: Client, support: Staff, sent: list[Any]) -> Client:
    """Support's browser."""
    client.force_login(support)
    return client


@pytest.fixture
def version(support: Staff, supervisor: Staff) -> TemplateVersion:
    """A template in force."""
    return put_in_force(support, supervisor)


class TestMaking:
    def test_from_an_account(self, support_client: Client) -> None:
        make_account(101)
        read_limits({101: {**EVALUATION, "changes_locked": True, "flatten_at": "2126-11-20T20:30:00Z"}})
        form = support_client.get(page("new"), {"account": "demo:101", "level": "firm"}).context["form"]
        filled_in = {name: form[name].value() for name in form.fields if form[name].value() is not None}
        assert filled_in == {
            "level": "firm",
            "daily_loss_auto_liq_usd": "1000",
            "trailing_max_drawdown_usd": "2500",
            "trailing_max_drawdown_mode": "EOD",
            "do_not_unlock": "yes",
        }

    @pytest.mark.parametrize("query", [{"account": "demo:999"}, {"account": "demo:101", "level": "trader"}, {"account": "x"}])
    def test_from_limits_that_were_never_read(self, support_client: Client, query: dict[str, str]) -> None:
        make_account(101)
        read_limits({101: EVALUATION})
        assert support_client.get(page("new"), query).status_code == 400

    def test_what_is_filled_in_is_proposed(self, support_client: Client) -> None:
        answer = support_client.post(page("new"), FILLED_IN, follow=True)
        version = TemplateVersion.objects.get()
        assert (version.limits, version.state) == (EVALUATION, "proposed")
        assert answer.redirect_chain == [(page("detail", version.template_id), 303)]
        assert "waits for a decision" in read_aloud(answer)

    @pytest.mark.parametrize(
        ("altered", "message"),
        [
            ({"name": ""}, "This field is required."),
            ({name: "" for name in FILLED_IN if name not in {"name", "level"}}, "Fill in at least one limit"),
            ({"daily_loss_alert_usd": "1000"}, "This has to be more than the $1,000.00"),
            ({"level": "trader"}, "Only the firm's limits have this."),
            ({"daily_loss_auto_liq_usd": "0"}, "Write an amount above 0."),
        ],
    )
    def test_errors_are_shown_and_nothing_is_written(
        self, support_client: Client, altered: dict[str, str], message: str
    ) -> None:
        answer = support_client.post(page("new"), FILLED_IN | altered)
        assert answer.status_code == 422
        assert message in read_aloud(answer)
        assert not LimitTemplate.objects.exists()

    def test_a_name_is_taken_once(self, support_client: Client, version: TemplateVersion) -> None:
        answer = support_client.post(page("new"), FILLED_IN | {"name": "50k EVALUATION"})
        assert (answer.status_code, LimitTemplate.objects.count()) == (422, 1)
        assert "called 50k EVALUATION already" in read_aloud(answer)

    def test_the_next_version_begins_with_what_is_in_force(self, support_client: Client, version: TemplateVersion) -> None:
        form = support_client.get(page("propose", version.template_id)).context["form"]
        assert form["daily_loss_auto_liq_usd"].value() == "1000"
        assert "level" not in form.fields
        support_client.post(
            page("propose", version.template_id), FILLED_IN | {"daily_loss_auto_liq_usd": "1200", "note": "As agreed"}
        )
        second = TemplateVersion.objects.get(number=2)
        assert (second.limits, second.note) == (EVALUATION | {"daily_loss_auto_liq_usd": "1200"}, "As agreed")
        shown = read_aloud(support_client.get(page("detail", version.template_id)))
        assert "from $1,000.00 to $1,200.00 looser" in shown
        assert "As agreed" in shown

    def test_the_traders_own_offers_only_what_that_level_has(self, support_client: Client, support: Staff) -> None:
        version = proposed(support, "Own", LimitLevel.TRADER, daily_loss_alert_usd="100")
        form = support_client.get(page("propose", version.template_id)).context["form"]
        assert "do_not_unlock" not in form.fields
        assert "daily_loss_alert_usd" in form.fields


class TestDeciding:
    def test_somebody_else_approves_what_they_see(self, client: Client, support: Staff, supervisor: Staff) -> None:
        version = proposed(support)
        client.force_login(supervisor)
        assert page("detail", version.template_id) in client.get(reverse("approvals:inbox")).content.decode()
        shown = client.get(page("detail", version.template_id))
        assert shown.context["may_decide"]
        digest = shown.context["decide_form"]["digest"].value()
        client.post(reverse("approvals:decide", args=[version.approval_id]), {"verdict": "approve", "digest": digest})
        version.refresh_from_db()
        assert version.state == "in_force"
        assert page("detail", version.template_id) not in client.get(reverse("approvals:inbox")).content.decode()

    def test_what_moved_is_refused(self, client: Client, support: Staff, supervisor: Staff) -> None:
        version = proposed(support)
        client.force_login(supervisor)
        answer = client.post(
            reverse("approvals:decide", args=[version.approval_id]), {"verdict": "approve", "digest": "0" * 64}
        )
        assert answer.status_code == 409
        assert "Nothing was decided: This is not the version you were shown." in read_aloud(answer)


class TestAssigning:
    def test_to_a_size_that_accounts_have(self, client: Client, supervisor: Staff, version: TemplateVersion) -> None:
        make_account(101, evaluation_size_usd=SIZE)
        client.force_login(supervisor)
        answer = client.post(page("assign", version.template_id), {"to": "size demo 50000.00"}, follow=True)
        assert "Demo: size $50,000.00" in read_aloud(answer)
        assert "1 open account, of 1 of them these limits were never read" in read_aloud(answer)
        again = client.post(page("assign", version.template_id), {"to": "size demo 50000.00"})
        assert again.status_code == 422
        assert "has a template already: 50K evaluation" in read_aloud(again)
        client.post(page("unassign", version.template.assignments.get().pk))
        assert not version.template.assignments.exists()


class TestApplying:
    @pytest.fixture
    def accounts(self, supervisor: Staff, version: TemplateVersion) -> None:
        """Two accounts of the template's size, one of which has its limits, and one of another size."""
        assign_size(supervisor, version)
        for number, size in ((101, SIZE), (102, SIZE), (103, 25_000)):
            make_account(number, evaluation_size_usd=size)
        read_limits({101: EVALUATION, 102: {**EVALUATION, "do_not_unlock": False}, 103: {}})

    @pytest.mark.parametrize(
        ("sent", "ids"),
        [
            ({"how": "assigned", "environment": "demo"}, [101, 102]),
            ({"how": "names", "environment": "demo", "text": "101 103"}, [101, 103]),
            ({"how": "chosen", "account": ["demo:103"]}, [103]),
        ],
    )
    def test_accounts_are_chosen(
        self, support_client: Client, accounts: None, version: TemplateVersion, sent: dict[str, Any], ids: list[int]
    ) -> None:
        answer = support_client.post(page("apply", version.template_id), sent)
        frozen = TargetList.objects.get()
        assert answer["Location"] == f"{new('auto_liq_limits')}?targets={frozen.pk}"
        assert frozen.ids == ids
        assert frozen.parameters == PARAMETERS | {"template_version": version.pk}

    def test_accounts_in_a_file(self, support_client: Client, accounts: None, version: TemplateVersion) -> None:
        def send(content: bytes) -> Any:
            file = SimpleUploadedFile("a.csv", content)
            return support_client.post(page("apply", version.template_id), {"how": "csv", "environment": "demo", "file": file})

        assert send(b"account\n101\n103\n").status_code == 303
        assert TargetList.objects.get().ids == [101, 103]
        refused = send(b"account,weekly_loss_auto_liq_usd\n101,5\n")
        assert refused.status_code == 422
        assert "A template takes a list with one column" in read_aloud(refused)
        assert TargetList.objects.count() == 1

    def test_a_list_that_was_chosen_by_filter(self, support_client: Client, accounts: None, version: TemplateVersion) -> None:
        chosen = support_client.post(reverse("changes:freeze"), {"environment": "demo"})["Location"]
        assert "Apply a limit template" in read_aloud(support_client.get(chosen))
        offered = support_client.get(chosen.replace(reverse("changes:choose"), page("choose")))
        assert [each.words for each, _ in offered.context["versions"]] == ["50K evaluation, version 1"]
        support_client.post(page("apply", version.template_id), {"how": "chosen", **dict(offered.context["naming"])})
        assert TargetList.objects.get(kind="auto_liq_limits").ids == [101, 102, 103]

    def test_it_is_requested_as_any_change(self, support_client: Client, accounts: None, version: TemplateVersion) -> None:
        ask = support_client.post(page("apply", version.template_id), {"how": "assigned", "environment": "demo"})["Location"]
        shown = support_client.get(ask)
        assert "Template 50K evaluation, version 1" in read_aloud(shown)
        assert [(row.target_id, row.skip_reason) for row in shown.context["plan"].rows] == [(101, "Already so"), (102, "")]
        answer = support_client.post(new("auto_liq_limits"), typed(shown))
        change = Change.objects.get()
        assert answer["Location"] == reverse("changes:detail", args=[change.pk])
        assert change.parameters == PARAMETERS | {"template_version": version.pk}
        assert Item.objects.get(position=2).after == {"level": "firm", **EVALUATION}

    def test_a_stale_list_applies_nothing(
        self, support_client: Client, accounts: None, version: TemplateVersion, support: Staff, supervisor: Staff
    ) -> None:
        ask = support_client.post(page("apply", version.template_id), {"how": "assigned", "environment": "demo"})["Location"]
        shown = support_client.get(ask)
        decided(supervisor, propose_again(support, version, daily_loss_auto_liq_usd="1200"))
        answer = support_client.post(new("auto_liq_limits"), typed(shown))
        assert answer.status_code == 422
        assert "50K evaluation, version 1 is not in force any more. Apply the template as it now is." in read_aloud(answer)
        assert not Change.objects.exists()

    def test_a_change_can_not_say_one_thing_and_set_another(
        self, accounts: None, version: TemplateVersion, support: Staff, sent: list[Any]
    ) -> None:
        for parameters in (
            dict(version.parameters) | {"daily_loss_auto_liq_usd": "9000"},
            dict(version.parameters) | {"template": "Another, version 1"},
        ):
            with pytest.raises(Exception, match="would set something else"):
                self.submit(support, parameters)
        with pytest.raises(NoLongerOffered):
            self.submit(support, dict(version.parameters) | {"template_version": 0})
        assert not Change.objects.exists()

    def submit(self, person: Staff, parameters: dict[str, Any]) -> None:
        from uuid import uuid4

        from django.db import transaction

        kind = KINDS["auto_liq_limits"]
        with transaction.atomic():
            submit(
                actor=person,
                origin=ORIGIN,
                kind=kind,
                environment=Environment.DEMO,
                target_ids=[102],
                parameters=parameters,
                reason_code=ReasonCode.CLOSE_FRAUD,
                reason_text="",
                form_key=uuid4(),
                shown_digest=plan(kind, environment=Environment.DEMO, target_ids=[102], parameters=parameters).digest,
            )

    def test_what_has_no_version_in_force_is_not_applied(self, support_client: Client, support: Staff) -> None:
        make_account(101)
        version = proposed(support)
        answer = support_client.post(page("apply", version.template_id), {"how": "chosen", "account": "demo:101"})
        assert answer.status_code == 409
        assert not TargetList.objects.exists()
        assert "there is nothing to apply" in read_aloud(support_client.get(page("apply", version.template_id)))

    def test_traders_are_no_accounts(self, support_client: Client, version: TemplateVersion) -> None:
        answer = support_client.post(page("apply", version.template_id), {"how": "chosen", "trader": "demo:7"})
        assert answer.status_code == 400


class TestCorrecting:
    @pytest.fixture
    def drifting(self, supervisor: Staff, version: TemplateVersion) -> None:
        """Three accounts, of which two differ, one of them in two fields."""
        assign_size(supervisor, version)
        for number in (101, 102, 103):
            make_account(number, evaluation_size_usd=SIZE)
        read_limits(
            {
                101: EVALUATION,
                102: {**EVALUATION, "do_not_unlock": False},
                103: {**EVALUATION, "do_not_unlock": False, "daily_loss_auto_liq_usd": "900"},
            }
        )

    @pytest.mark.parametrize(("field", "ids"), [("", [102, 103]), ("daily_loss_auto_liq_usd", [103])])
    def test_what_differs_is_requested_at_once(
        self, support_client: Client, drifting: None, version: TemplateVersion, field: str, ids: list[int]
    ) -> None:
        answer = support_client.post(page("correct", version.template_id), {"environment": "demo", "field": field})
        frozen = TargetList.objects.get()
        assert frozen.ids == ids
        assert frozen.source == "50K evaluation, version 1, for accounts that differ from it"
        shown = support_client.get(answer["Location"])
        assert [row.is_sent for row in shown.context["plan"].rows] == [True] * len(ids)

    def test_the_list_and_its_fragment(self, support_client: Client, drifting: None, version: TemplateVersion) -> None:
        shown = read_aloud(support_client.get(page("drift")))
        assert "Daily loss: auto-liquidation from $900.00 to $1,000.00 looser" in shown
        assert "Since before it was first read" in shown
        assert "Correct 2 accounts… Demo" in shown
        fragment = support_client.get(page("drift"), {"field": "daily_loss_auto_liq_usd"}, headers={"HX-Request": "true"})
        assert b"<html" not in fragment.content
        assert fragment.content.count(b"row-link") == 1

    def test_a_bad_filter_shows_nothing(self, support_client: Client, drifting: None) -> None:
        answer = support_client.get(page("drift"), {"field": "nothing"})
        assert answer.status_code == 422
        assert b"row-link" not in answer.content

    def test_the_accounts_own_page_says_it(self, support_client: Client, drifting: None, version: TemplateVersion) -> None:
        shown = read_aloud(support_client.get(page("account_panel", "demo", 102)))
        assert "50K evaluation, version 1" in shown
        assert "Differs" in shown
        assert "Make a template of the firm's limits" in shown
        assert "As it says" in read_aloud(support_client.get(page("account_panel", "demo", 101)))
        make_account(104)
        assert "No template governs this account." in read_aloud(support_client.get(page("account_panel", "demo", 104)))
        assert (
            page("account_panel", "demo", 102)
            in support_client.get(reverse("accounts:detail", args=["demo", 102])).content.decode()
        )

    def test_live_and_demo_are_apart(self, support_client: Client, drifting: None, version: TemplateVersion) -> None:
        assert support_client.post(page("correct", version.template_id), {"environment": "live"}).status_code == 400
        assert not TargetList.objects.exists()


def test_the_list_of_templates(support_client: Client, version: TemplateVersion, support: Staff) -> None:
    propose_again(support, version, daily_loss_auto_liq_usd="1200")
    shown = read_aloud(support_client.get(page("list")))
    assert "50K evaluation" in shown
    assert "Version 2 Waiting for a decision" in shown
