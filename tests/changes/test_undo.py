"""Undoing a finished change from its page: what is offered, what is left alone, and that no one can get around it."""

from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts.changes.kinds import KINDS
from accounts.changes.models import Change, Item, TargetList
from accounts.changes.states import ChangeState, ItemState, Relation
from accounts.changes.targeting.source import Link
from accounts.changes.tracking import control
from accounts.changes.tracking.undo import left_alone, undo_of
from riskadmin.staff.models import Staff
from riskadmin.staff.roles import CAPABILITIES, Role
from tests.changes.pages import listed, new, text_of, typed
from tests.changes.world import (
    CLOSING_ONLY,
    LIQUIDATED,
    LOCKED,
    NORMAL,
    approve,
    ask,
    finish,
    make_account,
    make_accounts,
    set_status,
)
from tests.staff.people import make_person

pytestmark = pytest.mark.django_db

Sent = list[tuple[str, list[int], str]]


@pytest.fixture
def locked(support: Staff, sent: Sent) -> Change:
    """A finished lock of five accounts: plain ones (1, 2), one that allowed closing only (3), a liquidated one (4), one refused (5)."""
    for number, action in ((1, NORMAL), (2, NORMAL), (3, CLOSING_ONLY), (4, LIQUIDATED), (5, NORMAL)):
        make_account(number, action)
    return finish(ask(support, "lock", 1, 2, 3, 4, 5), {5: ItemState.REJECTED}, note="Access is denied")


def unlocked_outside(change: Change, number: int) -> None:
    """Let somebody else unlock one of a change's accounts since."""
    item = change.items.get(position=number)
    assert item.account is not None
    set_status(item.account, admin_action=NORMAL, admin_at=timezone.now())


def undo(client: Client, change: Change, part: str = "1") -> Any:
    """Press the button of a part."""
    return client.post(reverse("changes:undo", args=[change.pk]), {"part": part})


def submitted(client: Client, page: Any) -> Change:
    """Ask for what a page shows, and return it."""
    response = client.post(page.request["PATH_INFO"], typed(page))
    assert response.status_code == 303, text_of(response)
    return Change.objects.latest("pk")


class TestThePage:
    def test_it_says_what_would_undo_it_and_what_would_not(self, client: Client, locked: Change, support: Staff) -> None:
        unlocked_outside(locked, 2)
        client.force_login(support)
        page = client.get(reverse("changes:undo", args=[locked.pk]))

        offers = [(offer.part.words, offer.part.ids, offer.part.moved) for offer in page.context["offers"]]
        assert offers == [("Unlock 1 account", (1, 2), 1), ("Unlock 1 account", (3,), 0)]
        text = text_of(page)
        assert "Closing orders only" in text, "what the second one leaves"
        left = [(each.item.target_id, each.reason) for each in page.context["sheet"].rows]
        liquidated = "It stood as “Liquidated and locked” before, which no undo brings back: unlock it if it is to trade"
        assert left == [(2, f"Changed since change {locked.pk} left it"), (4, liquidated)]
        assert f"Of 1 account change {locked.pk} altered nothing" in text
        assert TargetList.objects.count() == 0

    def test_the_change_leads_to_it_once_it_is_finished(self, client: Client, locked: Change, support: Staff) -> None:
        client.force_login(support)
        address = reverse("changes:undo", args=[locked.pk])
        assert f'href="{address}"' in text_of(client.get(reverse("changes:detail", args=[locked.pk])))
        make_account(9)
        running = ask(support, "lock", 9)
        assert reverse("changes:undo", args=[running.pk]) not in text_of(
            client.get(reverse("changes:detail", args=[running.pk]))
        )

    @pytest.mark.parametrize("method", ["get", "post"])
    def test_one_that_is_not_finished(self, client: Client, support: Staff, sent: Sent, method: str) -> None:
        make_account(9)
        running = ask(support, "lock", 9)
        client.force_login(support)
        response = getattr(client, method)(reverse("changes:undo", args=[running.pk]), {"part": "1"})
        assert response.status_code == 409
        assert "is not finished" in text_of(response)
        assert TargetList.objects.count() == 0

    @pytest.mark.parametrize("part", ["", "0", "3", "-1", "x", "1 "])
    def test_a_part_that_there_is_not(self, client: Client, locked: Change, support: Staff, part: str) -> None:
        client.force_login(support)
        assert undo(client, locked, part).status_code == 400
        assert TargetList.objects.count() == 0

    def test_one_that_is_not_there(self, client: Client, support: Staff) -> None:
        client.force_login(support)
        for pk in (0, 4711, 2**63):
            assert client.get(reverse("changes:undo", args=[pk])).status_code == 404

    def test_a_half_done_item_is_named(self, support: Staff, supervisor: Staff, locked: Change) -> None:
        item = locked.items.get(position=5)
        Change.objects.filter(pk=locked.pk).update(state=ChangeState.FINISHED)
        Item.objects.filter(pk=item.pk).update(step=1)
        left = {each.item.target_id: each.reason for each in undo_of(locked).left}
        assert "put right by hand" in left[5]

    def test_it_costs_as_many_queries_for_many(self, client: Client, support: Staff, sent: Sent) -> None:
        client.force_login(support)
        make_accounts(range(1, 41))
        few, many = (finish(ask(support, "lock", *numbers)) for numbers in (range(1, 6), range(6, 41)))

        def cost(change: Change) -> int:
            with CaptureQueriesContext(connection) as queries:
                assert client.get(reverse("changes:undo", args=[change.pk])).status_code == 200
            return len(queries)

        cost(few)
        assert cost(few) == cost(many)


