"""The inbox: what waits for whom and why, several at once, reviews, break-glass, and what came back."""

import re
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.approvals.actions import act_alone, decide
from accounts.approvals.models import Approval, ApprovalRequest, Comment
from accounts.approvals.policy_versions import RuleDraft, propose
from accounts.approvals.states import RequestState, Verdict
from accounts.changes.models import Change, TargetList
from accounts.changes.notices import remind_reviews
from accounts.changes.states import ChangeState, ItemState
from accounts.models import Cash
from riskadmin.audit.models import Event
from riskadmin.audit.tags import Tag
from riskadmin.notifications.models import Message
from riskadmin.staff.duty.models import DutySwitch
from riskadmin.staff.models import Staff
from riskadmin.staff.roles import Role
from tests.approvals.policies import ORIGIN, SUPERVISOR, TWO_SUPERVISORS, want_for
from tests.changes.pages import read_aloud, typed
from tests.changes.world import LOCKED, approve, ask, make_account, make_accounts, reject, set_status
from tests.limit_templates.templates import decided, propose_again, proposed
from tests.staff.people import make_person

pytestmark = pytest.mark.django_db

Sent = list[tuple[str, list[int], str]]


@pytest.fixture
def change(support: Staff, sent: Sent) -> Change:
    """An unlock by support that waits for a supervisor."""
    make_account(101, LOCKED)
    return ask(support, "unlock", 101)


def rows(client: Client, person: Staff, tab: str = "inbox", **query: str) -> list[Any]:
    client.force_login(person)
    answer = client.get(reverse(f"approvals:{tab}"), query)
    assert answer.status_code == 200
    return list(answer.context["table"].rows)


def listed(client: Client, person: Staff, tab: str = "inbox", **query: str) -> list[int]:
    return [row.request.pk for row in rows(client, person, tab, **query)]


def count(client: Client, person: Staff) -> int:
    client.force_login(person)
    found: int = client.get(reverse("approvals:waiting_count")).context["count"]
    return found


class TestWaiting:
    def test_it_waits_for_those_who_can_decide(
        self, client: Client, support: Staff, supervisor: Staff, second_supervisor: Staff, change: Change
    ) -> None:
        make_account(102, LOCKED)
        own = ask(supervisor, "unlock", 102)
        assert (listed(client, supervisor), count(client, supervisor)) == ([change.approval_id], 1)
        assert listed(client, second_supervisor) == [change.approval_id, own.approval_id]
        assert (listed(client, support), count(client, support)) == ([], 0)
        assert listed(client, make_person(Role.COMPLIANCE)) == []

    def test_all_that_waits_says_why_one_can_or_cant(
        self, client: Client, support: Staff, supervisor: Staff, change: Change
    ) -> None:
        want_for("unlock", stages=TWO_SUPERVISORS)
        make_account(102, LOCKED)
        own = ask(supervisor, "unlock", 102)
        found = {row.request.pk: (row.can_decide, row.why) for row in rows(client, supervisor, show="all")}
        assert found == {
            change.approval_id: (True, "Needs a supervisor"),
            own.approval_id: (False, "You asked for this change, so somebody else has to decide."),
        }
        assert {row.why for row in rows(client, support, show="all")} == {"You may not decide about changes."}

    def test_versions_of_templates_are_among_them_and_filters_narrow(
        self, client: Client, support: Staff, supervisor: Staff, change: Change
    ) -> None:
        version = proposed(support)
        page = read_aloud(client.get(reverse("approvals:inbox"))) if rows(client, supervisor) else ""
        assert "Limit template 50K evaluation, version 1" in page
        assert "Unlock 1 account" in page
        for query, left in (
            ({"subject": "template_version"}, [version.approval_id]),
            ({"subject": "change"}, [change.approval_id]),
            ({"environment": "live"}, []),
            ({"effect": "liquidates"}, []),
            ({"effect": "looser", "subject": "change"}, [change.approval_id]),
        ):
            assert listed(client, supervisor, **query) == left
        assert client.get(reverse("approvals:inbox"), {"effect": "x"}).status_code == 422

    def test_least_time_left_first(self, client: Client, support: Staff, supervisor: Staff, change: Change) -> None:
        want_for("unlock", stages=SUPERVISOR, valid_hours=1)
        make_account(102, LOCKED)
        urgent = ask(support, "unlock", 102)
        assert listed(client, supervisor) == [urgent.approval_id, change.approval_id]

    def test_home_shows_it(self, client: Client, supervisor: Staff, change: Change) -> None:
        client.force_login(supervisor)
        assert [row.request.pk for row in client.get(reverse("home")).context["waiting"].rows] == [change.approval_id]


