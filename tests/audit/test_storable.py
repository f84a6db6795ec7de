"""Whatever Tradovate or a person sends, the event is written; what PostgreSQL can hold is kept exactly."""

import json
import math

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from riskadmin.audit.models import Event
from riskadmin.audit.origin import Subject
from riskadmin.audit.storable import storable, storable_json
from riskadmin.audit.tags import Tag
from tests.audit.events import write

anything = st.text(st.characters(), max_size=20)  # lone surrogates and NUL included
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(-1e9, 1e9)
    | st.sampled_from([math.nan, math.inf, -math.inf])
    | anything,
    lambda part: st.lists(part, max_size=3) | st.dictionaries(anything, part, max_size=3),
    max_leaves=8,
)


@pytest.mark.django_db
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(detail=st.dictionaries(anything, values, max_size=4), text=anything)
@example(detail={"a\x00": "\ud800", "list": [math.nan, -math.inf]}, text="\x00")
def test_every_event_is_written(detail: dict[str, object], text: str) -> None:
    subject = Subject(environment="demo", account_id=1, account_name=text)
    sent = {"response": detail}
    event = write(Tag.ITEM_SENT, detail=sent, before=detail, after=None, reason_text=text, subject=subject)

    assert event.after is None
    assert event.before == event.detail["response"] == json.loads(json.dumps(storable(detail)))
    assert "\x00" not in event.reason_text + event.account_name
    assert len(event.reason_text) == len(text)


@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00")),
        st.lists,
    )
)
def test_storable_texts_are_kept(value: object) -> None:
    assert storable(value) == value


@given(values)
@example(["\\u0000", "\U0001f600", "\ud83d"])
def test_its_json_is_that_of_what_is_storable(value: object) -> None:
    assert json.loads(storable_json(value)) == json.loads(json.dumps(storable(value)))


@pytest.mark.django_db
def test_unusual_texts_are_stored() -> None:
    odd = {"text": "a\x00b\ud83d", "number": math.nan, "list": (1, math.inf), 5: "five"}
    event = write(Tag.ITEM_SENT, detail={"response": odd})
    assert event.detail == {"response": {"text": "a\ufffdb\ufffd", "number": "nan", "list": [1, "inf"], "5": "five"}}
    assert Event.objects.count() == 1
