"""The page and the form of asking: what is refused keeps what was typed and writes nothing."""

from typing import Any
from uuid import UUID, uuid4

import pytest
from django.test import Client
from django.urls import reverse

from accounts.changes.forms import ADDRESS_MAX, read_targets
from accounts.changes.models import Change
from accounts.changes.states import ChangeState
from accounts.changes.targeting.targets import BadTargets
from riskadmin.staff.models import Staff
from riskadmin.staff.roles import Role
from riskadmin.tradovate.vocabulary import REASON_TEXT_MAX, Environment, ReasonCode
from tests.approvals.policies import put_policy_in_force
from tests.changes.pages import text_of
from tests.changes.world import CLOSING_ONLY, LOCKED, make_account, planned, set_status, written
from tests.staff.people import make_person

pytestmark = pytest.mark.django_db

Sent = list[tuple[str, list[int], str]]
NOTHING = (0, 0, 0, 0)
HTMX = {"HX-Request": "true"}


def new(kind_name: str = "lock") -> str:
    return reverse("changes:new", args=[kind_name])


def typed(*account_ids: int, kind_name: str = "lock", **fields: Any) -> dict[str, Any]:
    """What the form sends, as the page showed it, with some fields filled in otherwise."""
    return {
        "account": [f"demo:{account_id}" for account_id in account_ids],
        "reason_code": ReasonCode.OTHER.value,
        "reason_text": "The trader called",
        "form_key": str(uuid4()),
        "digest": planned(kind_name, *account_ids).digest,
        **fields,
    }


@pytest.fixture
def support_client(client: Client, support: Staff, sent: Sent) -> Client:
    """Support's browser, and a plain account 101."""
    make_account(101)
    client.force_login(support)
    return client


class TestPage:
    def test_it_shows_the_plan_and_a_form_with_its_own_key(self, support_client: Client) -> None:
        first = support_client.get(new(), {"account": ["demo:101", "demo:999"]})
        second = support_client.get(new(), {"account": ["demo:101", "demo:999"]})

        assert first.status_code == 200
        shown = first.context["plan"]
        assert [(row.target_id, row.skip_reason) for row in shown.rows] == [
            (101, ""),
            (999, "Unknown: no such account was read from Tradovate"),
        ]
        form = first.context["form"]
        assert form["digest"].value() == shown.digest
        assert UUID(form["form_key"].value()).version == 4
        assert form["form_key"].value() != second.context["form"]["form_key"].value()
        assert first.context["button"] == "Lock 1 account"
        assert b"Every new order is refused" in first.content
        assert written() == NOTHING

    def test_what_needs_a_decision_says_so(self, support_client: Client) -> None:
        make_account(102, LOCKED)
        response = support_client.get(new("unlock"), {"account": "demo:102"})
        assert response.context["button"] == "Ask for approval"
        assert "this has to be approved by 1 supervisor who did not ask" in text_of(response)

    def test_where_nothing_would_happen_there_is_no_form(self, support_client: Client) -> None:
        response = support_client.get(new("unlock"), {"account": "demo:101"})
        assert response.status_code == 200
        assert "Nothing would happen." in text_of(response)
        assert 'name="form_key"' not in text_of(response)

    def test_where_no_rule_speaks_there_is_no_button(self, support_client: Client) -> None:
        put_policy_in_force([])
        response = support_client.get(new(), {"account": "demo:101"})
        assert response.context["needed"] is None
        assert "No policy rule covers lock on demo for 1 target." in text_of(response)
        assert '<button class="btn btn-danger"' not in text_of(response)

    def test_htmx_gets_the_fragment(self, support_client: Client) -> None:
        whole = text_of(support_client.get(new(), {"account": "demo:101"}))
        fragment = text_of(support_client.get(new(), {"account": "demo:101"}, headers=HTMX))
        assert "<html" in whole
        assert "<html" not in fragment
        assert fragment.strip().startswith('<div id="ask">')

    @pytest.mark.parametrize("kind_name", ["locks", "change_demo_balance"])
    def test_no_such_kind(self, support_client: Client, kind_name: str) -> None:
        assert support_client.get(new(kind_name), {"account": "demo:101"}).status_code == 404