class TestTogether:
    def sent_for(self, *changes: Change) -> dict[str, Any]:
        return {"asked": [f"{change.approval_id}:{change.digest}" for change in changes], "comment": "As agreed"}

    def test_each_is_a_decision_and_one_refused_stops_no_other(
        self, client: Client, support: Staff, supervisor: Staff, sent: Sent
    ) -> None:
        changes = []
        for number in (101, 102, 103):
            account = make_account(number, LOCKED)
            changes.append(ask(support, "unlock", number))
        set_status(changes[1].items.get().account, admin_action="Normal")
        assert account.pk
        client.force_login(supervisor)
        answer = client.post(reverse("approvals:together"), self.sent_for(*changes))
        assert "2 approved, 1 not" in read_aloud(answer)
        assert "An account no longer stands as it was when this was asked for." in read_aloud(answer)
        assert [Change.objects.get(pk=each.pk).state for each in changes] == ["running", "pending", "running"]
        assert {(each.digest, each.comment) for each in Approval.objects.filter(request__subject="change")} == {
            (change.digest, "As agreed") for change in (changes[0], changes[2])
        }
        tags = Event.objects.filter(tag__in=[Tag.CHANGE_APPROVED, Tag.CHANGE_DECISION_REFUSED]).order_by("pk")
        assert list(tags.values_list("tag", flat=True)) == [
            Tag.CHANGE_APPROVED,
            Tag.CHANGE_DECISION_REFUSED,
            Tag.CHANGE_APPROVED,
        ]

    def test_what_would_liquidate_by_now_is_refused_and_that_is_recorded(
        self, client: Client, support: Staff, supervisor: Staff, sent: Sent
    ) -> None:
        from tests.changes.test_decision_page import NEW_LIMIT, make_evaluations

        want_for("auto_liq_limits", stages=SUPERVISOR)
        make_evaluations([1, 2], limit="2500")
        change = ask(support, "auto_liq_limits", 1, 2, parameters=NEW_LIMIT)
        Cash.objects.filter(account__tradovate_id=2).update(realized_pnl_usd="-1700")
        client.force_login(supervisor)
        answer = client.post(reverse("approvals:together"), self.sent_for(change))
        assert "It would liquidate 1 by now, and you were shown 0" in read_aloud(answer)
        assert Event.objects.filter(tag=Tag.CHANGE_DECISION_REFUSED, staff_id=supervisor.pk).count() == 1
        assert not Approval.objects.filter(request=change.approval_id).exists()
        assert sent == []

    def test_what_has_to_be_opened_or_is_of_another_kind_is_refused_whole(
        self, client: Client, support: Staff, supervisor: Staff, change: Change, sent: Sent
    ) -> None:
        want_for("lock", stages=SUPERVISOR)
        make_accounts(range(1, 31))
        large, other = ask(support, "lock", *range(1, 28)), ask(support, "lock", 30)
        client.force_login(supervisor)
        for chosen, why in (
            (self.sent_for(change, large), "have to be opened"),
            (self.sent_for(change, other), "of one kind"),
            ({"asked": []}, "Choose at least one"),
            ({"asked": ["x"]}, "not on this page"),
            ({"asked": [f"4711:{change.digest}"]}, "have to be opened"),
        ):
            answer = client.post(reverse("approvals:together"), chosen)
            assert (answer.status_code, why in read_aloud(answer)) == (422, True), chosen
        assert not Approval.objects.filter(request__subject="change").exists()
        assert sent == []


