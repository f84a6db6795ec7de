"""Whatever templates say and accounts have: nothing differs right after applying, and then exactly what somebody else alters."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accounts.changes.kinds import KINDS
from accounts.changes.kinds.limit_fields import digits
from accounts.changes.plan import plan
from accounts.limit_templates.drift import Wanted, drift
from accounts.limit_templates.fields import fields_of
from accounts.limit_templates.models import Governed, LimitTemplate, TemplateVersion
from accounts.limit_templates.queries import assigned_accounts
from accounts.models import Account, LimitLevel, MirrorMove, RiskCategory, Source
from accounts.models.auto_liq_fields import AutoLiqField, ValueType
from riskadmin.staff.models import Staff
from riskadmin.tradovate.vocabulary import Environment
from tests.changes.world import make_account
from tests.examples import EXAMPLES_OF_MANY_QUERIES
from tests.limit_templates.templates import assign_category, assign_size, differing, put_in_force, read_limits

LIMITS = KINDS["auto_liq_limits"]
SIZES = (Decimal(25_000), Decimal(50_000))
ACCOUNTS = range(1, 7)

_AMOUNTS = st.integers(1, 400).map(lambda cents: digits(Decimal(cents) / 4))
_SHARES = st.integers(1, 400).map(lambda parts: digits(Decimal(parts) / 8))
_STEPS = st.lists(st.tuples(_AMOUNTS, st.integers(1, 60)), min_size=1, max_size=3).map(
    lambda steps: [
        {"step": number, "distance_usd": distance, "cooldown_minutes": minutes}
        for number, (distance, minutes) in enumerate(steps, start=1)
    ]
)
_VALUES: dict[ValueType, st.SearchStrategy[Any]] = {
    ValueType.USD: _AMOUNTS,
    ValueType.PCT: _SHARES,
    ValueType.FLAG: st.booleans(),
    ValueType.MODE: st.sampled_from(["EOD", "RealTime"]),
    ValueType.STEPS: _STEPS,
}


def records(level: LimitLevel, *, at_least: int = 0) -> st.SearchStrategy[dict[str, Any]]:
    """Any record that a template of this level may set, or an account may have."""
    fields = fields_of(level)
    names = st.lists(st.sampled_from(fields), min_size=at_least, unique_by=lambda field: field.name, max_size=len(fields))
    return names.flatmap(lambda chosen: st.fixed_dictionaries({field.name: _value(field) for field in chosen}))


def _value(field: AutoLiqField) -> st.SearchStrategy[Any]:
    return _VALUES[field.value_type]


def forget() -> None:
    """Begin again within one test: the rows of the example before."""
    MirrorMove.objects.all().delete()
    Account.objects.all().delete()


@pytest.mark.django_db
@settings(
    max_examples=EXAMPLES_OF_MANY_QUERIES, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(data=st.data(), level=st.sampled_from(list(LimitLevel)))
def test_drift_is_what_was_altered_since_the_template_was_applied(
    support: Staff, supervisor: Staff, data: st.DataObject, level: LimitLevel
) -> None:
    forget()
    number = LimitTemplate.objects.count()
    versions = [
        put_in_force(support, supervisor, f"T{number}-{each}", level, **data.draw(records(level, at_least=1)))
        for each in range(2)
    ]
    category = RiskCategory.objects.create(
        environment="demo", tradovate_id=1000 + number, name="C", fresh_at=timezone.now(), source=Source.SYNC
    )
    # Sizes of its own in each example, since assignments of the one before stay.
    size = Decimal(1000 + number)
    assign_size(supervisor, versions[0], size)
    assign_category(supervisor, versions[1], category)
    for account_id in ACCOUNTS:
        make_account(
            account_id,
            evaluation_size_usd=data.draw(st.sampled_from([size, None])),
            risk_category=data.draw(st.sampled_from([category, None])),
        )
    at = timezone.now() - timedelta(hours=1)
    before = {account_id: data.draw(records(level)) for account_id in ACCOUNTS}
    read_limits(before, level=level, at=at)

    # Each is held to its category's template, else to its size's.
    governed = {account_id: _governing(account_id, versions) for account_id in ACCOUNTS}
    assert {row.account.tradovate_id: row.version_id for row in Governed.objects.select_related("account")} == {
        account_id: version.pk for account_id, version in governed.items() if version
    }
    for version in versions:
        assert set(assigned_accounts(version.template).values_list("tradovate_id", flat=True)) == {
            account_id for account_id, each in governed.items() if each == version
        }
    # What differs is what the plan of applying it would alter.
    assert differing() == _planned(governed)

    # Applied: the intended record is what is read back.
    applied = {
        account_id: {**record, **(governed[account_id].limits if governed[account_id] else {})}  # type: ignore[union-attr]
        for account_id, record in before.items()
    }
    read_limits(applied, level=level, at=at + timedelta(minutes=5), source=Source.CONFIRM)
    assert differing() == {}
    assert _planned(governed) == {}

    # Somebody alters what they like: only what a template sets, to something else, is drift.
    edits = {account_id: data.draw(records(level)) for account_id in ACCOUNTS}
    read_limits({each: {**applied[each], **edits[each]} for each in ACCOUNTS}, level=level, at=at + timedelta(minutes=10))
    expected = {
        account_id: sorted(
            name for name, value in edits[account_id].items() if name in version.limits and version.limits[name] != value
        )
        for account_id, version in governed.items()
        if version
    }
    assert differing() == {account_id: names for account_id, names in expected.items() if names}
    assert differing() == _planned(governed)

    # And each is told with the very window in which it was altered.
    for row in drift(Wanted(), None).rows:
        assert {each.field.name for each in row.deviations} == set(expected[row.account.tradovate_id])
        for each in row.deviations:
            assert (each.set_by.change_id, each.set_by.after, each.set_by.at) == (
                None,
                at + timedelta(minutes=5),
                at + timedelta(minutes=10),
            )


def _governing(account_id: int, versions: list[TemplateVersion]) -> TemplateVersion | None:
    account = Account.objects.get(tradovate_id=account_id)
    if account.risk_category_id:
        return versions[1]
    return versions[0] if account.evaluation_size_usd else None


def _planned(governed: dict[int, TemplateVersion | None]) -> dict[int, list[str]]:
    """What applying each account's template would alter now."""
    found: dict[int, list[str]] = {}
    for account_id, version in governed.items():
        if version:
            (row,) = plan(
                LIMITS, environment=Environment.DEMO, target_ids=[account_id], parameters=dict(version.parameters)
            ).rows
            if row.is_sent:
                before, after = dict(row.before or {}), dict(row.after or {})
                found[account_id] = sorted(name for name in after if before.get(name) != after[name])
            else:
                assert row.skip_reason == "Already so"
    return found
