"""PostgreSQL refuses by itself what must never be, in plain SQL, also in a session that replays a replica's changes."""

import re
from collections.abc import Callable
from functools import partial
from typing import Any
from uuid import uuid4

import pytest
from django.core.management import call_command
from django.db import IntegrityError, connection, transaction

from accounts.approvals.models import Approval, ApprovalRequest
from accounts.changes.content import VERSION
from accounts.changes.models import Change, Item
from accounts.changes.states import CHANGE_STARTED, ChangeState, ItemState
from accounts.models.guards import broken_rule
from riskadmin.staff.models import Staff
from riskadmin.staff.roles import Role
from tests.approvals.policies import SUPERVISOR, add_rule
from tests.approvals.requests import old_request
from tests.changes.world import LOCKED, NORMAL, approve, ask, make_account, make_accounts, open_item, reject, walk
from tests.staff.people import make_person

pytestmark = pytest.mark.django_db

Sent = list[tuple[str, list[int], str]]

NEW_DIGEST = f"{VERSION}{'2' * 56}"
"""What looks like the digest of a change that policy has judged."""


def sql(statement: str, *values: Any) -> int:
    """Run a statement behind the application's back; return how many rows it touched."""
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return int(cursor.rowcount)


def content() -> tuple[list[Any], ...]:
    """Every row of changes, items and what approves them."""
    return (
        list(Change.objects.order_by("pk").values()),
        list(Item.objects.order_by("pk").values()),
        list(ApprovalRequest.objects.order_by("pk").values()),
        list(Approval.objects.order_by("pk").values()),
    )


def refuses(attack: Callable[[], object], rule: str) -> None:
    """Check that the attack is refused by this rule and has changed nothing, for a replica's session too."""
    sql("SET CONSTRAINTS ALL IMMEDIATE")  # a table with checks still to come can't be truncated anyway
    before = content()
    for role in ("replica", "origin"):
        sql(f"SET LOCAL session_replication_role = {role}")  # replica silences every trigger that isn't ALWAYS
        with pytest.raises(IntegrityError) as caught, transaction.atomic():
            attack()
        assert re.fullmatch(rule, broken_rule(caught.value)), caught.value
        assert content() == before


def set_state(change: Change, state: str) -> int:
    """Bring a change to a state, with who paused, resumed or cancelled it where that belongs to it."""
    by = {
        "paused": ", paused_at = now(), paused_by_name = 'Sue', paused_by_id = requested_by_id",
        "running": ", resumed_by_id = paused_by_id, paused_by_id = NULL",
        "stopping": ", stopped_at = now(), stopped_by_name = 'Sue'",
    }
    return sql(f"UPDATE changes_change SET state = %s{by.get(state, '')} WHERE id = %s", state, change.pk)


@pytest.fixture
def pending(support: Staff, sent: Sent) -> Change:
    """An unlock of one account that waits for one supervisor."""
    make_account(101, LOCKED)
    return ask(support, "unlock", 101)


@pytest.fixture
def running(support: Staff, sent: Sent) -> Change:
    """A lock of one account that runs, without a decision."""
    make_account(102, NORMAL)
    return ask(support, "lock", 102)


def let_run(change: Change, person: Staff) -> int:
    """Approve a change behind the application's back, as far as its request; return how many requests moved."""
    decide_by_sql(change, person)
    return sql("UPDATE approvals_approvalrequest SET state = 'approved' WHERE id = %s", change.approval_id)


def decide_by_sql(change: Change, person: Staff, *, verdict: str = "approve", digest: str | None = None) -> int:
    return sql(
        "INSERT INTO approvals_approval"
        " (request_id, version, staff_id, staff_name, staff_role, verdict, stage, digest, comment, excluded)"
        " VALUES (%s, 1, %s, %s, 'supervisor', %s, 1, %s, '', '[]')",
        change.approval_id,
        person.pk,
        person.username,
        verdict,
        change.digest if digest is None else digest,
    )


