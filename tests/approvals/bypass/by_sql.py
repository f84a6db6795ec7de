"""By SQL as the application's role: what an injected statement, or a console, could do. Each names the rule that refuses it."""

import re
from typing import Any, Final

import pytest
from django.db import IntegrityError, transaction

from accounts.models.guards import broken_rule
from tests.approvals.bypass import ATTEMPTS, Attempt
from tests.approvals.bypass.world import World, sql

REQUEST: Final = """
    INSERT INTO approvals_approvalrequest (subject, digest, version, requested_by_id, requested_by_name, requested_at, facts,
        policy_id, rules, needed, stages, expires_at, state, decided_at)
    SELECT subject, digest, version, requested_by_id, requested_by_name, requested_at, {facts}, policy_id, rules, {needed},
        {stages}, {expires_at}, '{state}', now()
    FROM approvals_approvalrequest WHERE id = {waiting_request}
"""
CHANGE: Final = """
    INSERT INTO changes_change (kind, environment, parameters, reason_code, reason_text, lane, digest, form_key, requested_by_id,
        requested_by_name, submitted_at, approval_id, item_count, effects, state)
    SELECT '{kind}', environment, parameters, reason_code, reason_text, lane, {digest}, gen_random_uuid(), requested_by_id,
        requested_by_name, submitted_at, {approval}, item_count, effects, 'running'
    FROM changes_change WHERE id = {waiting}
"""
APPROVAL: Final = """
    INSERT INTO approvals_approval (request_id, version, staff_id, staff_name, staff_role, verdict, stage, digest, comment, excluded)
    SELECT id, {version}, {person}, 'x', 'supervisor', 'approve', {stage}, {digest}, '', '[]'
    FROM approvals_approvalrequest WHERE id = {request}
"""
ITEM: Final = """
    INSERT INTO changes_item (change_id, position, target, target_name, before, after, state, note, step, attempts, worker, ticket)
    SELECT change_id, {position}, 'demo:account:113', 'x', before, after, '{state}', '', 0, 0, '', ''
    FROM changes_item WHERE change_id = {waiting}
"""
ALONE: Final = "UPDATE approvals_approvalrequest SET state = 'approved', incident = 'I', review_due_at = now() WHERE id = {0}"


def _request(**columns: str) -> str:
    named = {"facts": "facts", "needed": "needed", "stages": "stages", "expires_at": "expires_at", "state": "waiting"}
    return REQUEST.format(**{**named, **columns}, waiting_request="{waiting_request}")


def _change(**columns: str) -> str:
    named = {"kind": "unlock", "digest": "digest", "approval": "approval_id"}
    return CHANGE.format(**{**named, **columns}, waiting="{waiting}")


def _approval(person: str, request: str = "{waiting_request}", **columns: str) -> str:
    named = {"version": "version", "stage": "1", "digest": "digest"}
    return APPROVAL.format(**{**named, **columns}, person=person, request=request)


