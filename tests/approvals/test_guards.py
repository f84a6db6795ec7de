"""PostgreSQL refuses by itself what must never be of approvals and policy, in plain SQL, also in a replica's session."""

import re
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from itertools import permutations
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from accounts.approvals.actions import comment
from accounts.approvals.models import Approval, ApprovalRequest, Comment, PolicyRule, PolicyVersion
from accounts.approvals.policy import SENIORITY, Stage, requester_role
from accounts.approvals.policy_versions import RuleDraft, drafts_in_force, propose
from accounts.approvals.states import (
    POLICY_TRANSITIONS,
    REQUEST_TRANSITIONS,
    PolicyState,
    RequestState,
)
from accounts.models.guards import broken_rule
from riskadmin.staff.models import Staff
from riskadmin.staff.roles import CAPABILITIES, Role
from tests.approvals.policies import ORIGIN, put_policy_in_force, want_for
from tests.approvals.requests import old_request
from tests.changes.world import LOCKED, ask, make_account
from tests.staff.people import make_person

pytestmark = pytest.mark.django_db

Sent = list[tuple[str, list[int], str]]


def sql(statement: str, *values: Any) -> int:
    """Run a statement behind the application's back; return how many rows it touched."""
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return int(cursor.rowcount)


def content() -> list[list[Any]]:
    models = (ApprovalRequest, Approval, Comment, PolicyVersion, PolicyRule)
    return [list(model._default_manager.order_by("pk").values()) for model in models]


def refuses(attack: Callable[[], object], rule: str) -> None:
    """Check that the attack is refused by this rule and has changed nothing, for a replica's session too."""
    sql("SET CONSTRAINTS ALL IMMEDIATE")
    before = content()
    for role in ("replica", "origin"):
        sql(f"SET LOCAL session_replication_role = {role}")
        with pytest.raises(IntegrityError) as caught, transaction.atomic():
            attack()
        assert re.fullmatch(rule, broken_rule(caught.value)), caught.value
        assert content() == before


@pytest.fixture
def waiting(support: Staff, sent: Sent) -> ApprovalRequest:
    """The request of an unlock that waits for one supervisor."""
    make_account(101, LOCKED)
    return ask(support, "unlock", 101).approval


def decide(request: ApprovalRequest, person: Staff, verdict: str = "approve", **columns: Any) -> int:
    reported = {"digest": request.digest, "version": request.version, "stage": 1, **columns}
    return sql(
        "INSERT INTO approvals_approval"
        " (request_id, version, staff_id, staff_name, staff_role, verdict, stage, digest, comment, excluded)"
        " VALUES (%s, %s, %s, %s, 'supervisor', %s, %s, %s, 'A test', '[]')",
        request.pk,
        reported["version"],
        person.pk,
        person.username,
        verdict,
        reported["stage"],
        reported["digest"],
    )


def to_state(request: ApprovalRequest, state: str) -> int:
    return sql("UPDATE approvals_approvalrequest SET state = %s WHERE id = %s", state, request.pk)


