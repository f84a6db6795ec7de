"""Balances, peaks, remediation and resets: planned from whatever the mirror says, sent as shown, interpreted with care."""

from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accounts.changes.kinds import KINDS
from accounts.changes.kinds.kind import Finding, Planned, Skip
from accounts.changes.kinds.money import usd, usd_text
from accounts.changes.kinds.stored import Difference, State
from tests.changes.kinds import T0, T1, an_account, sent
from tests.changes.world import LIQUIDATED, LOCKED, NORMAL

MINUS = "\N{MINUS SIGN}"

BALANCE, PEAK, REMEDIATION, RESET = (
    KINDS[name] for name in ("demo_balance", "max_net_liq", "remediation", "reset_auto_liq_status")
)


def planned(kind_name: str, parameters: State, **columns: Any) -> Planned:
    outcome = KINDS[kind_name].plan(an_account(**columns), parameters=parameters, contested=False)
    assert isinstance(outcome, Planned)
    return outcome


def skipped(kind_name: str, parameters: State, **columns: Any) -> str:
    outcome = KINDS[kind_name].plan(an_account(**columns), parameters=parameters, contested=False)
    assert isinstance(outcome, Skip)
    return outcome.reason


class TestAmounts:
    """Dollars as JSON texts: the shortest that say the cents."""

    @pytest.mark.parametrize(
        ("amount", "text"),
        [("1500.00", "1500"), ("0.10", "0.1"), ("-0.004", "0"), ("0.005", "0.01"), ("-0.005", "-0.01"), ("1E+3", "1000")],
    )
    def test_they_are_kept_as_the_mirror_keeps_them(self, amount: str, text: str) -> None:
        assert usd_text(Decimal(amount)) == text

    @pytest.mark.parametrize(
        "text",
        [None, 5, "", "abc", "NaN", "sNaN", "Infinity", "0.001", "1e13", "10000000000000", "1e-999999999", ["1"], "1e999999"],
    )
    def test_what_is_no_such_amount_is_none(self, text: Any) -> None:
        assert usd(text) is None

    @given(cents=st.integers(-(10**15) + 1, 10**15 - 1))
    def test_every_amount_comes_back(self, cents: int) -> None:
        amount = Decimal(cents) / 100
        text = usd_text(amount)
        assert usd(text) == amount


