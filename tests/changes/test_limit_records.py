"""Records of limits: compared, interpreted, sent and read back, whatever the mirror and Tradovate say."""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from accounts.changes.kinds import KINDS
from accounts.changes.kinds.kind import Finding, Planned, Skip
from accounts.changes.kinds.limit_fields import direction, fields_to_send, in_json, in_words, record_read, without_falses
from accounts.changes.kinds.limit_mirror import LevelLimits, accounts_with_limits, level_limits
from accounts.changes.kinds.stored import Difference, State
from accounts.models import Account, LimitLevel, Source
from accounts.models.auto_liq_fields import AUTO_LIQ_FIELDS, FIELDS_OF_LEVEL, ValueType
from accounts.models.limit_distances import Figures
from accounts.sync.mapping import ReadStamp
from accounts.sync.store import account_keys, store_limits
from riskadmin.tradovate.auto_liq import AutoLiqUpdate
from riskadmin.tradovate.encoding import tradovate_name
from riskadmin.tradovate.entities import PermissionedAccountAutoLiq, UserAccountAutoLiq
from riskadmin.tradovate.vocabulary import Environment
from tests.changes.kinds import load, moments
from tests.changes.world import make_account

FIRM = KINDS["auto_liq_limits"]
TRADER = FIRM.of({"level": "trader"})

# --- Looser and tighter ---------------------------------------------------------------------------------------------------

DIRECTIONS = [
    ("daily_loss_auto_liq_usd", "1000", "900", "tighter"),
    ("daily_loss_auto_liq_usd", "1000", "10000", "looser"),  # by number, not by text
    ("daily_loss_auto_liq_usd", None, "1000", "tighter"),
    ("daily_loss_auto_liq_usd", "1000", None, "looser"),
    ("margin_alert_pct", "80", "90", "looser"),
    ("daily_profit_auto_liq_usd", "1000", "900", "tighter"),
    ("trailing_max_drawdown_usd", "2500", "2000", "tighter"),
    ("trailing_max_drawdown_limit_usd", "50100", "50000", "looser"),
    ("trailing_max_drawdown_limit_usd", None, "50000", "looser"),
    ("trailing_max_drawdown_mode", "EOD", "RealTime", "tighter"),
    ("trailing_max_drawdown_mode", "RealTime", "EOD", "looser"),
    ("trailing_max_drawdown_mode", None, "EOD", ""),
    ("trailing_max_drawdown_mode", "Weekly", "EOD", ""),
    ("do_not_unlock", None, True, "tighter"),
    ("do_not_unlock", True, False, "looser"),
    ("do_not_unlock", None, False, ""),
    ("changes_locked", False, True, "tighter"),
    ("flatten_at", None, "2026-11-20T21:00:00+00:00", "tighter"),
    ("flatten_at", "2026-11-20T20:00:00+00:00", "2026-11-20T21:00:00+00:00", ""),
    ("stepped_cooldown", None, [{"step": 1, "distance_usd": "250", "cooldown_minutes": 15}], "tighter"),
    ("stepped_unlimited", False, True, ""),
]


@pytest.mark.parametrize(("name", "before", "after", "said"), DIRECTIONS)
def test_looser_and_tighter(name: str, before: Any, after: Any, said: str) -> None:
    assert direction(AUTO_LIQ_FIELDS[name], before, after) == said


# --- Judging --------------------------------------------------------------------------------------------------------------

WAS = {"level": "firm", "daily_loss_auto_liq_usd": "1000", "do_not_unlock": True}
BECOMES = {**WAS, "daily_loss_auto_liq_usd": "900"}


@pytest.mark.parametrize(
    ("before", "observed", "finding"),
    [
        (WAS, BECOMES, Finding.APPLIED),
        (WAS, WAS, Finding.NOT_APPLIED),
        (BECOMES, BECOMES, Finding.UNCHANGED),
        (WAS, {**WAS, "daily_loss_auto_liq_usd": "950"}, Finding.ELSEWHERE),
        # What was meant is there, but a limit that was to stay is not.
        (WAS, {"level": "firm", "daily_loss_auto_liq_usd": "900"}, Finding.ELSEWHERE),
        (WAS, {**BECOMES, "weekly_loss_auto_liq_usd": "1"}, Finding.ELSEWHERE),
    ],
)
def test_a_read_back_is_interpreted(before: State, observed: State, finding: Finding) -> None:
    assert FIRM.interpret_read_back(before=before, after=BECOMES, observed=observed, step=0) == finding


