"""Access limited to environments and programs: what is within it, by which category, and what is decided about the rest."""

from typing import Any

import pytest
from django.core import mail
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from pytest_django.fixtures import Settings

from accounts.access.actions import is_wider, limit_access
from accounts.access.models import AccessLimit
from accounts.access.queries import Access, access_of, limit_of, visible_accounts, visible_traders
from accounts.approvals.inbox import listed, own
from accounts.approvals.models import Approval
from accounts.approvals.queries import waiting_for
from accounts.approvals.subjects import DecisionRefused, NotAllowed
from accounts.changes.access import visible_changes
from accounts.changes.kinds import KINDS
from accounts.changes.kinds.spec import Unit
from accounts.changes.models import Change
from accounts.changes.plan import plan
from accounts.changes.queries import approvers_of
from accounts.changes.states import ItemState
from accounts.changes.targeting import targets
from accounts.changes.targeting.csv_upload import read_csv
from accounts.changes.tracking import control
from accounts.limit_templates.models import Assignment, LimitTemplate
from accounts.models import Account, RiskCategory, Trader
from accounts.pages.filters import AccountFilters
from riskadmin.audit.models import Event
from riskadmin.audit.tags import Tag
from riskadmin.notifications.delivery import deliver_due
from riskadmin.notifications.models import Message, Preferences, Webhook
from riskadmin.notifications.queries import unread_words
from riskadmin.staff.models import Staff
from riskadmin.staff.people import rights
from riskadmin.staff.people.models import RightsRequest, RightsState
from riskadmin.staff.people.rights import NotAllowed as RightsRefused
from riskadmin.staff.roles import Role
from riskadmin.tradovate.vocabulary import Environment
from tests.access.programs import limit, make_program
from tests.changes.world import LOCKED, ORIGIN, approve, ask, let_trade, make_account, make_trader, open_item
from tests.staff.people import make_person

pytestmark = pytest.mark.django_db


@pytest.fixture
def programs(db: None) -> tuple[RiskCategory, RiskCategory]:
    """Two programs on demo: account 1 is in the first, 2 in the second, 3 in none; 9 is on live."""
    first, second = make_program(1), make_program(2)
    make_account(1, LOCKED, risk_category=first)
    make_account(2, LOCKED, risk_category=second)
    make_account(3, LOCKED)
    make_account(9, LOCKED, environment="live")
    return first, second


def seen_by(person: Staff) -> list[int]:
    return list(visible_accounts(Account.objects.order_by("tradovate_id"), person).values_list("tradovate_id", flat=True))


class TestWhatIsWithin:
    def test_everything_for_who_is_not_limited_by_the_same_query(
        self, programs: tuple[RiskCategory, RiskCategory], support: Staff
    ) -> None:
        assert access_of(support) is None
        assert str(visible_accounts(Account.objects.all(), support).query) == str(Account.objects.all().query)
        assert str(visible_changes(Change.objects.all(), support).query) == str(Change.objects.all().query)
        assert seen_by(support) == [1, 2, 3, 9]

    def test_environments_and_programs_add_up(self, programs: tuple[RiskCategory, RiskCategory], support: Staff) -> None:
        first, second = programs
        assert seen_by(limit(support, first)) == [1]
        assert seen_by(limit(support, first, second)) == [1, 2]
        assert seen_by(limit(support, environments=["demo"])) == [1, 2, 3]
        assert seen_by(limit(support, first, environments=["live"])) == [1, 9]
        assert seen_by(limit(support)) == []

    def test_by_the_category_that_an_account_has_now(self, programs: tuple[RiskCategory, RiskCategory], support: Staff) -> None:
        first, second = programs
        limited = limit(support, first)
        Account.objects.filter(tradovate_id=1).update(risk_category=second)
        Account.objects.filter(tradovate_id=3).update(risk_category=first)
        assert seen_by(limited) == [3]

    def test_a_limited_query_asks_for_keys_alone(self, programs: tuple[RiskCategory, RiskCategory], support: Staff) -> None:
        query = str(visible_accounts(Account.objects.all(), limit(support, *programs)).query)
        assert "JOIN" not in query
        assert '"accounts_account"."risk_category_id" IN (' in query

    def test_a_trader_is_within_if_all_their_accounts_are(
        self, programs: tuple[RiskCategory, RiskCategory], support: Staff
    ) -> None:
        first, second = programs
        within, both, _ = make_trader(70), make_trader(71), make_trader(72)
        let_trade(within, Account.objects.get(tradovate_id=1))
        let_trade(both, make_account(4, risk_category=first), make_account(5, risk_category=second))
        assert list(visible_traders(Trader.objects.all(), limit(support, first))) == [within]
        assert visible_traders(Trader.objects.all(), limit(support, first, second)).count() == 2
        assert visible_traders(Trader.objects.all(), limit(support, environments=["demo"])).count() == 3


