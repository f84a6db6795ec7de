"""An unknown outcome is settled by a person, on the evidence that they were shown: who may, what is written, what is refused."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts.changes.models import Change, Item
from accounts.changes.states import ChangeState, ItemState
from accounts.changes.tracking import control
from accounts.execution import resolving
from accounts.execution.models import Call, CallState, Purpose
from accounts.execution.resolving import NotResolved, OwnRequest, Resolution, WrongName, read_again, resolve
from accounts.execution.unknown_item import question
from riskadmin.audit.models import Event
from riskadmin.audit.tags import Tag
from riskadmin.staff.models import Staff
from riskadmin.staff.roles import Role
from tests.changes.pages import text_of
from tests.changes.world import ask, make_accounts, walk
from tests.execution.unknown_items import WHY, everything, make_call, refused_since, unknown
from tests.execution.worker import ORIGIN
from tests.rewriting import unguarded
from tests.staff.people import make_person

pytestmark = pytest.mark.django_db


@pytest.fixture
def announced(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The changes that were announced to the workers."""
    changes: list[int] = []

    def keep(*, change_id: int, lane: str) -> None:
        changes.append(change_id)

    monkeypatch.setattr(resolving, "dispatch_on_commit", keep)
    return changes


def say(person: Staff, item: Item, resolution: Resolution, **fields: Any) -> Item:
    return resolve(
        actor=person,
        origin=ORIGIN,
        item_id=item.pk,
        **{"resolution": resolution, "comment": "Seen", "seen_call": question(item).calls.last, **fields},
    )


class TestResolve:
    @pytest.mark.parametrize(
        ("resolution", "note"),
        [
            (Resolution.APPLIED, "It was applied, says supervisor: Seen"),
            (Resolution.CANCELLED, "It was not applied, and is left, says supervisor: Seen"),
        ],
    )
    def test_a_person_says_what_became_of_it(
        self, person: Staff, announced: list[int], resolution: Resolution, note: str
    ) -> None:
        item = unknown()
        say(person, item, resolution)
        item.refresh_from_db()
        assert (item.state, item.note, item.resolved_by) == (resolution.value, note, person)
        assert item.settled_at is not None
        assert Change.objects.get().state == ChangeState.FINISHED
        event = Event.objects.get(item_id=item.pk, tag=Tag.ITEM_RESOLVED)
        assert (event.staff_id, event.account_id) == (person.pk, 101)
        assert (event.detail["outcome"], event.detail["comment"]) == (resolution.value, "Seen")
        assert event.detail["seen_call"] == Call.objects.get().pk
        assert Event.objects.filter(tag=Tag.CHANGE_FINISHED).count() == 1
        assert announced == []

    def test_it_is_sent_again(self, person: Staff, announced: list[int]) -> None:
        item = unknown()
        Item.objects.filter(pk=item.pk).update(attempts=3, ticket="t", observed={"admin_action": "Normal"})
        say(person, item, Resolution.QUEUED)
        item.refresh_from_db()
        assert (item.state, item.attempts, item.ticket, item.not_before) == (ItemState.QUEUED, 0, "", None)
        assert (item.note, item.observed) == ("Sent again by supervisor: Seen", None)  # it was read before this call
        assert Event.objects.get(item_id=item.pk, tag=Tag.ITEM_RESENT).staff_id == person.pk
        assert (announced, Change.objects.get().state) == ([item.change_id], ChangeState.RUNNING)

    @pytest.mark.parametrize("held", [control.pause, control.cancel])
    def test_but_only_while_its_change_runs(self, person: Staff, announced: list[int], held: Any) -> None:
        item = unknown()
        held(actor=person, origin=ORIGIN, change_id=item.change_id)
        before = everything()
        with pytest.raises(NotResolved, match=r"Nothing is sent for change \d+: it is (paused|cancelling)"):
            say(person, item, Resolution.QUEUED)
        assert (everything(), announced) == (before, [])
        say(person, item, Resolution.CANCELLED)  # that can be said all the same
        assert Change.objects.get().state == ChangeState.FINISHED

    def test_what_may_do_harm_twice_wants_the_name_typed(self, person: Staff, announced: list[int]) -> None:
        item = unknown(kind="liquidate")
        before = everything()
        for typed in ("", "KTR50K-000102", "ktr50k-000101"):
            with pytest.raises(WrongName, match="Type KTR50K-000101"):
                say(person, item, Resolution.QUEUED, typed_name=typed)
        assert (everything(), announced) == (before, [])
        say(person, item, Resolution.QUEUED, typed_name=" KTR50K-000101 ")
        assert Item.objects.get().state == ItemState.QUEUED

    def test_half_done_is_left_half_done(self, person: Staff) -> None:
        item = unknown(kind="liquidate")
        Item.objects.filter(pk=item.pk).update(step=1)
        say(person, item, Resolution.CANCELLED)
        assert Item.objects.get().note.startswith("Half done (")

    def test_one_that_was_settled_meanwhile(self, person: Staff) -> None:
        item = unknown()
        Item.objects.filter(pk=item.pk).update(state=ItemState.APPLIED)
        before = everything()
        for resolution in Resolution:
            with pytest.raises(NotResolved, match="settled meanwhile: applied"):
                say(person, item, resolution)
        assert everything() == before

    @pytest.mark.parametrize("due_in", [timedelta(0), timedelta(hours=1)])
    def test_one_that_is_to_be_read_again(self, person: Staff, due_in: timedelta) -> None:
        """A reading that fails again and again keeps no one from deciding."""
        item = unknown()
        Item.objects.filter(pk=item.pk).update(not_before=timezone.now() + due_in)
        say(person, item, Resolution.APPLIED)
        item.refresh_from_db()
        assert (item.state, item.not_before) == (ItemState.APPLIED, None)

    def test_the_requester_does_not_decide(self, person: Staff, announced: list[int]) -> None:
        item = unknown(requested_by=person)
        before = everything()
        for resolution in Resolution:
            with pytest.raises(OwnRequest, match=r"^You requested this change, so somebody else has to decide\.$"):
                say(person, item, resolution)
        assert (refused_since(before, person), announced) == (list(Resolution), [])
        say(make_person(Role.SUPERVISOR, "another"), item, Resolution.APPLIED)
        assert Item.objects.get().state == ItemState.APPLIED

    def test_on_evidence_that_is_no_longer_all(self, person: Staff) -> None:
        item = unknown()
        seen = question(item).calls.last
        make_call(item)
        before = everything()
        with pytest.raises(NotResolved, match="Another call was made"):
            say(person, item, Resolution.APPLIED, seen_call=seen)
        assert everything() == before

    def test_a_change_of_several_waits_for_the_last(self, person: Staff) -> None:
        make_accounts([1, 2])
        change = ask(make_person(Role.SUPPORT), "lock", 1, 2)
        for item in change.items.all():
            walk(item, ItemState.UNKNOWN)
        first, second = change.items.select_related("change").order_by("position")
        say(person, first, Resolution.APPLIED)
        assert Change.objects.get().state == ChangeState.RUNNING
        say(person, second, Resolution.CANCELLED)
        assert Change.objects.get().state == ChangeState.FINISHED