class TestApprovals:
    def test_one_that_is_right(self, waiting: ApprovalRequest, supervisor: Staff) -> None:
        assert decide(waiting, supervisor) == 1
        assert to_state(waiting, "approved") == 1

    @pytest.mark.parametrize("verdict", ["approve", "reject", "request_edits"])
    def test_the_requester_is_refused(self, waiting: ApprovalRequest, support: Staff, verdict: str) -> None:
        refuses(lambda: decide(waiting, support, verdict), "approval_not_by_requester")

    def test_a_second_one(self, waiting: ApprovalRequest, supervisor: Staff) -> None:
        want_for("unlock", stages=(Stage(approvals=2, role="supervisor"),))
        make_account(102, LOCKED)
        request = ask(waiting.requested_by, "unlock", 102).approval
        decide(request, supervisor)
        for verdict in ("approve", "reject"):
            refuses(partial(decide, request, supervisor, verdict), "approval_once_per_person")

    @pytest.mark.parametrize("state", ["rejected", "edits_requested", "withdrawn", "expired"])
    def test_about_what_has_ended(self, waiting: ApprovalRequest, supervisor: Staff, state: str) -> None:
        to_state(waiting, state)
        refuses(lambda: decide(waiting, supervisor), "approval_while_waiting")

    def test_about_another_content_or_version(self, waiting: ApprovalRequest, supervisor: Staff) -> None:
        for columns in ({"digest": ""}, {"digest": "0" * 64}, {"version": 2}):
            refuses(partial(decide, waiting, supervisor, **columns), "approval_about_content")

    def test_after_its_time(self, support: Staff, supervisor: Staff) -> None:
        late = timezone.now() - timedelta(seconds=1)
        request = old_request(support, "unlock", "demo", needed=1, digest="0" * 64, expires_at=late)
        refuses(lambda: decide(request, supervisor), "approval_in_time")

    def test_in_another_stage(self, waiting: ApprovalRequest, supervisor: Staff) -> None:
        for stage in (0, 2):
            refuses(partial(decide, waiting, supervisor, stage=stage), "approval_in_its_stage")

    def test_stages_follow_each_other_each_with_its_role(
        self, support: Staff, supervisor: Staff, second_supervisor: Staff, sent: Sent
    ) -> None:
        want_for("unlock", stages=(Stage(approvals=1, role="supervisor"), Stage(approvals=1, role="administrator")))
        make_account(101, LOCKED)
        request = ask(support, "unlock", 101).approval
        decide(request, supervisor)
        refuses(lambda: to_state(request, "approved"), "request_has_its_approvals")
        refuses(lambda: decide(request, second_supervisor, stage=2), "approval_by_role")
        second_supervisor.groups.add(Group.objects.get(name="administrator"))
        refuses(lambda: decide(request, second_supervisor, stage=1), "approval_in_its_stage")
        assert decide(request, second_supervisor, stage=2) == 1
        assert to_state(request, "approved") == 1

    @pytest.mark.parametrize("role", Role)
    def test_by_a_person_of_each_role(self, waiting: ApprovalRequest, role: Role) -> None:
        person = make_person(role, "another")
        version = propose(actor=make_person(Role.ADMINISTRATOR, "proposer"), origin=ORIGIN, rules=[], note="")
        assert version.approval
        for request, capability in ((waiting, "changes:decide"), (version.approval, "policy:decide")):
            if capability in CAPABILITIES[role]:
                assert decide(request, person) == 1
            else:
                refuses(partial(decide, request, person), "approval_by_role")

    def test_by_a_person_who_is_no_longer_active_or_has_no_role_any_more(
        self, waiting: ApprovalRequest, supervisor: Staff, second_supervisor: Staff
    ) -> None:
        Staff.objects.filter(pk=supervisor.pk).update(is_active=False)
        second_supervisor.groups.clear()
        for person in (supervisor, second_supervisor):
            refuses(partial(decide, waiting, person), "approval_by_role")

    def test_a_verdict_that_is_none(self, waiting: ApprovalRequest, supervisor: Staff) -> None:
        refuses(lambda: decide(waiting, supervisor, "maybe"), "approval_verdict_known")

    @pytest.mark.parametrize(
        "attack",
        [
            "UPDATE approvals_approval SET verdict = 'reject'",
            "UPDATE approvals_approval SET comment = comment",
            "DELETE FROM approvals_approval",
            "TRUNCATE approvals_approval",
            "UPDATE approvals_comment SET text = 'never said'",
            "DELETE FROM approvals_comment",
            "TRUNCATE approvals_comment",
            "DELETE FROM approvals_approvalrequest",
            "TRUNCATE approvals_approvalrequest CASCADE",
            "UPDATE approvals_policyrule SET stages = '[]'",
            "DELETE FROM approvals_policyrule",
            "TRUNCATE approvals_policyrule",
            "DELETE FROM approvals_policyversion",
            "TRUNCATE approvals_policyversion CASCADE",
        ],
    )
    def test_altering_what_was_said_and_decided(self, waiting: ApprovalRequest, supervisor: Staff, attack: str) -> None:
        decide(waiting, supervisor)
        comment(actor=supervisor, origin=ORIGIN, request_id=waiting.pk, text="Spoke to the trader")
        refuses(lambda: sql(attack), "approvals_stay|changes_stay|limit_templates_stay")


