"""Reading many rows from a Tradovate that cuts its answers: nothing is taken for missing, and nothing for complete."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from operator import attrgetter
from random import Random
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accounts.models.api import AnswerCap
from accounts.sync.answer_caps import NEVER_CUT, AnswerCaps
from accounts.sync.complete import ABSENT_ASKED, DIVIDED, CompleteReader, EntitySource, Read
from riskadmin.tradovate.errors import NotHandled, NotHandledReason, OutcomeUnknown, TradovateError
from riskadmin.tradovate.http_record import HttpRecord, Reply, UnreadableRow
from riskadmin.tradovate.vocabulary import Environment


@dataclass(frozen=True)
class Row:
    id: int
    account_id: int


NAMELESS = UnreadableRow(id=None, account_id=None, field="", value="null")


@dataclass
class Tradovate:
    """Rows, how many of them go into an answer, and which ones are left out of a long one."""

    rows: Sequence[Row]
    cap: int = 0
    dice: Random | None = None
    unreadable: frozenset[int] = frozenset()
    nameless: frozenset[int] = frozenset()
    fails_at: int = 0
    calls: list[tuple[str, int]] = field(default_factory=list)

    def some(self, ids: Sequence[int]) -> Reply[list[Row]]:
        wanted = set(ids)
        return self._answer("some", [row for row in self.rows if row.account_id in wanted])

    def whole(self) -> Reply[list[Row]]:
        return self._answer("whole", list(self.rows))

    def one(self, row_id: int) -> Reply[list[Row]]:
        return self._answer("one", [row for row in self.rows if row.id == row_id])

    def _answer(self, endpoint: str, rows: list[Row]) -> Reply[list[Row]]:
        self.calls.append((endpoint, len(rows)))
        if len(self.calls) == self.fails_at:
            raise OutcomeUnknown("no whole answer")
        if self.dice:
            self.dice.shuffle(rows)
        reported = rows[: self.cap] if self.cap else rows
        odd = tuple(
            UnreadableRow(id=row.id, account_id=row.account_id, field="name", value="null")
            for row in reported
            if row.account_id in self.unreadable
        )
        odd += tuple(NAMELESS for row in reported if row.account_id in self.nameless)
        readable = [row for row in reported if row.account_id not in self.unreadable | self.nameless]
        return Reply(readable, http_record(endpoint), odd)

    def source(self, *, many: bool = False) -> EntitySource[Row]:
        return EntitySource(
            some=self.some,
            some_name="some",
            whole=self.whole,
            whole_name="whole",
            key=attrgetter("account_id"),
            owner=attrgetter("account_id"),
            many=many,
            one=self.one,
        )


@dataclass
class Caps:
    """Caps that live as long as a test, without PostgreSQL."""

    caps: dict[str, int] = field(default_factory=dict)
    longest: dict[str, int] = field(default_factory=dict)
    learned: int = 0

    def cap(self, endpoint: str) -> int | None:
        return self.caps.get(endpoint)

    def is_whole(self, endpoint: str, rows: int) -> bool:
        cap = self.cap(endpoint)
        return (rows < NEVER_CUT or rows < self.longest.get(endpoint, 0)) and (cap is None or rows < cap)

    def may_be_cut(self, endpoint: str, rows: int) -> bool:
        cap = self.cap(endpoint)
        return (cap is not None and rows >= cap) or rows in self.caps.values()

    def heard(self, endpoint: str, rows: int) -> None:
        self.longest[endpoint] = max(rows, self.longest.get(endpoint, 0))
        if rows > self.caps.get(endpoint, rows):
            del self.caps[endpoint]

    def learn(self, endpoint: str, rows: int) -> None:
        self.caps[endpoint] = rows
        self.learned += 1


ReadAll = Callable[[CompleteReader, EntitySource[Row]], Read[Row]]


def http_record(endpoint: str) -> HttpRecord:
    return HttpRecord(
        endpoint=endpoint,
        environment=Environment.DEMO,
        method="GET",
        path=f"/{endpoint}",
        request_body=None,
        status=200,
        response_text="[]",
        sent_at=datetime.now(UTC),
        elapsed_ms=1,
    )


def reader(caps: Caps | None = None) -> CompleteReader:
    return CompleteReader(cast(AnswerCaps, caps or Caps()))


def one_each(count: int) -> list[Row]:
    return [Row(id=number, account_id=number) for number in range(1, count + 1)]


@given(
    count=st.integers(1, 3_000),
    absent=st.sets(st.integers(1, 3_000), max_size=30),
    cap=st.sampled_from([0, 1, 7, 60, 200, 700, 1024]),
    seed=st.none() | st.integers(0, 5),
    listed=st.booleans(),
)
def test_ids_with_one_row_are_all_reported_whatever_the_cap(
    *, count: int, absent: set[int], cap: int, seed: int | None, listed: bool
) -> None:
    rows = [row for row in one_each(count) if row.account_id not in absent]
    if cap and cap < 60:
        rows = rows[:200]
    ids = [row.account_id for row in rows] + sorted(absent)
    tradovate = Tradovate(rows, cap=cap, dice=None if seed is None else Random(seed))

    read = reader().of(tradovate.source(), ids, listed=len(rows) if listed else None)

    assert read.reported == {row.account_id for row in rows}
    assert sorted(read.found, key=attrgetter("id")) == sorted(rows, key=attrgetter("id"))
    assert read.left_out == set(ids) - read.reported
    assert not read.not_asked


@given(
    held=st.lists(st.integers(0, 5), min_size=1, max_size=400),
    cap=st.sampled_from([0, 50, 60, 200, 700]),
    seed=st.none() | st.integers(0, 5),
)
def test_ids_with_many_rows_count_as_reported_only_when_complete(held: list[int], cap: int, seed: int | None) -> None:
    rows: list[Row] = []
    for account_id, count in enumerate(held, start=1):
        rows += [Row(id=len(rows) + number, account_id=account_id) for number in range(1, count + 1)]
    tradovate = Tradovate(rows, cap=cap, dice=None if seed is None else Random(seed))
    ids = range(1, len(held) + 1)

    read = reader().by_ids(tradovate.source(many=True), ids)

    assert read.reported == set(ids)
    assert sorted(read.found, key=attrgetter("id")) == rows


@pytest.mark.parametrize("cap", [1024, 700, 200])
@pytest.mark.parametrize("count", [8_000, 12_000])
def test_calls_that_completing_a_cut_list_costs(cap: int, count: int) -> None:
    """A list that comes whole is one call; a cut one costs a call for each batch that fits into an answer."""
    tradovate, whole = Tradovate(one_each(count), cap=cap), Tradovate(one_each(count))
    caps = Caps()

    reader(caps).of(whole.source(), range(1, count + 1), listed=count)
    read = reader(caps).of(tradovate.source(), range(1, count + 1), listed=count)

    assert len(whole.calls) == 1
    assert len(read.reported) == count
    found_out = 3 if cap < 500 else 0  # a batch that was too long, and what it lacked
    assert len(tradovate.calls) <= 1 + -(-(count - cap) // min(cap, 500)) + found_out


def test_what_few_of_many_ids_have_is_requested_twice_and_not_in_parts_as_small_as_the_answer() -> None:
    """500 accounts of which five have limits: the other 495 were asked for five at a time."""
    tradovate = Tradovate(one_each(5))

    read = reader().by_ids(tradovate.source(), range(1, 501))

    assert read.left_out == set(range(6, 501))
    assert len(tradovate.calls) == 2


def test_after_a_cut_answer_the_next_read_asks_in_batches_that_fit() -> None:
    tradovate, caps = Tradovate(one_each(900), cap=200), Caps()

    reader(caps).by_ids(tradovate.source(), range(1, 901))
    first = len(tradovate.calls)
    reader(caps).by_ids(tradovate.source(), range(1, 901))

    assert caps.caps == {"some": 200}
    again = [rows for _, rows in tradovate.calls[first:]]
    assert (max(again), sum(again), len(again)) == (200, 900, 5)


def test_a_cap_is_written_down_once_for_each_answer_and_not_for_each_row() -> None:
    tradovate, caps = Tradovate(one_each(8_000), cap=200), Caps()

    reader(caps).of(tradovate.source(), range(1, 8_001), listed=8_000)

    assert caps.learned <= len(tradovate.calls)


def test_a_list_of_many_rows_that_was_cut_is_found_out_and_read_by_account() -> None:
    rows = [Row(id=number, account_id=1 + number % 300) for number in range(900)]
    caps, tradovate = Caps(), Tradovate(rows, cap=500)

    read = reader(caps).everything(tradovate.source(many=True), range(1, 301))

    assert len(read.found) == 900
    assert read.reported == set(range(1, 301))
    assert caps.caps["whole"] == 500


# A list of 8,000 accounts' 1,100 positions, the last 76 of which are cut off: 40 accounts rarely show that.
POSITIONS = one_each(1_100)
EVERYBODY = range(1, 8_001)
SAMPLES = range(0, 200, 40)
"""Moments, each of which chooses another sample."""


@pytest.fixture(params=["all of them", "those of a change"])
def read_all(request: pytest.FixtureRequest) -> ReadAll:
    """Both ways in which a whole list is read."""
    if request.param == "all of them":
        return lambda reader, source: reader.everything(source, EVERYBODY)
    return lambda reader, source: reader.of(source, EVERYBODY, listed=len(EVERYBODY))


@pytest.fixture
def moments(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Reads begin at a given second and microsecond, which choose the sample."""

    def begin(number: int) -> None:
        at = datetime.fromtimestamp(1_800_000_000 + number, UTC).replace(microsecond=number)
        monkeypatch.setattr("accounts.sync.complete.timezone.now", lambda: at)

    return begin


