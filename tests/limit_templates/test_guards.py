"""PostgreSQL refuses by itself what must never be of templates, in plain SQL, also in a replica's session."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from django.core.management import call_command
from django.db import IntegrityError, connection, transaction

from accounts.approvals.models import Approval
from accounts.approvals.states import Verdict
from accounts.limit_templates.models import LimitTemplate, TemplateVersion
from accounts.limit_templates.states import VERSION_TRANSITIONS, VersionState
from accounts.models.guards import broken_rule
from accounts.models.moving import NoSuchTransition, move_row
from riskadmin.staff.models import Staff
from tests.changes.test_guards import sql
from tests.changes.world import taken_back
from tests.limit_templates.templates import decided, propose_again, proposed, put_in_force

pytestmark = pytest.mark.django_db


def content() -> list[list[Any]]:
    return [list(model.objects.order_by("pk").values()) for model in (LimitTemplate, TemplateVersion, Approval)]


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


def approve_by_sql(version: TemplateVersion, person: Staff) -> None:
    """Approve a version behind the application's back, as far as its request."""
    sql(
        "INSERT INTO approvals_approval"
        " (request_id, version, staff_id, staff_name, staff_role, verdict, stage, digest, comment, excluded)"
        " VALUES (%s, 1, %s, %s, 'supervisor', 'approve', 1, %s, '', '[]')",
        version.approval_id,
        person.pk,
        person.username,
        version.digest,
    )
    sql("UPDATE approvals_approvalrequest SET state = 'approved' WHERE id = %s", version.approval_id)


def to_state(version: TemplateVersion, state: str) -> int:
    return sql("UPDATE limit_templates_templateversion SET state = %s WHERE id = %s", state, version.pk)


class TestHistory:
    @pytest.mark.parametrize(
        "statement",
        [
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
            "approval_id = NULL",
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
        for request, rule in (("approval_id", "version_begins"), ("NULL", "version_as_requested")):
            insert = (
                "INSERT INTO limit_templates_templateversion (template_id, number, limits, note, proposed_by_id,"
                f" proposed_by_name, approval_id, digest, state) SELECT template_id, 2, limits, '', proposed_by_id, '', {request},"
                " digest, 'in_force' FROM limit_templates_templateversion"
            )
            refuses(partial(sql, insert), rule)

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
                approve_by_sql(version, supervisor)
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
        approve_by_sql(version, supervisor)
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

    assert count() == (7, 1)
    try:
        call_command("migrate", "limit_templates", "0001", verbosity=0)
        assert count() == (0, 0)
    finally:
        call_command("migrate", verbosity=0)  # those that depend on it were taken back, too
    assert count() == (7, 1)
