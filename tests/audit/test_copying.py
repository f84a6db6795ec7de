"""Rows written with COPY are those that INSERT would have written."""

from typing import Any

import pytest
from django.db import DatabaseError, IntegrityError, transaction
from django.db.models.functions import Now
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from riskadmin.audit.copying import copy_in, new_ids
from riskadmin.audit.models import Event
from riskadmin.audit.tags import Tag

pytestmark = pytest.mark.django_db

COLUMNS = [field.attname for field in Event._meta.concrete_fields if field.name not in {"id", "occurred_at"}]

TEXTS = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=40)
JSON = st.recursive(st.none() | st.booleans() | st.integers(-(2**53), 2**53) | TEXTS, lambda part: st.lists(part, max_size=3))


class TestSame(TestCase):
    """Anything that the trail may hold."""

    @given(
        text=TEXTS, before=st.none() | st.dictionaries(TEXTS, JSON, max_size=3), staff_id=st.none() | st.integers(1, 2**63 - 1)
    )
    def test_as_an_insert_writes_it(self, text: str, before: dict[str, Any] | None, staff_id: int | None) -> None:
        columns = {"tag": Tag.ITEM_SENT, "reason_text": text, "before": before, "staff_id": staff_id, "detail": {"a": text}}
        Event.objects.create(**columns)
        copy_in(Event, [columns])
        inserted, copied = Event.objects.order_by("pk").values_list(*COLUMNS)[:2]
        assert copied == inserted


def test_they_keep_their_order_and_share_their_time() -> None:
    copy_in(Event, [{"tag": Tag.ITEM_SENT, "item_id": each} for each in (3, 1, 2)])
    assert list(Event.objects.order_by("pk").values_list("item_id", flat=True)) == [3, 1, 2]
    assert Event.objects.values("occurred_at").distinct().count() == 1
    assert Event.objects.filter(occurred_at__lte=Now()).count() == 3


def test_ids_may_be_known_before() -> None:
    ids = new_ids(Event, 3)
    assert not Event.objects.exists()
    rows = [{"id": pk, "tag": Tag.ITEM_SENT, "item_id": each} for pk, each in zip(ids, (3, 1, 2), strict=True)]
    copy_in(Event, rows)
    assert list(Event.objects.order_by("pk").values_list("pk", "item_id")) == [(row["id"], row["item_id"]) for row in rows]
    later = Event.objects.create(tag=Tag.ITEM_SENT)
    assert later.pk > max(ids)


def test_none_at_all_are_no_statement(django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(0):
        copy_in(Event, [])


def test_what_postgresql_refuses_is_a_database_error_and_nothing_is_written() -> None:
    copy_in(Event, [{"tag": Tag.ITEM_SENT}])
    (written,) = Event.objects.all()
    with pytest.raises(IntegrityError), transaction.atomic():
        copy_in(Event, [{"id": pk, "tag": Tag.ITEM_SENT} for pk in (written.pk + 1, written.pk)])
    with pytest.raises(DatabaseError), transaction.atomic():
        copy_in(Event, [{"tag": "x" * 65}])
    assert Event.objects.count() == 1