@pytest.mark.parametrize(
    ("known", "cap"),
    [({"whole": 1_024}, 1_024), ({"another": 1_024}, 1_024), ({"whole": 1_000}, 1_024), ({"whole": 1_024}, 0)],
    ids=["at its cap", "at the cap of another endpoint", "longer than its cap", "longer, and whole"],
)
def test_a_list_of_many_rows_that_ends_at_a_known_cap_is_never_believed(
    moments: Callable[[int], None], read_all: ReadAll, known: dict[str, int], cap: int
) -> None:
    for moment in SAMPLES:
        moments(moment)
        tradovate = Tradovate(POSITIONS, cap=cap)

        read = read_all(reader(Caps(dict(known))), tradovate.source(many=True))

        assert sorted(read.found, key=attrgetter("id")) == POSITIONS, moment
        assert read.reported == set(EVERYBODY), moment
        assert sum(endpoint == "some" for endpoint, _ in tradovate.calls) >= 16, moment  # all of them by id


def test_without_a_known_cap_the_accounts_that_a_list_names_no_row_of_show_that_it_was_cut(
    moments: Callable[[int], None], read_all: ReadAll
) -> None:
    for moment in SAMPLES:
        moments(moment)
        caps = Caps()

        read = read_all(reader(caps), Tradovate(POSITIONS, cap=1_024).source(many=True))

        assert sorted(read.found, key=attrgetter("id")) == POSITIONS, moment
        assert caps.caps["whole"] == 1_024, moment