class TestRequests:
    @pytest.mark.parametrize(
        "columns",
        [
            {"needed": 0},
            {"stages": []},
            {"needed": 0, "stages": [], "state": "approved"},
            {"stages": [{"approvals": 1, "role": ""}]},
            {"facts": {"kind": "lock"}},
            {"facts": {"direction": "tightening"}, "state": "approved"},
        ],
    )
    def test_needing_less_than_policy_wants(self, waiting: ApprovalRequest, columns: dict[str, Any]) -> None:
        columns = {**columns, "facts": {**waiting.facts, **columns.get("facts", {})}}
        refuses(lambda: insert_like(waiting, **columns), "request_as_policy_wants|request_begins")

    def test_valid_for_longer_than_policy_wants(self, waiting: ApprovalRequest) -> None:
        assert waiting.expires_at
        for value in (waiting.expires_at + timedelta(minutes=1), None):
            refuses(partial(insert_like, waiting, expires_at=value), "request_as_policy_wants")

    def test_interpreted_by_another_policy_or_role(self, waiting: ApprovalRequest, supervisor: Staff) -> None:
        refuses(lambda: insert_like(waiting, policy_id=None), "request_by_policy_in_force")
        facts = {**waiting.facts, "requester_role": "supervisor"}
        refuses(lambda: insert_like(waiting, facts=facts), "request_with_true_facts")
        put_policy_in_force([RuleDraft()])
        refuses(lambda: insert_like(waiting), "request_by_policy_in_force")

    def test_beginning_as_decided(self, waiting: ApprovalRequest) -> None:
        for state in ("approved", "rejected", "withdrawn", "expired", "edits_requested"):
            refuses(partial(insert_like, waiting, state=state), "request_begins")

    @pytest.mark.parametrize(
        "assignment",
        [
            "needed = 0",
            "stages = '[]'",
            "facts = '{}'",
            "subject = 'template_version'",
            "requested_by_id = (SELECT max(id) FROM staff_staff)",
            "expires_at = expires_at + interval '1 day'",
            "policy_id = NULL",
            "digest = repeat('0', 64)",
            "version = 2",
            "incident = 'INC-1', review_due_at = now()",
        ],
    )
    def test_altering_one(self, waiting: ApprovalRequest, supervisor: Staff, assignment: str) -> None:
        refuses(lambda: sql(f"UPDATE approvals_approvalrequest SET {assignment}"), "request_frozen")

    def test_with_new_content_earlier_approvals_lapse(
        self, support: Staff, supervisor: Staff, second_supervisor: Staff, sent: Sent
    ) -> None:
        want_for("unlock", stages=(Stage(approvals=2, role="supervisor"),))
        make_account(101, LOCKED)
        request = ask(support, "unlock", 101).approval
        decide(request, supervisor)
        sql("UPDATE approvals_approvalrequest SET digest = repeat('1', 64), version = 2 WHERE id = %s", request.pk)
        request.refresh_from_db()
        decide(request, second_supervisor)
        refuses(lambda: to_state(request, "approved"), "request_has_its_approvals")
        assert decide(request, supervisor) == 1
        assert to_state(request, "approved") == 1
        refuses(
            lambda: sql("UPDATE approvals_approvalrequest SET digest = repeat('2', 64), version = 3 WHERE id = %s", request.pk),
            "request_frozen",
        )

    @pytest.mark.parametrize(("came_from", "to"), list(permutations(RequestState, 2)))
    def test_postgresql_allows_exactly_the_transitions_of_the_map(
        self, waiting: ApprovalRequest, supervisor: Staff, came_from: RequestState, to: RequestState
    ) -> None:
        decide(waiting, supervisor)
        if came_from != RequestState.WAITING:
            to_state(waiting, came_from)
        if to in REQUEST_TRANSITIONS[came_from]:
            assert to_state(waiting, to) == 1
        else:
            refuses(lambda: to_state(waiting, to), "request_transition")

    def test_only_a_supervisor_acts_alone_and_once_until_reviewed(
        self, waiting: ApprovalRequest, supervisor: Staff, second_supervisor: Staff
    ) -> None:
        alone = (
            "UPDATE approvals_approvalrequest SET state = 'approved', incident = 'INC-1', review_due_at = now() WHERE id = %s"
        )
        first, second = [own_request(supervisor, number) for number in (102, 103)]
        refuses(lambda: sql(alone, waiting.pk), "request_may_act_alone")
        refuses(
            lambda: sql("UPDATE approvals_approvalrequest SET state = 'approved', incident = 'INC-1' WHERE id = %s", first),
            "approval_request_incident_is_reviewed",
        )
        assert sql(alone, first) == 1
        refuses(lambda: sql(alone, second), "request_may_act_alone")
        reviewed = "UPDATE approvals_approvalrequest SET reviewed_by_id = %s, reviewed_at = clock_timestamp() WHERE id = %s"
        for person in (supervisor, waiting.requested_by):
            refuses(partial(sql, reviewed, person.pk, first), "request_reviewed_by_another")
        refuses(lambda: sql(reviewed, second_supervisor.pk, waiting.pk), "request_reviewed_by_another")
        assert sql(reviewed, second_supervisor.pk, first) == 1
        refuses(lambda: sql(reviewed, second_supervisor.pk, first), "request_reviewed_by_another")
        assert sql(alone, second) == 1


