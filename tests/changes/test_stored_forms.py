"""Parameters and states are typed in code and stored as JSON, and what was stored is read and written as it is."""

from dataclasses import MISSING, fields
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, get_args, get_origin, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accounts.changes.kinds import KINDS
from accounts.changes.kinds.money import usd_text
from accounts.changes.kinds.stored_form import OtherForm, StoredForm, Unset

RECORDS = st.dictionaries(st.sampled_from(["one", "two"]), st.text(max_size=3) | st.integers() | st.booleans(), max_size=2)
STORED: dict[Any, st.SearchStrategy[Any]] = {
    Decimal: st.decimals(-1_000_000, 1_000_000, places=2).map(usd_text),
    datetime: st.datetimes(timezones=st.just(UTC)).map(datetime.isoformat),
    str: st.text(max_size=5),
    int: st.integers(),
    bool: st.booleans(),
    type(None): st.none(),
}


def stored(declared: Any) -> st.SearchStrategy[Any]:
    """What may be stored for a field of this type."""
    if declared in STORED:
        return STORED[declared]
    inner = [each for each in get_args(declared) if each not in {Unset, ...}]
    if get_origin(declared) is tuple:
        return st.lists(stored(inner[0]), max_size=2)
    if Any in inner:
        return RECORDS  # a record, by the names of its fields
    return st.one_of([RECORDS if get_args(each) else STORED[each] for each in inner])


def rows(form: type[StoredForm]) -> st.SearchStrategy[dict[str, Any]]:
    """What may be stored of a form."""
    types = get_type_hints(form)
    own = {field.name: stored(types[field.name]) for field in fields(form) if field.name != form.rest}
    optional = {field.name for field in fields(form) if field.default is not MISSING}
    row = st.fixed_dictionaries(
        {name: each for name, each in own.items() if name not in optional},
        optional={name: each for name, each in own.items() if name in optional},
    )
    return st.tuples(row, RECORDS).map(lambda parts: {**parts[0], **parts[1]}) if form.rest else row


@pytest.mark.parametrize("name", KINDS)
@given(data=st.data())
def test_what_is_stored_is_read_and_written_as_it_is(name: str, data: st.DataObject) -> None:
    kind = KINDS[name]
    for form in (kind.parameters_type, kind.state_type, kind.after_type):
        row = data.draw(rows(form), label=form.__name__)
        assert form.from_json(row).to_json() == row
        assert form.fits(row)
        with pytest.raises(OtherForm):
            form.from_json({**row, "version": 2})

    state = kind.state_type
    before = data.draw(rows(state), label="before")
    now = data.draw(st.just(before) | rows(state), label="now")
    more = now if state.rest else {**now, "added": True}
    is_equal = state.from_json(before) == state.from_json(kind.as_stored(before, more))
    assert is_equal == kind.is_same(before, more) == (before == now)


@pytest.mark.parametrize("name", sorted(set(KINDS) - {"user_lockout"}))
def test_nothing_is_concluded_from_a_state_that_lacks_a_field(name: str) -> None:
    with pytest.raises(LookupError):
        KINDS[name].interpret_read_back(before={}, after={}, observed={}, step=0)