@pytest.mark.django_db
def test_a_list_may_be_cut_that_is_as_long_as_any_answer_that_was() -> None:
    now = datetime.now(UTC)
    for endpoint, rows, ago in (("a", 1_024, 0), ("b", 700, 30), ("c", 500, 61)):
        AnswerCap.objects.create(environment="demo", endpoint=endpoint, rows=rows, seen_at=now - timedelta(minutes=ago))
    caps = AnswerCaps(Environment.DEMO)

    assert [rows for rows in (500, 700, 701, 1_023, 1_024, 1_025) if caps.may_be_cut("a", rows)] == [700, 1_024, 1_025]
    assert [rows for rows in (500, 700, 701, 1_024, 1_025) if caps.may_be_cut("c", rows)] == [700, 1_024]


def test_a_whole_list_of_many_rows_is_two_calls(read_all: ReadAll) -> None:
    tradovate = Tradovate(POSITIONS)

    read = read_all(reader(Caps({"whole": 5_000})), tradovate.source(many=True))

    assert read.reported == set(EVERYBODY)
    assert [endpoint for endpoint, _ in tradovate.calls] == ["whole", "some"]


def test_a_cap_that_still_cuts_is_noted_again_and_one_that_a_longer_list_has_lifted_is_not(read_all: ReadAll) -> None:
    for known, learned in (({"whole": 1_024}, 1), ({"whole": 1_000}, 0)):
        caps = Caps(dict(known))
        read_all(reader(caps), Tradovate(POSITIONS, cap=1_024).source(many=True))
        assert caps.learned == learned