class TestChanges:
    def test_running_without_its_decisions(self, pending: Change) -> None:
        refuses(lambda: sql("UPDATE changes_change SET state = 'running'"), "change_has_its_approvals")

    def test_running_on_a_rejection(self, pending: Change, supervisor: Staff) -> None:
        decide_by_sql(pending, supervisor, verdict="reject")
        refuses(lambda: sql("UPDATE changes_change SET state = 'running'"), "change_has_its_approvals")

    def test_running_on_approvals_that_have_not_moved_its_request(self, pending: Change, supervisor: Staff) -> None:
        decide_by_sql(pending, supervisor)
        refuses(lambda: sql("UPDATE changes_change SET state = 'running'"), "change_has_its_approvals")

    @pytest.mark.parametrize("needed", [0, 1])
    @pytest.mark.parametrize("state", ChangeState)
    def test_beginning_in_another_state_than_its_request(self, support: Staff, needed: int, state: str) -> None:
        item = open_item(support, make_account(101, LOCKED), "unlock", ItemState.WAITING)
        request = old_request(support, "unlock", "demo", needed=needed, digest=item.change.digest)
        if state in (("running", "scheduled"), ("pending",))[needed]:
            _insert_change(item.change, state=state, approval_id=request.pk)
        else:
            refuses(lambda: _insert_change(item.change, state=state, approval_id=request.pk), "change_begins")

    def test_beginning_without_a_request_or_on_another_ones(self, pending: Change, running: Change, supervisor: Staff) -> None:
        refuses(lambda: _insert_change(running, state="running", approval_id=None), "change_as_requested")
        for columns in (
            {"kind": "liquidate"},
            {"environment": "live"},
            {"digest": "1" * 64},
            {"requested_by_id": supervisor.pk},
        ):
            refuses(partial(_insert_change, running, state="running", **columns), "change_as_requested")
        more = {**(running.effects or {}), "liquidated": 1}
        refuses(lambda: _insert_change(running, state="running", effects=more), "change_as_requested")
        refuses(lambda: _insert_change(running, state="running"), "changes_change_approval_id_.*")

    def test_more_items_than_policy_was_asked_about(self, support: Staff, sent: Sent) -> None:
        add_rule(kinds=("lock",), from_items=2, stages=SUPERVISOR)
        make_accounts([1, 2])
        change = ask(support, "lock", 1)
        request = _copy(change.approval, digest=NEW_DIGEST)

        def attack() -> None:
            _insert_change(change, digest=NEW_DIGEST, approval_id=request, item_count=2, state="running")
            forged = Change.objects.latest("pk")
            for position in (1, 2):
                _insert_item(forged, state="queued", position=position, number=position)
            sql("SET CONSTRAINTS ALL IMMEDIATE")

        refuses(attack, "change_as_counted")

    def test_more_within_24_hours_than_policy_was_asked_about(self, support: Staff, sent: Sent) -> None:
        add_rule(kinds=("lock",), from_items_24h=2, stages=SUPERVISOR)
        make_accounts([1, 2])
        change = ask(support, "lock", 1)
        assert ask(support, "lock", 2).state == "pending"
        request = _copy(change.approval, digest=NEW_DIGEST)  # with the facts of the first one

        def attack() -> None:
            _insert_change(change, digest=NEW_DIGEST, approval_id=request, state="running")
            _insert_item(Change.objects.latest("pk"), state="queued", position=1, number=2)
            sql("SET CONSTRAINTS ALL IMMEDIATE")

        refuses(attack, "change_as_counted")

    def test_editing_what_was_requested(self, subtests: pytest.Subtests, pending: Change, supervisor: Staff) -> None:
        for assignment in (
            "kind = 'lock'",
            "environment = 'live'",
            """parameters = '{"other": 1}'""",
            "reason_code = 'CloseFraud'",
            "reason_text = 'Another'",
            "lane = 'bulk'",
            "digest = repeat('0', 64)",
            "form_key = gen_random_uuid()",
            "requested_by_id = (SELECT max(id) FROM staff_staff)",
            "requested_by_name = 'Somebody else'",
            "submitted_at = submitted_at + interval '1 second'",
            "approval_id = NULL",
            "item_count = 2",
            "effects = NULL",
            "effects = jsonb_set(effects, '{liquidated}', '9')",
            "id = id + 1000",
        ):
            with subtests.test(assignment):
                refuses(partial(sql, f"UPDATE changes_change SET {assignment}"), "change_frozen")

    def test_altering_when_it_finished(self, pending: Change, supervisor: Staff) -> None:
        reject(supervisor, pending)
        for value in ("now() + interval '1 hour'", "NULL"):
            refuses(partial(sql, f"UPDATE changes_change SET finished_at = {value}"), "change_keeps_its_times")

    def test_a_new_digest_only_with_the_next_version_of_its_request(self, pending: Change, supervisor: Staff) -> None:
        new = f"UPDATE changes_change SET digest = '{NEW_DIGEST}'"
        refuses(lambda: sql(new), "change_frozen")
        sql(f"UPDATE approvals_approvalrequest SET digest = '{NEW_DIGEST}', version = 2")
        assert sql(new) == 1

    @pytest.mark.parametrize("attack", ["DELETE FROM changes_change", "TRUNCATE changes_change CASCADE"])
    def test_removing_one(self, pending: Change, attack: str) -> None:
        refuses(lambda: sql(attack), "changes_stay")

    def test_pausing_and_cancelling_before_it_runs(self, pending: Change, running: Change) -> None:
        for state in ("paused", "stopping"):
            refuses(partial(set_state, pending, state), "change_transition")
            refuses(
                partial(_insert_change, running, state=state),
                "change_begins",
            )

    def test_pausing_and_cancelling_without_a_person_is_refused(self, running: Change) -> None:
        for state in ("paused", "stopping"):
            refuses(
                partial(sql, "UPDATE changes_change SET state = %s", state),
                "change_(paused|stopped)_by_somebody",
            )

    def test_resuming_what_somebody_else_paused(
        self, running: Change, support: Staff, supervisor: Staff, second_supervisor: Staff
    ) -> None:
        """No one, the requester, a colleague who approves nothing, and an approver who is switched off are refused."""
        sql("UPDATE changes_change SET state = 'paused', paused_at = now(), paused_by_id = %s", supervisor.pk)
        Staff.objects.filter(pk=second_supervisor.pk).update(is_active=False)
        colleague = make_person(Role.SUPPORT, "colleague")
        resumes = "UPDATE changes_change SET state = 'running', paused_by_id = NULL, resumed_by_id = %s"
        for person in (None, support.pk, colleague.pk, second_supervisor.pk):
            refuses(partial(sql, resumes, person), "change_resumed_by_somebody_else")
        refuses(partial(sql, "UPDATE changes_change SET paused_by_id = %s", support.pk), "change_keeps_who_paused_it")
        Staff.objects.filter(pk=second_supervisor.pk).update(is_active=True)
        assert sql(resumes, second_supervisor.pk) == 1

    def test_going_on_after_it_was_cancelled(self, running: Change) -> None:
        set_state(running, "stopping")
        for state in ("running", "paused"):
            refuses(partial(set_state, running, state), "change_transition")

    def test_altering_who_cancelled_it(self, running: Change) -> None:
        set_state(running, "stopping")
        for assignment in ("stopped_at = NULL", "stopped_at = now() + interval '1 s'", "stopped_by_name = 'Another'"):
            refuses(
                partial(sql, f"UPDATE changes_change SET {assignment}"),
                "change_keeps_who_cancelled_it",
            )

    def test_resuming_without_its_decisions(self, pending: Change) -> None:
        """There is no way to be paused without them; were there one, it would not lead to running either."""
        sql("SET CONSTRAINTS ALL IMMEDIATE")
        sql("ALTER TABLE changes_change DISABLE TRIGGER changes_change_guard")
        set_state(pending, "paused")
        sql("ALTER TABLE changes_change ENABLE ALWAYS TRIGGER changes_change_guard")
        refuses(lambda: set_state(pending, "running"), "change_has_its_approvals")

    def test_its_priority_is_no_part_of_what_was_decided(self, pending: Change) -> None:
        assert sql("UPDATE changes_change SET priority = 10") == 1

    @pytest.mark.parametrize("state", CHANGE_STARTED)
    @pytest.mark.parametrize("open_state", [ItemState.QUEUED, ItemState.SENDING, ItemState.SENT, ItemState.UNKNOWN])
    def test_finishing_before_every_item_has_its_outcome(
        self, running: Change, state: ChangeState, open_state: ItemState
    ) -> None:
        walk(Item.objects.get(), open_state)
        if state != ChangeState.RUNNING:
            set_state(running, state)
        refuses(lambda: sql("UPDATE changes_change SET state = 'finished'"), "change_has_every_outcome")
        if open_state in {ItemState.SENDING, ItemState.SENT}:
            sql("UPDATE changes_item SET state = 'unknown'")
        sql("UPDATE changes_item SET state = %s", "cancelled" if open_state == ItemState.QUEUED else "applied")
        assert sql("UPDATE changes_change SET state = 'finished'") == 1


