"""The pages of following and deciding: live while anything can happen, exact about what is refused, cheap at any size."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts.approvals.models import Approval
from accounts.changes import freshness
from accounts.changes.models import Change, Item
from accounts.changes.queries import waiting_for
from accounts.changes.states import ChangeState, ItemState
from riskadmin.audit.models import Event
from riskadmin.audit.tags import Tag
from riskadmin.staff.models import Staff
from riskadmin.staff.roles import Role
from riskadmin.tradovate.errors import OutcomeUnknown
from tests.approvals.requests import old_requests
from tests.changes.pages import text_of
from tests.changes.world import (
    ACTED_AT,
    LOCKED,
    NORMAL,
    approve,
    ask,
    make_account,
    make_accounts,
    make_stale,
    open_item,
    set_status,
    walk,
    written,
)
from tests.staff.people import make_person

pytestmark = pytest.mark.django_db

Sent = list[tuple[str, list[int], str]]
HTMX = {"HX-Request": "true"}
TOO_BIG = 2**63


def address(name: str, *args: object) -> str:
    return reverse(f"changes:{name}", args=args)


@pytest.fixture
def change(support: Staff, sent: Sent) -> Change:
    """An unlock by support that waits for a supervisor."""
    make_account(101, LOCKED, admin_at=ACTED_AT)
    return ask(support, "unlock", 101, reason_text="Because <b>so</b>")


@pytest.fixture
def deciding(client: Client, supervisor: Staff) -> Client:
    """The supervisor's browser."""
    client.force_login(supervisor)
    return client


class TestDetail:
    def test_whose_decision_it_waits_for_sees_the_form(self, deciding: Client, change: Change) -> None:
        response = deciding.get(address("detail", change.pk))
        assert response.status_code == 200
        assert (response.context["may_decide"], response.context["may_withdraw"]) == (True, False)
        assert f'value="{change.digest}"' in text_of(response)
        assert "Because &lt;b&gt;so&lt;/b&gt;" in text_of(response)

    def test_the_requester_sees_no_form_but_may_withdraw(self, client: Client, support: Staff, change: Change) -> None:
        client.force_login(support)
        response = client.get(address("detail", change.pk))
        assert (response.context["may_decide"], response.context["may_withdraw"]) == (False, True)
        assert reverse("approvals:decide", args=[change.approval_id]) not in text_of(response)

    def test_a_supervisor_who_requested_it_is_shown_why(self, deciding: Client, supervisor: Staff, sent: Sent) -> None:
        make_account(101, LOCKED)
        own = ask(supervisor, "unlock", 101)
        response = deciding.get(address("detail", own.pk))
        assert response.context["may_decide"] is False
        assert "You asked for this change, so somebody else has to decide." in text_of(response)

    @pytest.mark.parametrize("name", ["detail", "progress"])
    def test_one_that_is_not_there(self, deciding: Client, name: str) -> None:
        for pk in (0, 4711, TOO_BIG, 10**30):
            assert deciding.get(address(name, pk)).status_code == 404

    def test_a_cursor_that_is_none(self, deciding: Client, change: Change) -> None:
        assert deciding.get(address("detail", change.pk), {"cursor": "x"}).status_code == 400


class TestProgress:
    def test_it_asks_again_while_anything_can_happen_and_then_no_more(
        self, deciding: Client, change: Change, supervisor: Staff
    ) -> None:
        poll = f'hx-get="{address("progress", change.pk)}"'
        assert poll in text_of(deciding.get(address("progress", change.pk)))
        approve(supervisor, change)
        assert poll in text_of(deciding.get(address("progress", change.pk)))
        walk(Item.objects.get(), ItemState.APPLIED)
        assert poll in text_of(deciding.get(address("progress", change.pk)))
        Change.objects.update(state=ChangeState.FINISHED)
        for name in ("progress", "detail"):
            assert poll not in text_of(deciding.get(address(name, change.pk)))

    @pytest.mark.parametrize("state", [ChangeState.REJECTED, ChangeState.CANCELLED, ChangeState.EXPIRED])
    def test_an_end_without_running_stops_it_too(self, deciding: Client, change: Change, state: ChangeState) -> None:
        Change.objects.update(state=state)
        assert "hx-get" not in text_of(deciding.get(address("progress", change.pk), headers=HTMX))

    def test_the_page_includes_what_the_poll_returns(self, deciding: Client, change: Change) -> None:
        page = text_of(deciding.get(address("detail", change.pk)))
        shown = {"digest": change.digest}  # the page's, which the poll sends along
        fragment = text_of(deciding.get(address("progress", change.pk), shown, headers=HTMX))
        assert fragment.count('id="progress"') == 1
        assert "digest=" not in fragment, "it would be there once more with each tick"
        for line in (line.strip() for line in fragment.splitlines()):
            # A second may have passed. The page of somebody who decides also sends what it shows with each poll.
            if "ago" not in line and "data-poll" not in line:
                assert line in page

    def test_it_says_what_became_of_each(self, deciding: Client, support: Staff, sent: Sent) -> None:
        make_accounts([1, 2])
        running = ask(support, "lock", 1, 2, 999)
        walk(Item.objects.get(target_name="KTR50K-000001"), ItemState.UNKNOWN)
        progress = deciding.get(address("progress", running.pk)).context["progress"]
        assert progress.shown_counts == [(ItemState.QUEUED, 1), (ItemState.UNKNOWN, 1), (ItemState.SKIPPED, 1)]
        assert (progress.total, progress.settled, progress.is_open) == (3, 1, True)


