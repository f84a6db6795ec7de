"""The one field for a local date and time, above all where the clocks of America/Chicago change."""

from datetime import UTC, datetime

import pytest
from django import forms
from django.core.exceptions import ValidationError

from riskadmin.web.local_time import LocalTimeField


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("2026-11-20T14:30", datetime(2026, 11, 20, 20, 30, tzinfo=UTC)),
        (" 2026-11-20 14:30:05 ", datetime(2026, 11, 20, 20, 30, 5, tzinfo=UTC)),
        # The last and the first moment beside the skipped hour, and beside the repeated one.
        ("2027-03-14T01:59:59", datetime(2027, 3, 14, 7, 59, 59, tzinfo=UTC)),
        ("2027-03-14T03:00", datetime(2027, 3, 14, 8, 0, tzinfo=UTC)),
        ("2027-11-07T00:59:59", datetime(2027, 11, 7, 5, 59, 59, tzinfo=UTC)),
        ("2027-11-07T02:00", datetime(2027, 11, 7, 8, 0, tzinfo=UTC)),
        # With an offset, the repeated hour is clear.
        ("2027-11-07T01:30-05:00", datetime(2027, 11, 7, 6, 30, tzinfo=UTC)),
        ("2027-11-07T01:30-06:00", datetime(2027, 11, 7, 7, 30, tzinfo=UTC)),
        ("2027-03-14T08:30Z", datetime(2027, 3, 14, 8, 30, tzinfo=UTC)),
        ("", None),
    ],
)
def test_a_time_is_read_in_the_zone_of_the_pages(typed: str, expected: datetime | None) -> None:
    assert LocalTimeField(required=False).clean(typed) == expected


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("2027-03-14T02:00", "does not exist: the clocks of America/Chicago skip it on 2027-03-14. Write another, such as 2027-03-14T03:00."),
        ("2027-03-14T02:59:59", "such as 2027-03-14T03:59."),
        ("2027-11-07T01:00", "comes twice: the clocks of America/Chicago are set back on 2027-11-07. Choose another hour"),
        ("2027-11-07T01:59:59", "in a file write 2027-11-07T01:59-05:00 for the first or 2027-11-07T01:59-06:00 for the second."),
        ("11/12/2026 14:30", "does not say which number is the month"),
        ("2026-11-20", "Write the time of day too"),
        ("2026-02-30T10:00", "There is no such day or time."),
        ("9999-12-31T23:00", "There is no such day or time."),
        ("\uff12026-11-20T14:30", "Write year, month, day and time"),
    ],
)  # fmt: skip
def test_a_time_that_is_none_or_two_is_refused_with_what_to_write(typed: str, said: str) -> None:
    with pytest.raises(ValidationError) as refused:
        LocalTimeField().clean(typed)
    assert said in refused.value.messages[0]


def test_what_was_typed_is_kept_and_a_given_time_is_shown_in_the_zone() -> None:
    class Form(forms.Form):
        at = LocalTimeField(has_seconds=True)

    refused = Form({"at": "2027-11-07T01:30"})
    assert not refused.is_valid()
    assert 'value="2027-11-07T01:30"' in str(refused["at"])
    assert 'value="2026-11-20T14:30:05"' in str(Form(initial={"at": datetime(2026, 11, 20, 20, 30, 5, tzinfo=UTC)})["at"])
