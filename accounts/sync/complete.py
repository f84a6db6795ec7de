"""Reading many rows so that none counts as missing just because a response was short.

Tradovate leaves rows out of long responses; how many it gives varies from day to day (partner FAQ). So every read of many rows
knows which ids it asks for, asks again in smaller batches for those that did not come, learns how long a response may be, and
reports for each id whether it was read, left out, unreadable, or not asked for because a call failed earlier.
"""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final, Generic, TypeVar

from django.utils import timezone

from accounts.sync.answer_caps import AnswerCaps
from riskadmin.tradovate.endpoints import MAX_IDS_PER_READ, id_batches
from riskadmin.tradovate.errors import OutcomeUnknown, Rejected, TradovateError
from riskadmin.tradovate.http_record import HttpRecord, Reply, UnreadableRow

logger = logging.getLogger(__name__)

E = TypeVar("E")

ASKED_BY_ID: Final = 1_000
"""Up to this many rows are asked for by their ids; for more, the whole list is asked for first, if that takes fewer calls."""

WORTH_A_LIST: Final = 20
"""A whole list is asked for if it has at most this many times the rows that are wanted."""

SAMPLE: Final = 200
"""For a list that may legitimately lack rows, this many ids are asked for individually before the list is trusted."""

CHECKED: Final = 40
"""For a list with many rows per id, this many ids are asked for individually: their response is too short to be cut.

As many more ids as fit into that call, for which the list has no row, are asked for: what is cut off mostly belongs to those,
and if they have nothing they make the response no longer.
"""

ABSENT_ASKED: Final = 20
"""This many rows that a read lacks are asked for by their own ids, or all rows of one id if it lacks more of that one alone."""

DIVIDED: Final = 100
"""At most this many responses are asked for again in halves because a row names no account: if all rows did, each would be."""


