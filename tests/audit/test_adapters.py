"""Whatever text reaches PostgreSQL, by whichever way, is stored; what PostgreSQL can hold is kept exactly."""

import json
import math
from typing import Any

import pytest
from django.db import connection
from django.db.models import Value
from django.db.models.functions import Concat
from psycopg.types.json import Json

from riskadmin.audit.models import Event
from riskadmin.staff.models import Staff

ODD = "a\0b\ud800c\udfffd"
STORED = "a\ufffdb\ufffdc\ufffdd"
KEPT = "\u202eevil \U0001f600 \\u0000 '\\ Ω"

pytestmark = pytest.mark.django_db


def _answer(statement: str, *values: Any) -> object:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return cursor.fetchone()[0]


@pytest.mark.parametrize(("sent", "stored"), [(ODD, STORED), (KEPT, KEPT), ("", ""), ("\0", "\ufffd")])
def test_a_text_is_stored_however_it_is_sent(sent: str, stored: str) -> None:
    assert _answer("SELECT %s::text", sent) == stored
    assert _answer("SELECT %s::text[]", [sent, None, "plain"]) == [stored, None, "plain"]
    with connection.cursor() as cursor:
        cursor.execute("CREATE TEMPORARY TABLE texts (text text, kind varchar(32))")
        with cursor.copy("COPY texts FROM STDIN") as copy:
            copy.write_row([sent, sent])
        cursor.execute("SELECT text, kind FROM texts")
        assert cursor.fetchone() == (stored, stored)


def test_a_model_stores_and_finds_it() -> None:
    person = Staff.objects.create(username="odd", first_name=ODD)
    person.refresh_from_db()
    assert person.first_name == STORED
    Staff.objects.update(last_name=Concat(Value(ODD), "first_name"))
    assert Staff.objects.get(last_name=2 * ODD).pk == person.pk
    Staff.objects.bulk_create([Staff(username="other", first_name=ODD)])
    assert Staff.objects.filter(first_name__contains="b\0c".replace("\0", "\ud83d")).count() == 2


@pytest.mark.parametrize(
    ("sent", "stored"),
    [
        ({ODD: [ODD, {"x": ODD}]}, {STORED: [STORED, {"x": STORED}]}),
        ([math.nan, -math.inf, 1.5], ["nan", "-inf", 1.5]),
        ({"NaN": KEPT, "Infinity": None}, {"NaN": KEPT, "Infinity": None}),
        (KEPT, KEPT),
        (ODD, STORED),
    ],
)
def test_a_json_value_is_stored_however_it_is_sent(sent: object, stored: object) -> None:
    event = Event.objects.create(tag="odd", detail=sent)
    event.refresh_from_db()
    assert event.detail == stored
    assert _answer("SELECT %s::json::text", Json(sent)) == json.dumps(stored)
    assert Event.objects.filter(detail=sent).count() == 1


def test_a_literal_is_stored_too() -> None:
    """A statement whose parameters are put in here, as Django does it for most."""
    assert _answer("SELECT '%%' || %s", ODD) == "%" + STORED