class TestPlan:
    def test_a_change_is_counted_from_the_balance(self) -> None:
        found = planned("demo_balance", {"cash_change_usd": "-250.5", "comment": "Refund"})
        assert found.before == {"amount_usd": "50000", "week_realized_pnl_usd": "0"}
        assert found.after == {"amount_usd": "49749.5", "cash_change_usd": "-250.5", "comment": "Refund"}
        assert found.weight == 250.5

    def test_a_target_is_what_is_missing(self) -> None:
        assert planned("demo_balance", {"amount_usd": "51000"}).after == {"amount_usd": "51000", "cash_change_usd": "1000"}

    @pytest.mark.parametrize(
        ("parameters", "reason"),
        [
            ({}, "Neither a change nor a new balance is given that Tradovate could take, or both are"),
            ({"amount_usd": "1", "cash_change_usd": "1"}, "Neither a change nor a new balance is given that"),
            ({"cash_change_usd": "soon"}, "Neither a change"),
            ({"cash_change_usd": "0"}, "Has this balance already"),
            ({"amount_usd": "50000"}, "Has this balance already"),
            ({"cash_change_usd": "1000000"}, "Would change by +$1,000,000.00: Tradovate takes less than $1,000,000"),
            ({"amount_usd": "-950000"}, f"Would change by {MINUS}$1,000,000.00: Tradovate takes less"),
            ({"cash_change_usd": "1", "comment": "x" * 65}, "The comment is no text of at most 64 characters"),
            ({"cash_change_usd": "1", "comment": 5}, "The comment is no text"),
        ],
    )
    def test_what_tradovate_would_refuse_is_not_planned(self, parameters: State, reason: str) -> None:
        assert skipped("demo_balance", parameters).startswith(reason)

    @pytest.mark.parametrize("change", ["999999.99", "-999999.99", "0.01"])
    def test_the_bounds_are_those_that_it_documents(self, change: str) -> None:
        assert sent(BALANCE, planned("demo_balance", {"cash_change_usd": change}))[0][1].endswith(f'"cashChange": {change}}}')

    def test_the_peak(self) -> None:
        found = planned("max_net_liq", {"max_net_liq_usd": "50000"})
        assert (found.before, found.after) == ({"max_net_liq_usd": "51000"}, {"max_net_liq_usd": "50000"})
        assert skipped("max_net_liq", {"max_net_liq_usd": "51000"}) == "Has this max net liq already"
        assert skipped("max_net_liq", {}) == "No max net liq is given that Tradovate could take"
        assert planned("max_net_liq", {"max_net_liq_usd": "1"}, peak=None).before == {"max_net_liq_usd": None}
        assert planned("max_net_liq", {"max_net_liq_usd": "1"}, cash=None).warnings == ()

    def test_remediation_says_all_that_it_sends(self) -> None:
        found = planned("remediation", {"amount_usd": "52000", "max_net_liq_usd": "52100", "comment": "Feed"})
        assert found.after == {
            "amount_usd": "52000",
            "cash_change_usd": "2000",
            "comment": "Feed",
            "max_net_liq_usd": "52100",
            "admin_action": NORMAL,
        }
        assert sent(REMEDIATION, found) == [
            ("cashBalance/changedemobalance", '{"accountId": 1, "cashChange": 2000, "comment": "Feed"}'),
            ("accountRiskStatus/updatemaxnetliq", '{"accountId": 1, "maxNetLiq": 52100}'),
            (
                "accountRiskStatus/setadminautoliqaction",
                '{"accountId": 1, "adminAction": "Normal", "adminActionReasonCode": "Other", "adminActionReason": "A test"}',
            ),
        ]

    @pytest.mark.parametrize(
        ("parameters", "reason"),
        [
            ({"max_net_liq_usd": "1"}, "No balance is given that Tradovate could take"),
            ({"amount_usd": "1"}, "No max net liq is given that Tradovate could take"),
            (
                {"amount_usd": "50000", "max_net_liq_usd": "1"},
                "Has this balance already: ask for max net liq and unlock instead",
            ),
            ({"amount_usd": "1050000", "max_net_liq_usd": "1"}, "Would change by +$1,000,000.00"),
        ],
    )
    def test_a_remediation_that_is_none(self, parameters: State, reason: str) -> None:
        assert skipped("remediation", parameters).startswith(reason)

    @pytest.mark.parametrize("kind_name", ["demo_balance", "remediation"])
    def test_a_balance_that_was_never_read_prevents_it(self, kind_name: str) -> None:
        assert KINDS[kind_name].obstacle(an_account(cash=None)) == "Its balance was never read; read the account first"
        assert KINDS[kind_name].obstacle(an_account()) == ""
        assert KINDS[kind_name].read_at(an_account(cash=None)) is None
        assert KINDS[kind_name].read_at(an_account()) == T0  # the older of what it rests on


