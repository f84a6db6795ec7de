"""The registry of auto-liq fields: each of Tradovate's fields once, and what is written out elsewhere agrees with it."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import fields

import pytest
from django.db import connection

from accounts.changes.kinds.limit_form import LimitsForm
from accounts.limit_templates.fields import TEMPLATE_FIELDS
from accounts.models import AutoLiqLimits, LimitLevel
from accounts.models.auto_liq_fields import AUTO_LIQ_FIELDS, FIELDS_OF_LEVEL, AutoLiqField
from accounts.models.limit_distances import Figures, distance_to
from riskadmin.tradovate.auto_liq import AutoLiqFields
from riskadmin.tradovate.entities import LossLimits, PermissionedAccountAutoLiq, UserAccountAutoLiq

ENTITIES = {LimitLevel.FIRM: UserAccountAutoLiq, LimitLevel.TRADER: PermissionedAccountAutoLiq}


def disagreement(entity: type[LossLimits], registered: Iterable[AutoLiqField]) -> set[str]:
    """The entity's fields that are not in the registry exactly once, and the registry's that are not the entity's."""
    theirs = {each.name for each in fields(entity)} - {"id", "extra", "record"}
    counts = Counter(each.entity_name for each in registered)
    return {name for name in theirs | set(counts) if counts[name] != 1 or name not in theirs}


@pytest.mark.parametrize("level", list(LimitLevel))
def test_each_field_of_tradovates_is_registered_once(level: LimitLevel) -> None:
    assert disagreement(ENTITIES[level], FIELDS_OF_LEVEL[level]) == set()


@pytest.mark.parametrize("forgotten", AUTO_LIQ_FIELDS.values(), ids=lambda field: field.name)
def test_forgetting_one_is_found(forgotten: AutoLiqField) -> None:
    others = [each for each in AUTO_LIQ_FIELDS.values() if each is not forgotten]

    assert disagreement(UserAccountAutoLiq, others) == {forgotten.entity_name}
    assert disagreement(UserAccountAutoLiq, [*others, forgotten, forgotten]) == {forgotten.entity_name}


def test_the_request_has_the_registered_fields() -> None:
    assert sorted(each.name for each in fields(AutoLiqFields)) == sorted(each.entity_name for each in AUTO_LIQ_FIELDS.values())


def test_the_mirror_has_a_column_for_each() -> None:
    """The columns are written out in the model, where type checks and migrations read them."""
    others = {"id", "account_id", "level", "fresh_at", "source", "record"}
    columns = [field.attname for field in AutoLiqLimits._meta.concrete_fields if field.attname not in others]

    assert sorted(columns) == sorted(AUTO_LIQ_FIELDS)


def test_the_form_has_an_input_for_each_and_shows_each_once() -> None:
    form = LimitsForm()

    assert sorted(form.fields) == sorted([*AUTO_LIQ_FIELDS, "level"])
    assert sorted(bound.name for _, shown in form.groups for bound, _, _ in shown) == sorted(AUTO_LIQ_FIELDS)


@pytest.mark.django_db
def test_drift_compares_each_field_that_a_template_may_set() -> None:
    """The view that compares is SQL of a migration: a field that it does not name would never be drift."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_get_viewdef('limit_templates_governed')")
        (view,) = cursor.fetchone()

    assert {name for name in AUTO_LIQ_FIELDS if f"'{name}'::text" in view} == set(TEMPLATE_FIELDS)


@pytest.mark.parametrize("field", AUTO_LIQ_FIELDS.values(), ids=lambda field: field.name)
def test_a_number_has_usual_values_and_a_limit_on_a_figure_can_be_measured(field: AutoLiqField) -> None:
    unknown = Figures(today_usd=None, week_usd=None, start_of_day_usd=None, cash_usd=None, peak_usd=None)

    assert (field.usual is not None) == field.is_number
    assert (field.figure is None) == (field.effect is None)
    if field.is_number:
        (usual, _) = field.usual or (None, None)
        assert usual is not None
        assert distance_to(field, usual, unknown) is None