class TestRequesting:
    def test_it_is_a_change_of_its_own(self, client: Client, locked: Change, support: Staff, supervisor: Staff) -> None:
        unlocked_outside(locked, 2)
        client.force_login(support)
        page = client.get(undo(client, locked)["Location"])
        assert [row.target_id for row in page.context["plan"].sent] == [1]
        left = [(row.target_id, row.skip_reason) for row in page.context["plan"].skipped]
        assert left == [(2, f"Changed since change {locked.pk} left it")]
        assert f'Undoes <a href="{reverse("changes:detail", args=[locked.pk])}">change {locked.pk}</a>' in text_of(page)

        change = submitted(client, page)
        assert (change.kind, change.state, change.of_change, change.relation) == (
            "unlock",
            ChangeState.PENDING,
            locked,
            Relation.UNDOES,
        )
        assert list(change.items.order_by("position").values_list("state", "note")) == [
            ("waiting", ""),
            ("skipped", f"Changed since change {locked.pk} left it"),
        ]
        # Each of the two pages leads to the other change.
        for one, other in ((locked, change), (change, locked)):
            shown = text_of(client.get(reverse("changes:detail", args=[one.pk])))
            assert reverse("changes:detail", args=[other.pk]) in shown
            assert "Undoes" in shown
        assert f"Change {change.pk}</a> was asked for to undo it" in text_of(
            client.get(reverse("changes:undo", args=[locked.pk]))
        )
        assert approve(supervisor, change).state == ChangeState.RUNNING

    def test_back_to_closing_orders_only(self, client: Client, locked: Change, support: Staff) -> None:
        client.force_login(support)
        page = client.get(undo(client, locked, "2")["Location"])
        change = submitted(client, page)
        assert (change.kind, change.state, change.parameters) == ("unlock", "pending", {"leaves": CLOSING_ONLY})
        item = change.items.get()
        assert (item.target_id, item.after) == (3, {"admin_action": CLOSING_ONLY})
        shown = text_of(client.get(reverse("changes:detail", args=[change.pk])))
        assert "Closing orders only" in shown

    def test_of_an_unlock_runs_at_once(self, client: Client, support: Staff, supervisor: Staff, sent: Sent) -> None:
        make_account(1, LOCKED)
        unlock = finish(approve(supervisor, ask(support, "unlock", 1)))
        client.force_login(support)
        change = submitted(client, client.get(undo(client, unlock)["Location"]))
        assert (change.kind, change.state) == ("lock", ChangeState.RUNNING)

    def test_what_moves_while_the_page_is_open_is_left_alone_too(self, client: Client, locked: Change, support: Staff) -> None:
        client.force_login(support)
        page = client.get(undo(client, locked)["Location"])
        assert [row.target_id for row in page.context["plan"].sent] == [1, 2]
        changes = Change.objects.count()
        unlocked_outside(locked, 1)

        refused = client.post(page.request["PATH_INFO"], typed(page))
        assert refused.status_code == 409
        assert [row.target_id for row in refused.context["plan"].sent] == [2]
        assert Change.objects.count() == changes
        assert submitted(client, refused).items.get(state=ItemState.WAITING).target_id == 2

    def test_a_lock_that_someone_else_set_again_is_left_alone(self, client: Client, locked: Change, support: Staff) -> None:
        account = locked.items.get(position=1).account
        assert account is not None
        set_status(account, admin_action=LOCKED, admin_at=timezone.now())
        client.force_login(support)
        page = client.get(undo(client, locked)["Location"])
        assert [row.target_id for row in page.context["plan"].sent] == [2]

    def test_an_archived_account_is_left_alone(self, client: Client, locked: Change, support: Staff) -> None:
        account = locked.items.get(position=1).account
        assert account is not None
        account.archived = True
        account.save()
        left = {each.item.target_id: each.reason for each in undo_of(locked).left}
        assert left[1].startswith("Archived")

    def test_twice(self, client: Client, locked: Change, support: Staff, supervisor: Staff) -> None:
        client.force_login(support)
        first = submitted(client, client.get(undo(client, locked)["Location"]))
        waiting = client.get(undo(client, locked)["Location"])
        assert {row.skip_reason for row in waiting.context["plan"].rows} == {
            f"Change {first.pk} is already on its way for this account"
        }
        finish(approve(supervisor, first))
        after = client.get(undo(client, locked)["Location"])
        assert {row.skip_reason for row in after.context["plan"].rows} == {f"Changed since change {locked.pk} left it"}

        # And the undo itself can be undone.
        back = submitted(client, client.get(undo(client, first)["Location"]))
        assert (back.kind, back.of_change, back.relation) == ("lock", first, Relation.UNDOES)
        assert [item.target_id for item in back.items.order_by("position")] == [1, 2]


