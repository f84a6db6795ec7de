"""PostgreSQL refuses by itself what must never be of templates, in plain SQL, also in a replica's session."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.core.management import call_command
from django.db import IntegrityError, connection, transaction

from accounts.changes.guards import broken_rule
from accounts.changes.models import PolicyRule
from accounts.changes.moving import NoSuchTransition, move_row
from accounts.changes.states import Verdict
from accounts.limit_templates.models import LimitTemplate, TemplateDecision, TemplateVersion
from accounts.limit_templates.states import VERSION_TRANSITIONS, VersionState
from riskadmin.staff.models import Staff
from riskadmin.staff.roles import CAPABILITIES, Role
from tests.changes.test_guards import sql
from tests.changes.world import taken_back
from tests.limit_templates.templates import decided, propose_again, proposed, put_in_force
from tests.staff.people import make_person

pytestmark = pytest.mark.django_db


def content() -> list[list[Any]]:
    return [list(model.objects.order_by("pk").values()) for model in (LimitTemplate, TemplateVersion, TemplateDecision)]


def refuses(attack: Callable[[], object], rule: str) -> None:
    """Check that the attack is refused by this rule and has changed nothing, for a replica's session too."""
    sql("SET CONSTRAINTS ALL IMMEDIATE")
    before = content()
    for role in ("replica", "origin"):
        sql(f"SET LOCAL session_replication_role = {role}")
        with pytest.raises(IntegrityError) as caught, transaction.atomic():
            attack()
        assert broken_rule(caught.value) == rule
        assert content() == before


def decide_by_sql(version: TemplateVersion, person: Staff, *, digest: str | None = None) -> int:
    return sql(
        "INSERT INTO limit_templates_templatedecision (version_id, staff_id, staff_name, staff_role, verdict, digest, comment)"
        " VALUES (%s, %s, %s, 'supervisor', 'approve', %s, '')",
        version.pk,
        person.pk,
        person.username,
        version.digest if digest is None else digest,
    )


def to_state(version: TemplateVersion, state: str) -> int:
    return sql("UPDATE limit_templates_templateversion SET state = %s WHERE id = %s", state, version.pk)


class TestDecisions:
    def test_it_takes_one_that_is_right(self, support: Staff, supervisor: Staff) -> None:
        version = proposed(support)
        assert decide_by_sql(version, supervisor) == 1
        assert to_state(version, "in_force") == 1

    def test_by_who_proposed(self, supervisor: Staff) -> None:
        version = proposed(supervisor)
        refuses(lambda: decide_by_sql(version, supervisor), "decision_not_by_proposer")

    @pytest.mark.parametrize("role", Role)
    def test_by_a_person_of_each_role(self, support: Staff, role: Role) -> None:
        version, person = proposed(support), make_person(role, "another")
        if "changes:decide" in CAPABILITIES[role]:
            assert decide_by_sql(version, person) == 1
        else:
            refuses(lambda: decide_by_sql(version, person), "decision_by_role")

    def test_by_a_person_who_is_no_longer_active_or_lacks_the_role_that_policy_asks_for(
        self, support: Staff, supervisor: Staff, second_supervisor: Staff
    ) -> None:
        PolicyRule.objects.filter(kind="auto_liq_limits").update(decider_role="compliance")
        version = proposed(support)
        refuses(lambda: decide_by_sql(version, supervisor), "decision_by_role")
        supervisor.groups.add(Group.objects.get(name="compliance"))
        Staff.objects.filter(pk=supervisor.pk).update(is_active=False)
        refuses(lambda: decide_by_sql(version, supervisor), "decision_by_role")
        second_supervisor.groups.add(Group.objects.get(name="compliance"))
        assert decide_by_sql(version, second_supervisor) == 1

    def test_about_another_content(self, support: Staff, supervisor: Staff) -> None:
        version = proposed(support)
        refuses(lambda: decide_by_sql(version, supervisor, digest="0" * 64), "decision_about_content")

    def test_about_one_that_is_decided(self, support: Staff, supervisor: Staff, second_supervisor: Staff) -> None:
        version = put_in_force(support, supervisor)
        refuses(lambda: decide_by_sql(version, second_supervisor), "decision_while_proposed")

    @pytest.mark.parametrize(
        "statement",
        [
            "UPDATE limit_templates_templatedecision SET comment = 'x'",
            "DELETE FROM limit_templates_templatedecision",
            "TRUNCATE limit_templates_templatedecision",
            "DELETE FROM limit_templates_templateversion",
            "TRUNCATE limit_templates_templateversion CASCADE",
            "DELETE FROM limit_templates_limittemplate",
            "TRUNCATE limit_templates_limittemplate CASCADE",
        ],
    )
    def test_what_was_decided_stays(self, support: Staff, supervisor: Staff, statement: str) -> None:
        put_in_force(support, supervisor)
        refuses(lambda: sql(statement), "limit_templates_stay")


