"""The pages of the policy: editing, trying on the past, proposing, deciding; and what each refusal leaves alone."""

import re
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts.approvals.models import ApprovalRequest, PolicyRule, PolicyVersion
from accounts.approvals.policy_forms import STAGES_MAX
from accounts.approvals.policy_versions import RuleDraft, drafts_in_force, propose
from accounts.approvals.queries import policy_in_force
from riskadmin.audit.models import Event
from riskadmin.audit.tags import Tag
from riskadmin.staff.models import Staff
from riskadmin.staff.roles import Role
from tests.approvals.policies import ORIGIN, SUPERVISOR, TWO_SUPERVISORS, put_policy_in_force
from tests.changes.pages import read_aloud
from tests.changes.world import LOCKED, ask, make_account
from tests.staff.people import make_person

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("sent")]

EDIT = "/approvals/policy/edit/"


def signed_in(person: Staff) -> Client:
    client = Client()
    client.force_login(person)
    return client


@pytest.fixture
def administrator() -> Staff:
    return make_person(Role.ADMINISTRATOR, "administrator")


@pytest.fixture(autouse=True)
def few_rules() -> None:
    """Have three rules in force, as version 2."""
    put_policy_in_force(
        [
            RuleDraft(kinds=("lock",), note="Protective"),
            RuleDraft(kinds=("unlock",), stages=SUPERVISOR),
            RuleDraft(kinds=("liquidate",), environment="demo", stages=TWO_SUPERVISORS, valid_hours=4),
        ]
    )


@pytest.fixture
def editor(administrator: Staff) -> Client:
    return signed_in(administrator)


def typed(page: Any, **changed: Any) -> dict[str, Any]:
    """What the form on a page sends, with some fields filled in otherwise."""
    formset = page.context["formset"]
    sent: dict[str, Any] = {}
    for form in (formset.management_form, *formset.forms, page.context["proposal"]):
        for bound in form:
            value = bound.value()
            if value is not None and value is not False:
                sent[bound.html_name] = value
    return {**sent, "note": "Quieter nights", "step": "try", **changed}


def everything() -> list[Any]:
    models = (PolicyVersion, PolicyRule, ApprovalRequest)
    return [list(model._default_manager.order_by("pk").values()) for model in models]


def test_edited_tried_proposed_and_approved(editor: Client, support: Staff, supervisor: Staff) -> None:
    for number in (101, 102):
        make_account(number, LOCKED if number == 101 else "")
    unlock, lock = ask(support, "unlock", 101), ask(support, "lock", 102)
    # The lock rule needs a supervisor from now on; one more rule is added at the end.
    more = {"rules-0-approvals_1": "1", "rules-0-role_1": "supervisor"}
    new = {"rules-3-approvals_1": "2", "rules-3-from_money_usd": "1000.50"}
    page = editor.post(EDIT, typed(editor.get(EDIT), **more, **new))
    assert page.status_code == 200
    trial = page.context["trial"]
    assert (trial.requests, trial.counts) == (2, {"more": 1})
    assert [each.request_id for each in trial.of()] == [lock.approval_id]
    words = read_aloud(page)
    assert "from no one to 1 supervisor" in words
    assert "from 1,000.50 USD on: 2 approvers" in words
    assert PolicyVersion.objects.count() == 2

    answer = editor.post(EDIT, typed(page, step="propose"))
    version = PolicyVersion.objects.latest("number")
    assert answer["Location"] == f"/approvals/policy/{version.number}/"
    assert [rule.stages for rule in version.rules.filter(kinds=["lock"])] == [[{"approvals": 1, "role": "supervisor"}]]
    event = Event.objects.filter(tag=Tag.POLICY_PROPOSED).latest("pk")
    assert event.detail["trial"] == {
        "compared_with": 2, "requests": 2, "refused": 0, "fewer": 0, "more": 1, "otherwise": 0, "covered": 0
    }  # fmt: skip

    # The person who proposed it does not decide; a supervisor does, and sees the same trial.
    own = editor.get(answer["Location"])
    assert (own.context["may_decide"], own.context["may_withdraw"]) == (False, True)
    client = signed_in(supervisor)
    page = client.get(answer["Location"], {"differs": "more"})
    assert page.context["trial"].counts == {"more": 1}
    assert [line.mark for line in page.context["changes"]] == ["removed", "new", "new"]
    decision = {"verdict": "approve", "digest": version.digest, "comment": ""}
    decided = client.post(f"{answer['Location']}decide/", decision)
    assert (decided.status_code, policy_in_force()) == (303, version)
    again = client.post(f"{answer['Location']}decide/", decision)
    assert again.status_code == 409
    assert "no longer waiting" in read_aloud(again)
    unlock.approval.refresh_from_db()
    assert unlock.approval.needed == 1