class TestWarnings:
    """What a person should know, with the arithmetic."""

    def test_a_peak_whose_floor_is_above_the_cash_liquidates_at_once(self) -> None:
        assert planned("max_net_liq", {"max_net_liq_usd": "53000"}, drawdown="2500").warnings == (
            (
                "Would be liquidated at once: cash $50,000.00 against a floor of $50,500.00 "
                "(trailing drawdown $2,500.00, max net liq $53,000.00)"
            ),
        )

    def test_a_peak_that_leaves_little(self) -> None:
        (warning,) = planned("max_net_liq", {"max_net_liq_usd": "52400"}, drawdown="2500").warnings
        assert warning.startswith("Only $100.00 left above its floor: cash $50,000.00 against a floor of $49,900.00")

    def test_a_peak_that_leaves_enough_needs_no_word(self) -> None:
        assert planned("max_net_liq", {"max_net_liq_usd": "50500"}, drawdown="2500").warnings == ()

    @pytest.mark.parametrize(
        ("kind_name", "parameters", "said"),
        [
            ("demo_balance", {"amount_usd": "500000"}, "Balance at $500,000.00 is 1,000% of $50,000.00"),
            ("demo_balance", {"amount_usd": "39000"}, "Balance at $39,000.00 is 78% of $50,000.00"),
            ("max_net_liq", {"max_net_liq_usd": "5100"}, "Max net liq at $5,100.00 is 10% of $50,000.00"),
            (
                "remediation",
                {"amount_usd": "49000", "max_net_liq_usd": "510000"},
                "Max net liq at $510,000.00 is 1,020% of $50,000.00",
            ),
        ],
    )
    def test_a_digit_too_many_or_too_few_is_shown(self, kind_name: str, parameters: State, said: str) -> None:
        account = an_account()
        account.evaluation_size_usd = Decimal(50_000)
        outcome = KINDS[kind_name].plan(account, parameters=parameters, contested=False)
        assert isinstance(outcome, Planned)
        assert f"Unusual for its size: {said}" in outcome.warnings
        usual = dict.fromkeys(parameters, "49000")
        outcome = KINDS[kind_name].plan(account, parameters=usual, contested=False)
        assert isinstance(outcome, Planned)
        assert not any(warning.startswith("Unusual") for warning in outcome.warnings)

    def test_remediation_counts_with_the_new_balance(self) -> None:
        wanted = {"amount_usd": "47000", "max_net_liq_usd": "50000"}
        warnings = planned("remediation", wanted, drawdown="2500", stopped_at=T0, positions=2).warnings
        assert [warning.split(":")[0] for warning in warnings] == [
            "Would be liquidated at once",
            "2 open positions",
            "A limit stopped it and is set not to unlock by itself",
        ]

    def test_an_account_that_trades_meanwhile(self) -> None:
        wanted = {"amount_usd": "51000", "max_net_liq_usd": "51000"}
        assert planned("remediation", wanted, action=NORMAL).warnings[0].startswith("Not locked")
        held = "1 open position: its figures move by themselves, and once they have moved nothing is sent"
        assert planned("demo_balance", {"cash_change_usd": "-1"}, positions=1).warnings == (held,)

    def test_balances_out_of_the_ordinary(self) -> None:
        assert planned("demo_balance", {"amount_usd": "-1"}).warnings == (f"The balance would be negative: {MINUS}$1.00",)
        (above,) = planned("demo_balance", {"amount_usd": "50000.01"}).warnings
        assert above.startswith("Above $50,000, Tradovate may refuse it")
        assert planned("demo_balance", {"cash_change_usd": "-1"}, cash="90000").warnings == ()

    def test_a_reset_says_what_is_not_known(self) -> None:
        assert planned("reset_auto_liq_status", {}, action=NORMAL).warnings == (
            "No limit has stopped it: there may be nothing to reset",
        )
        warnings = planned("reset_auto_liq_status", {}, stopped_at=T0, drawdown="1").warnings
        assert warnings == (
            "A limit stopped it and is set not to unlock by itself: the trader may trade again in this session",
            "Locked (no orders): whether a reset touches that is not documented",
        )


def cash(amount: str, week: str | None = "0") -> dict[str, Any]:
    return {"amount_usd": amount, "week_realized_pnl_usd": week}


