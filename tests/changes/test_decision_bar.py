"""The decision bar: what has to be typed, what can be left out, the way on, and why it goes when somebody else was faster."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings

from accounts.approvals.actions import decide
from accounts.approvals.models import ApprovalRequest
from accounts.approvals.states import RequestState, Verdict
from accounts.changes.approval import ChangeSubject
from accounts.changes.freshness import good_since
from accounts.changes.models import Change, Item
from accounts.changes.states import ChangeState, ItemState
from accounts.models import Cash, RiskStatus
from riskadmin.audit.models import Event
from riskadmin.staff.models import Staff
from riskadmin.staff.roles import Role
from tests.approvals.requests import GUARD
from tests.changes.pages import read_aloud, text_of
from tests.changes.test_decision_page import NEW_LIMIT, address, make_evaluations, names, opened
from tests.changes.world import LOCKED, ORIGIN, approve, ask, let_trade, make_account, make_trader, reject
from tests.staff.people import make_person

pytestmark = pytest.mark.django_db

Sent = list[tuple[str, list[int], str]]


@pytest.fixture
def change(support: Staff, sent: Sent) -> Change:
    """A change of six limits that would liquidate two, waiting for one supervisor."""
    make_evaluations(range(1, 7), limit="2500", positions=2)
    Cash.objects.filter(account__tradovate_id__in=[1, 2]).update(realized_pnl_usd="-1600")
    return ask(support, "auto_liq_limits", *range(1, 7), parameters=NEW_LIMIT)


def post(client: Client, person: Staff, change: Change, page: Any, **fields: Any) -> Any:
    """Send what the approve form of a page carries, with these fields."""
    client.force_login(person)
    form = {"verdict": "approve", "digest": change.digest, "shown": page.context["shown"], **fields}
    return client.post(reverse("approvals:decide", args=[change.approval_id]), form)


def nothing_happened(change: Change, sent: Sent) -> bool:
    """Whether no one has decided, nothing was left out, and nothing was sent."""
    change.refresh_from_db()
    is_whole = not change.items.exclude(state=ItemState.WAITING).exists()
    return change.state == ChangeState.PENDING and is_whole and not change.approval.approvals.exists() and sent == []


class TestNumber:
    @pytest.mark.parametrize("typed", ["", "6", "0", "two", "-2", "2.5"])
    def test_without_the_right_number_nothing_is_liquidated(
        self, client: Client, change: Change, supervisor: Staff, sent: Sent, typed: str
    ) -> None:
        answer = post(client, supervisor, change, opened(client, supervisor, change), confirm_count=typed, comment="Agreed")
        assert answer.status_code == 422
        assert answer.context["form"].errors.keys() == {"confirm_count"}
        assert 'id="approve_confirm_count_error"' in text_of(answer)
        assert "Agreed" in text_of(answer)
        assert nothing_happened(change, sent)

    def test_with_it_the_change_runs(self, client: Client, change: Change, supervisor: Staff) -> None:
        page = opened(client, supervisor, change)
        assert 'pattern="2"' in text_of(page)
        assert "Approve and liquidate 2" in read_aloud(page)
        assert post(client, supervisor, change, page, confirm_count="2").status_code == 303
        change.refresh_from_db()
        assert change.state == ChangeState.RUNNING

    def test_no_way_around_by_leaving_out_what_was_shown(
        self, client: Client, change: Change, supervisor: Staff, sent: Sent
    ) -> None:
        page = opened(client, supervisor, change)
        assert post(client, supervisor, change, page, shown="").status_code == 422
        assert nothing_happened(change, sent)

    def test_loosening_more_than_the_setting_asks_for_it(
        self, client: Client, support: Staff, supervisor: Staff, sent: Sent, settings: Settings
    ) -> None:
        settings.APPROVAL_ASKS_NUMBER_FROM = 2
        make_evaluations(range(11, 14), limit="1000")
        change = ask(support, "auto_liq_limits", *range(11, 14), parameters=NEW_LIMIT)
        page = opened(client, supervisor, change)
        assert "Approve and loosen 3" in read_aloud(page)
        assert post(client, supervisor, change, page).status_code == 422
        assert nothing_happened(change, sent)
        settings.APPROVAL_ASKS_NUMBER_FROM = 3
        page = opened(client, supervisor, change)
        assert "confirm_count" not in text_of(page)
        assert post(client, supervisor, change, page).status_code == 303

    def test_more_liquidations_than_were_shown_are_refused(
        self, client: Client, change: Change, supervisor: Staff, sent: Sent
    ) -> None:
        page = opened(client, supervisor, change)
        Cash.objects.filter(account__tradovate_id=3).update(realized_pnl_usd="-1700")
        answer = post(client, supervisor, change, page, confirm_count="2")
        assert answer.status_code == 409
        assert "It would liquidate 3 by now, and you were shown 2. Review it again." in read_aloud(answer)
        assert "Type 3" in read_aloud(answer)
        assert nothing_happened(change, sent)
        refused = Event.objects.get(change_id=change.pk, tag="change:decision:refused")
        assert refused.detail["why"].startswith("It would liquidate 3 by now")

    def test_so_are_those_that_the_reading_right_before_the_approval_finds(
        self, client: Client, change: Change, supervisor: Staff, sent: Sent, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        page = opened(client, supervisor, change)

        def read(*_: Any, **__: Any) -> Any:
            Cash.objects.filter(account__tradovate_id=3).update(realized_pnl_usd="-1700")
            return good_since(), ""

        monkeypatch.setattr(ChangeSubject, "prepare", read)
        answer = post(client, supervisor, change, page, confirm_count="2")
        assert (answer.status_code, "It would liquidate 3 by now, and you were shown 2" in read_aloud(answer)) == (409, True)
        assert nothing_happened(change, sent)

    def test_a_requester_without_the_number_is_refused_as_the_requester(
        self, client: Client, change: Change, support: Staff, supervisor: Staff, sent: Sent
    ) -> None:
        page = opened(client, supervisor, change)
        support.groups.add(Group.objects.get(name="supervisor"))
        assert post(client, support, change, page).status_code == 409
        assert Event.objects.filter(tag="change:decision:refused", staff_id=support.pk).count() == 1
        assert nothing_happened(change, sent)


class TestLeftOut:
    def test_the_safe_alternative_shows_what_is_left_and_approves_that(
        self, client: Client, change: Change, supervisor: Staff
    ) -> None:
        assert "Leave 2 out , change 4" in read_aloud(opened(client, supervisor, change))
        page = opened(client, supervisor, change, without="liquidated")
        words = read_aloud(page)
        assert "You approve 4 of 6 accounts. 2 are left out." in words
        assert "0 accounts would be liquidated now" in words
        assert len(names(page)) == 4
        excluded = re.findall(r'name="excluded" value="(\d+)"', text_of(page))
        assert post(client, supervisor, change, page, excluded=excluded).status_code == 303
        left_out = Item.objects.filter(change=change, state=ItemState.SKIPPED)
        assert {item.target_id for item in left_out} == {1, 2}
        assert change.items.filter(state=ItemState.QUEUED).count() == 4

    def test_what_was_shown_without_them_approves_nothing_with_them(
        self, client: Client, change: Change, supervisor: Staff, sent: Sent
    ) -> None:
        page = opened(client, supervisor, change, without="liquidated")
        assert post(client, supervisor, change, page).status_code == 409
        assert nothing_happened(change, sent)
        assert Event.objects.filter(change_id=change.pk, tag="change:decision:refused").count() == 1


@pytest.mark.parametrize("verdict", ["reject", "request_edits"])
def test_what_sends_it_back_says_why(client: Client, change: Change, supervisor: Staff, sent: Sent, verdict: str) -> None:
    page = opened(client, supervisor, change)
    answer = post(client, supervisor, change, page, verdict=verdict, comment=" \N{ZERO WIDTH SPACE}")
    assert answer.status_code == 422
    panel = re.search(r'<details class="decision-panel"\s+name="decision"\s+open>(.*?)</details>', text_of(answer), re.DOTALL)
    assert panel
    assert f'value="{verdict}"' in panel[1]
    assert "Say w" in panel[1]
    assert nothing_happened(change, sent)


class TestOver:
    """A page that was opened before asks with the digest that it shows, and learns why its buttons go."""

    @staticmethod
    def poll(client: Client, person: Staff, change: Change) -> str:
        client.force_login(person)
        answer = client.get(address("progress", change.pk), {"digest": change.digest}, headers={"HX-Request": "true"})
        found = re.search(r'<div id="decision".*?</div>', text_of(answer), re.DOTALL)
        return " ".join(re.sub(r"<[^>]*>", " ", found[0]).split()) if found else ""

    def test_only_a_page_with_buttons_sends_what_they_stand_under(
        self, client: Client, change: Change, support: Staff, supervisor: Staff
    ) -> None:
        sends = 'hx-include="#decision > [name=digest]"'
        assert sends in text_of(opened(client, supervisor, change))
        assert sends in text_of(client.get(address("progress", change.pk), {"digest": change.digest}))
        assert sends not in text_of(opened(client, support, change)), "htmx would complain with each tick"

    def test_they_stay_as_long_as_the_person_can_decide(self, client: Client, change: Change, supervisor: Staff) -> None:
        assert self.poll(client, supervisor, change) == ""

    def test_somebody_else_has_decided(
        self, client: Client, change: Change, supervisor: Staff, second_supervisor: Staff
    ) -> None:
        reject(second_supervisor, change, comment="Not before the open")
        said = self.poll(client, supervisor, change)
        assert second_supervisor.who().name in said
        assert "rejected this change: “Not before the open”" in said

    def test_it_was_approved_by(self, client: Client, change: Change, supervisor: Staff, second_supervisor: Staff) -> None:
        approve(second_supervisor, change)
        said = self.poll(client, supervisor, change)
        assert second_supervisor.who().name in said
        assert "approved this change." in said

    def test_it_was_edited(
        self, client: Client, support: Staff, supervisor: Staff, second_supervisor: Staff, sent: Sent
    ) -> None:
        make_evaluations(range(1, 302), limit="2500")
        change = ask(support, "auto_liq_limits", *range(1, 302), parameters=NEW_LIMIT)
        decide(
            actor=second_supervisor,
            origin=ORIGIN,
            request_id=change.approval_id,
            verdict=Verdict.APPROVE,
            digest=change.digest,
            comment="",
            excluded=[str(change.items.earliest("position").pk)],
        )
        assert ApprovalRequest.objects.get(pk=change.approval_id).state == RequestState.WAITING
        assert "This change was edited since you opened this page" in self.poll(client, supervisor, change)

    def test_it_has_expired(self, client: Client, change: Change, supervisor: Staff) -> None:
        make_late(change)
        assert "This change has expired. It has to be asked for again." in self.poll(client, supervisor, change)

    def test_the_person_has_lost_the_right(self, client: Client, change: Change, supervisor: Staff) -> None:
        supervisor.groups.clear()
        supervisor.groups.add(make_person(Role.COMPLIANCE).groups.get())
        assert "You may not decide about changes." in self.poll(client, supervisor, change)


def make_late(change: Change) -> None:
    """Let the time of a request be over, behind the guard's back."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute(GUARD.format("DISABLE"))
        ApprovalRequest.objects.filter(pk=change.approval_id).update(expires_at=timezone.now() - timedelta(minutes=1))
        cursor.execute(GUARD.format("ENABLE ALWAYS"))