class TestRequesting:
    def test_ids_names_and_rows_outside_are_as_unknown_ones(
        self, programs: tuple[RiskCategory, RiskCategory], support: Staff
    ) -> None:
        limited = limit(support, programs[0])
        texts = ["1", "2", "ktr50k-000002", "4711", "nobody"]
        found = targets.of_text(Environment.DEMO, Unit.ACCOUNT, "\n".join(texts), viewer=limited)
        assert found.ids == (1,)
        assert {(each.line, each.fault, each.reason) for each in found.problems} == {
            (line, found.problems[0].fault, "No account has this id or name") for line in (2, 3, 4, 5)
        }
        content = "\n".join(["account", *texts]).encode()
        read = read_csv(KINDS["lock"], Environment.DEMO, content, filename="x.csv", viewer=limited)
        assert (read.ids, [each.line for each in read.problems]) == ((1,), [3, 4, 5, 6])
        assert len({each.reason for each in read.problems}) == 1

    def test_a_filter_takes_what_is_within(self, programs: tuple[RiskCategory, RiskCategory], support: Staff) -> None:
        limited = limit(support, *programs)
        chosen = targets.of_filters(AccountFilters({}, viewer=limited))
        assert chosen.ids == (1, 2)
        with pytest.raises(targets.BadTargets):
            targets.of_filters(AccountFilters({"environment": "live"}, viewer=limited))

    def test_a_plan_says_the_same_of_outside_and_of_unknown(
        self, programs: tuple[RiskCategory, RiskCategory], support: Staff
    ) -> None:
        planned = plan(
            KINDS["unlock"], environment=Environment.DEMO, target_ids=[1, 2, 4711], requester=limit(support, programs[0])
        )
        outside, unknown = planned.rows[1:]
        assert (outside.skip_reason, outside.name, outside.before) == (unknown.skip_reason, "2", unknown.before)
        assert outside.skip_reason == "Unknown: no such account is within the requester's access"

    def test_of_many_those_outside_are_not_asked_for(
        self, programs: tuple[RiskCategory, RiskCategory], support: Staff, sent: list[Any]
    ) -> None:
        limited = limit(support, programs[0])
        shown = plan(KINDS["unlock"], environment=Environment.DEMO, target_ids=[1, 2], requester=limited)
        change = ask(limited, "unlock", 1, 2, digest=shown.digest)
        skipped = change.items.get(target="demo:account:2")
        assert (skipped.state, skipped.account_id, skipped.target_name) == (ItemState.SKIPPED, None, "2")
        assert list(visible_changes(Change.objects.all(), limited)) == [change]

    def test_a_trader_with_an_account_outside_is_unknown(
        self, programs: tuple[RiskCategory, RiskCategory], support: Staff
    ) -> None:
        let_trade(make_trader(70), *Account.objects.filter(tradovate_id__in=[1, 2]))
        lockout = KINDS["user_lockout"]
        for count, is_known in ((1, False), (2, True)):
            limited = limit(support, *programs[:count])
            planned = plan(lockout, environment=Environment.DEMO, target_ids=[70], requester=limited)
            assert (planned.rows[0].subject is not None) is is_known

    def test_an_account_is_not_moved_into_a_category_outside(
        self, programs: tuple[RiskCategory, RiskCategory], client: Client, support: Staff
    ) -> None:
        """Neither by the form nor by parameters that reach the plan in another way, such as an undo."""
        first, second = programs
        limited = limit(support, first)
        client.force_login(limited)
        page = client.get(reverse("changes:new", args=["risk_category"]), {"account": "demo:1"})
        assert list(page.context["parameters_form"].fields["category"].queryset) == [first]
        chosen = {"account": "demo:1", "preview": "1", "category": str(second.pk)}
        refused = client.get(reverse("changes:new", args=["risk_category"]), chosen)
        assert (refused.status_code, refused.context["plan"]) == (422, None)
        kind = KINDS["risk_category"]
        parameters = {"id": second.tradovate_id, "name": second.name, "environment": "demo"}
        for requester, why in ((limited, "The new risk category is not within the requester's access"), (None, "")):
            planned = plan(kind, environment=Environment.DEMO, target_ids=[1], parameters=parameters, requester=requester)
            assert [row.skip_reason for row in planned.rows] == [why]


