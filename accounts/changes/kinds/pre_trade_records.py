"""How changes of position limits and risk parameters are stored: the records before, and what is done to one of them.

Which fields a record has is said once, in `models.pre_trade`: here it is a mapping of them.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from functools import cached_property
from typing import Any, ClassVar

from accounts.changes.kinds.kind import Done
from accounts.changes.kinds.stored_form import UNSET, OtherForm, StoredForm, Unset
from accounts.models.pre_trade import ID, Field, PreTradeValueType, Record


class Action(StrEnum):
    """What a change does to a record."""

    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"


@dataclass(frozen=True, kw_only=True)
class RecordsState(StoredForm):
    """All the account's records of one type, by their numbers in order."""

    records: tuple[Record, ...]

    @cached_property
    def by_number(self) -> Mapping[int, Record]:
        """The records by Tradovate's number."""
        return {record[ID]: record for record in self.records}

    def numbered(self, number: int | Unset) -> Record | None:
        """Return the record with a number, if there is one."""
        return None if number is UNSET else self.by_number.get(number)


@dataclass(frozen=True, kw_only=True)
class RecordAfter(StoredForm):
    """What is done to one record: the number of one that there is, and what it becomes unless it is removed."""

    action: str
    id: int | Unset = UNSET
    record: Record | Unset = UNSET

    @property
    def number(self) -> int:
        """The number of a record that is there; raises OtherForm for one that is added."""
        if self.id is UNSET:
            raise OtherForm("A record that is added has no number yet.")
        return self.id

    @property
    def wanted(self) -> Record:
        """What the record becomes; raises OtherForm for one that is removed."""
        if self.record is UNSET:
            raise OtherForm("A record that is removed becomes nothing.")
        return self.record


@dataclass(frozen=True, kw_only=True)
class PreTradeParameters(StoredForm):
    """The action, the numbers of the records that it is about, and the new `values` by field."""

    rest: ClassVar[str] = "values"

    action: str | Unset = UNSET
    values: Record


def made_by(sent: RecordAfter, was: RecordsState, now: RecordsState) -> list[Record]:
    """Return the new records that a creation can have made: they have all that was sent."""
    return [
        record
        for number, record in now.by_number.items()
        if number not in was.by_number and sent.wanted.items() <= record.items()
    ]


def the_one_made(done: Done) -> Record | None:
    """Return the record that an item has added, as it was read back; None if none, or more than one, can be it."""
    if done.observed is None:
        return None
    before, now = RecordsState.from_json(done.before), RecordsState.from_json(done.observed)
    made = made_by(RecordAfter.from_json(done.after), before, now)
    return made[0] if len(made) == 1 else None


def typed(record: Record, fields: Sequence[Field]) -> dict[str, Any]:
    """Return a record's fields as the client takes them, without its own number."""
    return {
        field.name: Decimal(record[field.name])
        if field.value_type in {PreTradeValueType.PCT, PreTradeValueType.USD}
        else record[field.name]
        for field in fields
        if field.name in record
    }


def by_account(ids: Iterable[int], records: Sequence[tuple[int, Record]]) -> dict[int, RecordsState]:
    """Return the state of each requested account, from records with their accounts; without any it has none."""
    found: dict[int, list[Record]] = {account_id: [] for account_id in ids}
    for account_id, record in sorted(records, key=lambda pair: int(pair[1][ID])):
        if account_id in found:
            found[account_id].append(record)
    return {account_id: RecordsState(records=tuple(of_account)) for account_id, of_account in found.items()}


def without_number(record: Record) -> dict[str, Any]:
    """Return a record as one that has no number yet."""
    return {name: value for name, value in record.items() if name != ID}
