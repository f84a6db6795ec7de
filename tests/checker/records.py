"""What Tradovate has answered so far: the fields of each record, and the penalty tickets it gave out."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from tests.checker.exact_json import NumberText, text_of
from tests.checker.log import HttpRecord

EXTENSIONS: Final = frozenset({"accountRiskStatus", "userAccountAutoLiq", "permissionedAccountAutoLiq"})
"""Records that belong to one account and don't name it."""


@dataclass(frozen=True)
class Ticket:
    """A penalty: for which request it stands, and from when on it may be sent."""

    issued_by: int
    endpoint: str
    request: str
    ready_at: datetime
    captcha: bool


class Answered:
    """Everything that was answered up to a call. ``id_offset`` is how far the ids of extensions are from their account's."""

    def __init__(self, id_offset: int) -> None:
        self.id_offset = id_offset
        self.tickets: dict[str, Ticket] = {}
        self._texts: dict[tuple[str, int, str], set[str]] = defaultdict(set)

    def learn(self, http_record: HttpRecord) -> None:
        """Take in one more answer."""
        answer = http_record.answer
        if isinstance(answer, dict) and "p-ticket" in answer:
            self.tickets[str(answer["p-ticket"])] = Ticket(
                issued_by=http_record.number,
                endpoint=http_record.path,
                request=http_record.request_text,
                ready_at=http_record.after_s(float(answer["p-time"])),
                captcha=bool(answer.get("p-captcha")),
            )
            return
        for kind, record in rows_of(http_record):
            key = id_of(record)
            if key is not None:
                for name, value in record.items():
                    self._texts[kind, key, name].add(text_of(value))

    def has_shown(self, kind: str, key: int, name: str, value: object) -> bool:
        """Say whether a record was answered with this very value in this field."""
        return text_of(value) in self._texts[kind, key, name]

    def account_of(self, kind: str, record: dict[str, Any]) -> int | None:
        """Return the account that a row belongs to, None when it can't be said."""
        key = id_of(record) if kind == "account" or kind in EXTENSIONS else id_of(record, "accountId")
        return key - self.id_offset if kind in EXTENSIONS and key is not None else key


def id_of(record: dict[str, Any], name: str = "id") -> int | None:
    """Return an id field, None when there is no readable one."""
    value = record.get(name)
    return int(value) if isinstance(value, NumberText) and value.removeprefix("-").isdigit() else None


def rows_of(http_record: HttpRecord) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the readable rows of an answer with their kind."""
    answer = http_record.answer
    if http_record.kind and (http_record.is_read or http_record.operation in {"create", "update"}):
        for row in answer if isinstance(answer, list) else [answer]:
            if isinstance(row, dict):
                yield http_record.kind, row
    elif isinstance(answer, dict):
        pairs = answer.get("userAutoLiqs")
        for pair in pairs if isinstance(pairs, list) else [answer]:
            for kind, row in pair.items() if isinstance(pair, dict) else ():
                if kind in EXTENSIONS and isinstance(row, dict):
                    yield kind, row