class TestDecide:
    @pytest.mark.parametrize(
        ("verdict", "state", "said"),
        [
            ("approve", ChangeState.RUNNING, "You approved: Unlock 1 account"),
            ("reject", ChangeState.REJECTED, "You rejected: Unlock 1 account"),
        ],
    )
    def test_it_decides(self, deciding: Client, change: Change, verdict: str, state: ChangeState, said: str) -> None:
        response = deciding.post(
            reverse("approvals:decide", args=[change.approval_id]),
            {"verdict": verdict, "digest": change.digest, "comment": "ok"},
        )
        assert (response.status_code, response["Location"]) == (303, address("detail", change.pk))
        assert Change.objects.get().state == state
        assert Approval.objects.get().comment == "ok"
        assert said in text_of(deciding.get(response["Location"]))

    def test_htmx_is_redirected(self, deciding: Client, change: Change) -> None:
        response = deciding.post(
            reverse("approvals:decide", args=[change.approval_id]),
            {"verdict": "reject", "digest": change.digest, "comment": "No"},
            headers=HTMX,
        )
        assert (response.status_code, response["HX-Redirect"]) == (200, address("detail", change.pk))

    @pytest.mark.parametrize(
        "fields",
        [
            {"verdict": ""},
            {"verdict": "maybe"},
            {"digest": ""},
            {"digest": "x"},
            {"comment": "x" * 2001},
            {"comment": "a\x00b"},
        ],
    )
    def test_a_bad_form_comes_back_as_it_was_typed(self, deciding: Client, change: Change, fields: dict[str, str]) -> None:
        before = written()
        sent_form = {"verdict": "approve", "digest": change.digest, "comment": "Typed with care", **fields}
        response = deciding.post(reverse("approvals:decide", args=[change.approval_id]), sent_form)
        assert response.status_code == 422
        assert list(response.context["form"].errors) == list(fields)
        assert response.context["form"]["comment"].value() == sent_form["comment"]
        assert written() == before
        assert Change.objects.get().state == ChangeState.PENDING

    def test_a_comment_as_long_as_may_be_with_lines(self, deciding: Client, change: Change) -> None:
        comment = "x" * 1000 + "\r\n" + "y" * 999
        deciding.post(
            reverse("approvals:decide", args=[change.approval_id]),
            {"verdict": "reject", "digest": change.digest, "comment": comment},
        )
        assert Approval.objects.get().comment == comment.replace("\r\n", "\n")

    def test_changed_targets_are_shown(self, deciding: Client, change: Change) -> None:
        set_status(Item.objects.get().account, admin_at=ACTED_AT + timedelta(seconds=4))
        response = deciding.post(
            reverse("approvals:decide", args=[change.approval_id]),
            {"verdict": "approve", "digest": change.digest, "comment": "Typed"},
        )
        assert response.status_code == 409
        said = text_of(response)
        assert "Nothing was decided: An account no longer stands as it was when this was asked for." in said
        assert "Locked (no orders), set 2026-11-20 09:04:05" in said
        assert "Locked (no orders), set 2026-11-20 09:04:09" in said
        assert "Typed" in said
        assert Change.objects.get().state == ChangeState.PENDING
        assert (
            Approval.objects.filter(request__subject="change").count(),
            Event.objects.filter(tag=Tag.CHANGE_DECISION_REFUSED).count(),
        ) == (0, 1)

    def test_tradovate_out_of_reach_is_shown(self, deciding: Client, change: Change, monkeypatch: pytest.MonkeyPatch) -> None:
        def refresh(*_: object, **__: object) -> int:
            raise OutcomeUnknown("No answer within 15 s")

        make_stale(Item.objects.get().account)
        monkeypatch.setattr(freshness, "refresh", refresh)
        response = deciding.post(
            reverse("approvals:decide", args=[change.approval_id]), {"verdict": "approve", "digest": change.digest}
        )
        assert response.status_code == 409
        assert "be read from Tradovate now (No answer within 15 s)" in text_of(response)
        assert (Change.objects.get().state, Approval.objects.filter(request__subject="change").count()) == (
            ChangeState.PENDING,
            0,
        )

    def test_a_forged_post_by_the_requester_is_refused(self, deciding: Client, supervisor: Staff, sent: Sent) -> None:
        make_account(101, LOCKED)
        own = ask(supervisor, "unlock", 101)
        for verdict in ("approve", "reject"):
            response = deciding.post(
                reverse("approvals:decide", args=[own.approval_id]), {"verdict": verdict, "digest": own.digest, "comment": "No"}
            )
            assert response.status_code == 409
            assert "You asked for this change, so somebody else has to decide." in text_of(response)
        assert (Change.objects.get().state, Approval.objects.filter(request__subject="change").count()) == (
            ChangeState.PENDING,
            0,
        )

    @pytest.mark.parametrize("role", [Role.SUPPORT, Role.COMPLIANCE, Role.ADMINISTRATOR])
    def test_a_forged_post_by_who_may_not(self, client: Client, change: Change, role: Role) -> None:
        client.force_login(make_person(role, "another"))
        before = written()
        for headers in ({}, HTMX):
            response = client.post(
                reverse("approvals:decide", args=[change.approval_id]),
                {"verdict": "approve", "digest": change.digest},
                headers=headers,
            )
            assert response.status_code == 403
        assert written() == before
        assert Change.objects.get().state == ChangeState.PENDING

    @pytest.mark.parametrize("name", ["approvals:decide", "changes:withdraw"])
    def test_one_that_is_not_there(self, deciding: Client, name: str) -> None:
        for pk in (0, 4711, TOO_BIG):
            assert deciding.post(reverse(name, args=[pk]), {}).status_code == 404

    @pytest.mark.parametrize("name", ["approvals:decide", "changes:withdraw"])
    def test_only_by_a_form(self, deciding: Client, change: Change, supervisor: Staff, name: str) -> None:
        path = reverse(name, args=[change.approval_id if name == "approvals:decide" else change.pk])
        assert deciding.get(path).status_code == 405
        strict = Client(enforce_csrf_checks=True)
        strict.force_login(supervisor)
        response = strict.post(path, {"verdict": "approve", "digest": change.digest})
        assert response.status_code == 403
        assert Change.objects.get().state == ChangeState.PENDING