class TestReadAgain:
    def test_it_comes_due(self, person: Staff) -> None:
        item = unknown()
        Item.objects.filter(pk=item.pk).update(not_before=timezone.now() + timedelta(hours=1))
        read_again(actor=person, origin=ORIGIN, item_id=item.pk)
        item.refresh_from_db()
        assert item.state == ItemState.UNKNOWN
        assert item.not_before is not None
        assert item.not_before <= timezone.now()
        assert Event.objects.get(item_id=item.pk, tag=Tag.ITEM_READ_AGAIN).staff_id == person.pk
        before = everything()
        with pytest.raises(NotResolved, match="to be read back already"):
            read_again(actor=person, origin=ORIGIN, item_id=item.pk)
        assert everything() == before

    def test_the_requester_may_have_it_read(self, person: Staff) -> None:
        item = unknown(requested_by=person)
        read_again(actor=person, origin=ORIGIN, item_id=item.pk)
        assert Event.objects.get(item_id=item.pk, tag=Tag.ITEM_READ_AGAIN).staff_id == person.pk

    def test_one_that_was_settled_meanwhile(self, person: Staff) -> None:
        item = unknown()
        Item.objects.filter(pk=item.pk).update(state=ItemState.APPLIED)
        before = everything()
        with pytest.raises(NotResolved, match="settled meanwhile: applied"):
            read_again(actor=person, origin=ORIGIN, item_id=item.pk)
        assert everything() == before

    def test_what_can_not_be_read(self, person: Staff, monkeypatch: pytest.MonkeyPatch) -> None:
        item = unknown()
        monkeypatch.setattr(type(question(item).kind), "is_read_back", False)
        before = everything()
        with pytest.raises(NotResolved, match="no way to read"):
            read_again(actor=person, origin=ORIGIN, item_id=item.pk)
        assert everything() == before