STATEMENTS: Final[dict[str, tuple[str, str]]] = {
    "a request that needs nothing": (_request(needed="0", stages="'[]'", state="approved"), "request_as_policy_wants"),
    "a request with fewer stages": (_request(stages="'[]'"), "request_as_policy_wants"),
    "a request that is approved from the start": (_request(state="approved"), "request_begins"),
    "a change that runs on a request of another kind, which needs nothing": (
        _request(facts='facts || \'{{"kind": "lock"}}\'', needed="0", stages="'[]'", state="approved")
        + ";"
        + _change(approval="(SELECT max(id) FROM approvals_approvalrequest)"),
        "change_as_requested",
    ),
    "a request with another role of its requester": (
        _request(facts='facts || \'{{"requester_role": "supervisor"}}\''),
        "request_with_true_facts",
    ),
    "a request that never expires": (_request(expires_at="NULL"), "request_as_policy_wants"),
    "a request that expires in a year": (_request(expires_at="expires_at + interval '1 year'"), "request_as_policy_wants"),
    "a change that runs on a request that waits": (_change(), "change_begins|changes_change_approval_id_.*"),
    "a change that runs on the approved request of another": (
        _change(approval="{scheduled_request}", digest="'{scheduled_digest}'"),
        "changes_change_approval_id_.*",
    ),
    "a change of another kind on an approved request": (
        _change(kind="liquidate", approval="{scheduled_request}", digest="'{scheduled_digest}'"),
        "change_as_requested",
    ),
    "a change with another digest than its request": (
        _change(approval="{scheduled_request}"),
        "change_as_requested",
    ),
    "a change without a request": (_change(approval="NULL"), "change_as_requested"),
    "an approval by the requester": (_approval("{support}"), "approval_not_by_requester"),
    "an approval by a person who is not active": (_approval("{inactive}"), "approval_by_role"),
    "an approval by a person of support": (_approval("{support2}"), "approval_by_role"),
    "an approval by an administrator": (_approval("{administrator}"), "approval_by_role"),
    "an approval of another digest": (_approval("{supervisor}", digest="repeat('0', 64)"), "approval_about_content"),
    "an approval with the digest of another request": (
        _approval("{supervisor}", digest="'{scheduled_digest}'"),
        "approval_about_content",
    ),
    "an approval of another version": (_approval("{supervisor}", version="2"), "approval_about_content"),
    "an approval of what has expired": (_approval("{supervisor}", "{expired_request}"), "approval_in_time"),
    "an approval of what was rejected": (_approval("{supervisor2}", "{rejected_request}"), "approval_while_waiting"),
    "an approval by the same person twice": (
        _approval("{supervisor}", "{double_request}"),
        "approval_once_per_person",
    ),
    "an approval of the second stage before the first": (
        _approval("{supervisor}", "{staged_request}", stage="2"),
        "approval_in_its_stage",
    ),
    "an approval of a policy by its proposer": (
        _approval("{administrator}", "{policy_request}"),
        "approval_not_by_requester",
    ),
    "a request moved to approved": (
        "UPDATE approvals_approvalrequest SET state = 'approved' WHERE id = {waiting_request}",
        "request_has_its_approvals",
    ),
    "a request with half of its approvals moved to approved": (
        "UPDATE approvals_approvalrequest SET state = 'approved' WHERE id = {double_request}",
        "request_has_its_approvals",
    ),
    "a rejected request moved to approved": (
        "UPDATE approvals_approvalrequest SET state = 'approved' WHERE id = {rejected_request}",
        "request_transition",
    ),
    "a need of a request set to 0": (
        "UPDATE approvals_approvalrequest SET needed = 0 WHERE id = {waiting_request}",
        "request_frozen",
    ),
    "stages of a request removed": (
        "UPDATE approvals_approvalrequest SET stages = '[]' WHERE id = {waiting_request}",
        "request_frozen",
    ),
    "facts of a request altered": (
        "UPDATE approvals_approvalrequest SET facts = '{{}}' WHERE id = {waiting_request}",
        "request_frozen",
    ),
    "a digest of a request altered": (
        "UPDATE approvals_approvalrequest SET digest = '{scheduled_digest}' WHERE id = {waiting_request}",
        "request_frozen",
    ),
    "a time to approve extended": (
        "UPDATE approvals_approvalrequest SET expires_at = now() + interval '1 day' WHERE id = {expired_request}",
        "request_frozen",
    ),
    "a requester replaced, to approve it oneself": (
        "UPDATE approvals_approvalrequest SET requested_by_id = {supervisor2} WHERE id = {own_request}",
        "request_frozen",
    ),
    "break-glass by a person of support": (ALONE.format("{waiting_request}"), "request_may_act_alone"),
    "break-glass again before the review": (ALONE.format("{own_request}"), "request_may_act_alone"),
    "a review by the same person": (
        "UPDATE approvals_approvalrequest SET reviewed_by_id = requested_by_id, reviewed_at = now() WHERE id = {alone_request}",
        "request_reviewed_by_another",
    ),
    "a review by a person of support": (
        "UPDATE approvals_approvalrequest SET reviewed_by_id = {support}, reviewed_at = now() WHERE id = {alone_request}",
        "request_reviewed_by_another",
    ),
    "an incident added to what is approved": (
        "UPDATE approvals_approvalrequest SET incident = 'I', review_due_at = now() WHERE id = {scheduled_request}",
        "request_frozen",
    ),
    "a change that waits moved to running": (
        "UPDATE changes_change SET state = 'running' WHERE id = {waiting}",
        "change_has_its_approvals",
    ),
    "a change with half of its approvals moved to running": (
        "UPDATE changes_change SET state = 'running' WHERE id = {double}",
        "change_has_its_approvals",
    ),
    "a rejected change moved to running": (
        "UPDATE changes_change SET state = 'running' WHERE id = {rejected}",
        "change_transition",
    ),
    "a paused change resumed by its requester": (
        "UPDATE changes_change SET state = 'running', resumed_by_id = requested_by_id WHERE id = {paused}",
        "change_resumed_by_somebody_else",
    ),
    "parameters of a change altered": (
        "UPDATE changes_change SET parameters = '{{\"x\": 1}}' WHERE id = {scheduled}",
        "change_frozen",
    ),
    "a kind of a change altered": ("UPDATE changes_change SET kind = 'liquidate' WHERE id = {scheduled}", "change_frozen"),
    "an environment of a change altered": (
        "UPDATE changes_change SET environment = 'live' WHERE id = {scheduled}",
        "change_frozen",
    ),
    "a time of a change altered": ("UPDATE changes_change SET runs_at = now() WHERE id = {scheduled}", "change_frozen"),
    "a request of a change replaced by an approved one": (
        "UPDATE changes_change SET approval_id = {alone_request} WHERE id = {waiting}",
        "change_frozen",
    ),
    "a digest of a change replaced by an approved one": (
        "UPDATE changes_change SET digest = '{scheduled_digest}' WHERE id = {waiting}",
        "change_frozen",
    ),
    "effects of a change altered": ("UPDATE changes_change SET effects = NULL WHERE id = {waiting}", "change_frozen"),
    "an intended state of an item altered": (
        'UPDATE changes_item SET after = \'{{"admin_action": "Liquidate"}}\' WHERE change_id = {scheduled}',
        "item_frozen",
    ),
    "a target of an item altered": (
        "UPDATE changes_item SET target = 'demo:account:113' WHERE change_id = {scheduled}",
        "item_frozen",
    ),
    "a digest of an item altered": (
        "UPDATE changes_item SET digest = repeat('0', 64) WHERE change_id = {scheduled}",
        "item_frozen",
    ),
    "an item of a change that waits queued": (
        "UPDATE changes_item SET state = 'queued' WHERE change_id = {waiting}",
        "item_may_be_sent",
    ),
    "an item of a change that waits sent": (
        "UPDATE changes_item SET state = 'sending' WHERE change_id = {waiting}",
        "item_transition",
    ),
    "an item of a paused change claimed": (
        "UPDATE changes_item SET state = 'sending' WHERE change_id = {paused}",
        "item_may_be_sent",
    ),
    "an item added to a change that waits": (
        ITEM.format(position=2, state="waiting", waiting="{waiting}"),
        "item_has_a_position",
    ),
    "a queued item added to a change that waits": (
        ITEM.format(position=1, state="queued", waiting="{waiting}"),
        "item_begins",
    ),
    "an unknown item sent again by the requester": (
        "UPDATE changes_item SET state = 'queued', resolved_by_id = {support} WHERE id = {unknown}",
        "item_not_resolved_by_requester|item_resolved_by_role",
    ),
    "a rejection deleted": (
        "DELETE FROM approvals_approval WHERE request_id = {rejected_request}",
        "approvals_stay",
    ),
    "an approval turned from reject into approve": (
        "UPDATE approvals_approval SET verdict = 'approve' WHERE request_id = {rejected_request}",
        "approvals_stay",
    ),
    "a request deleted": ("DELETE FROM approvals_approvalrequest WHERE id = {waiting_request}", "approvals_stay"),
    "a change deleted": ("DELETE FROM changes_change WHERE id = {waiting}", "changes_stay"),
    "an item deleted": ("DELETE FROM changes_item WHERE change_id = {waiting}", "changes_stay"),
    "approvals truncated": ("TRUNCATE approvals_approval", "approvals_stay"),
    "items truncated": ("TRUNCATE changes_item CASCADE", "changes_stay|calls_stay"),
    "a policy version inserted in force": (
        (
            "INSERT INTO approvals_policyversion (number, note, proposed_by_name, digest, rule_count, state, approval_id)"
            " SELECT 99, '', '', digest, 0, 'in_force', NULL FROM approvals_policyversion WHERE id = {policy}"
        ),
        "policy_begins",
    ),
    "a policy version put in force without its approval": (
        (
            "UPDATE approvals_policyversion SET state = 'superseded' WHERE state = 'in_force';"
            "UPDATE approvals_policyversion SET state = 'in_force' WHERE id = {policy}"
        ),
        "policy_has_its_approval",
    ),
    "a rule inserted into the version in force": (
        (
            "INSERT INTO approvals_policyrule (version_id, position, kinds, directions, environment, requester_role, hours,"
            " from_items, from_items_24h, from_money_usd, from_liquidations, from_open_positions, stages, valid_hours, note)"
            " SELECT id, 1000, '{{}}', '{{}}', '', '', '', 0, 0, 0, 0, 0, '[]', 24, '' FROM approvals_policyversion"
            " WHERE state = 'in_force'"
        ),
        "policy_rule_comes_with_version",
    ),
    "a rule in force altered": ("UPDATE approvals_policyrule SET stages = '[]'", "approvals_stay"),
    "a rule in force deleted": ("DELETE FROM approvals_policyrule", "approvals_stay"),
    "rules truncated": ("TRUNCATE approvals_policyrule", "approvals_stay"),
}
"""For each: the statement, with names of the world's rows, and the rule of PostgreSQL that refuses it."""