CASH_AFTER = {"amount_usd": "51000", "cash_change_usd": "1000"}
BEFORE = cash("50000", "100")
FINDINGS = [
    (BEFORE, cash("51000", "100"), Finding.APPLIED),
    (BEFORE, cash("50000", "100"), Finding.NOT_APPLIED),
    # Trading moved both alike: what is left is the change, or nothing.
    (BEFORE, cash("50900", "0"), Finding.APPLIED),
    (BEFORE, cash("49900", "0"), Finding.NOT_APPLIED),
    # Trading alone explains it as well as the call does.
    (BEFORE, cash("51000", "1100"), Finding.ELSEWHERE),
    (BEFORE, cash("50000", "-900"), Finding.ELSEWHERE),
    # Neither explains it, by a cent.
    (BEFORE, cash("50900.01", "0"), Finding.ELSEWHERE),
    (BEFORE, cash("50500", "100"), Finding.ELSEWHERE),
    # A new week began, so its profit does not show what was traded, or the profit is missing.
    (BEFORE, cash("51000", "0"), Finding.ELSEWHERE),
    (BEFORE, cash("51000", None), Finding.ELSEWHERE),
    (BEFORE, cash("50000", "0"), Finding.NOT_APPLIED),
    (BEFORE, cash("50900", None), Finding.ELSEWHERE),
    (cash("50000", None), cash("51000", None), Finding.APPLIED),
    (cash("50000", None), cash("50000", "5"), Finding.NOT_APPLIED),
    (cash("50000", None), cash("50900", "5"), Finding.ELSEWHERE),
]


@pytest.mark.parametrize(("before", "observed", "finding"), FINDINGS)
def test_a_read_back_of_a_balance_is_interpreted(before: State, observed: State, finding: Finding) -> None:
    assert BALANCE.interpret_read_back(before=before, after=CASH_AFTER, observed=observed, step=0) == finding
    assert REMEDIATION.interpret_read_back(before=before, after=CASH_AFTER, observed=observed, step=0) == finding


@pytest.mark.parametrize(
    ("before", "observed", "finding", "in_remediation"),
    [
        ("51000", "52100", Finding.APPLIED, Finding.APPLIED),
        ("51000", "51000", Finding.NOT_APPLIED, Finding.NOT_APPLIED),
        ("52100", "52100", Finding.UNCHANGED, Finding.APPLIED),
        ("51000", "53000", Finding.ELSEWHERE, Finding.NOT_APPLIED),  # as the change of the balance by 2,000 moves it
        ("51000", "51500", Finding.ELSEWHERE, Finding.ELSEWHERE),
        ("51000", None, Finding.ELSEWHERE, Finding.ELSEWHERE),
        (None, "52100", Finding.APPLIED, Finding.APPLIED),
        (None, None, Finding.NOT_APPLIED, Finding.NOT_APPLIED),
        (None, "1", Finding.ELSEWHERE, Finding.ELSEWHERE),
    ],
)
def test_a_read_back_of_a_peak_is_interpreted(
    before: str | None, observed: str | None, finding: Finding, in_remediation: Finding
) -> None:
    was, is_ = {"max_net_liq_usd": before}, {"max_net_liq_usd": observed}
    after = {"max_net_liq_usd": "52100", "amount_usd": "52000", "cash_change_usd": "2000"}
    assert PEAK.interpret_read_back(before=was, after=after, observed=is_, step=0) == finding
    assert REMEDIATION.interpret_read_back(before=was, after=after, observed=is_, step=1) == in_remediation


def risk(action: str, at: datetime = T0, *, stopped: bool = False, peak: str = "1") -> dict[str, Any]:
    return {"admin_action": action, "admin_at": at.isoformat(), "stopped_by_limit": stopped, "max_net_liq_usd": peak}


@pytest.mark.parametrize(
    ("before", "observed", "finding"),
    [
        (risk(LOCKED), risk(NORMAL, T1), Finding.APPLIED),
        (risk(LOCKED), risk(LOCKED), Finding.NOT_APPLIED),
        (risk(LOCKED), risk(LOCKED, peak="2"), Finding.NOT_APPLIED),  # the peak is another step's
        (risk(LOCKED), risk(LIQUIDATED, T1), Finding.ELSEWHERE),
        # It was not locked: there is nothing to see of the last step, but the balance has been changed.
        (risk(NORMAL), risk(NORMAL), Finding.APPLIED),
        (risk(NORMAL), risk(NORMAL, T1), Finding.APPLIED),
    ],
)
def test_the_unlock_of_a_remediation_is_interpreted(before: State, observed: State, finding: Finding) -> None:
    assert REMEDIATION.interpret_read_back(before=before, after={}, observed=observed, step=2) == finding