class TestRights:
    def test_a_person_who_may_not_request_sees_it_without_a_button(self, client: Client, locked: Change) -> None:
        client.force_login(make_person(Role.COMPLIANCE))
        page = client.get(reverse("changes:undo", args=[locked.pk]))
        assert page.status_code == 200
        assert 'name="part"' not in text_of(page)
        assert "You may not ask for this" in text_of(page)
        assert undo(client, locked).status_code == 403
        assert TargetList.objects.count() == 0

    def test_the_right_is_that_of_the_kind_that_undoes(
        self, client: Client, locked: Change, support: Staff, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(CAPABILITIES, Role.SUPPORT, CAPABILITIES[Role.SUPPORT] - {"changes:request:unlock"})
        client.force_login(support)
        assert 'name="part"' not in text_of(client.get(reverse("changes:undo", args=[locked.pk])))
        assert undo(client, locked).status_code == 403

    def test_a_list_made_for_it_is_no_undo_under_another_kind(self, client: Client, locked: Change, support: Staff) -> None:
        client.force_login(support)
        location = undo(client, locked)["Location"]
        kept = location.partition("targets=")[2]
        page = client.get(f"{new('lock')}?targets={kept}")
        assert page.context["chosen"].link is None
        # With parameters, it can't be taken for another kind at all.
        kept = undo(client, locked, "2")["Location"].partition("targets=")[2]
        assert client.get(f"{new('lock')}?targets={kept}").status_code == 400

    def test_a_list_of_somebody_else(self, client: Client, locked: Change, support: Staff, supervisor: Staff) -> None:
        client.force_login(support)
        location = undo(client, locked)["Location"]
        client.force_login(supervisor)
        assert client.get(location).status_code == 404


class TestLeftAlone:
    def test_only_an_undo_leaves_anything_alone(self, locked: Change) -> None:
        unlocked_outside(locked, 1)
        for relation in Relation:
            found = left_alone(Link(change_id=locked.pk, relation=relation), [1, 2])
            assert set(found) == ({1} if relation == Relation.UNDOES else set())
        assert left_alone(None, [1, 2]) == {}

    def test_what_the_change_did_nothing_to(self, locked: Change) -> None:
        found = left_alone(Link(change_id=locked.pk, relation=Relation.UNDOES), [5, 1, 77])
        nothing = f"Change {locked.pk} did nothing to it that could be undone"
        assert found == {5: nothing, 77: nothing}

    def test_what_failed_of_an_undo_is_requested_again_under_the_same_rule(
        self, client: Client, locked: Change, support: Staff, supervisor: Staff
    ) -> None:
        client.force_login(support)
        first = submitted(client, client.get(undo(client, locked)["Location"]))
        finish(approve(supervisor, first), {1: ItemState.REJECTED, 2: ItemState.REJECTED}, note="Access is denied")
        unlocked_outside(locked, 2)
        again = client.get(client.post(reverse("changes:retry", args=[first.pk]))["Location"])
        assert [row.target_id for row in again.context["plan"].sent] == [1]
        assert again.context["plan"].skipped[0].skip_reason == f"Changed since change {locked.pk} left it"
        assert submitted(client, again).relation == Relation.REPEATS


class TestRepeating:
    def test_the_first_decisions_are_shown_with_each_item(self, client: Client, locked: Change, support: Staff) -> None:
        client.force_login(support)
        page = client.get(client.post(reverse("changes:retry", args=[locked.pk]))["Location"])
        text = text_of(page)
        assert "First attempt" in text
        assert "Rejected" in text
        assert "Access is denied" in text
        assert {target: item.pk for target, item in page.context["earlier"].items()} == {
            "demo:account:5": locked.items.get(position=5).pk
        }
        change = submitted(client, page)
        assert (change.of_change, change.relation) == (locked, Relation.REPEATS)
        assert "Repeats items of" in text_of(client.get(reverse("changes:detail", args=[change.pk])))

    def test_it_is_planned_under_the_rights_of_who_repeats(self, locked: Change, support: Staff, client: Client) -> None:
        client.force_login(support)
        location = client.post(reverse("changes:retry", args=[locked.pk]))["Location"]
        assert TargetList.objects.get().relation == Relation.REPEATS
        client.force_login(make_person(Role.COMPLIANCE))
        assert client.get(location).status_code == 403

    def test_other_plans_have_no_first_attempt(self, client: Client, support: Staff, sent: Sent) -> None:
        make_account(1)
        client.force_login(support)
        assert "First attempt" not in text_of(client.get(f"{new('lock')}?account=demo:1"))


class TestCopying:
    @pytest.fixture
    def source(self, support_client: Client, support: Staff, sent: Sent) -> Change:
        """A change of the fake kind that sets the same for two accounts."""
        make_accounts([1, 2, 3, 4])
        page = support_client.get(f"{new()}?targets={listed(support, '1 2')}&amount=5&mode=eod&level=own&preview=1")
        return submitted(support_client, page)

    def name(self, client: Client, source: Change, **fields: Any) -> Any:
        """Name other targets on the page that the button leads to."""
        return client.post(reverse("changes:name_targets", args=["fake"]), {"copy_of": source.pk, **fields})

    def test_the_change_leads_to_it(self, support_client: Client, source: Change) -> None:
        text = text_of(support_client.get(reverse("changes:detail", args=[source.pk])))
        address = f"{reverse('changes:name_targets', args=['fake'])}?copy_of={source.pk}"
        assert address in text
        assert "Copy to other accounts" in text
        page = text_of(support_client.get(address))
        assert f"change {source.pk}</a>, which set:" in page
        assert "eod" in page

    @pytest.mark.parametrize(
        "fields",
        [
            {"how": "names", "environment": "demo", "text": "3 4"},
            {"how": "filter", "environment": "demo", "q": ""},
        ],
        ids=["pasted", "filter"],
    )
    def test_it_carries_what_was_set(self, support_client: Client, source: Change, fields: dict[str, str]) -> None:
        page = support_client.get(self.name(support_client, source, **fields)["Location"])
        assert page.context["plan"].parameters == source.parameters == {"amount": "5", "mode": "eod", "level": "own"}
        assert {row.target_id for row in page.context["plan"].sent} == {3, 4}
        change = submitted(support_client, page)
        assert (change.of_change, change.relation, change.parameters) == (source, Relation.COPIES, source.parameters)
        assert "Copied from" in text_of(support_client.get(reverse("changes:detail", args=[change.pk])))

    def test_a_file_that_says_what_to_set_is_believed(self, support_client: Client, source: Change, tmp_path: Any) -> None:
        file = tmp_path / "other.csv"
        file.write_text("account,amount\n3,7\n4,8\n")
        with file.open("rb") as opened:
            location = self.name(support_client, source, how="csv", environment="demo", file=opened)["Location"]
        plan = support_client.get(location).context["plan"]
        assert [row.after["amount"] for row in plan.sent] == ["7", "8"]
        assert all("mode" not in row.after for row in plan.sent)
        assert TargetList.objects.filter(relation=Relation.COPIES).count() == 1

    def test_the_form_asks_for_values_that_differed_by_target(
        self, support_client: Client, support: Staff, supervisor: Staff
    ) -> None:
        make_accounts([1, 2, 3])
        kept = TargetList.objects.create(
            created_by=support,
            kind="fake",
            unit="account",
            environment="demo",
            ids=[1, 2],
            parameters={"mode": "eod"},
            per_target={"1": {"amount": "5"}, "2": {"amount": "6"}},
            source="CSV x.csv",
        )
        source = submitted(support_client, support_client.get(f"{new()}?targets={kept.pk}"))
        naming = support_client.get(reverse("changes:name_targets", args=["fake"]), {"copy_of": source.pk})
        assert "Each of its accounts had values of its own" in text_of(naming)
        page = support_client.get(self.name(support_client, source, how="names", environment="demo", text="3")["Location"])
        form = page.context["parameters_form"]
        assert page.context["plan"] is None
        assert (form["mode"].value(), form["amount"].value()) == ("eod", None)

    def test_a_filter_that_matches_nothing_is_shown_at_the_form(self, support_client: Client, source: Change) -> None:
        refused = self.name(support_client, source, how="filter", environment="demo", q="NOBODY")
        assert refused.status_code == 422
        assert "No account matches" in text_of(refused)
        assert f'name="copy_of" value="{source.pk}"' in text_of(refused)
        assert TargetList.objects.filter(relation=Relation.COPIES).count() == 0

    @pytest.mark.parametrize("number", ["4711", "x", "-1", "1" * 40, "٣"])
    def test_a_change_that_there_is_not(self, support_client: Client, source: Change, number: str) -> None:
        address = reverse("changes:name_targets", args=["fake"])
        assert support_client.get(address, {"copy_of": number}).status_code == 404
        assert (
            support_client.post(address, {"copy_of": number, "how": "names", "environment": "demo", "text": "3"}).status_code
            == 404
        )
        assert TargetList.objects.filter(relation=Relation.COPIES).count() == 0

    def test_one_of_another_kind(self, support_client: Client, source: Change) -> None:
        assert support_client.get(reverse("changes:name_targets", args=["lock"]), {"copy_of": source.pk}).status_code == 404


def test_a_change_of_a_kind_without_parameters_is_copied_too(client: Client, locked: Change, support: Staff) -> None:
    make_account(8)
    client.force_login(support)
    response = client.post(
        reverse("changes:name_targets", args=["lock"]),
        {"copy_of": locked.pk, "how": "names", "environment": "demo", "text": "8"},
    )
    change = submitted(client, client.get(response["Location"]))
    assert (change.kind, change.of_change, change.relation) == ("lock", locked, Relation.COPIES)


def test_the_list_for_a_repeat_says_where_it_comes_from(locked: Change, support: Staff) -> None:
    kept = control.failed_items(actor=support, change_id=locked.pk)
    assert (kept.of_change, kept.relation) == (locked, Relation.REPEATS)


def test_an_unlock_that_leaves_closing_only_is_one_kind() -> None:
    unlock = KINDS["unlock"]
    closing = unlock.of({"leaves": CLOSING_ONLY})
    assert unlock.of({}) is unlock
    assert closing is unlock.of({"leaves": CLOSING_ONLY}) is closing.of({"leaves": CLOSING_ONLY})
    assert closing.name == "unlock"