class TestWithdraw:
    def test_the_requester_is_refused(self, client: Client, support: Staff, change: Change) -> None:
        client.force_login(support)
        response = client.post(address("withdraw", change.pk))
        assert (response.status_code, response["Location"]) == (303, address("detail", change.pk))
        assert Change.objects.get().state == ChangeState.CANCELLED

    def test_by_a_colleague(self, deciding: Client, change: Change) -> None:
        response = deciding.post(address("withdraw", change.pk))
        assert response.status_code == 409
        assert "Only the person who asked for a change can withdraw it." in text_of(response)
        assert Change.objects.get().state == ChangeState.PENDING

    @pytest.mark.parametrize("role", [Role.COMPLIANCE, Role.ADMINISTRATOR])
    def test_a_person_who_may_not_request_is_refused(self, client: Client, change: Change, role: Role) -> None:
        client.force_login(make_person(role))
        assert client.post(address("withdraw", change.pk)).status_code == 403
        assert Change.objects.get().state == ChangeState.PENDING

    def test_too_late(self, client: Client, support: Staff, supervisor: Staff, change: Change) -> None:
        approve(supervisor, change)
        client.force_login(support)
        response = client.post(address("withdraw", change.pk))
        assert response.status_code == 409
        assert "This change is no longer waiting: approved." in text_of(response)
        assert Change.objects.get().state == ChangeState.RUNNING