class TestWords:
    def test_why_it_is_unknown(self, monkeypatch: pytest.MonkeyPatch) -> None:
        item = unknown()
        assert question(item).why == f"{WHY}."
        item.note = ""
        assert question(item).why == f"{WHY}."
        item.note = "The read-back shows the target as it was"
        assert question(item).why == f"{WHY}. The read-back shows the target as it was.", "what became of the call comes first"
        item.note = ""
        with unguarded("execution_call"):
            Call.objects.update(note="")
        assert question(item).why == "The call ended without an answer."
        monkeypatch.setattr(type(question(item).kind), "is_read_back", False)
        assert question(item).why == (
            "The call ended without an answer. Tradovate offers no way to read back whether it was applied."
        )


class TestPages:
    @staticmethod
    def post(client: Client, item: Item, **fields: Any) -> Any:
        sent = {"resolution": "applied", "comment": "Seen", "seen_call": question(item).calls.last, **fields}
        return client.post(reverse("execution:resolve", args=[item.pk]), sent)

    def test_the_list_and_its_count(self, client: Client, person: Staff) -> None:
        item, soon = unknown(), unknown(102)
        Item.objects.filter(pk=soon.pk).update(not_before=timezone.now() + timedelta(hours=1))
        client.force_login(person)
        response = client.get(reverse("execution:unresolved"))
        assert [row.item.pk for row in response.context["rows"]] == [item.pk, soon.pk]
        page = " ".join(text_of(response).split())
        assert page.count(f"{WHY}.") == 2
        assert page.count("It is not read again by itself") == page.count("It is read again at <time") == 1
        count = reverse("execution:unresolved_count")
        assert "2<span" in text_of(client.get(count))
        say(person, item, Resolution.APPLIED)
        say(person, soon, Resolution.APPLIED)
        assert text_of(client.get(count)).strip() == ""
        assert "Every outcome is known." in text_of(client.get(reverse("execution:unresolved")))

    def test_the_list_costs_the_same_for_many(self, client: Client, person: Staff) -> None:
        client.force_login(person)

        def cost() -> int:
            with CaptureQueriesContext(connection) as queries:
                client.get(reverse("execution:unresolved"))
            return len(queries)

        unknown()
        cost()
        few = cost()
        for number in range(102, 122):
            unknown(number)
        assert cost() == few

    def test_an_item_is_decided_on_its_page(self, client: Client, person: Staff) -> None:
        item = unknown()
        client.force_login(person)
        page = text_of(client.get(reverse("execution:item", args=[item.pk])))
        assert "Tradovate has not confirmed the outcome" in page
        assert f'name="seen_call" value="{question(item).calls.last}"' in page
        response = self.post(client, item)
        assert (response.status_code, response["Location"]) == (303, reverse("execution:item", args=[item.pk]))
        page = text_of(client.get(response["Location"]))
        assert "It was applied, says supervisor: Seen" in page
        assert 'name="seen_call"' not in page
        assert self.post(client, item).status_code == 409

    @pytest.mark.parametrize(
        "fields", [{"comment": ""}, {"comment": "  "}, {"comment": "x" * 2001}, {"resolution": "rejected"}, {"seen_call": "x"}]
    )
    def test_a_bad_form(self, client: Client, person: Staff, fields: dict[str, str]) -> None:
        item = unknown()
        client.force_login(person)
        before = everything()
        response = self.post(client, item, **fields)
        assert response.status_code == 422
        assert list(response.context["form"].errors) == list(fields)
        assert everything() == before

    def test_a_name_that_is_another(self, client: Client, person: Staff) -> None:
        item = unknown(kind="liquidate")
        client.force_login(person)
        before = everything()
        response = self.post(client, item, resolution="queued", name="KTR", comment="Typed with care")
        assert response.status_code == 422
        assert "Type KTR50K-000101 to send it again." in text_of(response)
        assert "Typed with care" in text_of(response)
        assert everything() == before

    @pytest.mark.parametrize("role", [Role.SUPPORT, Role.COMPLIANCE, Role.ADMINISTRATOR])
    def test_who_may_not(self, client: Client, person: Staff, role: Role) -> None:
        item = unknown()
        client.force_login(make_person(role, "another"))
        page = text_of(client.get(reverse("execution:item", args=[item.pk])))
        assert "A supervisor decides what became of it." in page
        assert reverse("execution:resolve", args=[item.pk]) not in page
        before = everything()
        assert self.post(client, item).status_code == 403
        assert client.post(reverse("execution:read_again", args=[item.pk])).status_code == 403
        assert everything() == before

    def test_the_requester_sees_why_not_and_a_forged_form_is_refused(self, client: Client, person: Staff) -> None:
        item = unknown(requested_by=person)
        client.force_login(person)
        page = text_of(client.get(reverse("execution:item", args=[item.pk])))
        assert page.count("You requested this change, so somebody else has to decide.") == 1
        assert reverse("execution:resolve", args=[item.pk]) not in page
        assert reverse("execution:read_again", args=[item.pk]) in page
        before = everything()
        for resolution in Resolution:
            response = self.post(client, item, resolution=resolution.value)
            assert response.status_code == 403
            assert "Somebody else has to decide" in text_of(response)
        assert refused_since(before, person) == list(Resolution)

    def test_the_page_says_when_it_is_read_again_and_takes_a_decision(self, client: Client, person: Staff) -> None:
        item = unknown()
        Item.objects.filter(pk=item.pk).update(not_before=timezone.now() + timedelta(hours=1))
        client.force_login(person)
        page = " ".join(text_of(client.get(reverse("execution:item", args=[item.pk]))).split())
        assert "It is read again at <time" in page
        assert self.post(client, item).status_code == 303
        assert Item.objects.get().state == ItemState.APPLIED

    @pytest.mark.parametrize("name", ["resolve", "read_again", "item"])
    def test_one_that_is_not_there(self, client: Client, person: Staff, name: str) -> None:
        client.force_login(person)
        for pk in (0, 4711, 2**63):
            address = reverse(f"execution:{name}", args=[pk])
            assert (client.get(address) if name == "item" else client.post(address)).status_code == 404