class TestSubmit:
    def test_a_browser_goes_to_the_change(self, support_client: Client, sent: Sent) -> None:
        response = support_client.post(new(), typed(101))
        change = Change.objects.get()
        assert (response.status_code, response["Location"]) == (303, reverse("changes:detail", args=[change.pk]))
        assert (change.state, change.reason_text) == (ChangeState.RUNNING, "The trader called")
        assert written() == (1, 1, 0, 1)

    def test_htmx_is_redirected(self, support_client: Client) -> None:
        response = support_client.post(new(), typed(101), headers=HTMX)
        assert (response.status_code, response["HX-Redirect"]) == (
            200,
            reverse("changes:detail", args=[Change.objects.get().pk]),
        )

    def test_a_form_sent_again_leads_to_the_same_change(self, support_client: Client) -> None:
        sent_twice = typed(101)
        first, second = support_client.post(new(), sent_twice), support_client.post(new(), sent_twice)
        assert first["Location"] == second["Location"]
        assert written() == (1, 1, 0, 1)

    def test_who_and_from_where_is_kept(self, support_client: Client, support: Staff) -> None:
        from riskadmin.audit.models import Event

        support_client.post(new(), typed(101), REMOTE_ADDR="203.0.113.9")
        event = Event.objects.latest("pk")
        assert (event.staff_id, event.address) == (support.pk, "203.0.113.9")
        assert len(event.request_id) == 32


REFUSED: dict[str, tuple[dict[str, Any], str, str]] = {
    "no reason": ({"reason_code": ""}, "reason_code", "This field is required."),
    "a reason that is none": (
        {"reason_code": "Boredom"},
        "reason_code",
        "Select a valid choice. Boredom is not one of the available choices.",
    ),
    "other without words": (
        {"reason_text": ""},
        "reason_text",
        "Say why: with the reason Other, Tradovate asks for it in words.",
    ),
    "other with blanks": (
        {"reason_text": " \r\n\t "},
        "reason_text",
        "Say why: with the reason Other, Tradovate asks for it in words.",
    ),
    "a character too many": (
        {"reason_text": "x" * (REASON_TEXT_MAX + 1)},
        "reason_text",
        "Ensure this value has at most 8192 characters (it has 8193).",
    ),
    "a line's end too many": (
        {"reason_text": "x" * (REASON_TEXT_MAX - 1) + "\r\ny"},
        "reason_text",
        "Ensure this value has at most 8192 characters (it has 8193).",
    ),
    "a NUL": ({"reason_text": "a\x00b"}, "reason_text", "Null characters are not allowed."),
    "no key": ({"form_key": ""}, "form_key", "This field is required."),
    "a key that is none": ({"form_key": "again"}, "form_key", "Enter a valid UUID."),
    "no digest": ({"digest": ""}, "digest", "This field is required."),
    "a digest that is none": ({"digest": "../../etc"}, "digest", "Enter a valid value."),
}


@pytest.mark.parametrize("headers", [{}, HTMX])
@pytest.mark.parametrize("case", REFUSED)
def test_a_bad_form_comes_back_as_it_was_typed(support_client: Client, sent: Sent, case: str, headers: dict[str, str]) -> None:
    fields, field, message = REFUSED[case]
    sent_form = typed(101, **fields)

    response = support_client.post(new(), sent_form, headers=headers)

    assert response.status_code == 422
    form = response.context["form"]
    assert dict(form.errors) == {field: [message]}
    for name in ("reason_code", "reason_text", "form_key", "digest"):
        assert form[name].value() == sent_form[name]
    assert 'value="demo:101"' in text_of(response)
    assert ("<html" in text_of(response)) == (not headers)
    assert written() == NOTHING
    assert sent == []


