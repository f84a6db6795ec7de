"""The firm's own reasons: an administrator keeps them, and a request names one."""

from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest
from django.db import IntegrityError, connection, transaction
from django.test import Client, override_settings
from django.urls import reverse

from accounts.changes.kinds import KINDS
from accounts.changes.models import Change
from accounts.changes.reasons.background import NOTHING as NONE
from accounts.changes.reasons.background import Given
from accounts.changes.reasons.models import Background, FirmReason
from accounts.changes.reasons.queries import offered
from riskadmin.audit.models import Event
from riskadmin.staff.models import Staff
from riskadmin.staff.roles import Role
from riskadmin.tradovate.vocabulary import ReasonCode
from tests.changes.pages import new, read_aloud, text_of, typed
from tests.changes.world import LOCKED, ask, make_account, taken_back, written
from tests.staff.people import make_person

pytestmark = pytest.mark.django_db

NOTHING = (0, 0, 0, 0)


@pytest.fixture
def support_client(client: Client, support: Staff, sent: list[Any]) -> Client:
    """Support's browser, and a locked account 101."""
    make_account(101, LOCKED)
    client.force_login(support)
    return client


@pytest.fixture
def keeping(client: Client) -> Client:
    """An administrator's browser."""
    client.force_login(make_person(Role.ADMINISTRATOR))
    return client


def reason(name: str, kind_name: str = "unlock") -> FirmReason:
    return FirmReason.objects.get(kind=kind_name, name=name)


def filled_in(support_client: Client, **fields: Any) -> dict[str, Any]:
    return typed(support_client.get(new("unlock"), {"account": "demo:101"}), **fields)


class TestRequest:
    def test_every_kind_begins_with_some(self) -> None:
        assert {name for name in KINDS if not offered(name).exists()} == set()

    def test_the_firms_reasons_come_first_and_those_of_a_brokerage_last_in_a_group(self, support_client: Client) -> None:
        page = text_of(support_client.get(new("unlock"), {"account": "demo:101"}))
        first, group = page.index("Reviewed with the trader</option>"), page.index('label="For brokerage account management"')
        assert first < page.index('value="Other"') < page.index('value="FullBalanceWithdrawal"') < group
        inside = page[group : page.index("</optgroup>")]
        grouped = {code.value for code in ReasonCode if f'value="{code.value}"' in inside}
        assert grouped == {code.value for code in ReasonCode if code.value.startswith(("Close", "Restricted"))}

    def test_what_it_says_is_stored_digested_recorded_and_shown(self, support_client: Client) -> None:
        ours = reason("Our mistake")
        with override_settings(TICKET_LINK="https://help.example/t/{ticket}?x"):
            answer = support_client.post(new("unlock"), filled_in(support_client, firm_reason=ours.pk, ticket="HELP-7"))
            assert answer.status_code == 303
            change = Change.objects.get()
            shown = [text_of(support_client.get(address)) for address in (answer["Location"], reverse("changes:list"))]
        assert (change.reason_code, change.reason_text) == ("Other", "Asked for by hand")
        kept = change.background
        assert (kept.firm_reason, kept.firm_reason_name, kept.ticket) == (ours, "Our mistake", "HELP-7")
        detail = Event.objects.get(tag="change:request:submitted").detail
        assert (detail["firm_reason"], detail["ticket"]) == ("Our mistake", "HELP-7")
        for page in shown:
            assert '<a href="https://help.example/t/HELP-7?x" target="_blank" rel="noopener noreferrer">HELP-7</a>' in page
            assert "Our mistake" in page

    def test_each_part_is_in_the_digest(self, support: Staff, sent: list[Any]) -> None:
        make_account(101, LOCKED)
        key, ours = uuid4(), Given.of(reason("Our mistake"), "")
        digests = set()
        for given in (NONE, Given(ticket="1"), Given(ticket="2"), ours, replace(ours, ticket="1")):
            with taken_back():
                digests.add(ask(support, "unlock", 101, form_key=key, given=given).digest)
        assert len(digests) == 5

    def test_without_scripts_the_chosen_one_fills_in_what_is_empty(self, support_client: Client) -> None:
        session = reason("New session")
        fields = {"firm_reason": session.pk, "reason_code": "", "reason_text": ""}
        assert support_client.post(new("unlock"), filled_in(support_client, **fields)).status_code == 303
        change = Change.objects.get()
        assert (change.reason_code, change.reason_text) == (session.code, session.text)

    def test_what_is_refused_comes_back_as_typed(self, support_client: Client, subtests: pytest.Subtests) -> None:
        mistake, other = reason("Our mistake"), reason("Breach of the rules", "lock")
        retired = reason("New session")
        page = support_client.get(new("unlock"), {"account": "demo:101"})
        FirmReason.objects.filter(pk=retired.pk).update(retired_at="2026-11-30T00:00Z")
        no_longer = "This reason is no longer offered. Choose another one."
        cases: dict[str, tuple[dict[str, Any], str, str]] = {
            "an open gap": (
                {"firm_reason": mistake.pk, "reason_text": mistake.text},
                "reason_text",
                "Replace [what went wrong] with what applies here.",
            ),
            "retired since": ({"firm_reason": retired.pk}, "firm_reason", no_longer),
            "of another kind": ({"firm_reason": other.pk}, "firm_reason", no_longer),
            "no number": ({"firm_reason": "²"}, "firm_reason", no_longer),
            "no ticket number": (
                {"ticket": "javascript:1"},
                "ticket",
                "This is not a ticket number. Write it as in HELP-1234, or leave it empty.",
            ),
        }
        for name, (fields, field, message) in cases.items():
            with subtests.test(name):
                answer = support_client.post(new("unlock"), typed(page, **fields))
                assert answer.status_code == 422
                form = answer.context["form"]
                assert dict(form.errors) == {field: [message]}
                assert {key: str(form[key].value()) for key in fields} == {key: str(value) for key, value in fields.items()}
                assert written() == NOTHING
                assert not Background.objects.exists()

    def test_it_stays_as_requested(self, support_client: Client, subtests: pytest.Subtests) -> None:
        support_client.post(new("unlock"), filled_in(support_client, ticket="HELP-7"))
        kept = Background.objects.get()
        connection.cursor().execute("SET CONSTRAINTS ALL IMMEDIATE")  # TRUNCATE waits for them
        for statement in (
            "UPDATE reasons_background SET ticket = 'HELP-8'",
            "DELETE FROM reasons_background",
            "TRUNCATE reasons_background",
        ):
            with subtests.test(statement), pytest.raises(IntegrityError, match="stays as it is"), transaction.atomic():
                connection.cursor().execute(statement)
        connection.cursor().execute("SET CONSTRAINTS ALL DEFERRED")
        plain = ask(kept.change.requested_by, "lock", 101)
        with pytest.raises(IntegrityError, match="nothing is added to its request"), transaction.atomic():
            Background.objects.create(change=plain, ticket="LATE-1", digest="0" * 64)