def test_a_level_is_always_the_same_kind() -> None:
    assert FIRM.of({}) is FIRM.of({"level": "firm"}) is FIRM
    assert FIRM.of({"level": "trader"}) is TRADER is not FIRM


# --- Whatever the mirror and Tradovate say ------------------------------------------------------------------------------

MONEY = st.decimals(min_value=Decimal("0.01"), max_value=Decimal(10**13), places=2)
SHARES = st.decimals(min_value=Decimal("0.0001"), max_value=Decimal(100), places=4)
TIMES = moments(until=2090)
STEPS = st.lists(
    st.fixed_dictionaries({"step": st.integers(1, 9), "distance_usd": MONEY.map(str), "cooldown_minutes": st.integers(1, 999)}),
    max_size=3,
)
VALUES: dict[ValueType, st.SearchStrategy[Any]] = {
    ValueType.USD: MONEY,
    ValueType.PCT: SHARES,
    ValueType.FLAG: st.booleans(),
    ValueType.TIME: TIMES,
    ValueType.MODE: st.sampled_from(["EOD", "RealTime"]),
    ValueType.STEPS: STEPS.filter(bool),
}
FIGURE = st.none() | st.decimals(min_value=-(10**9), max_value=10**9, places=2)


def records(level: LimitLevel, *, odd: bool) -> st.SearchStrategy[dict[str, Any]]:
    """Records of a level; Tradovate's may be odd: a mode no one knows, more digits than a double holds."""
    oddities = {
        ValueType.MODE: st.just("Weekly"),
        ValueType.USD: st.just(Decimal("99999999999999.99")),
        ValueType.STEPS: st.just([]),
    }
    return st.fixed_dictionaries(
        {},
        optional={
            field.name: (
                VALUES[field.value_type] | oddities[field.value_type]
                if odd and field.value_type in oddities
                else VALUES[field.value_type]
            ).map(in_json)
            for field in FIELDS_OF_LEVEL[level]
        },
    )


@st.composite
def accounts(draw: st.DrawFn, level: LimitLevel) -> Account:
    """An open account as the kind's `subjects` loads it, in any state, unsaved."""
    size = draw(st.none() | st.decimals(min_value=0, max_value=10**9, places=2))
    account = Account(pk=1, environment="demo", tradovate_id=1, name="KTR50K-000001", evaluation_size_usd=size)
    figures = Figures(
        today_usd=draw(FIGURE),
        week_usd=draw(FIGURE),
        start_of_day_usd=draw(FIGURE),
        cash_usd=draw(FIGURE),
        peak_usd=draw(FIGURE),
    )
    limits = LevelLimits(
        record=draw(records(level, odd=True)),
        limits_read_at=draw(TIMES),
        read_at=draw(TIMES),
        figures=figures,
        is_stopped=draw(st.booleans()),
        open_positions=draw(st.integers(0, 3)),
    )
    load(account, level_limits=limits)
    return account


@given(data=st.data(), level=st.sampled_from(list(LimitLevel)))
def test_every_account_can_be_planned_and_what_is_shown_is_what_is_sent(data: st.DataObject, level: LimitLevel) -> None:
    kind = FIRM.of({"level": level.value})
    account = data.draw(accounts(level))
    given_ = data.draw(records(level, odd=False))
    outcome = kind.plan(account, parameters={"level": level.value, **given_}, contested=data.draw(st.booleans()))
    if isinstance(outcome, Skip):
        assert outcome.reason
        assert outcome.before == kind.state(account)
        return
    assert isinstance(outcome, Planned)
    assert outcome.before == kind.state(account)
    altered = {name: value for name, value in given_.items() if outcome.before.get(name) != value}
    assert outcome.after == {**outcome.before, **altered}
    assert outcome.weight >= 0
    shown = kind.differences(outcome.before, outcome.after)
    assert 0 < len(shown) <= len(given_)
    assert all(each.before != each.after for each in shown)
    # The client takes what is altered, and what it sends beside it is what Tradovate has, as it has it.
    carried = {"id": 1, "newRule": [1], **in_tradovates_terms(outcome.before)}
    update = AutoLiqUpdate(account_id=1, as_owner=level == LimitLevel.FIRM, fields=fields_to_send(altered), carried=carried)
    body = update.to_json()
    named = {tradovate_name(AUTO_LIQ_FIELDS[name].entity_name) for name in altered}
    assert {name: body[name] for name in carried if name not in {"id", *named}} == {
        name: value for name, value in carried.items() if name not in {"id", *named}
    }
    assert len(body) == len(outcome.after) - 1 + 3  # without the level; with account, level and what is not known here
    # Read back as sent, it is what was meant.
    entity = UserAccountAutoLiq if level == LimitLevel.FIRM else PermissionedAccountAutoLiq
    answer = entity.from_json({"id": 1, **{name: body[name] for name in body if name not in {"accountId", "asOwner"}}})
    observed = {"level": level.value, **record_read(answer, level)}
    finding = kind.interpret_read_back(before=outcome.before, after=outcome.after, observed=observed, step=0)
    assert finding == Finding.APPLIED


