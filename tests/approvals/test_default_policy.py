"""The policy that a new database starts with, as docs/policy.md says."""

import re
from typing import Any

import pytest
from django.apps import apps
from django.db import connection

from accounts.approvals.models import PolicyRule, PolicyVersion
from accounts.approvals.policy import in_words, stages_of
from accounts.approvals.states import Direction
from accounts.changes.kinds import KINDS
from riskadmin.local.places import PROJECT
from tests.approvals.policies import wanted

pytestmark = pytest.mark.django_db

TIGHTENING, LOOSENING, MIXED = Direction.TIGHTENING, Direction.LOOSENING, Direction.MIXED


@pytest.fixture(autouse=True)
def default_policy() -> None:
    """Have the rules that the migration writes, in place of those of the tests."""
    from importlib import import_module

    first = import_module("accounts.approvals.migrations.0002_guards")
    tables = ("approvals_policyrule", "approvals_policyversion")
    with connection.cursor() as cursor:
        for table in tables:
            cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        PolicyRule.objects.all().delete()
        PolicyVersion.objects.update(rule_count=0)
        with connection.schema_editor() as editor:
            first.write_first_rules(apps, editor)


@pytest.mark.parametrize(
    ("kind", "facts", "who"),
    [
        ("lock", {"direction": TIGHTENING, "items": 25}, ""),
        ("lock", {"direction": TIGHTENING, "items": 26}, "1 supervisor"),
        ("lock", {"direction": TIGHTENING, "items": 10, "items_24h": 101}, "1 supervisor"),
        ("lock", {"direction": TIGHTENING, "items": 10_000, "items_24h": 10_000, "requester_role": "supervisor"}, ""),
        ("auto_liq_limits", {"direction": TIGHTENING}, ""),
        ("auto_liq_limits", {"direction": TIGHTENING, "liquidations": 1}, "2 supervisors"),
        ("auto_liq_limits", {"direction": LOOSENING}, "1 supervisor"),
        ("auto_liq_limits", {"direction": MIXED, "items": 600, "items_24h": 1001}, "2 supervisors"),
        ("unlock", {"direction": LOOSENING, "items": 1000}, "1 supervisor"),
        ("user_lockout", {"direction": LOOSENING, "open_positions": None}, "1 supervisor"),
        ("max_net_liq", {"direction": TIGHTENING}, "1 supervisor"),
        ("liquidate", {"direction": TIGHTENING, "requester_role": "supervisor"}, "2 supervisors"),
        ("risk_category", {"environment": "live"}, "2 supervisors"),
        ("risk_category", {"environment": "live", "direction": TIGHTENING}, ""),
        ("auto_liq_limits", {"environment": "live", "direction": TIGHTENING}, "2 supervisors"),
    ],
)
def test_what_needs_whom(kind: str, facts: dict[str, Any], who: str) -> None:
    found = wanted(kind, **facts)
    assert (found.who, found.review_within is not None) == (who, not who)


@pytest.mark.parametrize("direction", Direction)
def test_it_covers_every_kind(direction: Direction) -> None:
    for name in KINDS:
        wanted(name, direction=direction)


def test_the_page_lists_the_rules_in_order() -> None:
    text = (PROJECT / "docs" / "policy.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| (\d+) \| .* \| (.*) \|$", text, re.MULTILINE)
    rules = PolicyRule.objects.order_by("position")
    assert listed == [
        (str(rule.position), in_words(stages_of(rule.stages)) or f"no one; reviewed within {rule.review_within_hours} h")
        for rule in rules
    ]