class TestChanges:
    def test_one_with_any_item_outside_is_not_visible(
        self, programs: tuple[RiskCategory, RiskCategory], support: Staff, supervisor: Staff, sent: list[Any]
    ) -> None:
        mixed, within = ask(support, "unlock", 1, 2), ask(support, "lock", 1)
        limited = limit(supervisor, programs[0])
        assert list(visible_changes(Change.objects.all(), limited)) == [within]
        assert list(visible_changes(Change.objects.all(), limit(supervisor, *programs)).order_by("pk")) == [mixed, within]
        assert visible_changes(Change.objects.all(), limit(supervisor, environments=["live"])).count() == 0

    def test_they_can_not_decide_and_get_no_message(
        self,
        programs: tuple[RiskCategory, RiskCategory],
        support: Staff,
        supervisor: Staff,
        second_supervisor: Staff,
        sent: list[Any],
    ) -> None:
        limited = limit(supervisor, programs[0])
        change = ask(support, "unlock", 2)
        assert [each.person for each in approvers_of(Change.objects.get())] == [second_supervisor]
        assert {each.person_id for each in Message.objects.filter(topic="approval_needed")} == {second_supervisor.pk}
        assert waiting_for(limited).count() == 0
        (row,) = listed(own(support), support, with_approvers=True)
        assert row.approvers == ["supervisor2"]
        with pytest.raises(DecisionRefused, match="outside your access"):
            approve(limited, change)
        assert not Approval.objects.filter(request=change.approval_id).exists()

    def test_an_account_that_moves_away_before_the_decision(
        self, programs: tuple[RiskCategory, RiskCategory], support: Staff, supervisor: Staff, sent: list[Any]
    ) -> None:
        first, second = programs
        limited = limit(supervisor, first)
        change = ask(support, "unlock", 1)
        assert waiting_for(limited).count() == 1
        Account.objects.filter(tradovate_id=1).update(risk_category=second)
        assert waiting_for(limited).count() == 0
        with pytest.raises(DecisionRefused, match="outside your access"):
            approve(limited, change)

    def test_one_that_its_requester_has_no_access_to_any_more_is_not_approved(
        self, programs: tuple[RiskCategory, RiskCategory], support: Staff, supervisor: Staff, sent: list[Any]
    ) -> None:
        change = ask(support, "unlock", 2)
        limit(support, programs[0])
        with pytest.raises(DecisionRefused, match="It has accounts outside the access of support"):
            approve(supervisor, change)

    def test_nor_do_they_steer_it(
        self, programs: tuple[RiskCategory, RiskCategory], support: Staff, supervisor: Staff, sent: list[Any]
    ) -> None:
        item = open_item(support, Account.objects.get(tradovate_id=2), "lock", ItemState.QUEUED)
        limited = limit(supervisor, programs[0])
        for act in (control.pause, control.cancel):
            with pytest.raises(NotAllowed, match="outside your access"):
                act(actor=limited, origin=ORIGIN, change_id=item.change_id)
        item.change.refresh_from_db()
        assert item.change.state == "running"

    def test_one_of_a_trader(
        self, programs: tuple[RiskCategory, RiskCategory], support: Staff, supervisor: Staff, sent: list[Any]
    ) -> None:
        let_trade(make_trader(70), *Account.objects.filter(tradovate_id__in=[1, 2]))
        change = ask(support, "user_lockout", 70)
        assert list(visible_changes(Change.objects.all(), limit(supervisor, programs[0]))) == []
        assert list(visible_changes(Change.objects.all(), limit(supervisor, *programs))) == [change]