def test_the_way_to_the_next_and_the_previous_request(client: Client, support: Staff, supervisor: Staff, sent: Sent) -> None:
    for number in (1, 2, 3):
        make_account(number, LOCKED)
    first, middle, last = (ask(support, "unlock", number) for number in (1, 2, 3))
    words = text_of(opened(client, supervisor, middle))
    assert "2 of 3 waiting for you" in words
    assert re.findall(r'href="/changes/(\d+)/"\s+aria-keyshortcuts="([jk])"', words) == [
        (str(first.pk), "k"),
        (str(last.pk), "j"),
    ]
    approve(supervisor, middle)
    page = text_of(opened(client, supervisor, middle))
    assert "2 waiting for you" in page
    assert re.findall(r'href="/changes/(\d+)/"\s+aria-keyshortcuts="([jk])"', page) == [(str(first.pk), "j")]


def test_each_row_names_the_trader_the_money_and_who_locked_the_account(
    client: Client, change: Change, supervisor: Staff
) -> None:
    account = change.items.get(target_name="KTR50K-000001").account
    assert account is not None
    let_trade(make_trader(77, "tariq.moreau"), account)
    RiskStatus.objects.filter(account=account).update(admin_action=LOCKED)
    words = read_aloud(opened(client, supervisor, change, effect="liquidated"))
    row = words.partition("KTR50K-000001 1")[2].partition("KTR50K-000002")[0]
    for part in ("tariq.moreau", "+1", "\N{MINUS SIGN}$1,600.00 $100.00 past it", "Locked (no orders) outside riskadmin"):
        assert part in row


def test_what_the_requester_did_lately_to_these_accounts(
    client: Client, change: Change, support: Staff, supervisor: Staff
) -> None:
    ask(support, "lock", 3, 4)
    ask(make_person(Role.SUPPORT, "another"), "lock", 5)
    words = read_aloud(opened(client, supervisor, change))
    assert "Lock 2 accounts 2 of these accounts" in words
    assert "Lock 1 account" not in words
    assert names(opened(client, supervisor, change, effect="lately")) == ["KTR50K-000003", "KTR50K-000004"]