class TestItems:
    def test_sending_before_its_change_is_approved(self, pending: Change) -> None:
        refuses(lambda: sql("UPDATE changes_item SET state = 'queued'"), "item_may_be_sent")
        refuses(lambda: sql("UPDATE changes_item SET state = 'sending'"), "item_transition")

    @pytest.mark.parametrize("state", ["paused", "stopping"])
    def test_sending_while_its_change_does_not_run(self, running: Change, state: str) -> None:
        set_state(running, state)
        refuses(lambda: sql("UPDATE changes_item SET state = 'sending'"), "item_may_be_sent")

    @pytest.mark.parametrize("state", ["paused", "stopping"])
    def test_queueing_for_the_first_time_while_its_change_does_not_run(
        self, pending: Change, supervisor: Staff, state: str
    ) -> None:
        let_run(pending, supervisor)
        sql("UPDATE changes_change SET state = 'running'")
        set_state(pending, state)
        refuses(lambda: sql("UPDATE changes_item SET state = 'queued'"), "item_may_be_sent")

    @pytest.mark.parametrize("state", ["paused", "stopping"])
    @pytest.mark.parametrize("came_from", [ItemState.SENDING, ItemState.SENT, ItemState.UNKNOWN])
    def test_coming_back_into_the_queue_of_a_change_that_does_not_run(
        self, running: Change, state: str, came_from: ItemState
    ) -> None:
        walk(Item.objects.get(), came_from)
        set_state(running, state)
        assert sql("UPDATE changes_item SET state = 'queued'") == 1
        refuses(lambda: sql("UPDATE changes_item SET state = 'sending'"), "item_may_be_sent")

    @pytest.mark.parametrize("state", ["rejected", "cancelled", "expired"])
    def test_queueing_after_its_change_has_ended(self, pending: Change, state: str) -> None:
        sql("UPDATE changes_change SET state = %s", state)
        refuses(lambda: sql("UPDATE changes_item SET state = 'queued'"), "item_may_be_sent")

    @pytest.mark.parametrize(
        "assignment",
        [
            "target = 'live:account:102'",
            "account_id = NULL",
            "target_name = 'Another'",
            """before = '{"admin_action": "Normal"}'""",
            "before = NULL",
            """after = '{"admin_action": "LiquidateImmediately"}'""",
            "position = 2",
            """own_parameters = '{"amount": "1"}'""",
            "id = id + 1000",
        ],
    )
    def test_altering_what_was_shown(self, running: Change, assignment: str) -> None:
        refuses(lambda: sql(f"UPDATE changes_item SET {assignment}"), "item_frozen")

    def test_moving_it_into_an_approved_change(self, pending: Change, running: Change) -> None:
        refuses(
            lambda: sql("UPDATE changes_item SET change_id = %s, position = 2 WHERE change_id = %s", running.pk, pending.pk),
            "item_frozen",
        )

    @pytest.mark.parametrize("attack", ["DELETE FROM changes_item", "TRUNCATE changes_item CASCADE"])
    def test_removing_one(self, running: Change, attack: str) -> None:
        refuses(lambda: sql(attack), "changes_stay")

    @pytest.mark.parametrize("state", [state for state in ItemState if state != ItemState.SKIPPED])
    def test_adding_one_to_a_change_that_has_all_its_items(self, pending: Change, running: Change, state: str) -> None:
        for change in (pending, running):
            for position in (1, 2, 0):
                refuses(
                    partial(_insert_item, change, state=state, position=position),
                    "item_begins|item_has_a_position|item_in_order|item_target_once",
                )

    def test_adding_one_after_the_approval(self, pending: Change, supervisor: Staff) -> None:
        approve(supervisor, pending)
        refuses(
            lambda: _insert_item(pending, state="queued", position=2),
            "item_has_a_position",
        )

    @pytest.mark.parametrize("state", ["applied", "unchanged", "rejected", "skipped", "cancelled"])
    def test_altering_an_outcome(self, subtests: pytest.Subtests, support: Staff, state: str) -> None:
        open_item(support, make_account(101), "lock", ItemState(state))
        for assignment in ("note = 'Another'", "observed = '{}'", "settled_at = now() + interval '1 hour'"):
            with subtests.test(assignment):
                refuses(partial(sql, f"UPDATE changes_item SET {assignment}"), "item_keeps_its_outcome")

    def test_two_items_of_a_target_in_progress_are_refused(self, support: Staff) -> None:
        account = make_account(101)
        open_item(support, account, "lock", ItemState.SENDING)
        second = open_item(support, account, "liquidate_only", ItemState.QUEUED)
        refuses(lambda: sql("UPDATE changes_item SET state = 'sending' WHERE id = %s", second.pk), "item_target_under_way")
        Item.objects.exclude(pk=second.pk).update(state=ItemState.UNKNOWN)
        assert sql("UPDATE changes_item SET state = 'sending' WHERE id = %s", second.pk) == 1

    def test_an_unknown_item_is_decided_about_by_somebody_else_than_the_requester(
        self, support: Staff, supervisor: Staff
    ) -> None:
        says = "UPDATE changes_item SET state = %s, resolved_by_id = %s WHERE id = %s"
        colleague = make_person(Role.SUPPORT, "colleague")
        for number, to in enumerate(("applied", "queued", "cancelled"), start=101):
            item = open_item(support, make_account(number), "lock", ItemState.UNKNOWN)
            refuses(partial(sql, says, to, support.pk, item.pk), "item_not_resolved_by_requester")
            refuses(partial(sql, says, to, colleague.pk, item.pk), "item_resolved_by_role")
            assert sql(says, to, supervisor.pk, item.pk) == 1

    def test_who_decided_about_it_is_written_with_the_decision_only(
        self, support: Staff, supervisor: Staff, second_supervisor: Staff
    ) -> None:
        item = open_item(support, make_account(101), "lock", ItemState.UNKNOWN)
        refuses(lambda: sql("UPDATE changes_item SET state = 'cancelled'"), "item_resolved_by_a_person")
        refuses(lambda: sql("UPDATE changes_item SET resolved_by_id = %s", supervisor.pk), "item_keeps_who_resolved_it")
        refuses(
            lambda: sql("UPDATE changes_item SET state = 'unchanged', resolved_by_id = %s", supervisor.pk),
            "item_keeps_who_resolved_it",
        )
        assert sql("UPDATE changes_item SET state = 'cancelled', resolved_by_id = %s", supervisor.pk) == 1
        for person in (second_supervisor.pk, None):
            refuses(
                partial(sql, "UPDATE changes_item SET resolved_by_id = %s", person),
                "item_keeps_who_resolved_it",
            )
        assert Item.objects.get(pk=item.pk).resolved_by == supervisor