def _names(world: World) -> dict[str, Any]:
    changes = ("waiting", "rejected", "expired", "scheduled", "paused", "double", "staged", "own", "alone")
    people = {name: person.pk for name, person in world.people.items()}
    return {
        **people,
        "inactive": people["supervisor2"],
        **{name: getattr(world, name).pk for name in changes},
        **{f"{name}_request": getattr(world, name).approval_id for name in changes},
        "scheduled_digest": world.scheduled.digest,
        "unknown": world.unknown.pk,
        "policy": world.policy.pk,
        "policy_request": world.policy.approval_id,
    }


def _register(name: str, statement: str, rule: str) -> None:
    def run(world: World) -> None:
        sql("SET CONSTRAINTS ALL IMMEDIATE")
        if "{inactive}" in statement:
            sql("UPDATE staff_staff SET is_active = false WHERE id = %s", world.people["supervisor2"].pk)
        attack = statement.format(**_names(world))
        for role in ("replica", "origin"):  # a session that replays a replica's changes has no ordinary triggers
            sql(f"SET LOCAL session_replication_role = {role}")
            with pytest.raises(IntegrityError) as caught, transaction.atomic():
                sql(attack)
            assert re.fullmatch(rule, broken_rule(caught.value)), caught.value

    ATTEMPTS.append(Attempt(group="sql", name=name, run=run, leaves_event=False))


for _name, (_statement, _rule) in STATEMENTS.items():
    _register(_name, _statement, _rule)