class TestBreakGlass:
    ALONE = {"incident": "INC-7", "comment": "The desk is alone"}

    @pytest.fixture
    def own(self, supervisor: Staff, sent: Sent) -> Change:
        make_account(101, LOCKED)
        return ask(supervisor, "unlock", 101)

    def test_it_runs_and_another_one_reviews_it(
        self, client: Client, own: Change, supervisor: Staff, second_supervisor: Staff, sent: Sent
    ) -> None:
        compliance = make_person(Role.COMPLIANCE)
        client.force_login(supervisor)
        alone = reverse("approvals:act_alone", args=[own.approval_id])
        assert "Policy wants approval: One supervisor needed." in read_aloud(client.get(alone))
        assert client.post(alone, self.ALONE).status_code == 303
        assert Change.objects.get().state == "running"
        messages = Message.objects.filter(topic="break_glass", channel="page")
        assert {each.person for each in messages} == {second_supervisor, compliance}
        assert (listed(client, supervisor, "reviews"), listed(client, second_supervisor, "reviews")) == ([], [own.approval_id])
        assert count(client, second_supervisor) == 1
        review = reverse("approvals:review", args=[own.approval_id])
        assert client.post(review, {"comment": "\u200b"}).status_code == 422
        assert ApprovalRequest.objects.get(pk=own.approval_id).reviewed_at is None
        assert client.post(review, {"comment": "It was right"}).status_code == 303
        assert ApprovalRequest.objects.get(pk=own.approval_id).review_comment == "It was right"
        assert count(client, second_supervisor) == 0

    def test_without_a_number_nothing_runs(self, client: Client, own: Change, supervisor: Staff, sent: Sent) -> None:
        client.force_login(supervisor)
        for left_out in self.ALONE:
            answer = client.post(reverse("approvals:act_alone", args=[own.approval_id]), {**self.ALONE, left_out: " "})
            assert answer.status_code == 422
            assert list(answer.context["form"].errors) == [left_out]
        assert (Change.objects.get().state, sent) == ("pending", [])

    def test_a_second_one_is_refused_until_the_review(self, client: Client, own: Change, supervisor: Staff, sent: Sent) -> None:
        act_alone(actor=supervisor, origin=ORIGIN, request_id=own.approval_id, **self.ALONE)
        make_account(102, LOCKED)
        second = ask(supervisor, "unlock", 102)
        client.force_login(supervisor)
        answer = client.post(reverse("approvals:act_alone", args=[second.approval_id]), self.ALONE)
        assert (answer.status_code, answer.context["form"]["comment"].value()) == (409, self.ALONE["comment"])
        assert "has to be reviewed by somebody else first" in read_aloud(answer)
        assert Change.objects.get(pk=second.pk).state == "pending"

    def test_an_overdue_review_is_shown_and_sends_one_message(
        self, client: Client, own: Change, supervisor: Staff, second_supervisor: Staff
    ) -> None:
        act_alone(actor=supervisor, origin=ORIGIN, request_id=own.approval_id, **self.ALONE)
        remind_reviews()
        assert not Message.objects.filter(topic="review_due").exists()
        with time_machine.travel(timezone.now() + timedelta(hours=25), tick=False):
            for _ in range(2):
                remind_reviews()
            assert [row.is_overdue for row in rows(client, second_supervisor, "reviews")] == [True]
        messages = Message.objects.filter(topic="review_due", channel="page")
        assert sorted(each.person.username for each in messages if each.person) == ["supervisor", "supervisor2"]