class TestLists:
    def test_the_list_is_narrowed(self, deciding: Client, change: Change, supervisor: Staff) -> None:
        make_accounts([1])
        own = ask(supervisor, "lock", 1)

        def shown(**filters: str) -> list[int]:
            response = deciding.get(address("list"), filters)
            assert response.status_code == 200
            return [row.change.pk for row in response.context["table"].rows]

        assert shown() == [own.pk, change.pk]
        assert shown(state="pending") == [change.pk]
        assert shown(kind="lock") == [own.pk]
        assert shown(mine="on") == [own.pk]
        assert shown(kind="lock", state="pending") == []
        assert deciding.get(address("list"), {"cursor": "x"}).status_code == 400

    def test_unknown_outcomes_are_marked_everywhere(self, deciding: Client, change: Change, supervisor: Staff) -> None:
        approve(supervisor, change)
        walk(Item.objects.get(), ItemState.UNKNOWN)
        for page in (address("list"), reverse("home")):
            assert "Unknown" in text_of(deciding.get(page))

    def test_a_change_whose_time_is_up_waits_for_no_approval(
        self, supervisor: Staff, change: Change, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert list(waiting_for(supervisor)) == [change]
        monkeypatch.setattr(timezone, "now", lambda: change.approval.expires_at)
        assert not waiting_for(supervisor).exists()


class TestPanels:
    def test_the_account_page_shows_what_is_in_progress(self, deciding: Client, support: Staff) -> None:
        account = make_account(101)
        open_item(support, account, "lock", ItemState.APPLIED)
        item = open_item(support, account, "lock", ItemState.SENT)
        open_item(support, make_account(101, environment="live"), "unlock", ItemState.WAITING)
        for headers in ({}, HTMX):
            response = deciding.get(address("account_panel", "demo", 101), headers=headers)
            assert [found.pk for found, _ in response.context["rows"]] == [item.pk]

    @pytest.mark.parametrize(
        ("role", "environment", "kinds"),
        [
            (Role.SUPPORT, "demo", ["lock", "liquidate_only", "unlock"]),
            (Role.SUPPORT, "live", []),
            (Role.COMPLIANCE, "demo", []),
        ],
    )
    def test_what_may_be_requested(self, client: Client, role: Role, environment: str, kinds: list[str]) -> None:
        client.force_login(make_person(role))
        make_account(101, environment=environment)
        response = client.get(address("account_actions", environment, 101))
        assert [kind.name for kind in response.context["kinds"]] == kinds

    @pytest.mark.parametrize("name", ["account_panel", "account_actions"])
    def test_an_environment_or_an_account_that_is_none(self, deciding: Client, name: str) -> None:
        assert deciding.get(address(name, "prod", 101)).status_code == 404
        assert deciding.get(address(name, "demo", 10**30)).status_code == 404


class TestCosts:
    """The same number of queries for twenty rows and for two hundred."""

    @staticmethod
    def cost(client: Client, page: str) -> int:
        client.get(page)
        with CaptureQueriesContext(
            connection,
        ) as queries:
            assert client.get(page).status_code == 200
        return len(queries)

    @staticmethod
    def fill(person: Staff, first: int, last: int) -> None:
        """Add changes that wait, of one account each, as many statements as it takes."""
        made = Change.objects.bulk_create(
            Change(
                kind="unlock",
                environment="demo",
                reason_code="CloseFraud",
                lane="urgent",
                digest="0" * 64,
                form_key=f"00000000-0000-0000-0000-{number:012}",
                requested_by=person,
                requested_by_name=person.display_name,
                approval=request,
                item_count=1,
                state=ChangeState.PENDING,
            )
            for number, request in enumerate(
                old_requests(last + 1 - first, person, "unlock", "demo", needed=1, digest="0" * 64), start=first
            )
        )
        Item.objects.bulk_create(
            Item(
                change=each,
                position=1,
                target=f"demo:account:{each.pk}",
                target_name=f"KTR50K-{each.pk:06}",
                before={"admin_action": LOCKED, "admin_at": None, "stopped_by_limit": False},
                after={"admin_action": NORMAL},
                state=ItemState.WAITING,
            )
            for each in made
        )

    @pytest.mark.parametrize("name", ["changes:list", "approvals:inbox", "approvals:waiting_count", "home"])
    def test_lists(self, deciding: Client, support: Staff, name: str) -> None:
        self.fill(support, 1, 20)
        few = self.cost(deciding, reverse(name))
        self.fill(support, 21, 200)
        assert self.cost(deciding, reverse(name)) == few

    @pytest.mark.parametrize("name", ["detail", "progress"])
    def test_a_change(self, deciding: Client, support: Staff, sent: Sent, name: str) -> None:
        make_accounts(range(1, 221))
        small = ask(support, "lock", *range(1, 21))
        big = ask(support, "lock", *range(21, 221))
        assert self.cost(deciding, address(name, small.pk)) == self.cost(deciding, address(name, big.pk))

    def test_asking(self, client: Client, support: Staff) -> None:
        make_accounts(range(1, 201))
        client.force_login(support)

        def asked(count: int) -> str:
            return address("new", "lock") + "?" + "&".join(f"account=demo:{number}" for number in range(1, count + 1))

        assert self.cost(client, asked(20)) == self.cost(client, asked(200))


def test_one_kind_is_not_asked_twice_of_the_same_account_by_two_pages(
    deciding: Client, client: Client, change: Change, support: Staff
) -> None:
    """The second page was opened before the first was sent: its plan is no longer what it shows."""
    client.force_login(support)
    sent_form: dict[str, Any] = {
        "account": "demo:101",
        "reason_code": "CloseFraud",
        "form_key": "00000000-0000-0000-0000-00000000000a",
        "digest": "1" * 64,
    }
    response = client.post(address("new", "unlock"), sent_form)
    assert response.status_code == 409
    assert f"Change {change.pk} is already on its way for this account" in text_of(response)
    assert Change.objects.count() == 1