@pytest.mark.parametrize(
    ("now", "may_begin", "may_unlock"),
    [
        (risk(LOCKED), True, True),
        (risk(LOCKED, peak="2"), False, True),
        (risk(LOCKED, T1), False, False),
        (risk(NORMAL), False, False),
        (risk(LOCKED, stopped=True), False, False),
    ],
)
def test_what_moved_stops_a_remediation(now: State, *, may_begin: bool, may_unlock: bool) -> None:
    shown = risk(LOCKED)
    assert REMEDIATION.is_as_shown(before=shown, after={}, now=now, step=0) == may_begin
    assert REMEDIATION.is_as_shown(before=shown, after={}, now=now, step=2) == may_unlock
    assert [REMEDIATION.requires_unchanged_state(step) for step in range(3)] == [True, False, True]


def test_a_stop_that_ended_meanwhile_does_not_keep_the_unlock_away() -> None:
    assert REMEDIATION.is_as_shown(before=risk(LOCKED, stopped=True), after={}, now=risk(LOCKED), step=2)


def reset(action: str = NORMAL, at: str | None = None, *, stopped_at: str | None = None, own: bool = False) -> dict[str, Any]:
    return {"admin_action": action, "admin_at": at, "stopped_at": stopped_at, "user_triggered": own}


@pytest.mark.parametrize(
    ("before", "observed", "finding"),
    [
        (reset(), reset(), Finding.NOT_APPLIED),
        (reset(stopped_at=T0.isoformat()), reset(), Finding.APPLIED),
        # Somebody acted on it: what is looser may be their work.
        (reset(LOCKED, T0.isoformat(), stopped_at=T0.isoformat()), reset(NORMAL, T1.isoformat()), Finding.ELSEWHERE),
        (reset(own=True), reset(), Finding.APPLIED),
        # New restrictions are somebody else's or a limit's.
        (reset(), reset(LOCKED, T1.isoformat()), Finding.ELSEWHERE),
        (reset(), reset(stopped_at=T1.isoformat()), Finding.ELSEWHERE),
        (reset(stopped_at=T0.isoformat()), reset(stopped_at=T1.isoformat()), Finding.ELSEWHERE),
        (reset(), reset(own=True), Finding.ELSEWHERE),
    ],
)
def test_a_read_back_of_a_reset_is_interpreted_by_whatever_moved(before: State, observed: State, finding: Finding) -> None:
    assert RESET.interpret_read_back(before=before, after={}, observed=observed, step=0) == finding


DIFFERENCES = [
    ("demo_balance", cash("50000"), CASH_AFTER, [("Balance", "$50,000.00", "$51,000.00 (+$1,000.00)", "")]),
    (
        "demo_balance",
        cash("50000", "5"),
        cash("49990", "-5"),
        [("Balance", "$50,000.00", "$49,990.00", ""), ("Realised this week", "$5.00", f"{MINUS}$5.00", "")],
    ),
    (
        "max_net_liq",
        {"max_net_liq_usd": "51000"},
        {"max_net_liq_usd": "50000"},
        [("Max net liq", "$51,000.00", "$50,000.00", "looser")],
    ),
    ("max_net_liq", {"max_net_liq_usd": "5"}, {"max_net_liq_usd": "6"}, [("Max net liq", "$5.00", "$6.00", "tighter")]),
    ("max_net_liq", {"max_net_liq_usd": None}, {"max_net_liq_usd": "6"}, [("Max net liq", "not set", "$6.00", "")]),
    (
        "remediation",
        {**risk(LOCKED), **cash("50000")},
        {**CASH_AFTER, "max_net_liq_usd": "2", "admin_action": NORMAL},
        [
            ("Balance", "$50,000.00", "$51,000.00 (+$1,000.00)", ""),
            ("Max net liq", "$1.00", "$2.00", "tighter"),
            ("Risk action", "Locked (no orders)", "Normal", "looser"),
        ],
    ),
    ("remediation", {**risk(LOCKED), **cash("50000")}, cash("51000"), [("Balance", "$50,000.00", "$51,000.00", "")]),
    (
        "reset_auto_liq_status",
        reset(stopped_at=T0.isoformat()),
        {"auto_liq_status": "reset"},
        [("Auto-liq status", "stopped by a limit", "reset", "looser")],
    ),
    (
        "reset_auto_liq_status",
        reset(LOCKED, T0.isoformat(), stopped_at=T0.isoformat(), own=True),
        reset(NORMAL, T1.isoformat()),
        [
            ("Risk action", "Locked (no orders)", "Normal", ""),
            ("Risk action set", "2026-11-20 09:00:00", "2026-11-20 09:00:09", ""),
            ("Stopped by a limit", "2026-11-20 09:00:00", "not set", ""),
            ("Closing orders only by the trader's own limit", "yes", "no", ""),
        ],
    ),
]