class TestVersions:
    @pytest.mark.parametrize(
        "column",
        [
            "number = 9",
            "limits = '{}'",
            "note = 'x'",
            "proposed_by_name = 'x'",
            "decisions_needed = 0",
            "digest = repeat('0', 64)",
        ],
    )
    def test_what_is_decided_about_is_frozen(self, support: Staff, column: str) -> None:
        proposed(support)
        refuses(lambda: sql(f"UPDATE limit_templates_templateversion SET {column}"), "version_frozen")

    def test_a_template_keeps_its_name_and_level(self, support: Staff) -> None:
        proposed(support)
        for column in ("name = 'x'", "level = 'trader'"):
            refuses(
                partial(sql, f"UPDATE limit_templates_limittemplate SET {column}"),
                "template_keeps_name_and_level",
            )

    def test_nothing_is_in_force_without_its_decisions(self, support: Staff) -> None:
        version = proposed(support)
        refuses(lambda: to_state(version, "in_force"), "version_has_its_approvals")
        refuses(
            lambda: sql(
                "INSERT INTO limit_templates_templateversion (template_id, number, limits, note, proposed_by_id, proposed_by_name,"
                " decisions_needed, decider_role, digest, state) SELECT template_id, 2, limits, '', proposed_by_id, '', 1, '',"
                " digest, 'in_force' FROM limit_templates_templateversion"
            ),
            "version_begins",
        )

    @pytest.mark.parametrize("came_from", VersionState)
    def test_postgresql_and_the_code_allow_exactly_the_transitions_of_the_map(
        self, subtests: pytest.Subtests, support: Staff, supervisor: Staff, came_from: VersionState
    ) -> None:
        version = proposed(support)
        match came_from:
            case VersionState.IN_FORCE | VersionState.SUPERSEDED:
                decided(supervisor, version)
                if came_from == VersionState.SUPERSEDED:
                    decided(supervisor, propose_again(support, version, daily_loss_alert_usd="1"))
            case VersionState.REJECTED:
                decided(supervisor, version, Verdict.REJECT)
            case VersionState.WITHDRAWN:
                to_state(version, "withdrawn")
            case VersionState.PROPOSED:
                decide_by_sql(version, supervisor)
        for to in (each for each in VersionState if each != came_from):
            version.refresh_from_db()
            assert version.state == came_from
            with subtests.test(to=to):
                if to in VERSION_TRANSITIONS[came_from]:
                    with taken_back():
                        assert to_state(version, to) == 1
                    with taken_back():
                        move_row(version, VERSION_TRANSITIONS, to)
                        assert TemplateVersion.objects.get(pk=version.pk).state == to
                else:
                    refuses(partial(to_state, version, to), "version_transition")
                    with pytest.raises(NoSuchTransition):
                        move_row(version, VERSION_TRANSITIONS, to)

    def test_two_are_never_in_force(self, support: Staff, supervisor: Staff) -> None:
        version = propose_again(support, put_in_force(support, supervisor), daily_loss_alert_usd="1")
        decide_by_sql(version, supervisor)
        with pytest.raises(IntegrityError, match="template_version_in_force"), transaction.atomic():
            to_state(version, "in_force")


@pytest.mark.django_db(transaction=True)
def test_the_guards_and_the_view_can_be_taken_back_and_put_again() -> None:
    def count() -> tuple[int, int]:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT (SELECT count(*) FROM pg_trigger WHERE starts_with(tgname, 'limit_templates_') AND tgenabled = 'A'),"
                " (SELECT count(*) FROM pg_views WHERE viewname = 'limit_templates_governed')"
            )
            triggers, views = cursor.fetchone()
            return triggers, views

    assert count() == (10, 1)
    try:
        call_command("migrate", "limit_templates", "0001", verbosity=0)
        assert count() == (0, 0)
    finally:
        call_command("migrate", "limit_templates", verbosity=0)
    assert count() == (10, 1)