class TestKeeping:
    def test_add_edit_and_order(self, keeping: Client) -> None:
        said = {"name": "Bonus round", "code": "Other", "text": "Unlocked for the bonus round."}
        assert keeping.post(reverse("reasons:add", args=["unlock"]), said).status_code == 303
        added = offered("unlock").last()
        assert added is not None
        assert (added.name, added.text) == ("Bonus round", "Unlocked for the bonus round.")
        assert keeping.post(reverse("reasons:edit", args=[added.pk]), {**said, "name": "Bonus"}).status_code == 303
        assert keeping.post(reverse("reasons:move", args=[added.pk, "up"])).status_code == 303
        assert [each.name for each in offered("unlock")][-2:] == ["Bonus", "Review finished"]
        assert keeping.post(reverse("reasons:move", args=[added.pk, "sideways"])).status_code == 404
        events = list(Event.objects.filter(tag__startswith="reason:").order_by("pk").values_list("tag", "before", "after"))
        assert events == [
            ("reason:entry:added", None, said),
            ("reason:entry:edited", said, {**said, "name": "Bonus"}),
            ("reason:list:reordered", {"position": 5}, {"position": 4}),
        ]

    def test_a_retired_one_is_not_offered_and_can_come_back(self, keeping: Client) -> None:
        ours = reason("Our mistake")
        for action, is_offered in (("retire", False), ("retire", False), ("restore", True), ("restore", True)):
            assert keeping.post(reverse(f"reasons:{action}", args=[ours.pk])).status_code == 303
            assert (ours in offered("unlock")) == is_offered
        page = read_aloud(keeping.get(reverse("reasons:list")))
        assert "Our mistake" in page
        assert list(Event.objects.filter(tag__startswith="reason:").order_by("pk").values_list("tag", flat=True)) == [
            "reason:entry:retired",
            "reason:entry:restored",
        ]

    def test_what_is_refused_writes_nothing(self, keeping: Client, subtests: pytest.Subtests) -> None:
        ours, before = reason("Our mistake"), list(FirmReason.objects.order_by("pk").values())
        good = {"name": "Bonus", "code": "Other", "text": "x"}
        for fields, field in (
            ({**good, "name": "our MISTAKE"}, "name"),
            ({**good, "name": " "}, "name"),
            ({**good, "code": "Boredom"}, "code"),
            ({**good, "text": ""}, "text"),
        ):
            with subtests.test(field):
                answer = keeping.post(reverse("reasons:add", args=["unlock"]), fields)
                assert (answer.status_code, list(answer.context["form"].errors)) == (422, [field])
        taken = keeping.post(reverse("reasons:edit", args=[ours.pk]), {**good, "name": "New session"})
        assert (taken.status_code, list(taken.context["form"].errors)) == (422, ["name"])
        assert list(FirmReason.objects.order_by("pk").values()) == before
        assert not Event.objects.filter(tag__startswith="reason:").exists()