class TestCameBack:
    def send_back(self, person: Staff, change: Change, comment: str = "Without KTR50K-000102") -> None:
        decide(
            actor=person,
            origin=ORIGIN,
            request_id=change.approval_id,
            verdict=Verdict.REQUEST_EDITS,
            digest=change.digest,
            comment=comment,
        )

    def test_it_is_edited_and_asked_for_again_as_a_new_version(
        self, client: Client, support: Staff, supervisor: Staff, sent: Sent
    ) -> None:
        for number in (101, 102):
            make_account(number, LOCKED)
        change = ask(support, "unlock", 101, 102, reason_text="Reviewed")
        self.send_back(supervisor, change)
        message = Message.objects.get(topic="decided", channel="page")
        assert (message.person, "came back to be edited" in message.subject) == (support, True)
        assert count(client, support) == 1
        home = client.get(reverse("home"))
        assert [row.request.pk for row in home.context["returned"].rows] == [change.approval_id]
        # Every page says the same of it, and the way on is to edit it.
        shown = client.get(reverse("changes:detail", args=[change.pk]))
        assert f"Change {change.pk} edits requested" in read_aloud(shown)
        assert shown.context["may_edit"]
        assert "Ask again for" not in read_aloud(shown)
        assert client.post(reverse("changes:retry", args=[change.pk])).status_code == 409
        for page in (shown, client.get(reverse("changes:list")), home):
            assert "An approver rejected it" not in page.content.decode()
        edit = reverse("changes:edit", args=[change.pk])
        page = client.get(edit)
        assert page.context["form"]["text"].value() == "KTR50K-000101\nKTR50K-000102"
        assert "Without KTR50K-000102" in read_aloud(page)
        form = client.get(client.post(edit, {"environment": "demo", "text": "KTR50K-000101"})["Location"])
        assert form.context["form"]["reason_text"].value() == "Reviewed"
        assert form.context["form"]["reason_code"].value() == "Other"
        client.post(form.request["PATH_INFO"], typed(form, reason_text="Reviewed again"))
        again = Change.objects.latest("pk")
        assert (again.of_change, again.relation, again.item_count, again.state) == (change, "edits", 1, "pending")
        assert again.digest != change.digest
        assert "New version of Change" in read_aloud(client.get(reverse("changes:detail", args=[again.pk])))
        assert count(client, support) == 0
        assert client.get(edit).status_code == 409

    def test_a_version_of_a_template_comes_back_and_is_filled_in_until_there_is_a_later_one(
        self, client: Client, support: Staff, supervisor: Staff
    ) -> None:
        version = proposed(support)
        decided(supervisor, version, Verdict.REQUEST_EDITS)
        (row,) = rows(client, support, "own")
        assert (row.is_returned, count(client, support)) == (True, 1)
        page = client.get(row.line.edit_url)
        assert "Filled in as in version 1, which support proposed." in read_aloud(page)
        assert page.context["form"]["note"].value() == "A test"
        assert str(page.context["form"]["daily_loss_auto_liq_usd"].value()) == "1000"
        propose_again(support, version, daily_loss_auto_liq_usd="900")
        assert [each.is_returned for each in rows(client, support, "own")] == [False, False]
        address = reverse("limit_templates:propose", args=[version.template_id])
        assert [client.get(address, {"version": bad}).status_code for bad in ("7", "x", "9" * 5000)] == [404] * 3

    def test_a_version_of_the_policy_comes_back_and_is_filled_in(self, client: Client, supervisor: Staff) -> None:
        administrator = make_person(Role.ADMINISTRATOR)
        rules = [RuleDraft(kinds=("lock",), note="Quieter nights")]
        version = propose(actor=administrator, origin=ORIGIN, rules=rules, note="A test")
        request_id = version.approval_id or 0
        decide(
            actor=supervisor,
            origin=ORIGIN,
            request_id=request_id,
            verdict=Verdict.REQUEST_EDITS,
            digest=version.digest,
            comment="Name the hours",
        )
        (row,) = rows(client, administrator, "own")
        assert row.is_returned
        assert "Quieter nights" in client.get(row.line.edit_url).content.decode()
        propose(actor=administrator, origin=ORIGIN, rules=rules, note="Once more")
        assert not any(each.is_returned for each in rows(client, administrator, "own"))

    def test_parameters_are_filled_in(self, client: Client, support: Staff, supervisor: Staff, sent: Sent) -> None:
        from tests.changes.test_decision_page import NEW_LIMIT, make_evaluations

        make_evaluations([1, 2], limit="2500", positions=0)
        change = ask(support, "auto_liq_limits", 1, 2, parameters=NEW_LIMIT)
        reject(supervisor, change)
        client.force_login(support)
        edit = reverse("changes:edit", args=[change.pk])
        form = client.get(client.post(edit, {"environment": "demo", "text": "1\n2"})["Location"])
        filled = form.context["parameters_form"]
        for name, value in NEW_LIMIT.items():
            assert str(filled[name].value()) == value

    def test_only_by_its_requester_and_only_what_came_back(
        self, client: Client, support: Staff, supervisor: Staff, change: Change
    ) -> None:
        edit = reverse("changes:edit", args=[change.pk])
        client.force_login(support)
        assert client.get(edit).status_code == 409  # it still waits
        self.send_back(supervisor, change)
        client.force_login(make_person(Role.SUPPORT, "another"))
        assert client.post(edit, {"environment": "demo", "text": "101"}).status_code == 409
        assert not TargetList.objects.exists()

    def test_bad_targets_come_back_as_typed(self, client: Client, support: Staff, supervisor: Staff, change: Change) -> None:
        self.send_back(supervisor, change)
        client.force_login(support)
        answer = client.post(reverse("changes:edit", args=[change.pk]), {"environment": "demo", "text": ""})
        assert (answer.status_code, list(answer.context["form"].errors)) == (422, ["text"])