def test_what_was_not_tried_as_it_is_is_not_proposed(editor: Client, administrator: Staff) -> None:
    page = editor.post(EDIT, typed(editor.get(EDIT), **{"rules-0-valid_hours": "5"}))
    before = everything()
    otherwise = {"rules-0-valid_hours": "6"}
    other = make_person(Role.ADMINISTRATOR, "other")
    for client, sent in (
        (editor, typed(page, step="propose", **otherwise)),
        (editor, typed(page, step="propose", tried="")),
        (editor, typed(page, step="propose", tried="made:up:seal")),
        (signed_in(other), typed(page, step="propose")),  # another person's trial
    ):
        answer = client.post(EDIT, sent)
        assert (answer.status_code, everything()) == (409, before)
        assert "Nothing was proposed yet" in read_aloud(answer)
    answer = editor.post(EDIT, typed(page, step="propose", **otherwise))
    assert "Quieter nights" in answer.content.decode()
    assert editor.post(EDIT, typed(answer, step="propose")).status_code == 303  # once it has been shown
    waiting = editor.post(EDIT, typed(page, step="propose"))
    assert waiting.status_code == 409
    assert "Version 3 still waits for approval" in read_aloud(waiting)
    assert PolicyVersion.objects.count() == 3


BAD: list[tuple[dict[str, str], str]] = [
    ({"rules-0-approvals_1": ""}, "This field is required."),
    ({"rules-0-approvals_1": "-1"}, "greater than or equal to 0"),
    ({"rules-0-approvals_1": "10"}, "less than or equal to 9"),
    ({"rules-0-from_items": "1.000"}, "can mean"),
    ({"rules-0-approvals_2": "1"}, "Fill in the stage before this one first."),
    ({"rules-0-role_1": "supervisor"}, "or choose Any approver"),
    ({"rules-1-review_within_hours": "4"}, "Only what runs at once is reviewed"),
    ({"rules-2-escalate_to": "administrator", "rules-2-approvals_1": "0"}, "What runs at once does not expire"),
    ({"rules-0-valid_hours": "0"}, "greater than or equal to 1"),
    ({"rules-0-kinds": "no_such_kind"}, "Select a valid choice"),
    ({"rules-0-role_1": "owner"}, "Select a valid choice"),
    ({"rules-0-from_money_usd": "1e9"}, "Spreadsheets shorten numbers"),
    ({"rules-3-environment": "live"}, "This field is required."),
    ({f"rules-{place}-DELETE": "on" for place in range(3)}, "Keep at least one rule"),
]


def test_bad_rules_are_refused_at_their_field_and_nothing_is_written(editor: Client, subtests: pytest.Subtests) -> None:
    page, before = editor.get(EDIT), everything()
    for fields, message in BAD:
        with subtests.test(message, **fields):
            answer = editor.post(EDIT, typed(page, step="propose", **{"rules-2-note": "Kept as typed"}, **fields))
            assert (answer.status_code, everything()) == (422, before)
            assert message in read_aloud(answer)
            assert {"Quieter nights", "Kept as typed"} <= set(
                re.findall("Quieter nights|Kept as typed", answer.content.decode())
            )


def test_why_is_needed_and_the_rules_in_force_are_nothing_to_propose(editor: Client) -> None:
    page = editor.post(EDIT, typed(editor.get(EDIT)))
    assert page.context["differ"] is False
    assert "there is nothing to propose" in read_aloud(page)
    before = everything()
    page = editor.post(EDIT, typed(editor.get(EDIT), **{"rules-0-valid_hours": "5"}))
    for note in ("", " \u200b"):
        answer = editor.post(EDIT, typed(page, step="propose", note=note))
        assert (answer.status_code, everything()) == (422, before)
        assert "Why : This field is required." in read_aloud(answer)
    answer = editor.post(EDIT, typed(answer, step="propose"))
    assert answer.status_code == 303


