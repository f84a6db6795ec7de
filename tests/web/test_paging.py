"""Keyset paging: every row once, in order, both ways, whatever the ties and the page size."""

from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth.models import Permission
from django.contrib.sessions.models import Session
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from riskadmin.web.paging import BadCursor, Page, keyset

START = datetime(2026, 11, 21, tzinfo=UTC)
DESCENDING = ("-expire_date", "-session_key")
ASCENDING = ("expire_date", "session_key")


def _rows(moments: list[int]) -> None:
    """Sessions serve as rows: a time with ties, microseconds included, and a text key that is unique."""
    Session.objects.bulk_create(
        Session(session_key=f"k'{number:03d}", session_data="", expire_date=START + timedelta(microseconds=moment))
        for number, moment in enumerate(moments)
    )


def _walk(order: tuple[str, ...], size: int) -> list[Page[Session]]:
    pages = [keyset(Session.objects.all(), order, size=size)]
    while pages[-1].next_cursor:
        pages.append(keyset(Session.objects.all(), order, pages[-1].next_cursor, size=size))
    return pages


class WalkTest(TestCase):
    @given(
        moments=st.lists(st.integers(0, 5), max_size=30),
        size=st.integers(1, 8),
        order=st.sampled_from([DESCENDING, ASCENDING]),
    )
    def test_paging_shows_every_row_once_and_backwards_the_same(
        self, moments: list[int], size: int, order: tuple[str, ...]
    ) -> None:
        _rows(moments)
        pages = _walk(order, size)
        assert [row for page in pages for row in page.rows] == list(Session.objects.order_by(*order))
        assert all(len(page.rows) == size for page in pages[:-1])
        assert pages[0].previous_cursor is None
        back = pages[-1]
        for before in reversed(pages[:-1]):
            back = keyset(Session.objects.all(), order, back.previous_cursor, size=size)
            assert back.rows == before.rows
        assert back.previous_cursor is None


@pytest.mark.django_db
class TestAPage:
    def test_a_row_that_arrives_meanwhile_moves_nothing(self) -> None:
        _rows([1, 2, 3, 4])
        first = keyset(Session.objects.all(), DESCENDING, size=2)
        Session.objects.create(session_key="newest", session_data="", expire_date=START + timedelta(days=1))
        second = keyset(Session.objects.all(), DESCENDING, first.next_cursor, size=2)
        assert [row.session_key for row in second.rows] == ["k'001", "k'000"]

    def test_paging_back_to_the_beginning_fills_the_first_page(self) -> None:
        _rows([1, 2, 3])
        first = keyset(Session.objects.all(), DESCENDING, size=2)
        Session.objects.create(session_key="newest", session_data="", expire_date=START + timedelta(days=1))
        second = keyset(Session.objects.all(), DESCENDING, first.next_cursor, size=2)
        first_again = keyset(Session.objects.all(), DESCENDING, second.previous_cursor, size=2)
        assert [row.session_key for row in first_again.rows] == ["k'002", "k'001"]
        newest = keyset(Session.objects.all(), DESCENDING, first_again.previous_cursor, size=2)
        assert [row.session_key for row in newest.rows] == ["newest", "k'002"]
        assert newest.previous_cursor is None

    def test_rows_that_vanish_leave_an_empty_page(self) -> None:
        _rows([1, 2, 3])
        first = keyset(Session.objects.all(), DESCENDING, size=2)
        Session.objects.filter(session_key="k'000").delete()
        assert keyset(Session.objects.all(), DESCENDING, first.next_cursor, size=2) == Page([], None, None)

    def test_it_costs_one_query_and_no_offset(self) -> None:
        _rows([1, 2, 3, 4])
        cursor = keyset(Session.objects.all(), DESCENDING, size=2).next_cursor
        with CaptureQueriesContext(
            connection,
        ) as queries:
            keyset(Session.objects.all(), DESCENDING, cursor, size=2)
        assert len(queries) == 1
        assert "OFFSET" not in queries[0]["sql"]
        assert "ROW(" in queries[0]["sql"]

    def test_columns_of_a_parent_may_order(self) -> None:
        order = ("content_type__app_label", "content_type__model", "pk")
        expected = list(Permission.objects.order_by(*order))
        page = keyset(Permission.objects.select_related("content_type"), order, size=3)
        rows = page.rows
        while page.next_cursor:
            page = keyset(Permission.objects.select_related("content_type"), order, page.next_cursor, size=3)
            rows += page.rows
        assert rows == expected

    @pytest.mark.parametrize("cursor", ["x", "e30:abc", "\x00", "a" * 5000, "é"])
    def test_a_cursor_from_outside_is_refused(self, cursor: str) -> None:
        with pytest.raises(BadCursor):
            keyset(Session.objects.all(), DESCENDING, cursor)

    def test_a_cursor_of_another_list_is_refused(self) -> None:
        _rows([1, 2, 3])
        cursor = keyset(Session.objects.all(), DESCENDING, size=1).next_cursor
        with pytest.raises(BadCursor):
            keyset(Session.objects.all(), ASCENDING, cursor)
        with pytest.raises(BadCursor):
            keyset(Permission.objects.all(), ("-pk",), cursor)


@pytest.mark.parametrize(
    ("order", "fault"),
    [
        ((), "all ascending or all descending"),
        (("-expire_date", "session_key"), "all ascending or all descending"),
        (("-expire_date",), "must be unique"),
    ],
)
def test_an_order_that_can_not_be_paged_is_refused(order: tuple[str, ...], fault: str) -> None:
    with pytest.raises(ValueError, match=fault):
        keyset(Session.objects.all(), order)
