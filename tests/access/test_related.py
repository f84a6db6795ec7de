"""Accounts of staff and their relatives: who may not act on them, and what happens if one is marked meanwhile."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from django.utils.html import strip_tags

from accounts.access.actions import mark, request_end
from accounts.access.models import RelatedAccount, Relation
from accounts.access.queries import related_to
from accounts.approvals.actions import act_alone, review, withdraw
from accounts.approvals.models import Approval
from accounts.approvals.queries import waiting_for
from accounts.approvals.subjects import DecisionRefused, NotAllowed
from accounts.changes import actions, writing
from accounts.changes.actions import NothingToDo, PlanMoved
from accounts.changes.approval import ChangeSubject
from accounts.changes.kinds import KINDS
from accounts.changes.models import Change, Item
from accounts.changes.plan import plan
from accounts.changes.queries import approvers_of
from accounts.changes.scheduling.start import start_due
from accounts.changes.scheduling.timing import Timing
from accounts.changes.states import ChangeState, ItemState
from accounts.changes.tracking import control
from accounts.execution import resolving
from accounts.execution.claim import claim
from accounts.execution.resolving import OwnRequest, Resolution
from accounts.models import Account, Trader
from riskadmin.audit.models import Event
from riskadmin.audit.tags import Tag
from riskadmin.staff.models import Staff
from riskadmin.staff.people import rights
from riskadmin.staff.people.models import RightsRequest
from riskadmin.staff.people.rights import NotAllowed as RightsRefused
from riskadmin.staff.roles import Role
from riskadmin.tradovate.vocabulary import Environment
from tests.access.programs import limit, make_program
from tests.changes.world import LOCKED, ORIGIN, approve, ask, let_trade, make_account, make_trader, open_item, reject
from tests.staff.people import make_person

pytestmark = pytest.mark.django_db


@pytest.fixture
def administrator(db: None) -> Staff:
    return make_person(Role.ADMINISTRATOR)


def marked(
    administrator: Staff, person: Staff, target: Account | Trader, relation: Relation = Relation.RELATIVE
) -> RelatedAccount:
    return mark(
        actor=administrator, origin=ORIGIN, person=person, target=target, relation=relation, comment="Declared on 3 March"
    )


def again(person: Staff) -> Staff:
    """The person as another request loads them."""
    return Staff.objects.get(pk=person.pk)


def of_requester(person: Staff, *ids: int) -> dict[int, str]:
    """Why targets of an unlock that somebody would request are skipped, by target."""
    planned = plan(KINDS["unlock"], environment=Environment.DEMO, target_ids=ids, requester=again(person))
    return {row.target_id: row.skip_reason for row in planned.rows}


class TestRequesting:
    def test_one_of_many_is_skipped_and_named(self, administrator: Staff, support: Staff, sent: list[Any]) -> None:
        theirs = make_account(1, LOCKED)
        make_account(2, LOCKED)
        marked(administrator, support, theirs)
        reason = "Belongs to a relative of support (staff): somebody else has to request this"
        assert of_requester(support, 1, 2) == {1: reason, 2: ""}
        planned = plan(KINDS["unlock"], environment=Environment.DEMO, target_ids=[1, 2], requester=again(support))
        change = ask(again(support), "unlock", 1, 2, digest=planned.digest)
        states = dict(change.items.values_list("target_name", "state"))
        assert states == {"KTR50K-000001": ItemState.SKIPPED, "KTR50K-000002": ItemState.WAITING}
        assert change.items.get(target_name="KTR50K-000001").note == reason

    def test_an_emergency_lock_is_refused_and_says_who_else_can(
        self, administrator: Staff, support: Staff, supervisor: Staff, sent: list[Any]
    ) -> None:
        marked(administrator, support, make_account(1), Relation.OWN)
        shown = plan(KINDS["lock"], environment=Environment.DEMO, target_ids=[1], requester=again(support)).digest
        with pytest.raises(NothingToDo) as refused:
            ask(again(support), "lock", 1, digest=shown)
        assert str(refused.value) == "Nothing would happen to any of these accounts. It can be requested by supervisor."
        assert not Change.objects.exists()

    def test_its_trader_belongs_to_them_too(self, administrator: Staff, support: Staff) -> None:
        account, trader = make_account(1), make_trader(70, "kim")
        let_trade(trader, account)
        marked(administrator, support, account)
        planned = plan(KINDS["user_lockout"], environment=Environment.DEMO, target_ids=[70], requester=again(support))
        assert planned.rows[0].skip_reason.startswith("Belongs to a relative of support")

    def test_a_mark_of_a_trader_covers_every_account_also_later_ones(self, administrator: Staff, support: Staff) -> None:
        trader, first, other = make_trader(70), make_account(1, LOCKED), make_account(2, LOCKED)
        let_trade(trader, first)
        marked(administrator, support, trader)
        assert [bool(why) for why in of_requester(support, 1, 2).values()] == [True, False]
        let_trade(trader, other)
        assert all(of_requester(support, 1, 2).values())

    def test_others_are_not_concerned(self, administrator: Staff, support: Staff, supervisor: Staff) -> None:
        marked(administrator, support, make_account(1, LOCKED))
        assert of_requester(supervisor, 1) == {1: ""}

    def test_marked_between_preview_and_submit(self, administrator: Staff, support: Staff, sent: list[Any]) -> None:
        account = make_account(1, LOCKED)
        make_account(2, LOCKED)
        shown = plan(KINDS["unlock"], environment=Environment.DEMO, target_ids=[1, 2], requester=again(support)).digest
        marked(administrator, support, account)
        with pytest.raises(PlanMoved) as moved:
            ask(again(support), "unlock", 1, 2, digest=shown)
        assert [row.is_sent for row in moved.value.plan.rows] == [False, True]
        assert not Change.objects.exists()

    def test_marked_while_it_is_written(
        self, administrator: Staff, support: Staff, sent: list[Any], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        account = make_account(1, LOCKED)
        write = writing.write

        def rival(*args: Any, **kwargs: Any) -> None:
            marked(administrator, support, account)
            write(*args, **kwargs)

        monkeypatch.setattr(actions, "write", rival)
        with pytest.raises(PlanMoved):
            ask(again(support), "unlock", 1)
        assert not Change.objects.exists()
        assert not Item.objects.exists()

    def test_a_mark_that_ended_no_longer_counts(self, administrator: Staff, support: Staff) -> None:
        made = marked(administrator, support, make_account(1, LOCKED))
        asked = request_end(actor=administrator, origin=ORIGIN, mark_id=made.pk, comment="Sold")
        rights.confirm(make_person(Role.ADMINISTRATOR, "other"), origin=ORIGIN, request_id=asked.pk)
        assert of_requester(support, 1) == {1: ""}


class TestDeciding:
    def test_they_can_neither_approve_nor_reject_and_are_not_asked(
        self, administrator: Staff, support: Staff, supervisor: Staff, second_supervisor: Staff, sent: list[Any]
    ) -> None:
        account = make_account(1, LOCKED)
        change = ask(support, "unlock", 1)
        assert waiting_for(again(supervisor)).count() == 1
        marked(administrator, supervisor, account)
        assert [each.person for each in approvers_of(Change.objects.get())] == [second_supervisor]
        assert waiting_for(again(supervisor)).count() == 0
        why = "KTR50K-000001 belongs to a relative of supervisor (staff). Somebody else has to do this."
        for decides in (approve, reject):
            with pytest.raises(DecisionRefused) as refused:
                decides(again(supervisor), change)
            assert refused.value.message == why
        assert not Approval.objects.filter(request=change.approval_id).exists()
        assert Event.objects.filter(tag=Tag.CHANGE_DECISION_REFUSED, detail__why=why).count() == 2
        approve(second_supervisor, change)

    def test_marked_while_they_decide(
        self,
        administrator: Staff,
        support: Staff,
        supervisor: Staff,
        sent: list[Any],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """The rival marks after the first look, which finds nothing, and before the row is locked."""
        account = make_account(1, LOCKED)
        change = ask(support, "unlock", 1)
        lock = ChangeSubject.lock

        def rival(self: ChangeSubject, request_id: int) -> Change:
            if not RelatedAccount.objects.exists():
                marked(administrator, supervisor, account)
            return lock(self, request_id)

        monkeypatch.setattr(ChangeSubject, "lock", rival)
        with pytest.raises(DecisionRefused, match="belongs to a relative of supervisor"):
            approve(supervisor, change)
        assert not Approval.objects.filter(request=change.approval_id).exists()

    def test_nor_is_it_approved_if_it_belongs_to_its_requester_by_then(
        self, administrator: Staff, support: Staff, supervisor: Staff, sent: list[Any]
    ) -> None:
        theirs = make_account(1, LOCKED)
        make_account(2, LOCKED)
        change = ask(support, "unlock", 1, 2)
        marked(administrator, support, theirs)
        with pytest.raises(DecisionRefused, match="support may not ask for this any more"):
            approve(supervisor, change)
        item = change.items.get(target_name="KTR50K-000001")
        approve(supervisor, change, excluded=[str(item.pk)])  # the rest of it may run
        assert change.items.get(target_name="KTR50K-000002").state == ItemState.QUEUED

    def test_they_neither_run_it_alone_nor_withdraw_nor_review_it(
        self, administrator: Staff, support: Staff, supervisor: Staff, second_supervisor: Staff, sent: list[Any]
    ) -> None:
        account = make_account(1, LOCKED)
        own = ask(supervisor, "unlock", 1)
        marked(administrator, supervisor, account)
        with pytest.raises(NotAllowed, match="belongs to"):
            act_alone(actor=again(supervisor), origin=ORIGIN, request_id=own.approval_id, incident="INC-1", comment="x")
        with pytest.raises(NotAllowed, match="belongs to"):
            withdraw(actor=again(supervisor), origin=ORIGIN, request_id=own.approval_id)
        reviewed = ask(second_supervisor, "lock", 1)
        with pytest.raises(NotAllowed, match="belongs to"):
            review(actor=again(supervisor), origin=ORIGIN, request_id=reviewed.approval_id, comment="x")


class TestRunning:
    @pytest.mark.parametrize("how", ["mark", "limit"])
    def test_a_scheduled_one_is_suspended_and_reported(
        self, *, administrator: Staff, support: Staff, supervisor: Staff, client: Client, sent: list[Any], how: str
    ) -> None:
        theirs = make_account(1, LOCKED)
        make_account(2, LOCKED)
        change = ask(support, "unlock", 1, 2, timing=Timing(runs_at=timezone.now() - timedelta(seconds=1)))
        approve(supervisor, change)
        if how == "mark":
            marked(administrator, support, theirs)
        else:
            limit(support, environments=["live"])
        assert start_due(origin=ORIGIN) == 0
        change.refresh_from_db()
        why = (
            "support, who requested it, may no longer request this. "
            + {
                "mark": "KTR50K-000001 belongs to a relative of support (staff). Somebody else has to do this",
                "limit": "It has accounts outside the access of support",
            }[how]
        )
        assert (change.state, change.suspended_why, sent) == (ChangeState.SCHEDULED, why, [])
        assert Event.objects.get(tag=Tag.CHANGE_SUSPENDED).detail["why"] == why
        client.force_login(supervisor)
        assert why in client.get(reverse("changes:detail", args=[change.pk])).content.decode()

    def test_of_one_that_runs_only_what_is_still_theirs_to_request_is_sent(
        self, administrator: Staff, support: Staff, supervisor: Staff, sent: list[Any]
    ) -> None:
        """Approved and queued, and not yet claimed."""
        first, second = make_program(1), make_program(2)
        for number, program in ((1, first), (2, first), (3, second)):
            make_account(number, LOCKED, risk_category=program)
        change = ask(support, "unlock", 1, 2, 3)
        approve(supervisor, change)
        marked(administrator, support, Account.objects.get(tradovate_id=1))
        limit(support, first)
        claimed = claim(
            Change.objects.get(pk=change.pk), calls=10, origin=ORIGIN, read_since=timezone.now() - timedelta(hours=1)
        )
        assert [item.target_name for each in claimed for item in each.items] == ["KTR50K-000002"]
        skipped = dict(change.items.filter(state=ItemState.SKIPPED).values_list("target_name", "note"))
        assert skipped == {
            "KTR50K-000001": "Belongs to a relative of support (staff), and support requested this",
            "KTR50K-000003": "It is outside the access of support, who requested this",
        }

    def test_what_came_back_is_not_edited(
        self, administrator: Staff, support: Staff, supervisor: Staff, client: Client, sent: list[Any]
    ) -> None:
        account = make_account(1, LOCKED)
        change = ask(support, "unlock", 1)
        reject(supervisor, change)
        client.force_login(support)
        url = reverse("changes:edit", args=[change.pk])
        assert client.get(url).status_code == 200
        marked(administrator, support, account)
        for answer in (client.get(url), client.post(url, {"text": "1"})):
            assert answer.status_code == 409
            assert "belongs to a relative of support (staff)" in answer.content.decode()
        assert url not in client.get(reverse("changes:detail", args=[change.pk])).content.decode()

    def test_they_control_nothing_of_it(self, administrator: Staff, support: Staff, supervisor: Staff, sent: list[Any]) -> None:
        account = make_account(1)
        change = open_item(support, account, "lock", ItemState.QUEUED).change
        marked(administrator, supervisor, account)
        for act in (control.pause, control.cancel):
            with pytest.raises(NotAllowed, match="belongs to"):
                act(actor=again(supervisor), origin=ORIGIN, change_id=change.pk)
        change.refresh_from_db()
        assert change.state == "running"

    def test_nor_do_they_decide_about_its_outcome(
        self, administrator: Staff, support: Staff, supervisor: Staff, sent: list[Any]
    ) -> None:
        account = make_account(1)
        item = open_item(support, account, "lock", ItemState.UNKNOWN)
        marked(administrator, supervisor, account)
        with pytest.raises(OwnRequest, match="Belongs to a relative"):
            resolving.resolve(
                actor=again(supervisor),
                origin=ORIGIN,
                item_id=item.pk,
                resolution=Resolution.APPLIED,
                comment="x",
                seen_call=0,
            )
        item.refresh_from_db()
        assert item.state == ItemState.UNKNOWN


class TestPages:
    def test_the_account_page_shows_the_mark_to_those_who_may_see_it(
        self, client: Client, administrator: Staff, support: Staff, supervisor: Staff
    ) -> None:
        marked(administrator, support, make_account(1), Relation.OWN)
        url = reverse("accounts:detail", args=["demo", 1])
        for viewer, sees in ((supervisor, True), (support, False)):
            client.force_login(viewer)
            assert ("Belongs to support (staff)" in client.get(url).content.decode()) is sees
            history = client.get(reverse("audit:account_history", args=["demo", 1])).content.decode()
            assert ("as belonging to support (staff)" in history) is sees

    def test_the_preview_says_who_else_can_request_it(
        self, client: Client, administrator: Staff, support: Staff, supervisor: Staff, sent: list[Any]
    ) -> None:
        marked(administrator, support, make_account(1), Relation.OWN)
        client.force_login(support)
        page = client.get(reverse("changes:new", args=["lock"]), {"account": "demo:1"}).content.decode()
        assert "Belongs to support (staff): somebody else has to request this" in page
        assert "It can be requested by supervisor." in page

    def test_a_mark_is_made_by_one_and_ended_by_two_with_its_events(
        self, client: Client, administrator: Staff, support: Staff
    ) -> None:
        make_account(1)
        client.force_login(administrator)
        typed = {"person": support.pk, "relation": "relative", "environment": "demo", "unit": "account"}
        response = client.post(reverse("access:mark"), {**typed, "name": "ktr50k-000001", "comment": "Declared"}, follow=True)
        assert "a relative of support (staff)" in response.content.decode()
        made = RelatedAccount.objects.get()
        assert related_to(again(support)).accounts == {made.account_id: "Belongs to a relative of support (staff)"}
        client.post(reverse("access:end_mark", args=[made.pk]), {"comment": "Sold"})
        made.refresh_from_db()
        assert made.ended_at is None
        assert "requests it: “<bdi>Sold</bdi>”" in client.get(reverse("access:related")).content.decode()
        asked, confirm = RightsRequest.objects.get(), "people:decide"
        assert client.post(reverse(confirm, args=[asked.pk, "confirm"])).status_code == 409
        client.force_login(make_person(Role.ADMINISTRATOR, "other"))
        assert client.post(reverse(confirm, args=[asked.pk, "confirm"])).status_code == 303
        made.refresh_from_db()
        assert (made.ended_by_id, made.ended_by_name) == (administrator.pk, "administrator")
        tags = list(Event.objects.filter(tag__startswith="staff:related").order_by("pk").values_list("tag", "account_name"))
        name = "KTR50K-000001"
        assert tags == [(Tag.RELATED_MARKED, name), (Tag.RELATED_END_REQUESTED, name), (Tag.RELATED_ENDED, name)]
        ended = Event.objects.get(tag=Tag.RELATED_ENDED)
        assert (ended.staff_name, ended.detail["requester"], ended.detail["comment"]) == ("other", "administrator", "Sold")

    def test_a_request_to_end_a_mark_says_nothing_of_the_account_to_others(
        self, client: Client, administrator: Staff, support: Staff
    ) -> None:
        """Neither on the pages of people nor in the trail, nor can an administrator without access to it confirm it."""
        made = marked(administrator, support, make_account(1))
        asked = request_end(actor=administrator, origin=ORIGIN, mark_id=made.pk, comment="Sold")
        other = limit(make_person(Role.ADMINISTRATOR, "other"), environments=["live"])
        for viewer in (other, limit(make_person(Role.COMPLIANCE), environments=["live"])):
            client.force_login(viewer)
            for page in (reverse("people:requests"), reverse("people:detail", args=[support.pk]), reverse("audit:list")):
                assert "KTR50K-000001" not in client.get(page).content.decode()
        with pytest.raises(RightsRefused, match="outside your access"):
            rights.confirm(other, origin=ORIGIN, request_id=asked.pk)
        client.force_login(other)
        assert client.post(reverse("people:decide", args=[asked.pk, "confirm"])).status_code == 404
        made.refresh_from_db()
        assert made.ended_at is None

    def test_bad_input_writes_nothing_and_is_kept(self, client: Client, administrator: Staff, support: Staff) -> None:
        make_account(1)
        marked(administrator, support, Account.objects.get())
        client.force_login(administrator)
        typed = {"person": support.pk, "relation": "own", "environment": "demo", "unit": "account", "comment": "Declared"}
        for name, said in (("nobody", "No account on demo has this name or id."), ("1", "It is marked for support already.")):
            response = client.post(reverse("access:mark"), {**typed, "name": name})
            assert (response.status_code, said in response.content.decode()) == (422, True)
            assert f'value="{name}"' in response.content.decode()
        assert RelatedAccount.objects.count() == 1

    def test_no_one_marks_or_ends_their_own(self, client: Client, administrator: Staff) -> None:
        other = make_person(Role.ADMINISTRATOR, "other")
        made = marked(other, administrator, make_account(1))
        client.force_login(administrator)
        assert client.post(reverse("access:end_mark", args=[made.pk]), {"comment": "x"}).status_code == 409
        made.refresh_from_db()
        assert made.ended_at is None


@pytest.mark.usefixtures("sent")
def test_the_page_of_a_change_says_why_and_shows_the_mark_to_approvers(
    client: Client, administrator: Staff, support: Staff, supervisor: Staff, second_supervisor: Staff
) -> None:
    theirs = make_account(1, LOCKED)
    make_account(2, LOCKED)
    change = ask(support, "unlock", 1, 2)
    marked(administrator, supervisor, theirs)
    whose = f"a relative of {supervisor.display_name} (staff)"

    def shown(person: Staff) -> str:
        client.force_login(person)
        return " ".join(strip_tags(client.get(reverse("changes:detail", args=[change.pk])).content.decode()).split())

    assert f"You can't decide about this one. {theirs.name} belongs to {whose}. Somebody else has to do this." in shown(
        supervisor
    )
    assert f"Belongs to {whose}" in shown(second_supervisor)
    assert whose not in shown(support)
    marked(administrator, second_supervisor, theirs)
    assert "No one can approve this now" in (page := shown(support))
    assert "barred because one of the accounts is marked" in page