def test_the_cap_noted_from_a_cut_list_is_its_length_and_not_how_much_of_it_was_wanted() -> None:
    rows = [Row(id=number, account_id=1 + number % 4_000) for number in range(8_000)]
    caps = Caps()

    read = reader(caps).of(Tradovate(rows, cap=5_000).source(many=True), range(1, 2_001), listed=4_000)

    assert len(read.found) == 4_000
    assert caps.caps["whole"] == 5_000


def test_of_a_list_that_was_read_for_a_change_too_what_the_mirror_has_and_it_lacks_is_requested_by_account(
    moments: Callable[[int], None],
) -> None:
    """One account of 8,000 has two positions, and the list has one of them: no sample finds that."""
    moments(0)
    lacking = Row(id=9_000, account_id=777)
    tradovate = Tradovate([*POSITIONS, lacking], cap=1_100)

    read = reader().of(tradovate.source(many=True), EVERYBODY, listed=8_000, doubtful=lambda _: [777])

    assert lacking in read.found


def test_rows_that_the_mirror_has_and_a_list_lacks_are_requested_by_account() -> None:
    """An account with one of two positions in the list is not complete, however well the rest of the list agrees."""
    rows = [Row(id=number, account_id=number // 2) for number in range(2, 402)]

    class Forgetful(Tradovate):
        def whole(self) -> Reply[list[Row]]:
            reply = super().whole()
            return Reply([row for row in reply.value if row.id != 201], reply.http_record)

    tradovate = Forgetful(rows)

    def doubtful(found: Sequence[Row]) -> list[int]:
        return [row.account_id for row in rows if row not in found]

    read = reader().everything(tradovate.source(many=True), range(1, 201), doubtful=doubtful)

    assert Row(id=201, account_id=100) in read.found
    assert read.reported == set(range(1, 201))


def test_what_a_sample_requested_is_sorted_out_once_and_not_for_each_id(monkeypatch: pytest.MonkeyPatch) -> None:
    made = 0

    def counted(*values: Any) -> set[Any]:
        nonlocal made
        made += 1
        return set(*values)

    monkeypatch.setattr("accounts.sync.complete.set", counted, raising=False)
    tradovate = Tradovate(one_each(5_000), cap=4_990)

    read = reader().everything(tradovate.source(), range(1, 18_001), sample=True)

    assert read.reported == set(range(1, 5_001))
    assert made < 3_000  # a few for each answer, and not one for each of 13,000 ids


def test_an_unreadable_row_is_neither_reported_nor_left_out() -> None:
    tradovate = Tradovate(one_each(5), unreadable=frozenset({3}))

    read = reader().by_ids(tradovate.source(), range(1, 7))

    assert read.reported == {1, 2, 4, 5}
    assert read.unreadable.keys() == {3}
    assert read.left_out == {6}


@pytest.mark.parametrize("asked", [1, 2, 40, 500])
def test_an_unreadable_row_that_names_no_account_is_traced_to_one_id_and_the_others_are_reported(asked: int) -> None:
    tradovate = Tradovate(one_each(400), nameless=frozenset({1}))

    read = reader().by_ids(tradovate.source(many=True), range(1, asked + 1))

    assert read.unreadable == {1: replace(NAMELESS, account_id=1)}
    assert read.reported == set(range(2, asked + 1))
    assert not read.strays
    assert len(tradovate.calls) <= 19


def test_if_no_row_names_an_account_not_every_id_is_requested() -> None:
    tradovate = Tradovate(one_each(500), nameless=frozenset(range(1, 501)))

    read = reader().by_ids(tradovate.source(many=True), range(1, 501))

    assert not read.reported
    assert read.unreadable.keys() | read.left_out == set(range(1, 501))
    assert read.strays  # evidence, though of no one
    assert len(tradovate.calls) <= 2 * DIVIDED + 9


def test_a_list_with_a_row_that_names_no_account_is_not_trusted(read_all: ReadAll) -> None:
    tradovate = Tradovate(POSITIONS, nameless=frozenset({700}))

    read = read_all(reader(), tradovate.source(many=True))

    assert read.unreadable.keys() == {700}
    assert read.reported == set(EVERYBODY) - {700}
    assert not read.strays


@pytest.mark.parametrize("gone_each", [[20], [1] * 20, [25], [1, 25], [2, 3, 30]])
def test_of_rows_that_are_gone_so_many_are_requested_and_the_ids_of_the_others_count_as_left_out(gone_each: list[int]) -> None:
    """Those of one id are all asked for, however many: else it would be left out for ever."""
    known = {key * 100 + number: key for key, count in enumerate(gone_each, start=1) for number in range(count)}
    tradovate, complete = Tradovate([]), reader()
    ids = range(1, len(gone_each) + 1)
    read = complete.by_ids(tradovate.source(many=True), ids)

    complete.ask_for_absent(tradovate.source(many=True), read, known)

    reported = [count for key, count in enumerate(gone_each, start=1) if key in read.reported]
    assert sum(reported) == tradovate.calls.count(("one", 0))
    assert reported == (gone_each if sum(gone_each) <= ABSENT_ASKED or len(gone_each) == 1 else gone_each[:-1])
    assert read.left_out == set(ids) - read.reported


def test_once_a_call_is_not_answered_at_all_no_other_row_is_requested() -> None:
    class Stopped(Tradovate):
        def one(self, row_id: int) -> Reply[list[Row]]:
            self.calls.append(("one", row_id))
            raise NotHandled("Stopped", reason=NotHandledReason.HALTED)

    tradovate, complete = Stopped([]), reader()
    read = complete.by_ids(tradovate.source(many=True), [1, 2, 3])

    complete.ask_for_absent(tradovate.source(many=True), read, {10: 1, 20: 2})

    assert tradovate.calls[1:] == [("one", 10)]
    assert (read.reported, read.not_asked) == ({3}, {1, 2})
    assert isinstance(read.failure, NotHandled)


def test_a_failed_call_leaves_the_rest_not_requested_and_keeps_what_came() -> None:
    tradovate = Tradovate(one_each(1_200), fails_at=2)

    read = reader().by_ids(tradovate.source(), range(1, 1_201))

    assert read.reported == set(range(1, 501))
    assert read.not_asked == set(range(501, 1_201))
    assert isinstance(read.failure, TradovateError)


def test_merging_a_read_adds_all_that_it_found_and_all_that_it_did_not() -> None:
    tradovate = Tradovate(one_each(1_200), unreadable=frozenset({7}), fails_at=4)
    first = reader().by_ids(Tradovate(one_each(5)).source(), range(1, 8))
    second = reader().by_ids(tradovate.source(), [6, 7, 8, *range(1_199, 3_000)])
    stray = UnreadableRow(id=None, account_id=None, field="id", value="null")
    second.strays.append(stray)
    assert second.left_out
    assert second.not_asked

    first.merge(second)

    assert first.reported == {1, 2, 3, 4, 5, 6, 8, 1_199, 1_200}
    assert {row.account_id for row in first.found} == first.reported
    assert first.unreadable.keys() == {7}
    assert first.left_out == second.left_out  # 6 and 7 came
    assert first.not_asked == second.not_asked
    assert first.odd == (first.unreadable[7], stray)
    assert len(first.answers) == 5
    assert first.failure is second.failure is not None


def test_a_first_call_that_fails_is_raised() -> None:
    with pytest.raises(OutcomeUnknown):
        reader().by_ids(Tradovate(one_each(3), fails_at=1).source(), [1])