def in_tradovates_terms(record: Mapping[str, Any]) -> dict[str, object]:
    """A record as Tradovate would hold it, however odd: the client sends it back unread."""
    found: dict[str, object] = {}
    for name, value in record.items():
        if name == "level":
            continue
        field = AUTO_LIQ_FIELDS[name]
        sent = Decimal(value) if field.is_number else value
        if field.value_type is ValueType.TIME:
            sent = datetime.fromisoformat(value).astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        if field.value_type is ValueType.STEPS:
            steps = (
                {
                    "stepNumber": step["step"],
                    "stepDistance": Decimal(step["distance_usd"]),
                    "cooldownMinutes": step["cooldown_minutes"],
                }
                for step in value
            )
            sent = {"steps": list(steps)}
        found[tradovate_name(field.entity_name)] = sent
    return found


@given(data=st.data(), level=st.sampled_from(list(LimitLevel)))
def test_every_read_back_can_be_interpreted_and_described(data: st.DataObject, level: LimitLevel) -> None:
    kind = FIRM.of({"level": level.value})
    before, after, observed = ({"level": level.value, **data.draw(records(level, odd=True))} for _ in range(3))
    finding = kind.interpret_read_back(before=before, after=after, observed=observed, step=0)
    assert (finding in {Finding.APPLIED, Finding.UNCHANGED}) == (without_falses(observed) == without_falses(after))
    for shown in (kind.differences(before, after), kind.differences(after, observed)):
        assert all(isinstance(each, Difference) and each.direction in {"", "looser", "tighter"} for each in shown)


@given(record=records(LimitLevel.FIRM, odd=True))
def test_every_value_has_words(record: dict[str, Any]) -> None:
    assert all(in_words(AUTO_LIQ_FIELDS[name], value) for name, value in record.items())


REPORTED = {
    "id": 101,
    "changesLocked": False,
    "marginPercentageAlert": Decimal("80.0"),
    "dailyLossPercentageAutoLiq": Decimal("2.00005"),
    "dailyLossAutoLiq": Decimal("1000.0"),
    "weeklyLossAutoLiq": Decimal("2500.005"),
    "dailyProfitAutoLiq": Decimal("-0.001"),
}
REPORTED_FOR_FIRM = {
    "flattenTimestamp": "2026-12-01T20:00:00.123456Z",
    "trailingMaxDrawdown": 2500,
    "trailingMaxDrawdownMode": "EOD",
    "doNotUnlock": True,
    "steppedCooldown": {"steps": [{"stepNumber": 1, "stepDistance": Decimal("100.50"), "cooldownMinutes": 5}]},
}


@pytest.mark.django_db
@pytest.mark.parametrize("level", list(LimitLevel))
def test_a_read_back_says_the_same_as_the_mirror_that_keeps_it(level: LimitLevel) -> None:
    make_account(101)
    is_firm = level == LimitLevel.FIRM
    read = (
        UserAccountAutoLiq.from_json({**REPORTED, **REPORTED_FOR_FIRM})
        if is_firm
        else PermissionedAccountAutoLiq.from_json(REPORTED)
    )
    store_limits(account_keys(Environment.DEMO, [101]), [read], ReadStamp(Environment.DEMO, timezone.now(), Source.SYNC))
    kept = level_limits(accounts_with_limits(Environment.DEMO, [101], level)[101])
    assert kept is not None
    assert kept.record == record_read(read, level)
    assert kept.record["weekly_loss_auto_liq_usd"] == "2500.01"
    assert kept.record.get("flatten_at") == ("2026-12-01T20:00:00.123000+00:00" if is_firm else None)