@pytest.mark.django_db(transaction=True)
def test_the_guards_can_be_taken_back_and_put_again() -> None:
    def count() -> int:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FROM pg_trigger WHERE NOT tgisinternal AND tgenabled IN ('A', 'O')"
                " AND starts_with(tgname, 'changes_') AND tgrelid IN ('changes_change'::regclass, 'changes_item'::regclass)"
            )
            return int(cursor.fetchone()[0])

    installed = count()
    assert installed
    try:
        call_command("migrate", "changes", "0001", verbosity=0)
        assert count() == 0
    finally:
        call_command("migrate", verbosity=0)
    assert count() == installed


def _insert_change(like: Change, **columns: Any) -> None:
    values = {field.attname: getattr(like, field.attname) for field in Change._meta.concrete_fields if field.name != "id"}
    Change.objects.bulk_create([Change(**{**values, "form_key": uuid4(), **columns})])


def _copy(request: ApprovalRequest, **columns: Any) -> int:
    """Insert a request like another one."""
    values = {field.attname: getattr(request, field.attname) for field in request._meta.concrete_fields if field.name != "id"}
    return ApprovalRequest.objects.create(**{**values, **columns}).pk


def _insert_item(change: Change, *, state: str, position: int, number: int = 103) -> None:
    Item.objects.bulk_create(
        [
            Item(
                change=change,
                position=position,
                target=f"demo:account:{number}",
                target_name=str(number),
                before={},
                after={"admin_action": LOCKED},
                state=state,
            )
        ]
    )
