"""Risk parameters: how much an account may order at once. One hangs on a position limit; one is changed in a call.

Source: the partner OpenAPI document, userAccountRiskParameter; the removal's path is under userAccountPositionLimit. Exists on
demo and live [?].
"""

from collections.abc import Sequence
from datetime import UTC, datetime

from accounts.changes.kinds.kind import Order, Reading
from accounts.changes.kinds.pre_trade import ACTION, RECORD, Action, PreTradeKind, by_account, typed
from accounts.changes.kinds.pre_trade_form import PreTradeForm, action_field, number_field, record_form_fields
from accounts.models import Account, RiskParameter, Source
from accounts.pre_trade import ID, OWNER, RISK_PARAMETER_FIELDS, Record, about, risk_parameter_record
from accounts.rows import Reading as MirrorReading
from accounts.store import account_keys, store_position_limits, store_risk_parameters
from riskadmin.tradovate.client import Client
from riskadmin.tradovate.endpoints import id_batches
from riskadmin.tradovate.exchange import Exchange, UnreadableRow
from riskadmin.tradovate.pre_trade import RiskParameterFields, UserAccountRiskParameter

KEY, LIMIT = "parameter", "limit"


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

    name = "risk_parameter"
    verb = "Change a risk parameter of"
    action_label = "Risk parameter"
    effect = "Adds, changes or removes how much an account may order at once. It holds for orders from now on."
    icon = "adjustments"
    parameters_form = RiskParameterForm
    noun = "risk parameter"
    fields = RISK_PARAMETER_FIELDS
    key = KEY
    owner = LIMIT
    number_words = {KEY: "Risk parameter", LIMIT: "Of position limit"}

    def were_read(self, subject: Account) -> bool:
        return subject.risk_parameters_read_at is not None

    def records(self, subject: Account) -> list[Record]:
        return sorted(map(risk_parameter_record, _parameters(subject)), key=lambda record: int(record[ID]))

    def unknown_fields(self, subject: Account, number: int) -> Sequence[str]:
        return next((each.unknown_fields for each in _parameters(subject) if each.tradovate_id == number), ())

    def misplaced(self, subject: Account, record: Record) -> str:
        if record[OWNER] is None:
            return "It is not said which position limit it belongs to"
        if not any(limit.tradovate_id == record[OWNER] for limit in subject.position_limits.all()):
            return f"It has no position limit {record[OWNER]}"
        return ""

    def unsendable(self, account_id: int, record: Record) -> str:
        try:
            _request(record).to_json()
        except ValueError as error:
            return f"Not as documented: {error}"
        return ""

    def words_of(self, record: Record) -> str:
        return f"{about(record)}, of position limit {record[OWNER]}"

    def send(self, client: Client, order: Order) -> Exchange:
        (target,) = order.targets
        after = target.after
        if after[ACTION] == Action.DELETE:
            return client.delete_user_account_risk_parameter(
                permit=order.permit, risk_parameter_id=after[ID], ticket=order.ticket
            ).exchange
        parameter = _request(after[RECORD])
        if after[ACTION] == Action.CREATE:
            return client.create_user_account_risk_parameter(
                permit=order.permit, parameter=parameter, ticket=order.ticket
            ).exchange
        return client.update_user_account_risk_parameter(
            permit=order.permit, risk_parameter_id=after[ID], parameter=parameter, ticket=order.ticket
        ).exchange

    def read(self, client: Client, ids: Sequence[int]) -> Reading:
        # A parameter names its position limit only, and that its account: two calls, of which the second is the evidence.
        read_at = datetime.now(UTC)
        limits = client.user_account_position_limits_by_account(ids)
        account_of = {limit.id: limit.account_id for limit in limits.value}
        account_of |= {row.id: row.account_id for row in limits.unreadable if row.id and row.account_id}
        exchange, found, unreadable = limits.exchange, list[UserAccountRiskParameter](), list[UnreadableRow]()
        for batch in id_batches(account_of):
            reply = client.user_account_risk_parameters_by_position_limit(batch)
            exchange = reply.exchange
            unreadable += reply.unreadable
            found += (each for each in reply.value if each.user_account_position_limit_id in account_of)

        def keep() -> None:
            reading = MirrorReading(client.environment, read_at, Source.CONFIRM)
            keys = account_keys(client.environment, ids)
            store_position_limits(keys, limits.value, reading, unreadable=limits.unreadable)
            store_risk_parameters(keys, found, reading, unreadable=unreadable)

        records = [(account_of[each.user_account_position_limit_id], risk_parameter_record(each)) for each in found]
        return Reading(observed=by_account(ids, records), exchange=exchange, keep=keep)


def _parameters(account: Account) -> list[RiskParameter]:
    """Return the account's risk parameters, as `mirrored` has prefetched them."""
    return [each for limit in account.position_limits.all() for each in limit.risk_parameters.all()]


def _request(record: Record) -> RiskParameterFields:
    return RiskParameterFields(user_account_position_limit_id=record[OWNER], **typed(record, RISK_PARAMETER_FIELDS))