@pytest.mark.parametrize(("kind_name", "before", "after", "said"), DIFFERENCES)
def test_it_says_what_it_alters(kind_name: str, before: State, after: State, said: list[tuple[str, str, str, str]]) -> None:
    assert KINDS[kind_name].differences(before, after) == tuple(
        Difference(label=label, before=was, after=becomes, direction=direction) for label, was, becomes, direction in said
    )


# --- The forms ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind_name", "typed", "parameters", "words"),
    [
        (
            "demo_balance",
            {"cash_change_usd": "-1.50", "comment": ""},
            {"cash_change_usd": "-1.5"},
            (("Change by", f"{MINUS}$1.50"),),
        ),
        (
            "demo_balance",
            {"amount_usd": "50000", "comment": "Refund"},
            {"amount_usd": "50000", "comment": "Refund"},
            (("Set to", "$50,000.00"), ("Comment", "Refund")),
        ),
        ("demo_balance", {"amount_usd": "0"}, {"amount_usd": "0"}, (("Set to", "$0.00"),)),
        ("max_net_liq", {"max_net_liq_usd": "51000.10"}, {"max_net_liq_usd": "51000.1"}, (("Max net liq", "$51,000.10"),)),
        (
            "remediation",
            {"amount_usd": "1", "max_net_liq_usd": "2"},
            {"amount_usd": "1", "max_net_liq_usd": "2"},
            (("Balance", "$1.00"), ("Max net liq", "$2.00")),
        ),
    ],
)
def test_input_is_kept_and_described(
    kind_name: str, typed: dict[str, str], parameters: dict[str, str], words: tuple[tuple[str, str], ...]
) -> None:
    kind = KINDS[kind_name]
    assert kind.parameters_form is not None
    form = kind.parameters_form(typed)
    assert form.is_valid(), form.errors
    assert kind.parameters(form.cleaned_data) == parameters
    assert kind.parameter_words(parameters) == words


@pytest.mark.parametrize(
    ("kind_name", "typed", "field"),
    [
        ("demo_balance", {}, "cash_change_usd"),
        ("demo_balance", {"cash_change_usd": "1", "amount_usd": "1"}, "cash_change_usd"),
        ("demo_balance", {"cash_change_usd": "0"}, "cash_change_usd"),
        ("demo_balance", {"cash_change_usd": "1000000"}, "cash_change_usd"),
        ("demo_balance", {"cash_change_usd": "-1000000"}, "cash_change_usd"),
        ("demo_balance", {"cash_change_usd": "0.001"}, "cash_change_usd"),
        ("demo_balance", {"amount_usd": "NaN"}, "amount_usd"),
        ("demo_balance", {"amount_usd": "1", "comment": "x" * 65}, "comment"),
        ("max_net_liq", {}, "max_net_liq_usd"),
        ("max_net_liq", {"max_net_liq_usd": "10000000000000"}, "max_net_liq_usd"),
        ("remediation", {"amount_usd": "1"}, "max_net_liq_usd"),
        ("remediation", {"max_net_liq_usd": "1"}, "amount_usd"),
    ],
)
def test_bad_input_is_reported_at_its_field(kind_name: str, typed: dict[str, str], field: str) -> None:
    form_class = KINDS[kind_name].parameters_form
    assert form_class is not None
    assert list(form_class(typed).errors) == [field]
