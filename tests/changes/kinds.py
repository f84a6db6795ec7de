"""Kinds without a database: accounts as they load them, the calls they would send, and a model of what those do."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db.models import Model
from hypothesis import strategies as st

from accounts.changes.kinds import KINDS
from accounts.changes.kinds.kind import CallSpec, Done, Finding, Inverse, Irreversible, Kind, Planned, Skip, Target
from accounts.changes.kinds.limit_mirror import LevelLimits
from accounts.changes.kinds.money import usd_text
from accounts.changes.kinds.stored import State
from accounts.models import Account, AutoLiqLimits, Cash, Position, PositionLimit, RiskCategory, RiskParameter, RiskStatus
from accounts.models.limit_distances import Figures
from accounts.models.pre_trade import OWNER
from riskadmin.tradovate.client import Client
from riskadmin.tradovate.encoding import to_json
from riskadmin.tradovate.endpoints import Endpoint
from riskadmin.tradovate.http_record import HttpRecord, Reply
from riskadmin.tradovate.permit import WritePermit
from riskadmin.tradovate.vocabulary import Environment, ReasonCode
from tests.changes.world import CLOSING_ONLY, LOCKED, NORMAL

T0 = datetime(2026, 11, 20, 15, 0, 0, tzinfo=UTC)
T1 = datetime(2026, 11, 20, 15, 0, 9, tzinfo=UTC)


def load(row: Model, **attributes: Any) -> None:
    """Set what a kind's `subjects` loads beside the columns, such as the positions that are `held`."""
    vars(row).update(attributes)


def prefetch(row: Model, **related: Any) -> None:
    """Set related rows as `prefetch_related` leaves them."""
    load(row, _prefetched_objects_cache=related)


def an_account(
    *,
    cash: str | None = "50000",
    week: str | None = "0",
    peak: str | None = "51000",
    action: str = LOCKED,
    stopped_at: datetime | None = None,
    drawdown: str | None = None,
    positions: int = 0,
) -> Account:
    """An open account as the kinds load it, unsaved."""
    account = Account(pk=1, environment="demo", tradovate_id=1, name="KTR50K-000001", positions_read_at=T1)
    account.risk_status = RiskStatus(
        admin_action=action,
        admin_at=T0,
        liquidate_only_at=stopped_at,
        max_net_liq_usd=None if peak is None else Decimal(peak),
        fresh_at=T1,
    )
    account._state.fields_cache["cash"] = None  # as a joined row that isn't there
    if cash is not None:
        realised = None if week is None else Decimal(week)
        account.cash = Cash(amount_usd=Decimal(cash), week_realized_pnl_usd=realised, fresh_at=T0)
    limits = (
        []
        if drawdown is None
        else [AutoLiqLimits(trailing_max_drawdown_usd=Decimal(drawdown), do_not_unlock=True, fresh_at=T1)]
    )
    load(account, firm_limits=limits, held=[Position(net_pos=1) for _ in range(positions)])
    return account


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


@dataclass(frozen=True, kw_only=True)
class World:
    """Accounts of one sort: one as the mirror would hold a state, and the state after a call, `tick` seconds on."""

    subject: Callable[[State], Account]
    after_call: Callable[[State, State, int], State]


def carried_out(world: World, kind_name: str, parameters: State, state: State, *, tick: int) -> Done | Skip:
    """Plan a change of a target, do it, read it back, and return what its item then holds; or why it is skipped."""
    kind: Kind = KINDS[kind_name].of(parameters)
    subject = world.subject(state)
    assert kind.state(subject) == state
    planned = kind.plan(subject, parameters=parameters, contested=False)
    if isinstance(planned, Skip):
        return planned
    observed = world.after_call(planned.before, planned.after, tick)
    assert kind.interpret_read_back(before=planned.before, after=planned.after, observed=observed, step=0) == Finding.APPLIED
    return Done(environment=Environment.DEMO, before=planned.before, after=planned.after, observed=observed)


def inverse_of(kind_name: str, parameters: State, done: Done) -> Inverse | Irreversible:
    """Return what would undo it."""
    return KINDS[kind_name].of(parameters).inverse(done)


def undone(world: World, kind_name: str, parameters: State, done: Done, now: State, *, tick: int) -> State:
    """Undo what can be undone of a target that stands as `now`, undo that undo too, and return how it stood in between.

    One that was changed since stays as it is.
    """
    kind: Kind = KINDS[kind_name].of(parameters)
    inverse = kind.inverse(done)
    assert isinstance(inverse, Inverse)
    if not kind.unchanged_since(done, now):
        return now
    said = {**inverse.parameters, **inverse.own}
    undo = carried_out(world, inverse.kind_name, said, now, tick=tick)
    assert isinstance(undo, Done), undo
    assert undo.observed is not None
    other: Kind = KINDS[inverse.kind_name].of(said)
    assert other.unchanged_since(undo, undo.observed)
    back = other.inverse(undo)
    assert isinstance(back, Inverse), back
    redo = carried_out(world, back.kind_name, {**back.parameters, **back.own}, undo.observed, tick=tick + 1)
    assert isinstance(redo, Done), redo
    assert comparable(redo.observed) == comparable(now)
    return undo.observed