class TestTheTrail:
    def test_compliance_sees_all_of_it_unless_limited(
        self, programs: tuple[RiskCategory, RiskCategory], client: Client, support: Staff, sent: list[Any]
    ) -> None:
        compliance = make_person(Role.COMPLIANCE)
        ask(support, "unlock", 2)
        client.force_login(compliance)
        assert "KTR50K-000002" in client.get(reverse("audit:list")).content.decode()
        limit(compliance, programs[0])
        page = client.get(reverse("audit:list")).content.decode()
        assert "KTR50K-000002" not in page
        assert "Person added" in page, "what is about no account is still there"


class TestGivingAccess:
    @pytest.fixture
    def administrator(self, db: None) -> Staff:
        return make_person(Role.ADMINISTRATOR)

    @pytest.fixture
    def other(self, db: None) -> Staff:
        return make_person(Role.ADMINISTRATOR, "other")

    def test_less_happens_at_once_and_more_once_another_one_confirms_it(
        self, programs: tuple[RiskCategory, RiskCategory], client: Client, administrator: Staff, other: Staff, support: Staff
    ) -> None:
        client.force_login(administrator)
        url, first = reverse("access:limits", args=[support.pk]), programs[0]
        client.post(url, {"scope": "limited", "environments": ["demo"], "comment": "Demo desk"})
        assert client.post(url, {"scope": "limited", "categories": [first.pk], "comment": "Evaluation desk"}).status_code == 303
        one = Access(environments=frozenset(), categories=frozenset({first.pk}))
        assert limit_of(support) == one
        page = client.post(url, {"scope": "everything", "comment": "Back"}, follow=True).content.decode()
        assert "Waits for another administrator: Access to every account, instead of" in page
        assert limit_of(support) == one
        messages = Message.objects.filter(topic="rights_requested")
        assert list(messages.values_list("person__username", flat=True)) == ["other"]
        asked = RightsRequest.objects.get()
        assert client.post(reverse("people:decide", args=[asked.pk, "confirm"])).status_code == 409
        assert limit_of(support) == one
        client.force_login(other)
        assert client.post(reverse("people:decide", args=[asked.pk, "confirm"])).status_code == 303
        assert limit_of(support) is None
        events = Event.objects.filter(tag=Tag.STAFF_ACCESS_SET).order_by("pk")
        fields = ("access_before", "access", "is_wider", "requester")
        assert [(each.staff_name, *map(each.detail.get, fields)) for each in events] == [
            ("administrator", "every account", "all of demo", False, None),
            ("administrator", "all of demo", "Program 1 on demo", False, None),
            ("other", "Program 1 on demo", "every account", True, "administrator"),
        ]
        requested, confirmed = Event.objects.filter(tag__startswith="staff:rights:").order_by("pk")
        assert requested.detail["words"] == "Access to every account, instead of Program 1 on demo"
        assert (confirmed.staff_name, confirmed.detail["requester"]) == ("other", "administrator")

    def test_declined_or_after_another_change_it_is_not_given(
        self, programs: tuple[RiskCategory, RiskCategory], administrator: Staff, other: Staff, support: Staff
    ) -> None:
        def ask_for_all() -> RightsRequest:
            asked = limit_access(actor=administrator, origin=ORIGIN, person=support, access=None, comment="Back")
            assert asked
            return asked

        limit(support, *programs)
        rights.decline(other, origin=ORIGIN, request_id=ask_for_all().pk)
        waits, less = ask_for_all(), Access(environments=frozenset(), categories=frozenset({programs[0].pk}))
        assert limit_access(actor=other, origin=ORIGIN, person=support, access=less, comment="One will do") is None
        waits.refresh_from_db()
        assert waits.state == RightsState.WITHDRAWN
        behind_it = ask_for_all()
        limit(support, programs[1])  # in no action's turn
        for request in (waits, behind_it):
            with pytest.raises(RightsRefused):
                rights.confirm(other, origin=ORIGIN, request_id=request.pk)
        assert limit_of(support) == Access(environments=frozenset(), categories=frozenset({programs[1].pk}))

    def test_access_to_nothing_is_shown_as_such(self, client: Client, administrator: Staff, support: Staff) -> None:
        """The categories of a limit may be gone."""
        limit(support)
        client.force_login(administrator)
        assert "has access to no account" in client.get(reverse("access:limits", args=[support.pk])).content.decode()

    def test_the_same_again_writes_nothing(self, administrator: Staff, support: Staff) -> None:
        limit_access(actor=administrator, origin=ORIGIN, person=support, access=None, comment="x")
        assert not Event.objects.filter(tag=Tag.STAFF_ACCESS_SET).exists()

    def test_bad_input_writes_nothing_and_is_kept(self, client: Client, administrator: Staff, support: Staff) -> None:
        client.force_login(administrator)
        url = reverse("access:limits", args=[support.pk])
        response = client.post(url, {"scope": "limited", "comment": "Kept as typed"})
        page = response.content.decode()
        assert response.status_code == 422
        assert "Choose an environment or a program." in page
        assert "Kept as typed" in page
        assert client.post(url, {"scope": "everything", "comment": " "}).status_code == 422
        assert not AccessLimit.objects.exists()

    def test_no_one_changes_their_own(self, client: Client, administrator: Staff) -> None:
        limit(administrator, environments=["demo"])
        client.force_login(administrator)
        response = client.post(reverse("access:limits", args=[administrator.pk]), {"scope": "everything", "comment": "x"})
        assert response.status_code == 409
        assert AccessLimit.objects.get().environments == ["demo"]

    def test_what_is_more_than_before(self, programs: tuple[RiskCategory, RiskCategory]) -> None:
        first, second = (each.pk for each in programs)

        def access(*environments: str, categories: frozenset[int] = frozenset()) -> Access:
            return Access(environments=frozenset(environments), categories=categories)

        one = access(categories=frozenset({first}))
        assert is_wider(access("demo"), None)
        assert is_wider(one, access("live"))
        assert is_wider(one, access(categories=frozenset({first, second})))
        assert not is_wider(None, one)
        assert not is_wider(None, None)
        assert is_wider(access("live"), one)
        assert not is_wider(access("demo"), one), "it was part of the environment"
        assert not is_wider(access("demo", categories=frozenset({first})), one)


