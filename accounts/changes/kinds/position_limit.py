"""Position limits: how many contracts an account may hold, and of what. Each call adds, changes or removes one.

Source: the partner OpenAPI document, userAccountPositionLimit. Exists on demo and live [?].
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from accounts.changes.kinds.kind import CallSpec, Reading
from accounts.changes.kinds.pre_trade import PreTradeKind
from accounts.changes.kinds.pre_trade_form import PreTradeForm, action_field, number_field, record_form_fields
from accounts.changes.kinds.pre_trade_records import Action, PreTradeParameters, RecordAfter, by_account, typed
from accounts.changes.kinds.spec import KindSpec
from accounts.changes.kinds.stored import State
from accounts.changes.kinds.stored_form import UNSET, Unset
from accounts.changes.kinds.units import reading_of
from accounts.changes.states import Direction
from accounts.models import Account, PositionLimit, Source
from accounts.models.ids import with_ids
from accounts.models.pre_trade import ID, POSITION_LIMIT_FIELDS, Record, position_limit_record
from accounts.sync.actions import Part
from accounts.sync.mapping import ReadStamp
from accounts.sync.reads import Reader
from accounts.sync.store import account_keys, store_position_limits
from riskadmin.tradovate.client import Client
from riskadmin.tradovate.endpoints import (
    CREATE_USER_ACCOUNT_POSITION_LIMIT,
    DELETE_USER_ACCOUNT_POSITION_LIMIT,
    UPDATE_USER_ACCOUNT_POSITION_LIMIT,
    USER_ACCOUNT_POSITION_LIMITS_BY_ACCOUNT,
)
from riskadmin.tradovate.http_record import HttpRecord
from riskadmin.tradovate.pre_trade import PositionLimitFields
from riskadmin.tradovate.reading import parse_json
from riskadmin.tradovate.vocabulary import Environment, TotalBy

KEY = "limit"


@dataclass(frozen=True, kw_only=True)
class PositionLimitParameters(PreTradeParameters):
    """`limit` is the number of the position limit that is changed or removed."""

    limit: int | Unset = UNSET


class PositionLimitForm(PreTradeForm):
    """One action on one position limit of each account."""

    noun = "position limit"
    key = KEY
    required_fields = ("total_by",)
    record_fields = POSITION_LIMIT_FIELDS

    action = action_field(noun)
    limit = number_field("Position limit", "Its number, for one that is there already.")


PositionLimitForm.base_fields.update(record_form_fields(POSITION_LIMIT_FIELDS))


class PositionLimitKind(PreTradeKind):
    """One position limit of each account."""

    spec = KindSpec(
        name="position_limit",
        verb="Change a position limit of",
        action_label="Position limit",
        effect="Adds, changes or removes how many contracts an account may hold. It holds for orders from now on.",
        direction=Direction.LOOSENING,
        environments=frozenset({Environment.DEMO, Environment.LIVE}),
        icon="scale",
        permission="ask to add, change or remove position limits",
    )
    endpoint_of = {
        Action.CREATE: CREATE_USER_ACCOUNT_POSITION_LIMIT,
        Action.UPDATE: UPDATE_USER_ACCOUNT_POSITION_LIMIT,
        Action.DELETE: DELETE_USER_ACCOUNT_POSITION_LIMIT,
    }
    reads = (USER_ACCOUNT_POSITION_LIMITS_BY_ACCOUNT,)
    parameters_form = PositionLimitForm
    parameters_type = PositionLimitParameters
    parts = frozenset({Part.PRE_TRADE, Part.POSITIONS})
    noun = "position limit"
    fields = POSITION_LIMIT_FIELDS
    required = ("active", "total_by")
    key = KEY
    number_words = {KEY: "Position limit"}
    defaults = {"active": True}
    back_again = "It comes back under a new number, without the risk parameters that hung on it"

    def readings(self, subject: Account) -> tuple[datetime | None, ...]:
        return *super().readings(subject), subject.positions_read_at

    def compared_at(self, subject: Account) -> datetime | None:
        is_kept = all(limit.record for limit in subject.position_limits.all())
        return subject.position_limits_read_at if is_kept else None

    def were_read(self, subject: Account) -> bool:
        return subject.position_limits_read_at is not None

    def records(self, subject: Account) -> list[Record]:
        return sorted(map(position_limit_record, subject.position_limits.all()), key=lambda record: int(record[ID]))

    def carried(self, environment: Environment, targets: Mapping[int, State]) -> Mapping[int, Any]:
        if self.action != Action.UPDATE:
            return {}
        numbers = {RecordAfter.from_json(after).number: account_id for account_id, after in targets.items()}
        limits = PositionLimit.objects.filter(with_ids(environment, numbers, owner="account"))
        return {numbers[number]: parse_json(text) for number, text in limits.values_list("tradovate_id", "record") if text}

    def unsendable(self, account_id: int, record: Record) -> str:
        try:
            _request(account_id, record).to_json()
        except ValueError as error:
            return f"Not as documented: {error}"
        return ""

    def warnings(self, subject: Account, record: Record) -> tuple[str, ...]:
        beyond = self._beyond(subject, record)
        if not beyond:
            return ()
        return (f"Holds more than that already ({'; '.join(beyond)}): what Tradovate does then is not documented",)

    def holds_more(self, subject: Account, record: Record) -> bool:
        return bool(self._beyond(subject, record))

    def _beyond(self, subject: Account, record: Record) -> list[str]:
        """Return which limits of a record the account's positions exceed."""
        # Only positions that certainly count are counted: all of them without a further condition, or one contract.
        scope = {field.name for field in POSITION_LIMIT_FIELDS if field.is_scope and field.name in record}
        overall = record["total_by"] == TotalBy.OVERALL and not scope
        if not record["active"] or not (overall or scope == {"contract_id"}):
            return []
        held = [each.net_pos for each in subject.positions.all() if overall or each.contract_id == record["contract_id"]]
        long, short = sum(each for each in held if each > 0), -sum(each for each in held if each < 0)
        return [
            f"{count:,} {words}, limit {record[name]:,}"
            for name, count, words in (
                ("long_limit", long, "long"),
                ("short_limit", short, "short"),
                ("exposed_limit", long + short, "in all"),
            )
            if name in record and count > record[name]
        ]

    def removal_warnings(self, subject: Account, number: int) -> tuple[str, ...]:
        (limit,) = (each for each in subject.position_limits.all() if each.tradovate_id == number)
        count = len(limit.risk_parameters.all())
        if not count:
            return ()
        which = "1 risk parameter hangs" if count == 1 else f"{count} risk parameters hang"
        return (f"{which} on it: whether they go with it is not documented",)

    def send(self, client: Client, order: CallSpec) -> HttpRecord:
        (target,) = order.targets
        after = RecordAfter.from_json(target.after)
        if after.action == Action.DELETE:
            return client.delete_user_account_position_limit(
                permit=order.permit, position_limit_id=after.number, ticket=order.ticket
            ).http_record
        limit = _request(target.id, after.wanted)
        if after.action == Action.CREATE:
            return client.create_user_account_position_limit(permit=order.permit, limit=limit, ticket=order.ticket).http_record
        return client.update_user_account_position_limit(
            permit=order.permit,
            position_limit_id=after.number,
            limit=limit,
            carried=target.carried,
            altered=self.altered(target.before, after),
            ticket=order.ticket,
        ).http_record

    def read(self, client: Client, ids: Sequence[int]) -> Reading:
        read = Reader(client).position_limits(ids)

        def keep() -> None:
            reading = ReadStamp(client.environment, read.read_at, Source.CONFIRM)
            store_position_limits(account_keys(client.environment, read.reported), read.found, reading, unreadable=read.odd)

        records = [(limit.account_id, position_limit_record(limit)) for limit in read.found]
        return reading_of(client, read, observed=by_account(read.reported, records), keep=keep)


def _request(account_id: int, record: Record) -> PositionLimitFields:
    return PositionLimitFields(account_id=account_id, **typed(record, POSITION_LIMIT_FIELDS))