def _of_account(row: UnreadableRow, account_id: int) -> UnreadableRow:
    return replace(row, account_id=account_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class EntitySource(Generic[E]):
    """One type of rows, and the two ways to read it: all of them, or those of some ids.

    `key` returns which of the requested ids a row belongs to, `owner` the same for a row that can't be read, None if it does
    not say; `owned` makes such a row say it. An id may have `many` rows, such as the positions of an account: then the ids that
    came don't show what was cut off, and `one` asks for a row by its own id: if no row comes, Tradovate does not have it.
    """

    some: Callable[[Sequence[int]], Reply[list[E]]]
    some_name: str
    key: Callable[[E], int]
    owner: Callable[[UnreadableRow], int | None]
    owned: Callable[[UnreadableRow, int], UnreadableRow] = _of_account
    whole: Callable[[], Reply[list[E]]] | None = None
    whole_name: str = ""
    many: bool = False
    one: Callable[[int], Reply[list[E]]] | None = None
    ids_per_call: int = MAX_IDS_PER_READ


@dataclass(frozen=True, slots=True)
class Answer:
    """One call of a read, with the ids that it should have returned."""

    http_record: HttpRecord
    asked: Sequence[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Listing:
    """A whole list as it came: how many `rows` it had, wanted or not, and whether it is as long as a cut one.

    `kept` are the rows taken from it, each as the id it belongs to and its own id.
    """

    rows: int
    may_be_cut: bool
    kept: frozenset[tuple[int, int]]


@dataclass(slots=True)
class Read(Generic[E]):
    """What a read found about the ids that were asked for; `read_at` is when it began.

    Each id is in exactly one of these. `reported`: all that Tradovate has for it is in `found`. `left_out`: responses that
    could have contained it didn't, twice. `unreadable`: it has a row with something in it that can't be read. `not_asked`: it
    was not reached, because a call failed (`failure`) or because only a sample was asked for. `strays` are unreadable rows that
    name no id.
    """

    read_at: datetime
    found: list[E] = field(default_factory=list)
    reported: set[int] = field(default_factory=set)
    left_out: set[int] = field(default_factory=set)
    unreadable: dict[int, UnreadableRow] = field(default_factory=dict)
    not_asked: set[int] = field(default_factory=set)
    strays: list[UnreadableRow] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)
    failure: TradovateError | None = None

    @property
    def odd(self) -> tuple[UnreadableRow, ...]:
        """The rows that can't be read, including those that name no id."""
        return (*self.unreadable.values(), *self.strays)

    def is_settled(self, key: int) -> bool:
        """Say whether a response included the id, readable or not."""
        return key in self.reported or key in self.unreadable

    def leave_out(self, keys: set[int]) -> None:
        """Mark ids as left out, whatever was found about them before."""
        self.reported -= keys
        self.left_out |= keys

    def add_reported(self, key: int, reply: Reply[list[E]]) -> None:
        """Add a response about one id that has at most one row; if it has no row, the id is left as it was."""
        self.answers.append(Answer(reply.http_record, (key,)))
        if reply.unreadable:
            self.unreadable[key] = replace(reply.unreadable[0], id=key)
        elif reply.value:
            self.found.append(reply.value[0])
            self.reported.add(key)
        if reply.unreadable or reply.value:
            self.left_out.discard(key)
            self.not_asked.discard(key)

    def merge(self, more: "Read[E]") -> None:
        """Add everything that another read of the same type of rows found, about other ids or later about the same ids."""
        self.found += more.found
        self.reported |= more.reported
        self.unreadable |= more.unreadable
        self.reported -= self.unreadable.keys()
        settled = self.reported | self.unreadable.keys()
        self.left_out = (self.left_out | more.left_out) - settled
        self.not_asked = (self.not_asked | more.not_asked) - settled - self.left_out
        self.strays += more.strays
        self.answers += more.answers
        self.failure = self.failure or more.failure


class CompleteReader:
    """Reads one environment. `after_call` runs after each call and may raise to stop the reading; `calls` counts them."""

    def __init__(self, caps: AnswerCaps, *, after_call: Callable[[], None] = lambda: None) -> None:
        self._caps = caps
        self._after_call = after_call
        self._divided = 0
        self.calls = 0

    def by_ids(self, source: EntitySource[E], ids: Iterable[int]) -> Read[E]:
        """Read what Tradovate has for these ids. Raises `TradovateError` if the first call fails."""
        return self.of(source, ids, listed=None)

    def of(
        self,
        source: EntitySource[E],
        ids: Iterable[int],
        *,
        listed: int | None,
        doubtful: Callable[[Sequence[E]], Iterable[int]] = lambda _: (),
    ) -> Read[E]:
        """Read what Tradovate has for these ids in few calls; a whole list of about `listed` rows may be one of them.

        `doubtful` as in `everything`. Raises `TradovateError` if the first call fails.
        """
        wanted = list(dict.fromkeys(ids))
        read = Read[E](timezone.now())
        if listed is None or not self._is_list_worth_it(source, len(wanted), listed):
            self._ask(source, read, wanted)
            return read
        listing = self._list(source, read, set(wanted))
        if source.many:
            self._check(source, read, listing, wanted, doubtful=doubtful(read.found))
        self._ask(source, read, *_unsettled(source, read, listing, wanted))
        self._note_cut_again(source, read, listing)
        return read

    def ask_for_absent(self, source: EntitySource[E], read: Read[E], known: Mapping[int, int]) -> None:
        """Ask for the known rows that a read lacks; `known` maps each row's own id to the id it belongs to.

        Only a 404 proves that a row is gone. What is there is added. If a row can't be read, or no response includes it, the
        read says so for its id; an id with too many rows to ask for counts as left out.
        """
        came = {_id(row) for row in read.found}
        absent: dict[int, list[int]] = {}
        for row_id, key in known.items():
            if key in read.reported and row_id not in came:
                absent.setdefault(key, []).append(row_id)
        asked = 0
        for key in sorted(absent, key=lambda each: len(absent[each])):
            asked += len(absent[key])
            if read.failure is not None:
                read.reported.discard(key)
                read.not_asked.add(key)
            elif asked > max(ABSENT_ASKED, len(absent[key])):
                read.leave_out({key})
            else:
                self._ask_for_rows(source, read, key, absent[key])

    def listed(self, whole: Callable[[], Reply[list[E]]], name: str) -> Read[E]:
        """Read a list whose length nothing else shows. Raises `TradovateError`."""
        read = Read[E](timezone.now())
        reply = self._call(whole, read, ())
        if reply is not None:
            self._caps.heard(name, len(reply.value) + len(reply.unreadable))
            read.found += reply.value
            read.strays += reply.unreadable
        return read

    def everything(
        self,
        source: EntitySource[E],
        expected: Iterable[int],
        *,
        sample: bool = False,
        doubtful: Callable[[Sequence[E]], Iterable[int]] = lambda _: (),
        also: Iterable[int] = (),
    ) -> Read[E]:
        """Read a whole list, and by id those of `expected` that it should have contained and didn't.

        With `sample`, rows may legitimately be missing: some of the missing ids are asked for, and all of them only if
        Tradovate has one of those. `doubtful` returns ids whose rows in the list are to be compared with responses about them
        alone; `also` are ids that the list may contain and that are not asked for otherwise. Raises `TradovateError` if the
        first call fails.
        """
        wanted = sorted(set(expected))
        read = Read[E](timezone.now())
        listing = self._list(source, read, None)
        if source.many:
            self._check(source, read, listing, wanted, doubtful=doubtful(read.found), also=also)
        missing, suspects = _unsettled(source, read, listing, wanted)
        if sample and len(missing) > SAMPLE:
            some = missing[:: len(missing) // SAMPLE]
            self._ask(source, read, some, suspects)
            sampled = set(some)
            if read.failure is None and not any(map(read.is_settled, some)):
                read.not_asked |= set(missing) - sampled
                return read
            missing = [each for each in missing if each not in sampled]
        self._ask(source, read, missing, suspects)
        self._note_cut_again(source, read, listing)
        return read

    # --- Calls --------------------------------------------------------------------------------------------------------------

    def _is_list_worth_it(self, source: EntitySource[E], wanted: int, listed: int) -> bool:
        if source.whole is None or wanted <= ASKED_BY_ID or listed > wanted * WORTH_A_LIST:
            return False
        cap = self._caps.cap(source.whole_name)
        return cap is None or cap > source.ids_per_call

    def _call(self, call: Callable[[], Reply[list[E]]], read: Read[E], asked: Sequence[int]) -> Reply[list[E]] | None:
        """Make one call; a failure after the first call is kept in `read`, as is everything read before."""
        try:
            reply = call()
        except TradovateError as error:
            if not read.answers:
                raise
            read.failure = error
            return None
        read.answers.append(Answer(reply.http_record, asked))
        self._called()
        return reply

    def _ask_for_rows(self, source: EntitySource[E], read: Read[E], key: int, row_ids: Iterable[int]) -> None:
        """Ask by their own ids for rows that should belong to `key`, until something prevents it from being fully read."""
        if source.one is None:
            raise ValueError(f"{source.some_name} has no rows with ids of their own")
        for row_id in row_ids:
            try:
                reply = source.one(row_id)
            except (OutcomeUnknown, Rejected) as error:
                logger.warning("Whether %s still has %s is not known: %s", key, row_id, error.message)
                self._called()
                read.leave_out({key})
                return
            except TradovateError as error:
                read.failure = error
                read.reported.discard(key)
                read.not_asked.add(key)
                return
            self._called()
            read.answers.append(Answer(reply.http_record, (key,)))
            if reply.unreadable:
                read.unreadable[key] = replace(source.owned(reply.unreadable[0], key), id=row_id)
                read.reported.discard(key)
                return
            if reply.value and _id(reply.value[0]) != row_id:
                read.leave_out({key})
                return
            # A row that belongs to another id by now is gone from where it was.
            read.found += (row for row in reply.value if source.key(row) in read.reported)

    def _called(self) -> None:
        self.calls += 1
        self._after_call()

    def _list(self, source: EntitySource[E], read: Read[E], wanted: set[int] | None) -> _Listing:
        """Read the whole list, the first call of a read; keep the wanted rows, or all; return what came."""
        if source.whole is None:
            raise ValueError(f"{source.some_name} has no list")
        reply = self._call(source.whole, read, () if wanted is None else tuple(wanted))
        if reply is None:
            raise ValueError("a list is read first")
        rows = len(reply.value) + len(reply.unreadable)
        may_be_cut = self._caps.may_be_cut(source.whole_name, rows)  # before a longer response removes the cap
        self._caps.heard(source.whole_name, rows)
        self._take(source, read, reply, wanted)
        return _Listing(rows=rows, may_be_cut=may_be_cut, kept=_rows(source, read) if source.many else frozenset())

    def _take(self, source: EntitySource[E], read: Read[E], reply: Reply[list[E]], wanted: set[int] | None) -> None:
        """Keep the rows of a response that are wanted, or all of them if `wanted` is None."""
        for row in reply.value:
            key = source.key(row)
            if (wanted is None or key in wanted) and (source.many or key not in read.reported):
                read.found.append(row)
                read.reported.add(key)
        for unreadable in reply.unreadable:
            owner = source.owner(unreadable)
            if owner is None:
                read.strays.append(unreadable)
            elif wanted is None or owner in wanted:
                read.unreadable[owner] = unreadable
        read.reported -= read.unreadable.keys()
        read.left_out -= read.reported
        read.not_asked -= read.reported

    # --- Completing ---------------------------------------------------------------------------------------------------------

    def _ask(
        self, source: EntitySource[E], read: Read[E], ids: Sequence[int], suspects: dict[int, tuple[str, int]] | None = None
    ) -> None:
        """Ask for ids in batches, and again in smaller batches for what did not come.

        `suspects` are responses that lacked an id, by id: if a later response has it, that one was cut.
        """
        suspects = {} if suspects is None else suspects
        size = min(source.ids_per_call, self._caps.cap(source.some_name) or source.ids_per_call)
        todo = [(part, False) for batch in id_batches(ids) for part in _parts(batch, size)]
        while todo:
            batch, is_again = todo.pop(0)
            cap = self._caps.cap(source.some_name)
            if cap and len(batch) > cap:  # learned since the batches were made: everything left is divided again
                waiting = [*batch, *(each for part, again in todo if again == is_again for each in part)]
                todo = [(part, is_again) for part in _parts(waiting, cap)] + [each for each in todo if each[1] != is_again]
                continue
            reply = self._call(lambda: source.some(batch), read, batch) if read.failure is None else None  # noqa: B023  (called at once)
            if reply is None:
                read.not_asked |= set(batch)
                continue
            rows = len(reply.value) + len(reply.unreadable)
            self._caps.heard(source.some_name, rows)
            is_whole = self._caps.is_whole(source.some_name, rows)
            if source.many:
                todo[:0] = self._after_many(source, read, reply, batch, is_whole=is_whole)
                continue
            self._take(source, read, reply, set(batch))
            proven = dict.fromkeys(suspects.pop(each) for each in batch if each in suspects and read.is_settled(each))
            for name, cut_at in proven:
                self._caps.learn(name, cut_at)
            missing = [each for each in batch if not read.is_settled(each)]
            if missing and is_again and (len(batch) == 1 or rows == 0):
                read.left_out |= set(missing)
            elif missing:
                suspects |= dict.fromkeys(missing, (source.some_name, rows)) if rows and not is_whole else {}
                # What a short response lacks mostly does not exist: it is asked for at once, in small parts only if some of it
                # comes.
                size = len(missing) if is_whole and not is_again else _smaller(len(batch), rows)
                todo[:0] = [(part, True) for part in _parts(missing, size)]

    def _after_many(
        self, source: EntitySource[E], read: Read[E], reply: Reply[list[E]], batch: Sequence[int], *, is_whole: bool
    ) -> list[tuple[Sequence[int], bool]]:
        """Take a response about ids that may have many rows each, or return the halves to ask for instead.

        An unreadable row that names no id may belong to any of the ids asked for; if only one was asked for, it belongs to that
        one.
        """
        strays = [row for row in reply.unreadable if source.owner(row) is None]
        if len(batch) > 1 and (not is_whole or (strays and self._may_divide())):
            # Possibly cut, and then for any id: each half is shorter, and together they show how long a response may be.
            middle = len(batch) // 2
            return [(batch[:middle], True), (batch[middle:], True)]
        if strays and len(batch) == 1:
            read.unreadable[batch[0]] = source.owned(strays[0], batch[0])
            reply = replace(reply, unreadable=tuple(row for row in reply.unreadable if row not in strays))
        self._take(source, read, reply, set(batch))
        if strays:
            read.leave_out(set(batch) - read.unreadable.keys())
        else:
            read.reported |= set(batch) - read.unreadable.keys()
        return []

    def _may_divide(self) -> bool:
        self._divided += 1
        return self._divided <= DIVIDED

    def _check(
        self,
        source: EntitySource[E],
        read: Read[E],
        listing: _Listing,
        ids: Sequence[int],
        *,
        doubtful: Iterable[int],
        also: Iterable[int] = (),
    ) -> None:
        """Check a list with many rows per id against responses about some ids; trust all of it, or only those responses.

        A list as long as a cut one is not trusted, however well they agree: a few rows that are cut off would go unnoticed. Nor
        is one with rows that name no account: only responses about few ids show whose they are. `also` are further ids that it
        covers if it is trusted, and that are not asked for otherwise.
        """
        listed, unreadable = read.found, dict(read.unreadable)
        known, doubted = set(ids), set(doubtful)
        read.found, read.reported = [], set()
        if listing.may_be_cut or read.strays:
            read.strays = []
            return
        self._ask(source, read, _chosen(source, read, ids, [each for each in ids if each in doubted], listing))
        if _rows(source, read) - listing.kept:
            self._caps.learn(source.whole_name, listing.rows)
        elif read.failure is None:
            asked = read.reported | read.unreadable.keys()
            believed = (known | set(also)) - asked - doubted
            read.found += (row for row in listed if source.key(row) in believed)
            read.reported |= believed - unreadable.keys()
            read.unreadable |= {key: row for key, row in unreadable.items() if key in believed}

    def _note_cut_again(self, source: EntitySource[E], read: Read[E], listing: _Listing) -> None:
        """Note that a list which ended at a known cap did lack rows, so that the cap is not forgotten while it applies.

        A list longer than the cap has removed it; what it lacks may be rows that are newer than the list.
        """
        is_at_cap = listing.may_be_cut and self._caps.may_be_cut(source.whole_name, listing.rows)
        if source.many and is_at_cap and _rows(source, read) - listing.kept:
            self._caps.learn(source.whole_name, listing.rows)


def _unsettled(
    source: EntitySource[E], read: Read[E], listing: _Listing, wanted: Sequence[int]
) -> tuple[list[int], dict[int, tuple[str, int]]]:
    """Return the ids that a list did not include, and the list as the response that may have been cut, by these ids."""
    missing = [each for each in wanted if not read.is_settled(each)]
    return missing, dict.fromkeys(missing, (source.whole_name, listing.rows))


def _chosen(source: EntitySource[E], read: Read[E], ids: Sequence[int], doubted: Sequence[int], listing: _Listing) -> list[int]:
    """Return the ids that a list is checked against: doubtful ones, a spread of others, and those it has no row for.

    Different ids each time, so that what one sample misses, another one finds.
    """
    turn = read.read_at.microsecond
    chosen = dict.fromkeys([*doubted[:CHECKED], *_spread(ids, CHECKED, turn)])
    named = {key for key, _ in listing.kept}
    unnamed = [each for each in ids if each not in named and each not in chosen]
    return [*chosen, *_spread(unnamed, max(1, source.ids_per_call - len(chosen)), turn)]


def _spread(ids: Sequence[int], count: int, turn: int) -> Sequence[int]:
    """Return at most this many of the ids, evenly from the first to the last; `turn` selects which."""
    step = max(1, -(-len(ids) // count))
    return ids[turn % step :: step]


def _rows(source: EntitySource[E], read: Read[E]) -> frozenset[tuple[int, int]]:
    """Return the rows that were found, each as the id it belongs to and its own id."""
    return frozenset((source.key(row), _id(row)) for row in read.found)


def _parts(ids: Sequence[int], size: int) -> list[Sequence[int]]:
    return [ids[start : start + size] for start in range(0, len(ids), size)]


def _smaller(asked: int, rows: int) -> int:
    """Return how many ids to ask for after a response to `asked` ids had `rows` rows: that many rows fit into one response."""
    return max(1, min(rows, asked - 1) if rows else asked)


def _id(row: Any) -> int:
    return int(row.id)
