"""What a kind would send, written down by a client that sends nothing but checks as the real one does."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from accounts.changes.kinds.kind import CallSpec, Kind, Planned, Target
from riskadmin.tradovate.client import Client
from riskadmin.tradovate.encoding import to_json
from riskadmin.tradovate.endpoints import Endpoint
from riskadmin.tradovate.http_record import HttpRecord, Reply
from riskadmin.tradovate.permit import WritePermit
from riskadmin.tradovate.vocabulary import Environment, ReasonCode

EXCHANGE = HttpRecord(
    endpoint="",
    environment=Environment.DEMO,
    method="POST",
    path="",
    request_body=None,
    status=200,
    response_text="{}",
    sent_at=datetime(2026, 11, 21, tzinfo=UTC),
    elapsed_ms=1,
)


class Notebook(Client):
    """A client whose writing calls end as a line in `calls`: the endpoint's name and the body, byte for byte."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, str]] = []

    def _write(
        self,
        endpoint: Endpoint,
        body: Mapping[str, object],
        read: Callable[[object], Any],
        *,
        permit: WritePermit,
        ticket: str | None,
    ) -> Reply[Any]:
        self.calls.append((endpoint.name, to_json(body)))
        return Reply(value=None, http_record=EXCHANGE)


def sent(
    kind: Kind, planned: Planned, *, target_id: int = 1, reason: str = "A test", carried: Any = None
) -> list[tuple[str, str]]:
    """Return every call that a planned target takes, in its order. Raises ValueError for what the client would not send."""
    notebook = Notebook()
    for step in range(len(kind.steps)):
        kind.send(
            notebook,
            CallSpec(
                permit=WritePermit(call_id=1, good_for_s=3600.0),
                targets=[Target(id=target_id, before=planned.before, after=planned.after, carried=carried)],
                step=step,
                reason_code=ReasonCode.OTHER,
                reason_text=reason,
                ticket=None,
            ),
        )
    return notebook.calls