@pytest.mark.parametrize("limited", [False, True])
def test_the_list_of_accounts_costs_one_query_more(
    programs: tuple[RiskCategory, RiskCategory], client: Client, support: Staff, *, limited: bool
) -> None:
    """The one that finds out whether the person's access is limited; the others are as many as ever."""
    if limited:
        limit(support, *programs)
    client.force_login(support)
    with CaptureQueriesContext(connection) as captured:
        client.get(reverse("accounts:list"))
    asked = [each["sql"] for each in captured.captured_queries if "access_accesslimit" in each["sql"]]
    assert len(asked) == 1


def test_the_messages_of_the_whole_firm_are_closed_to_a_limited_administrator(client: Client) -> None:
    """A webhook of theirs would get changes outside their access, and the outbox lists those messages."""
    administrator = make_person(Role.ADMINISTRATOR)
    client.force_login(administrator)
    outbox, webhooks = reverse("notifications:outbox"), reverse("notifications:webhooks")
    assert outbox in client.get(reverse("notifications:list")).content.decode()
    limit(administrator, environments=["live"])
    assert outbox not in client.get(reverse("notifications:list")).content.decode()
    adds = {"name": "own", "url": "https://hooks.example.com/x", "shape": "json", "topics": ["approval_needed"]}
    for response in (client.get(outbox), client.get(webhooks), client.post(webhooks, adds)):
        assert response.status_code == 403
        assert "manage the outbox and webhooks, with access to every account" in response.content.decode()
    assert not Webhook.objects.exists()
    refused = Event.objects.get(tag=Tag.STAFF_REQUEST_REFUSED)
    assert (refused.staff_id, refused.detail["path"]) == (administrator.pk, webhooks)