class TestEvidence:
    def test_every_call_with_what_was_sent_and_answered(self, client: Client, person: Staff) -> None:
        item = unknown()
        make_call(
            item,
            purpose=Purpose.READ_BACK,
            state=CallState.ANSWERED,
            method="GET",
            path="/v1/accountRiskStatus/items?ids=101",
            request_text="",
            status=200,
            elapsed_ms=1234,
            response_text='[{"id": 101, "adminAction": "<b>Normal</b>"}]',
        )
        Event.objects.create(tag=Tag.ITEM_UNKNOWN, change_id=item.change_id, item_id=item.pk, detail={"text": WHY})
        shared = Event.objects.create(
            tag=Tag.ITEM_SENT, change_id=item.change_id, call_id=Call.objects.latest("pk").pk, detail={"status": 200}
        )
        elsewhere = Event.objects.create(tag=Tag.ITEM_SENT, change_id=item.change_id, call_id=4711, detail={"status": 500})
        client.force_login(person)
        response = client.get(reverse("execution:item", args=[item.pk]))
        page = text_of(response)
        assert "/v1/accountRiskStatus/items?ids=101" in page
        assert "&lt;b&gt;Normal&lt;/b&gt;" in page
        assert "1,234 ms" in page
        shown = [line.event.pk for line in response.context["table"].rows]
        assert shared.pk in shown
        assert elsewhere.pk not in shown
        assert len(shown) == 2

    def test_of_a_long_answer_the_part_about_the_target(self, client: Client, person: Staff) -> None:
        item = unknown(777_001)
        answer = "x" * 50_000 + '{"accountId": 777001, "adminAction": "Normal"}' + "y" * 50_000
        call = make_call(item, state=CallState.ANSWERED, status=200, response_text=answer, request_text="[777001]")
        client.force_login(person)
        response = client.get(reverse("execution:item", args=[item.pk]))
        shown = response.context["calls"][0]
        assert '"accountId": 777001' in shown.answer
        assert (len(shown.answer), shown.answer_length, shown.sent) == (2000, len(answer), "[777001]")
        assert f"a part of {len(answer):,} characters" in text_of(response)
        assert len(response.content) < 40_000

        whole = client.get(reverse("execution:call_file", args=[call.pk]))
        assert whole.streaming
        assert whole["Content-Disposition"] == f'attachment; filename="call-{call.pk}.txt"'
        reported = whole.getvalue().decode()
        assert answer in reported
        assert "[777001]" in reported

    def test_the_calls_of_a_change_are_shown_in_short(self, client: Client, person: Staff) -> None:
        item = unknown()
        make_call(item, state=CallState.ANSWERED, status=200, response_text="z" * 100_000)
        client.force_login(person)
        response = client.get(reverse("execution:calls", args=[item.change_id]))
        assert [call.answer_length for call in response.context["calls"]] == [100_000, 0]
        assert len(response.content) < 40_000
