"""Two modules move changes, items, requests and versions from state to state, by the maps of transitions; and refusals have names."""

import ast
import re

import pytest

from tests.test_structure import PROJECT, parsed, python_files, short

MOVING = ("accounts/changes/moving.py", "accounts/models/moving.py")
CLAIM = ("accounts/execution/claim.py", "CLAIM")
"""The one statement elsewhere: it claims many items at once, and asks `transition` for its states."""

STATEMENT = re.compile(
    r"\bUPDATE\s+(?:changes_change|changes_item|limit_templates_templateversion|approvals_\w+)\b.*?\bSET\b.*?\bstate\s*=",
    re.DOTALL,
)


def writers(name: str, tree: ast.Module) -> list[str]:
    """Return where a module writes a state, except of a row that it creates; calls have no map, and no part in this."""
    return [f"{name}:{getattr(node, 'lineno', 0)}" for node in ast.walk(tree) if writes_state(node)]


def writes_state(node: ast.AST) -> bool:
    match node:
        case ast.Assign(targets=targets):
            return any(is_state(part) for target in targets for part in ast.walk(target))
        case ast.AugAssign(target=target) | ast.AnnAssign(target=target, value=ast.expr()):
            return is_state(target)
        case ast.Call(func=ast.Attribute(attr="update"), keywords=keywords):
            return any(each.arg == "state" for each in keywords)
        case ast.Call(func=ast.Attribute(attr="bulk_update" | "bulk_create" | "save"), args=args, keywords=keywords):
            columns = [*args[1:], *(each.value for each in keywords if each.arg in {"fields", "update_fields"})]
            return any(names_state(part) for column in columns for part in ast.walk(column))
        case ast.Call(func=ast.Name(id="setattr"), args=[_, name, _]):
            return names_state(name)
        case ast.Constant(value=str(text)):
            return STATEMENT.search(text) is not None
    return False


def is_state(node: ast.AST) -> bool:
    """Say whether it is the state of something else than the object at hand, such as an error that keeps one."""
    return (
        isinstance(node, ast.Attribute)
        and node.attr == "state"
        and not (isinstance(node.value, ast.Name) and node.value.id == "self")
    )


def names_state(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and node.value == "state"


def assigns(node: ast.AST, name: str) -> bool:
    return isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.target.id == name


OTHER_STATES = ("riskadmin/simulator/", "riskadmin/notifications/", "riskadmin/staff/", "riskadmin/audit/proof/")
"""Packages whose states are those of messages, requests for rights, sign-ins and exports, not of changes and items."""


def test_no_other_module_writes_a_state() -> None:
    found = []
    for path in python_files("accounts", "riskadmin"):
        name, tree = short(path), parsed(path)
        if name in MOVING or "/migrations/" in name or name.startswith(OTHER_STATES):
            continue
        if name == CLAIM[0]:
            tree.body = [each for each in tree.body if not assigns(each, CLAIM[1])]
        found += writers(name, tree)
    assert found == []


def test_the_claims_statement_takes_its_states_from_the_map() -> None:
    tree = parsed(PROJECT / CLAIM[0])
    (statement,) = (each.value for each in tree.body if isinstance(each, ast.AnnAssign) and assigns(each, CLAIM[1]))
    assert isinstance(statement, ast.Constant)
    (written,) = re.findall(r"\bstate = (.*?),", str(statement.value))
    assert written == "CASE changes_item.state WHEN %(came_from)s THEN %(to)s END"
    called = [node.func.id for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)]
    assert called.count("transition") == 1


@pytest.mark.parametrize(
    "code",
    [
        "item.state = 'sent'",
        "item.note, item.state = '', 'sent'",
        "item.state: str = 'sent'",
        "Item.objects.filter(pk=1).update(note='', state='sent')",
        "Item.objects.bulk_update(items, ['note', 'state'])",
        "Item.objects.bulk_create(items, update_fields=['state'])",
        "change.save(update_fields=['state', 'decided_at'])",
        "setattr(item, 'state', 'sent')",
        'cursor.execute("UPDATE changes_item SET note = 1, state = %s")',
        'cursor.execute("WITH x AS (SELECT 1) UPDATE limit_templates_templateversion AS v\\nSET state = %s")',
    ],
)
def test_every_statement_that_writes_a_state_is_found(code: str) -> None:
    assert writers("x", ast.parse(code)) == ["x:1"]


@pytest.mark.parametrize(
    "code",
    [
        "if item.state == 'sent': item.note = ''",
        "Item.objects.filter(state='sent').update(note='')",
        "Item(state='sent')",
        'cursor.execute("UPDATE execution_call SET state = %s")',
    ],
)
def test_what_writes_none_is_not_found(code: str) -> None:
    assert writers("x", ast.parse(code)) == []


def test_no_refusal_is_recognised_by_its_text() -> None:
    """PostgreSQL names the rule by which it refuses (`accounts.models.guards`); its message is for people."""
    found = [
        f"{short(path)}:{node.lineno}"
        for path in python_files("accounts", "riskadmin")
        for handler in ast.walk(parsed(path))
        if isinstance(handler, ast.ExceptHandler) and handler.name
        for node in ast.walk(handler)
        if isinstance(node, ast.Compare) and any(isinstance(each, ast.In | ast.NotIn) for each in node.ops)
        if handler.name in {each.id for side in node.comparators for each in ast.walk(side) if isinstance(each, ast.Name)}
    ]
    assert found == []