def comparable(state: State | None) -> Any:
    """Return a state without what is another one each time: when an action was set, and the numbers of records."""
    assert state is not None
    if "records" in state:
        return sorted(repr(sorted((name, value) for name, value in each.items() if name != "id")) for each in state["records"])
    return {name: value for name, value in state.items() if name != "admin_at"}


# --- Risk actions -------------------------------------------------------------------------------------------------------


def _risk_account(state: State) -> Account:
    account = an_account(action=state["admin_action"], stopped_at=T0 if state["stopped_by_limit"] else None)
    account.risk_status.admin_at = datetime.fromisoformat(state["admin_at"]) if state["admin_at"] else None
    return account


def _acted(before: State, after: State, tick: int) -> State:
    action = after["admin_action"]
    # Normal ends a limit's stop as well; closing only is noted where such a stop is.
    stopped = {NORMAL: False, CLOSING_ONLY: True}.get(action, before["stopped_by_limit"])
    return {"admin_action": action, "admin_at": at(tick), "stopped_by_limit": stopped}


def at(tick: int) -> str:
    """The time of a tick, as an admin action keeps it."""
    return (T1 + timedelta(seconds=tick)).astimezone(UTC).isoformat()


RISK = World(subject=_risk_account, after_call=_acted)


# --- Limits -------------------------------------------------------------------------------------------------------------


def _limited_account(state: State) -> Account:
    account = Account(pk=1, environment="demo", tradovate_id=1, name="KTR50K-000001")
    limits = LevelLimits(
        record={name: value for name, value in state.items() if name != "level"},
        limits_read_at=T1,
        read_at=T1,
        figures=Figures(today_usd=None, week_usd=None, start_of_day_usd=None, cash_usd=None, peak_usd=None),
        is_stopped=False,
        open_positions=0,
    )
    load(account, level_limits=limits)
    return account


LIMITS = World(subject=_limited_account, after_call=lambda _before, after, _tick: after)


# --- Category, peak, balance --------------------------------------------------------------------------------------------


def _account_of_a_category(state: State) -> Account:
    account, number = an_account(), state["category_id"]
    account.risk_category = None if number is None else RiskCategory(pk=number, tradovate_id=number, name=f"Lots {number}")
    return account


CATEGORY = World(subject=_account_of_a_category, after_call=lambda _before, after, _tick: {"category_id": after["category_id"]})
PEAK = World(
    subject=lambda state: an_account(peak=state["max_net_liq_usd"]),
    after_call=lambda _before, after, _tick: {"max_net_liq_usd": after["max_net_liq_usd"]},
)


def _booked(before: State, after: State, tick: int) -> State:
    amount = Decimal(before["amount_usd"]) + Decimal(after["cash_change_usd"])
    return {**before, "amount_usd": usd_text(amount)}


BALANCE = World(
    subject=lambda state: an_account(cash=state["amount_usd"], week=state["week_realized_pnl_usd"]), after_call=_booked
)


# --- Position limits and risk parameters --------------------------------------------------------------------------------


def _with_position_limits(state: State) -> Account:
    account = _bare_account()
    rows = [_position_limit(account, record) for record in state["records"]]
    return _holding(account, rows)


def _with_risk_parameters(state: State) -> Account:
    account = _bare_account()
    overall = _position_limit(account, {"id": 1, "active": True, "total_by": "Overall", "exposed_limit": 3})
    own = [
        RiskParameter(
            tradovate_id=record["id"],
            position_limit=overall,
            **_decimals({name: value for name, value in record.items() if name not in {"id", OWNER}}),
        )
        for record in state["records"]
    ]
    prefetch(overall, risk_parameters=own)
    return _holding(account, [overall])


def _bare_account() -> Account:
    return Account(pk=1, environment="demo", tradovate_id=1, name="A", position_limits_read_at=T1, risk_parameters_read_at=T1)


def _position_limit(account: Account, record: State) -> PositionLimit:
    values = {name: value for name, value in record.items() if name != "id"}
    limit = PositionLimit(pk=record["id"], tradovate_id=record["id"], account=account, **values)
    prefetch(limit, risk_parameters=[])
    return limit


def _holding(account: Account, limits: list[PositionLimit]) -> Account:
    prefetch(account, position_limits=limits, positions=[])
    return account


def _decimals(record: Mapping[str, Any]) -> dict[str, Any]:
    return {name: Decimal(value) if name.startswith("margin_") else value for name, value in record.items()}


def _recorded(before: State, after: State, tick: int) -> State:
    records = list(before["records"])
    match after["action"]:
        case "create":
            records.append({"id": 1000 + tick, **after["record"]})
        case "update":
            records = [after["record"] if each["id"] == after["id"] else each for each in records]
        case "delete":
            records = [each for each in records if each["id"] != after["id"]]
    return {"records": sorted(records, key=lambda each: int(each["id"]))}


POSITION_LIMITS = World(subject=_with_position_limits, after_call=_recorded)
RISK_PARAMETERS = World(subject=_with_risk_parameters, after_call=_recorded)


def moments(*, until: int = 2030) -> st.SearchStrategy[datetime]:
    """Any time from 2020 to the beginning of a year; Hypothesis takes bounds without a zone, and adds it."""
    return st.datetimes(datetime(2020, 1, 1), datetime(until, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