class TestPolicy:
    @pytest.fixture
    def proposed(self) -> PolicyVersion:
        """A version that waits, with one rule that asks for nothing."""
        proposer = make_person(Role.ADMINISTRATOR, "proposer")
        return propose(actor=proposer, origin=ORIGIN, rules=[RuleDraft()], note="")

    def test_in_force_without_its_approval(self, proposed: PolicyVersion) -> None:
        sql("UPDATE approvals_policyversion SET state = 'superseded' WHERE state = 'in_force'")
        refuses(
            lambda: sql("UPDATE approvals_policyversion SET state = 'in_force' WHERE state = 'proposed'"),
            "policy_has_its_approval",
        )

    def test_beginning_in_force(self, proposed: PolicyVersion) -> None:
        columns = "number + 1, '', proposed_by_id, '', digest, approval_id, rule_count"
        names = "number, note, proposed_by_id, proposed_by_name, digest, approval_id, rule_count"
        for state in PolicyState:
            insert = (
                f"INSERT INTO approvals_policyversion ({names}, state) SELECT {columns}, '{state}' FROM approvals_policyversion"
            )
            refuses(partial(sql, f"{insert} WHERE state = 'in_force'"), "policy_begins")

    def test_another_rule_than_those_that_came_with_it(self, proposed: PolicyVersion) -> None:
        in_force = PolicyVersion.objects.get(state="in_force").pk
        for version, position in ((proposed.pk, 2), (in_force, 1), (in_force, 1000)):
            draft = RuleDraft().columns()
            rule = PolicyRule(version_id=version, position=position, **draft)
            refuses(lambda rule=rule: PolicyRule.objects.bulk_create([rule]), "policy_rule_comes_with_version")  # type: ignore[misc]
        again = PolicyRule(version_id=proposed.pk, position=1, **RuleDraft().columns())
        refuses(lambda: PolicyRule.objects.bulk_create([again]), "policy_rule_in_order")

    @pytest.mark.parametrize("assignment", ["number = 9", "note = 'x'", "digest = ''", "approval_id = NULL", "rule_count = 2"])
    def test_altering_a_version(self, proposed: PolicyVersion, assignment: str) -> None:
        refuses(
            lambda: sql(f"UPDATE approvals_policyversion SET {assignment} WHERE id = %s", proposed.pk),
            "policy_frozen",
        )

    @pytest.mark.parametrize(("came_from", "to"), list(permutations(PolicyState, 2)))
    def test_postgresql_allows_exactly_the_transitions_of_the_map(
        self, proposed: PolicyVersion, came_from: PolicyState, to: PolicyState
    ) -> None:
        def move(state: str) -> int:
            if state == "in_force":
                sql("UPDATE approvals_policyversion SET state = 'superseded' WHERE state = 'in_force'")
            return sql("UPDATE approvals_policyversion SET state = %s WHERE id = %s", state, proposed.pk)

        assert proposed.approval
        decide(proposed.approval, make_person(Role.SUPERVISOR))
        to_state(proposed.approval, "approved")
        if came_from == PolicyState.SUPERSEDED:
            move("in_force")
        if came_from != PolicyState.PROPOSED:
            move(came_from)
        if to in POLICY_TRANSITIONS[came_from]:
            assert move(to) == 1
        else:
            refuses(lambda: move(to), "policy_transition")


@pytest.mark.parametrize("role", Role)
def test_postgresql_and_the_code_take_the_same_role_of_a_requester(role: Role) -> None:
    person = make_person(role, "person")
    for more in reversed(SENIORITY):
        person.groups.add(Group.objects.get(name=more))
        now = Staff.objects.get(pk=person.pk)
        assert role_of(now) == requester_role(now)
    Staff.objects.filter(pk=person.pk).update(is_active=False)
    now = Staff.objects.get(pk=person.pk)
    assert role_of(now) == requester_role(now) == ""


def test_drafts_are_the_rules_in_force() -> None:
    rules = drafts_in_force()
    put_policy_in_force(rules)
    assert drafts_in_force() == rules


def role_of(person: Staff) -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT approvals_role_of(%s)", [person.pk])
        return str(cursor.fetchone()[0])


def insert_like(request: ApprovalRequest, **columns: Any) -> None:
    values = {field.attname: getattr(request, field.attname) for field in request._meta.concrete_fields if field.name != "id"}
    ApprovalRequest.objects.create(**{**values, **columns})


def own_request(person: Staff, number: int) -> int:
    make_account(number, LOCKED)
    return ask(person, "unlock", number).approval_id