@pytest.mark.usefixtures("sent")
def test_messages_from_before_the_limit_are_neither_shown_nor_sent(
    programs: tuple[RiskCategory, RiskCategory], client: Client, support: Staff, supervisor: Staff, settings: Settings
) -> None:
    settings.EMAIL_IS_ON = True
    Staff.objects.filter(pk=supervisor.pk).update(email="sue@firm.example")
    Preferences.objects.create(person=supervisor, channels={"approval_needed": ["page", "email"]})
    within, outside = ask(support, "unlock", 1), ask(support, "unlock", 2)
    of_outside = Message.objects.get(person=supervisor, channel="page", link=reverse("changes:detail", args=[outside.pk]))
    client.force_login(supervisor)
    listing = reverse("notifications:list")
    assert f"Change {outside.pk} waits" in client.get(listing).content.decode()

    limited = limit(supervisor, programs[0])
    page = client.get(listing).content.decode()
    assert (f"Change {within.pk} waits" in page, f"Change {outside.pk} waits" in page) == (True, False)
    assert unread_words(limited) == "1"
    assert client.post(reverse("notifications:read", args=[of_outside.pk])).status_code == 404
    client.post(reverse("notifications:read_all"))
    of_outside.refresh_from_db()
    assert of_outside.read_at is None

    deliver_due()
    mailed = Message.objects.filter(person=supervisor, channel="email").order_by("pk")
    assert [each.state for each in mailed] == ["sent", "given_up"]
    assert [f"Change {within.pk} waits" in each.subject for each in mail.outbox] == [True]


def test_a_template_is_shown_for_what_is_within(
    programs: tuple[RiskCategory, RiskCategory], client: Client, support: Staff
) -> None:
    template = LimitTemplate.objects.create(name="Evaluation", level="firm")
    sizes: dict[str, Any] = {"risk_category": None, "evaluation_size_usd": 50_000}
    for to in ({"risk_category": programs[0]}, {"risk_category": programs[1]}, sizes):
        Assignment.objects.create(template=template, environment="demo", level="firm", assigned_by_name="sue", **to)
    client.force_login(support)
    pages = (reverse("limit_templates:list"), reverse("limit_templates:detail", args=[template.pk]))
    for limits, seen in (({}, [True, False, False]), ({"environments": ["demo"]}, [True, True, True])):
        limit(support, programs[0], **limits)
        for page in pages:
            shown = client.get(page).content.decode()
            assert [words in shown for words in ("Program 1", "Program 2", "50,000")] == seen


class TestItsForm:
    def save(self, client: Client, person: Staff, **sent: object) -> Any:
        client.force_login(Staff.objects.filter(username="ada").first() or make_person(Role.ADMINISTRATOR, "ada"))
        return client.post(reverse("access:limits", args=[person.pk]), {"comment": "New team", **sent})

    def test_a_limit_is_not_dropped_because_every_account_is_still_chosen(
        self, client: Client, programs: tuple[RiskCategory, RiskCategory], support: Staff
    ) -> None:
        first, second = programs
        for typed in ({"categories": [first.pk]}, {"environments": ["demo"]}):
            page = self.save(client, support, scope="everything", **typed)
            assert (page.status_code, list(page.context["form"].errors)) == (422, ["scope"])
        limit(support, first)
        assert self.save(client, support, scope="everything", categories=[second.pk]).status_code == 422
        assert not RightsRequest.objects.exists()

    def test_what_is_ticked_as_the_present_limit_does_not_keep_one_from_every_account(
        self, client: Client, programs: tuple[RiskCategory, RiskCategory], support: Staff
    ) -> None:
        limit(support, programs[0])
        assert self.save(client, support, scope="everything", categories=[programs[0].pk]).status_code == 303
        assert RightsRequest.objects.get().content["after"] is None