def test_a_form_of_a_rule_sends_back_the_rule(editor: Client) -> None:
    for drafts in (drafts_in_force(), [RuleDraft(stages=SUPERVISOR * STAGES_MAX, from_items=7, note="Six eyes")]):
        if drafts != drafts_in_force():
            propose(actor=make_person(Role.ADMINISTRATOR, "other"), origin=ORIGIN, rules=drafts, note="")
        number = PolicyVersion.objects.latest("number").number
        answer = editor.post(EDIT, typed(editor.get(EDIT, {"version": number})))
        assert [form.source for form in answer.context["formset"].initial_forms] == drafts
    assert {editor.get(EDIT, {"version": none}).status_code for none in ("99", "x", "9" * 5000)} == {404}


class TestVerdicts:
    @pytest.fixture
    def proposed(self, administrator: Staff) -> PolicyVersion:
        return propose(actor=administrator, origin=ORIGIN, rules=[RuleDraft(stages=SUPERVISOR)], note="Stricter")

    def test_a_rejection_and_a_request_for_edits_say_why(self, proposed: PolicyVersion, supervisor: Staff) -> None:
        client, before = signed_in(supervisor), everything()
        sent = {"digest": proposed.digest, "comment": ""}
        for verdict in ("reject", "request_edits", "maybe", ""):
            answer = client.post(f"/approvals/policy/{proposed.number}/decide/", {**sent, "verdict": verdict})
            assert (answer.status_code, everything()) == (422, before)
        answer = client.post(
            f"/approvals/policy/{proposed.number}/decide/", {**sent, "verdict": "request_edits", "comment": "Leave locks out"}
        )
        assert answer.status_code == 303
        proposed.refresh_from_db()
        assert proposed.state == "rejected"
        assert policy_in_force().number == 2
        editor = signed_in(proposed.proposed_by or supervisor)
        assert "Leave locks out" in read_aloud(editor.get(f"/approvals/policy/{proposed.number}/"))

    def test_another_digest_and_the_own_proposal_are_refused(
        self, proposed: PolicyVersion, supervisor: Staff, editor: Client
    ) -> None:
        before = everything()
        for client, digest in ((signed_in(supervisor), "0" * 64), (editor, proposed.digest)):
            sent = {"verdict": "approve", "digest": digest}
            answer = client.post(f"/approvals/policy/{proposed.number}/decide/", sent)
            assert (answer.status_code, everything()) == (409, before)
            assert "Nothing was decided" in read_aloud(answer)
            assert Event.objects.latest("pk").tag == Tag.POLICY_DECISION_REFUSED

    def test_only_the_person_who_proposed_it_withdraws_it(self, proposed: PolicyVersion, editor: Client) -> None:
        other, before = signed_in(make_person(Role.ADMINISTRATOR, "other")), everything()
        address = f"/approvals/policy/{proposed.number}/withdraw/"
        assert (other.post(address).status_code, everything()) == (409, before)
        assert editor.post(address).status_code == 303
        proposed.refresh_from_db()
        assert proposed.state == "withdrawn"

    def test_the_first_version_has_nothing_to_decide(self, proposed: PolicyVersion, supervisor: Staff) -> None:
        client = signed_in(supervisor)
        assert client.post("/approvals/policy/1/decide/", {}).status_code == 404
        assert client.get("/approvals/policy/1/").status_code == 200
        assert client.get("/approvals/policy/99/").status_code == 404


def test_a_request_is_tried_on_the_version_in_force_and_the_proposed_one(administrator: Staff, supervisor: Staff) -> None:
    propose(actor=administrator, origin=ORIGIN, rules=[RuleDraft(kinds=("unlock",), stages=SUPERVISOR * 2)], note="")
    client, address = signed_in(supervisor), reverse("approvals:try_policy")
    facts = {"kind": "lock", "environment": "demo", "requester_role": "support", "items": "3", "direction": "tightening"}
    page = client.get(address, facts)
    assert [wanted.words if wanted else None for _, wanted, _ in page.context["answers"]] == ["no one", None]
    assert "no rule covers it" in read_aloud(page)
    page = client.get(address, {**facts, "kind": "unlock"})
    assert [wanted.words for _, wanted, _ in page.context["answers"]] == ["1 supervisor", "1 supervisor, then 1 supervisor"]
    bad = client.get(address, {**facts, "items_24h": "2"})
    assert (bad.status_code, bad.context["answers"]) == (422, [])
    assert "write at least 3" in read_aloud(bad)
    assert client.get(address).context["answers"] == []
