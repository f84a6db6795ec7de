"""Results as a file: everything, in order, and nothing in it that a spreadsheet would run."""

import csv
import io
from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from hypothesis import given
from hypothesis import strategies as st

from accounts.changes.models import Change, Item
from accounts.changes.states import ItemState
from accounts.changes.tracking.results import HEADINGS
from riskadmin.staff.models import Staff
from riskadmin.web.csv_file import cell
from riskadmin.web.visible import marked
from tests.changes.world import LOCKED, NORMAL, ask, make_account, make_accounts, walk

Sent = list[tuple[str, list[int], str]]
SETTLED_AT = datetime(2026, 11, 21, 14, 3, 5, 678000, tzinfo=UTC)


def rows_of(client: Client, change: Change, **asked: str) -> list[dict[str, str]]:
    response = client.get(reverse("changes:results", args=[change.pk]), asked)
    assert response.streaming
    assert response.status_code == 200
    assert response["Content-Type"] == "text/csv; charset=utf-8"
    assert response["Content-Disposition"] == f'attachment; filename="change-{change.pk}.csv"'
    text = response.getvalue().decode("utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    assert all(set(row) == set(HEADINGS) for row in rows)
    return rows


@pytest.mark.django_db
class TestFile:
    def test_everything_of_each_item(self, client: Client, support: Staff, sent: Sent) -> None:
        client.force_login(support)
        make_account(101, name="=HYPERLINK(1)")
        make_account(102)
        change = ask(support, "lock", 101, 102, 999)
        item = change.items.get(position=1)
        walk(item, ItemState.SENT)
        Item.objects.filter(pk=item.pk).update(
            state=ItemState.APPLIED, note='-1+1|cmd "x"\nsecond line', observed={"admin_action": LOCKED}, settled_at=SETTLED_AT
        )
        first, second, third = rows_of(client, change)
        assert first == {
            "change": str(change.pk),
            "kind": "Lock",
            "environment": "demo",
            "item": str(item.pk),
            "position": "1",
            "target": "account",
            "id": "101",
            "name": "'=HYPERLINK(1)",
            "outcome": "Applied",
            "half done": "no",
            "note": '\'-1+1|cmd "x"\nsecond line',
            "what": first["what"],
            "before": first["before"],
            "after": f'{{"admin_action": "{LOCKED}"}}',
            "observed": f'{{"admin_action": "{LOCKED}"}}',
            "tries": "0",
            "asked by": "support",
            "asked at (UTC)": first["asked at (UTC)"],
            "decided at (UTC)": first["asked at (UTC)"],
            "sent at (UTC)": "",
            "settled at (UTC)": "2026-11-21 14:03:05.678",
        }
        assert "Locked (no orders)" in first["what"]
        assert f'"admin_action": "{NORMAL}"' in first["before"]
        assert (second["id"], second["outcome"], second["settled at (UTC)"]) == ("102", "Queued", "")
        assert (third["id"], third["outcome"], third["before"]) == ("999", "Skipped", "")

    def test_only_what_is_viewed_is_read(self, client: Client, support: Staff, sent: Sent) -> None:
        client.force_login(support)
        make_accounts(range(1, 21))
        change = ask(support, "lock", *range(1, 21))
        walk(change.items.get(position=4), ItemState.REJECTED)
        assert [row["id"] for row in rows_of(client, change)] == [str(number) for number in range(1, 21)]
        assert [row["id"] for row in rows_of(client, change, state="rejected")] == ["4"]
        assert [row["id"] for row in rows_of(client, change, q="KTR50K-00001", cursor="x")] == [
            str(number) for number in range(10, 20)
        ]

    def test_a_long_one_is_read_as_it_is_sent(self, client: Client, support: Staff, sent: Sent) -> None:
        """Two statements, and not one for each item."""
        client.force_login(support)
        make_accounts(range(1, 301))
        small, large = ask(support, "lock", *range(1, 21)), ask(support, "lock", *range(21, 301))

        def cost(change: Change) -> int:
            with CaptureQueriesContext(connection) as queries:
                rows_of(client, change)
            return len(queries)

        assert cost(small) == cost(large)

    def test_one_that_is_not_there(self, client: Client, support: Staff) -> None:
        client.force_login(support)
        assert client.get(reverse("changes:results", args=[4711])).status_code == 404


@pytest.mark.parametrize("text", ["=1", "+1", "-1", "@x", "\tx", "\r=1", "\n=1"])
def test_what_begins_like_a_formula_is_a_text(text: str) -> None:
    assert cell(text) in {f"'{text}", marked(text)}  # a mark is no formula
    assert not cell(text).startswith(text[0])


@given(st.text())
def test_no_cell_begins_like_a_formula(text: Any) -> None:
    shown = cell(text)
    assert not shown.startswith(("=", "+", "-", "@", "\t", "\r", "\n"))
    assert shown.removeprefix("'") == marked(text).removeprefix("'")
