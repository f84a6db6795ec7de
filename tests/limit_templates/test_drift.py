"""Drift by example: which template holds, since when a field has its value and who set it, and what the list costs."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from accounts.changes.models import Change, Item
from accounts.changes.states import ItemState
from accounts.limit_templates import queries
from accounts.limit_templates.actions import NotPossible, unassign
from accounts.limit_templates.attribution import SetBy
from accounts.limit_templates.drift import Wanted, drift, of_account
from accounts.models import Account, AutoLiqLimits, LimitLevel, MirrorMove, RiskCategory, Source
from riskadmin.audit.models import Event
from riskadmin.staff.models import Staff
from tests.approvals.requests import old_request
from tests.changes.world import ORIGIN, make_account, make_accounts, walk
from tests.limit_templates.templates import (
    EVALUATION,
    SIZE,
    assign_category,
    assign_size,
    differing,
    propose_again,
    proposed,
    put_in_force,
    read_limits,
)

pytestmark = pytest.mark.django_db


def category(number: int = 7, environment: str = "demo") -> RiskCategory:
    return RiskCategory.objects.create(
        environment=environment, tradovate_id=number, name=f"C{number}", fresh_at=timezone.now(), source=Source.SYNC
    )


class TestWhichTemplateHolds:
    def test_that_of_the_category_before_that_of_the_size(self, support: Staff, supervisor: Staff) -> None:
        of_size, of_category = (put_in_force(support, supervisor, name) for name in ("Size", "Category"))
        held = category()
        account = make_account(1, evaluation_size_usd=SIZE)
        assign_size(supervisor, of_size)
        assert queries.governing_versions(account) == {LimitLevel.FIRM: of_size}
        assign_category(supervisor, of_category, held)
        assert queries.governing_versions(account) == {LimitLevel.FIRM: of_size}
        account.risk_category = held
        account.save()
        assert queries.governing_versions(account) == {LimitLevel.FIRM: of_category}

    def test_one_for_each_level(self, support: Staff, supervisor: Staff) -> None:
        firm = put_in_force(support, supervisor, "Firm")
        own = put_in_force(support, supervisor, "Own", LimitLevel.TRADER, daily_loss_alert_usd="100")
        account = make_account(1, evaluation_size_usd=SIZE)
        for version in (firm, own):
            assign_size(supervisor, version)
        assert queries.governing_versions(account) == {LimitLevel.FIRM: firm, LimitLevel.TRADER: own}
        read_limits({1: EVALUATION})
        read_limits({1: {"daily_loss_alert_usd": "200"}}, level=LimitLevel.TRADER)
        assert differing() == {1: ["daily_loss_alert_usd"]}

    def test_a_category_without_a_version_in_force_keeps_the_sizes_out(self, support: Staff, supervisor: Staff) -> None:
        assign_size(supervisor, put_in_force(support, supervisor, "Size"))
        held = category()
        assign_category(supervisor, proposed(support, "Category"), held)
        account = make_account(1, evaluation_size_usd=SIZE, risk_category=held)
        read_limits({1: {}})
        assert queries.governing_versions(account) == {}
        assert differing() == {}

    def test_other_environments_and_archived_accounts_are_left_out(self, support: Staff, supervisor: Staff) -> None:
        assign_size(supervisor, put_in_force(support, supervisor))
        make_account(1, evaluation_size_usd=SIZE, archived=True)
        live = make_account(2, evaluation_size_usd=SIZE, environment="live")
        read_limits({1: {}})
        AutoLiqLimits.objects.create(account=live, level="firm", fresh_at=timezone.now(), source=Source.SYNC)
        assert differing() == {}
        assert queries.governing_versions(live) == {}

    def test_each_thing_has_one_template_of_a_level(self, support: Staff, supervisor: Staff) -> None:
        first, second = (put_in_force(support, supervisor, name) for name in ("First", "Second"))
        assignment = assign_size(supervisor, first)
        with pytest.raises(NotPossible, match=r"Size \$50,000.00 on demo has a template already: First"):
            assign_size(supervisor, second)
        unassign(actor=supervisor, origin=ORIGIN, assignment_id=assignment.pk)
        assign_size(supervisor, second)
        reported = Event.objects.filter(tag__startswith="template:assignment").order_by("pk").values_list("tag", "detail")
        assert list(reported) == [
            ("template:assignment:made", {"template": "First", "to": "Size $50,000.00 on demo"}),
            ("template:assignment:ended", {"template": "First", "to": "Size $50,000.00 on demo"}),
            ("template:assignment:made", {"template": "Second", "to": "Size $50,000.00 on demo"}),
        ]


class TestWhoSetIt:
    NOW = timezone.now().replace(microsecond=0)

    @pytest.fixture
    def account(self, support: Staff, supervisor: Staff) -> Account:
        assign_size(supervisor, put_in_force(support, supervisor, daily_loss_auto_liq_usd="1000"))
        return make_account(1, evaluation_size_usd=SIZE)

    def hour(self, hours: int) -> Any:
        return self.NOW - timedelta(hours=24 - hours)

    def read(self, hour: int, value: str, source: Source = Source.SYNC) -> None:
        read_limits({1: {"daily_loss_auto_liq_usd": value}}, at=self.hour(hour), source=source)

    def change(self, person: Staff, account: Account, hour: int, before: dict[str, Any], after: dict[str, Any]) -> Change:
        """A change of limits that was applied, and what was read back."""
        change = Change.objects.create(
            kind="auto_liq_limits",
            environment="demo",
            reason_code="CloseFraud",
            lane="bulk",
            digest="0" * 64,
            form_key=f"00000000-0000-0000-0000-0000000000{hour:02}",
            requested_by=person,
            requested_by_name=person.display_name,
            approval=old_request(person, "auto_liq_limits", "demo", needed=0, digest="0" * 64),
            item_count=1,
            state="running",
        )
        item = Item.objects.create(
            change=change,
            position=1,
            target=f"demo:account:{account.tradovate_id}",
            account=account,
            target_name=account.name,
            before={"level": "firm", **before},
            after={"level": "firm", **after},
            state=ItemState.QUEUED,
        )
        walk(item, ItemState.SENT)
        Item.objects.filter(pk=item.pk).update(
            state=ItemState.APPLIED, observed={"level": "firm", **after}, settled_at=self.hour(hour)
        )
        return change

    def set_by(self, account: Account) -> SetBy:
        (deviation,) = of_account(account)["firm"].deviations
        assert deviation.field.name == "daily_loss_auto_liq_usd"
        return deviation.set_by

    def test_a_value_that_never_changed_has_no_known_author(self, account: Account) -> None:
        self.read(1, "900")
        assert self.set_by(account) == SetBy()

    def test_somebody_outside_between_two_readings(self, account: Account) -> None:
        self.read(1, "1000")
        self.read(2, "1000")
        self.read(3, "900")
        self.read(4, "900")
        assert self.set_by(account) == SetBy(after=self.hour(2), at=self.hour(3))

    def test_a_change_that_altered_it(self, account: Account, support: Staff) -> None:
        self.read(1, "1000")
        change = self.change(support, account, 3, {"daily_loss_auto_liq_usd": "1000"}, {"daily_loss_auto_liq_usd": "900"})
        assert self.setter_after(account, 3) == SetBy(change_id=change.pk, person="support", at=self.hour(3))

    def setter_after(self, account: Account, hour: int) -> SetBy:
        self.read(hour, "900", Source.CONFIRM)
        self.read(hour + 1, "900")
        return self.set_by(account)

    def test_a_change_of_something_else_has_no_part_in_it(self, account: Account, support: Staff) -> None:
        self.read(1, "1000")
        self.read(2, "900")
        other = {"daily_loss_auto_liq_usd": "900", "do_not_unlock": True}
        self.change(support, account, 3, {"daily_loss_auto_liq_usd": "900"}, other)
        assert self.setter_after(account, 3) == SetBy(after=self.hour(1), at=self.hour(2))

    def test_somebody_outside_after_a_change(self, account: Account, support: Staff) -> None:
        self.read(1, "900")
        self.change(support, account, 2, {"daily_loss_auto_liq_usd": "900"}, {"daily_loss_auto_liq_usd": "1000"})
        self.read(2, "1000", Source.CONFIRM)
        self.read(3, "1000")
        self.read(4, "900")
        assert self.set_by(account) == SetBy(after=self.hour(3), at=self.hour(4))

    def test_outside_and_back_to_what_a_change_had_set(self, account: Account, support: Staff) -> None:
        self.read(1, "1000")
        self.change(support, account, 2, {"daily_loss_auto_liq_usd": "1000"}, {"daily_loss_auto_liq_usd": "900"})
        self.read(2, "900", Source.CONFIRM)
        self.read(4, "800")
        self.read(6, "900")
        assert self.set_by(account) == SetBy(after=self.hour(4), at=self.hour(6))


class TestTheList:
    @pytest.fixture
    def many(self, support: Staff, supervisor: Staff) -> int:
        """Sixty accounts of one size, forty of which differ, half of those in two fields. Returns the template's id."""
        version = put_in_force(support, supervisor, daily_loss_auto_liq_usd="1000", do_not_unlock=True)
        assign_size(supervisor, version)
        make_accounts(range(1, 61))
        Account.objects.update(evaluation_size_usd=SIZE)
        read_limits(
            {
                number: {
                    "daily_loss_auto_liq_usd": "1000" if number > 40 else "900",
                    "do_not_unlock": number > 20,
                }
                for number in range(1, 61)
            }
        )
        return version.template_id

    def test_it_counts_and_pages(self, many: int) -> None:
        found = drift(Wanted(), None, size=25)
        assert [(each.template.name, each.environment, each.governed, each.drifting) for each in found.sums] == [
            ("50K evaluation", "demo", 60, 40)
        ]
        assert [(field.name, count) for field, count in found.fields] == [
            ("daily_loss_auto_liq_usd", 40),
            ("do_not_unlock", 20),
        ]
        assert [row.account.tradovate_id for row in found.rows] == list(range(1, 26))
        second = drift(Wanted(), found.page.next_cursor, size=25)
        assert [row.account.tradovate_id for row in second.rows] == list(range(26, 41))
        assert second.page.next_cursor is None
        (deviation,) = second.rows[0].deviations
        assert (deviation.before, deviation.after, deviation.direction) == ("$900.00", "$1,000.00", "looser")

    def test_it_is_narrowed(self, many: int) -> None:
        narrowed = drift(Wanted(template_id=many, environment="demo", field_name="do_not_unlock"), None)
        assert (len(narrowed.rows), narrowed.drifting) == (20, 20)
        assert drift(Wanted(environment="live"), None).rows == []
        assert drift(Wanted(template_id=many + 1), None).sums == []

    @pytest.mark.parametrize("query", ["", "?template={}&field=do_not_unlock&environment=demo"])
    def test_it_costs_the_same_for_a_page_of_any_length(
        self, many: int, client: Client, support: Staff, query: str, django_assert_num_queries: DjangoAssertNumQueries
    ) -> None:
        client.force_login(support)
        address = reverse("limit_templates:drift") + query.format(many)
        counts = []
        for kept in (60, 1):
            MirrorMove.objects.all().delete()
            Account.objects.filter(tradovate_id__gt=kept).delete()
            with django_assert_num_queries(10):
                counts.append(client.get(address).content.count(b"row-link"))
        assert counts == ([40, 1] if not query else [20, 1])


def test_what_a_newer_version_sets_is_what_differs(support: Staff, supervisor: Staff) -> None:
    from tests.limit_templates.templates import decided

    version = put_in_force(support, supervisor, daily_loss_auto_liq_usd="1000")
    assign_size(supervisor, version)
    make_account(1, evaluation_size_usd=Decimal("50000.00"))
    read_limits({1: {"daily_loss_auto_liq_usd": "1000"}})
    assert differing() == {}
    second = propose_again(support, version, daily_loss_auto_liq_usd="1200")
    assert differing() == {}
    decided(supervisor, second)
    assert differing() == {1: ["daily_loss_auto_liq_usd"]}