class TestOwn:
    def test_it_says_who_can_approve(
        self, client: Client, support: Staff, supervisor: Staff, second_supervisor: Staff, change: Change
    ) -> None:
        Staff.objects.filter(pk=second_supervisor.pk).update(is_active=False)
        (row,) = rows(client, support, "own")
        assert row.approvers == [supervisor.display_name]
        third = make_person(Role.SUPERVISOR, "supervisor3")
        DutySwitch.objects.create(person=third, is_on=True, until=timezone.now() + timedelta(hours=1))
        (row,) = rows(client, support, "own")
        assert row.approvers == [f"{third.display_name} (on duty)", supervisor.display_name]

    def test_what_was_decided_lately(self, client: Client, support: Staff, supervisor: Staff, change: Change) -> None:
        approve(supervisor, change)
        for person, tab in ((support, "own"), (supervisor, "decided")):
            (row,) = rows(client, person, tab)
            assert (row.state, row.last_verdict.staff_name) == (RequestState.APPROVED, "supervisor")
        with time_machine.travel(timezone.now() + timedelta(days=8), tick=False):
            assert rows(client, supervisor, "decided") == []


class TestDeciding:
    @pytest.mark.parametrize("verdict", ["reject", "request_edits"])
    def test_who_does_not_approve_says_why(self, client: Client, supervisor: Staff, change: Change, verdict: str) -> None:
        client.force_login(supervisor)
        form = {"verdict": verdict, "digest": change.digest, "comment": " \u200b"}
        answer = client.post(reverse("approvals:decide", args=[change.approval_id]), form)
        assert (answer.status_code, list(answer.context["form"].errors)) == (422, ["comment"])
        assert (Change.objects.get().state, Approval.objects.filter(request=change.approval).count()) == ("pending", 0)

    def test_items_are_excluded_from_the_page(self, client: Client, support: Staff, supervisor: Staff, sent: Sent) -> None:
        for number in (101, 102):
            make_account(number, LOCKED)
        change = ask(support, "unlock", 101, 102)
        item = change.items.get(position=2)
        client.force_login(supervisor)
        form = {"verdict": "approve", "digest": change.digest, "excluded": [item.pk]}
        assert client.post(reverse("approvals:decide", args=[change.approval_id]), form).status_code == 303
        item.refresh_from_db()
        assert (item.state, item.note) == (ItemState.SKIPPED, "Excluded by supervisor")
        assert Change.objects.get().state == ChangeState.RUNNING

    def test_a_policy_version_is_refused_on_a_page_of_its_own(self, client: Client, support: Staff) -> None:
        from accounts.approvals.policy_versions import RuleDraft, propose

        version = propose(actor=make_person(Role.ADMINISTRATOR), origin=ORIGIN, rules=[RuleDraft()], note="")
        client.force_login(make_person(Role.ADMINISTRATOR, "other"))
        answer = client.post(
            reverse("approvals:decide", args=[version.approval_id]), {"verdict": "approve", "digest": "0" * 64}
        )
        assert answer.status_code == 409
        assert "Nothing was decided. This is not the version of the policy you were shown." in read_aloud(answer)


class TestComments:
    def test_those_mentioned_get_a_message(self, client: Client, support: Staff, supervisor: Staff, change: Change) -> None:
        client.force_login(supervisor)
        path = reverse("approvals:comment", args=[change.approval_id])
        answer = client.post(path, {"text": "Why now, @support? Ask ana@firm.com."}, headers={"HX-Request": "true"})
        assert "Why now, @support?" in read_aloud(answer)
        assert Comment.objects.get().mentions == [support.pk]
        message = Message.objects.get(topic="comment_mention", channel="page")
        assert (message.person, message.text) == (support, "supervisor: “Why now, @support? Ask ana@firm.com.”")

    @pytest.mark.parametrize("text", ["", "\u200b", "Ask @nobody.here", "x" * 2001])
    def test_a_bad_one_comes_back_as_typed(self, client: Client, supervisor: Staff, change: Change, text: str) -> None:
        client.force_login(supervisor)
        answer = client.post(reverse("approvals:comment", args=[change.approval_id]), {"text": text})
        assert (answer.status_code, answer.context["form"]["text"].value()) == (422, text)
        assert not Comment.objects.exists()
        assert re.search("active person|required|at most", read_aloud(answer))
