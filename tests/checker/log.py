"""One call of the simulator's log, read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import parse_qs

from tests.checker.exact_json import read, text_of

TICKET_KEYS: Final = frozenset({"p-ticket", "p-time", "p-captcha"})

# The Risks page's operations (its 46 less the writes), then the further reads of the pages on accounts, users and positions.
ALL_FIVE: Final = ("item", "items", "deps", "ldeps", "list")
NO_LIST: Final = ALL_FIVE[:4]
READS: Final[Mapping[str, tuple[str, ...]]] = {
    "accountRiskStatus": ALL_FIVE,
    "contractMargin": NO_LIST,
    "permissionedAccountAutoLiq": ALL_FIVE,
    "productMargin": ALL_FIVE,
    "userAccountAutoLiq": ALL_FIVE,
    "userAccountPositionLimit": NO_LIST,
    "userAccountRiskParameter": NO_LIST,
    "account": (*ALL_FIVE, "find", "suggest"),
    "user": ("list", "item", "items", "find", "suggest"),
    "position": ALL_FIVE,
    "cashBalance": ALL_FIVE,
    "tradingPermission": ALL_FIVE,
    "riskCategory": ("list",),
    "accountRiskStatusLog": NO_LIST,
}
KINDS: Final = {kind.lower(): kind for kind in READS}
READ_PATHS: Final = frozenset(f"/{kind.lower()}/{operation}" for kind, names in READS.items() for operation in names)
AUTH_PATHS: Final = frozenset({"/auth/accesstokenrequest", "/auth/renewaccesstoken", "/auth/me"})


@dataclass(frozen=True)
class HttpRecord:
    """A call and its answer. Numbers are NumberText; ``answer`` is None where none was kept or it is no JSON.

    ``problem`` says why the request can't be read.
    """

    number: int
    at: datetime
    host: str
    method: str
    endpoint: str
    outcome: str
    status: int | None
    fault: str
    asked: Mapping[str, Any]
    answer: Any
    problem: str = ""
    query: str = ""
    kind: str = field(init=False)
    operation: str = field(init=False)

    def __post_init__(self) -> None:
        kind, _, operation = self.path.strip("/").partition("/")
        object.__setattr__(self, "kind", KINDS.get(kind, ""))
        object.__setattr__(self, "operation", operation)

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> HttpRecord:
        """Read a row of ``GET /calls``."""
        request = row["request"] or ""
        asked: Mapping[str, Any] = {}
        problem = query = ""
        if row["method"] == "GET":
            query = request
            asked = {name: values if len(values) > 1 else values[0] for name, values in _query(request).items()}
        elif request:
            try:
                asked = read(request)
            except ValueError as error:
                problem = f"its body can't be read: {error}"
        if not isinstance(asked, dict):
            asked, problem = {}, "its body is no object"
        return cls(
            number=row["id"],
            at=datetime.fromisoformat(row["at"]),
            host=row["host"],
            method=row["method"],
            endpoint=row["endpoint"],
            outcome=row["outcome"],
            status=row["status"],
            fault=row["fault"],
            asked=asked,
            answer=_readable(row["answer"]),
            problem=problem,
            query=query,
        )

    @property
    def path(self) -> str:
        """The endpoint without the case of its letters, which counts for nothing."""
        return self.endpoint.lower()

    @property
    def is_read(self) -> bool:
        """Whether this is one of the documented reads."""
        return self.path in READ_PATHS

    @property
    def was_refused(self) -> bool:
        """Whether it was refused before anybody looked at what it carries: for its token, the number of calls, or the hour."""
        return self.outcome in {"unauthorized", "silenced", "maintenance"} or (self.outcome == "fault" and self.status == 401)

    @property
    def without_ticket(self) -> dict[str, Any]:
        """The request's parameters but for those of a penalty."""
        return {name: value for name, value in self.asked.items() if name not in TICKET_KEYS}

    @property
    def request_text(self) -> str:
        """The same as text: what binds a ticket to a request."""
        return text_of(self.without_ticket)

    def after_s(self, seconds: float) -> datetime:
        """The moment so many seconds after this call."""
        return self.at + timedelta(seconds=seconds)


def _query(text: str) -> dict[str, list[str]]:
    return parse_qs(text, keep_blank_values=True)


def _readable(text: str | None) -> Any:
    try:
        return None if text is None else read(text)
    except ValueError:
        return None
