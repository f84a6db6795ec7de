"""Risk parameters: how much an account may order at once. One belongs to a position limit; each call changes one.

Source: the partner OpenAPI document, userAccountRiskParameter; the removal's path is under userAccountPositionLimit. Exists on
demo and live [?].
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from accounts.changes.kinds.kind import CallSpec, Reading
from accounts.changes.kinds.pre_trade import PreTradeKind
from accounts.changes.kinds.pre_trade_form import PreTradeForm, action_field, number_field, record_form_fields
from accounts.changes.kinds.pre_trade_records import Action, PreTradeParameters, RecordAfter, by_account, typed
from accounts.changes.kinds.spec import KindSpec
from accounts.changes.kinds.stored import State
from accounts.changes.kinds.stored_form import UNSET, Unset
from accounts.changes.kinds.units import oldest, reading_of, unread
from accounts.changes.states import Direction
from accounts.models import Account, RiskParameter, Source
from accounts.models.ids import with_ids
from accounts.models.pre_trade import ID, OWNER, RISK_PARAMETER_FIELDS, Record, risk_parameter_record, scope_words
from accounts.sync.mapping import ReadStamp
from accounts.sync.reads import Reader
from accounts.sync.store import account_keys, store_position_limits, store_risk_parameters
from riskadmin.tradovate.client import Client
from riskadmin.tradovate.endpoints import (
    CREATE_USER_ACCOUNT_RISK_PARAMETER,
    DELETE_USER_ACCOUNT_RISK_PARAMETER,
    UPDATE_USER_ACCOUNT_RISK_PARAMETER,
    USER_ACCOUNT_POSITION_LIMITS_BY_ACCOUNT,
    USER_ACCOUNT_RISK_PARAMETERS_BY_POSITION_LIMIT,
)
from riskadmin.tradovate.http_record import HttpRecord
from riskadmin.tradovate.pre_trade import RiskParameterFields
from riskadmin.tradovate.reading import parse_json
from riskadmin.tradovate.vocabulary import Environment

KEY, LIMIT = "parameter", "limit"


@dataclass(frozen=True, kw_only=True)
class RiskParameterParameters(PreTradeParameters):
    """The number of the risk parameter that is changed or removed, or of the position limit that a new one belongs to."""

    parameter: int | Unset = UNSET
    limit: int | Unset = UNSET


class RiskParameterForm(PreTradeForm):
    """One action on one risk parameter of each account."""

    noun = "risk parameter"
    key = KEY
    owner = LIMIT
    record_fields = RISK_PARAMETER_FIELDS

    action = action_field(noun)
    limit = number_field("Of position limit", "The number of the position limit that a new one belongs to.")
    parameter = number_field("Risk parameter", "Its number, for one that is there already.")


RiskParameterForm.base_fields.update(record_form_fields(RISK_PARAMETER_FIELDS))


class RiskParameterKind(PreTradeKind):
    """One risk parameter of each account."""

    spec = KindSpec(
        name="risk_parameter",
        verb="Change a risk parameter of",
        action_label="Risk parameter",
        effect="Adds, changes or removes how much an account may order at once. It holds for orders from now on.",
        direction=Direction.LOOSENING,
        environments=frozenset({Environment.DEMO, Environment.LIVE}),
        icon="adjustments",
        permission="ask to add, change or remove risk parameters",
    )
    endpoint_of = {
        Action.CREATE: CREATE_USER_ACCOUNT_RISK_PARAMETER,
        Action.UPDATE: UPDATE_USER_ACCOUNT_RISK_PARAMETER,
        Action.DELETE: DELETE_USER_ACCOUNT_RISK_PARAMETER,
    }
    reads = (USER_ACCOUNT_POSITION_LIMITS_BY_ACCOUNT, USER_ACCOUNT_RISK_PARAMETERS_BY_POSITION_LIMIT)
    parameters_form = RiskParameterForm
    parameters_type = RiskParameterParameters
    noun = "risk parameter"
    fields = RISK_PARAMETER_FIELDS
    key = KEY
    owner = LIMIT
    number_words = {KEY: "Risk parameter", LIMIT: "Of position limit"}

    def compared_at(self, subject: Account) -> datetime | None:
        is_kept = all(parameter.record for parameter in _parameters(subject))
        return oldest(subject.position_limits_read_at, subject.risk_parameters_read_at) if is_kept else None

    def were_read(self, subject: Account) -> bool:
        return subject.risk_parameters_read_at is not None

    def records(self, subject: Account) -> list[Record]:
        return sorted(map(risk_parameter_record, _parameters(subject)), key=lambda record: int(record[ID]))

    def misplaced(self, subject: Account, record: Record) -> str:
        if record[OWNER] is None:
            return "It is not said which position limit it belongs to"
        if not any(limit.tradovate_id == record[OWNER] for limit in subject.position_limits.all()):
            return f"It has no position limit {record[OWNER]}"
        return ""

    def carried(self, environment: Environment, targets: Mapping[int, State]) -> Mapping[int, Any]:
        if self.action != Action.UPDATE:
            return {}
        numbers = {RecordAfter.from_json(after).number: account_id for account_id, after in targets.items()}
        found = RiskParameter.objects.filter(with_ids(environment, numbers, owner="position_limit__account"))
        return {numbers[number]: parse_json(text) for number, text in found.values_list("tradovate_id", "record") if text}

    def unsendable(self, account_id: int, record: Record) -> str:
        try:
            _request(record).to_json()
        except ValueError as error:
            return f"Not as documented: {error}"
        return ""

    def words_of(self, record: Record) -> str:
        return f"{scope_words(record)}, of position limit {record[OWNER]}"

    def send(self, client: Client, order: CallSpec) -> HttpRecord:
        (target,) = order.targets
        after = RecordAfter.from_json(target.after)
        if after.action == Action.DELETE:
            return client.delete_user_account_risk_parameter(
                permit=order.permit, risk_parameter_id=after.number, ticket=order.ticket
            ).http_record
        parameter = _request(after.wanted)
        if after.action == Action.CREATE:
            return client.create_user_account_risk_parameter(
                permit=order.permit, parameter=parameter, ticket=order.ticket
            ).http_record
        return client.update_user_account_risk_parameter(
            permit=order.permit,
            risk_parameter_id=after.number,
            parameter=parameter,
            carried=target.carried,
            altered=self.altered(target.before, after),
            ticket=order.ticket,
        ).http_record

    def read(self, client: Client, ids: Sequence[int]) -> Reading:
        # A parameter names its position limit only, and the limit names its account.
        reader = Reader(client)
        limits = reader.position_limits(ids)
        account_of = {limit.id: limit.account_id for limit in limits.found}
        parameters = reader.risk_parameters(account_of)
        incomplete = {account_id for limit_id, account_id in account_of.items() if limit_id not in parameters.reported}
        reported = limits.reported - incomplete

        def keep() -> None:
            reading = ReadStamp(client.environment, limits.read_at, Source.CONFIRM)
            store_position_limits(
                account_keys(client.environment, limits.reported), limits.found, reading, unreadable=limits.odd
            )
            store_risk_parameters(
                account_keys(client.environment, reported), parameters.found, reading, unreadable=parameters.odd
            )

        records = [(account_of[each.user_account_position_limit_id], risk_parameter_record(each)) for each in parameters.found]
        reading = reading_of(client, limits, observed=by_account(reported, records), keep=keep)
        why = {account_of[limit_id]: words for limit_id, words in unread(parameters).items()}
        # The rows of a response about position limits carry the ids of their accounts.
        answers = [replace(each, asked=[account_of[limit_id] for limit_id in each.asked]) for each in parameters.answers]
        return replace(reading, unread={**reading.unread, **why}, answers=[*limits.answers, *answers])


def _parameters(account: Account) -> list[RiskParameter]:
    """Return the account's risk parameters, as `mirrored` has prefetched them."""
    return [each for limit in account.position_limits.all() for each in limit.risk_parameters.all()]


def _request(record: Record) -> RiskParameterFields:
    return RiskParameterFields(user_account_position_limit_id=record[OWNER], **typed(record, RISK_PARAMETER_FIELDS))