@pytest.mark.parametrize(
    "text",
    [
        "x" * REASON_TEXT_MAX,
        "é" * REASON_TEXT_MAX,
        "x" * (REASON_TEXT_MAX - 2) + "\r\ny",
        "\r\n".join("x" * (REASON_TEXT_MAX // 2)) + "y",
    ],
    ids=["plain", "accents", "one line's end", "nothing but short lines"],
)
def test_exactly_the_longest_text_is_kept_word_for_word(support_client: Client, text: str) -> None:
    response = support_client.post(new(), typed(101, reason_text=text))
    assert response.status_code == 303
    kept = Change.objects.get().reason_text
    assert kept == text.replace("\r\n", "\n")
    assert len(kept) == REASON_TEXT_MAX


@pytest.mark.parametrize("code", [code for code in ReasonCode if code != ReasonCode.OTHER])
def test_every_other_reason_speaks_for_itself(support_client: Client, code: ReasonCode) -> None:
    assert support_client.post(new(), typed(101, reason_code=code.value, reason_text="")).status_code == 303
    assert (Change.objects.get().reason_code, Change.objects.get().reason_text) == (code.value, "")


class TestMoved:
    @pytest.mark.parametrize("headers", [{}, HTMX])
    def test_the_plan_as_it_is_now_comes_with_what_was_typed(self, support_client: Client, headers: dict[str, str]) -> None:
        sent_form = typed(101, reason_text="Typed with care")
        set_status(planned("lock", 101).rows[0].account, admin_action=CLOSING_ONLY)

        response = support_client.post(new(), sent_form, headers=headers)

        assert response.status_code == 409
        assert written() == NOTHING
        form = response.context["form"]
        assert (form["reason_text"].value(), form["form_key"].value()) == ("Typed with care", sent_form["form_key"])
        assert form["digest"].value() == planned("lock", 101).digest != sent_form["digest"]
        assert "An account has changed since this page was shown" in text_of(response)
        assert f'value="{planned("lock", 101).digest}"' in text_of(response)

        again = support_client.post(new(), {**sent_form, "digest": form["digest"].value()})
        assert again.status_code == 303
        assert written() == (1, 1, 0, 1)

    def test_where_nothing_is_left_to_do(self, support_client: Client) -> None:
        sent_form = typed(101)
        set_status(planned("lock", 101).rows[0].account, admin_action=LOCKED)
        response = support_client.post(new(), sent_form)
        assert response.status_code == 409
        assert "Nothing would happen." in text_of(response)
        assert written() == NOTHING

    def test_a_forged_form_for_nothing(self, support_client: Client) -> None:
        response = support_client.post(new(), typed(999))
        assert response.status_code == 422
        assert response.context["form"].non_field_errors() == ["Nothing would happen to any of these accounts."]
        assert written() == NOTHING

    def test_a_rule_that_is_gone(self, support_client: Client) -> None:
        sent_form = typed(101)
        put_policy_in_force([])
        response = support_client.post(new(), sent_form)
        assert response.status_code == 422
        assert "No policy rule covers lock on demo for 1 target." in response.context["form"].non_field_errors()
        assert written() == NOTHING


class TestTargets:
    GARBAGE = (
        "",
        ":",
        "demo",
        "demo:",
        "demo:x",
        "demo:-1",
        "demo:0",
        "demo:1.5",
        "demo: 1",
        "demo:1 ",
        "demo:+1",
        "demo:1_0",
        "demo:1:2",
        "demo:\u0661",  # an Arabic one: a digit to Python, nothing to Tradovate
        "demo:9223372036854775808",  # 2**63
        "demo:" + "9" * 5000,
        "demo:\x00",
        "DEMO:1",
        "prod:1",
        "<script>:1",
        "' OR 1=1 --",
    )

    @pytest.mark.parametrize("value", GARBAGE)
    def test_garbage_is_refused(self, support_client: Client, value: str) -> None:
        for values in ([value], ["demo:101", value]):
            assert support_client.get(new(), {"account": values}).status_code == 400
            assert support_client.post(new(), typed(101, account=values)).status_code == 400
        assert written() == NOTHING

    def test_none_at_all_is_refused(self, support_client: Client) -> None:
        response = support_client.get(new())
        assert response.status_code == 400
        assert "No account is chosen." in text_of(response)
        assert support_client.post(new(), typed(101, account=[])).status_code == 400

    def test_two_environments_are_refused(self, support_client: Client) -> None:
        response = support_client.get(new(), {"account": ["demo:101", "live:101"]})
        assert response.status_code == 400
        assert "Demo and live accounts can&#x27;t be in one change." in text_of(response)

    def test_too_many_are_refused(self, support_client: Client) -> None:
        numbers = [f"demo:{number}" for number in range(1, ADDRESS_MAX + 2)]
        response = support_client.post(new(), typed(101, account=numbers))
        assert response.status_code == 400
        assert "201 accounts are chosen; one change takes at most 200 this way." in text_of(response)
        assert read_targets(numbers[:-1]) == (Environment.DEMO, list(range(1, ADDRESS_MAX + 1)))

    def test_each_comes_once_in_its_order(self) -> None:
        assert read_targets(["live:7", "live:3", "live:007"]) == (Environment.LIVE, [7, 3])
        assert read_targets([f"demo:{2**63 - 1}"]) == (Environment.DEMO, [2**63 - 1])

    def test_the_biggest_number_is_only_unknown(self, support_client: Client) -> None:
        assert support_client.get(new(), {"account": f"demo:{2**63 - 1}"}).status_code == 200

    def test_what_is_wrong_is_quoted_no_longer_than_needed(self) -> None:
        with pytest.raises(BadTargets, match=r"^'x{40}' does not name an account.$"):
            read_targets(["x" * 500])


class TestForged:
    @pytest.mark.parametrize("role", [Role.COMPLIANCE, Role.ADMINISTRATOR])
    @pytest.mark.parametrize("kind_name", ["lock", "liquidate_only", "unlock"])
    def test_a_kind_that_this_person_may_not_request_for(self, client: Client, sent: Sent, role: Role, kind_name: str) -> None:
        make_account(101, LOCKED if kind_name == "unlock" else "Normal")
        client.force_login(make_person(role))
        for headers in ({}, HTMX):
            assert client.get(new(kind_name), {"account": "demo:101"}, headers=headers).status_code == 403
            assert client.post(new(kind_name), typed(101, kind_name=kind_name), headers=headers).status_code == 403
        # Before anything else is looked at.
        assert client.post(new(kind_name), {}).status_code == 403
        assert written() == NOTHING
        assert sent == []

    def test_a_live_account(self, support_client: Client, sent: Sent) -> None:
        make_account(7, environment="live")
        digest = planned("lock", 7, environment=Environment.LIVE).digest
        response = support_client.post(new(), typed(101, account=["live:7"], digest=digest))
        assert response.status_code == 422
        assert written() == NOTHING

    def test_without_the_token_of_the_form(self, support: Staff, sent: Sent) -> None:
        make_account(101)
        strict = Client(enforce_csrf_checks=True)
        strict.force_login(support)
        assert strict.post(new(), typed(101)).status_code == 403
        assert strict.post(new(), typed(101), headers=HTMX).status_code == 403
        assert written() == NOTHING

        strict.get(new(), {"account": "demo:101"})
        token = strict.cookies["csrftoken"].value
        assert strict.post(new(), {**typed(101), "csrfmiddlewaretoken": token}).status_code == 303
        assert written() == (1, 1, 0, 1)

    @pytest.mark.parametrize("method", ["put", "delete", "patch"])
    def test_other_methods(self, support_client: Client, method: str) -> None:
        assert getattr(support_client, method)(new()).status_code == 405
        assert written() == NOTHING
