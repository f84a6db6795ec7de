"""Why an account may not trade, in words for the phone."""

from datetime import UTC, datetime

import pytest

from accounts.models import Account, AutoLiqLimits, LimitLevel, RiskCategory, RiskStatus
from accounts.pages.explanation import explain
from riskadmin.tradovate.vocabulary import AdminAction

ACTED = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
NO_CATEGORY = "No lock. Which risk category it is in, and what that allows, is not known here."
STOPPED = datetime(2026, 11, 20, 13, 0, tzinfo=UTC)


def account(admin_action: str = "Normal", *, stopped: bool = False, by_trader: bool = False, **fields: bool) -> Account:
    row = Account(environment="demo", tradovate_id=1, name="EVAL-1", **fields)
    row.risk_status = RiskStatus(
        admin_action=admin_action,
        admin_at=ACTED,
        liquidate_only_at=STOPPED if stopped else None,
        user_triggered_liq_only=by_trader,
    )
    return row


def limits(*, do_not_unlock: bool) -> AutoLiqLimits:
    return AutoLiqLimits(level=LimitLevel.FIRM, do_not_unlock=do_not_unlock)


@pytest.mark.parametrize(
    ("admin_action", "what"),
    [
        ("LockTradingImmediately", "An admin action rejects every order. Open positions are kept."),
        ("LiquidateImmediately", "An admin action has closed every position and locked the account."),
        ("LiquidateOnlyModeImmediately", "An admin action lets it close positions, but not open any."),
    ],
)
def test_an_admin_action_lasts_until_somebody_unlocks(admin_action: str, what: str) -> None:
    said = explain(account(admin_action), None)

    assert said.what == (what,)
    assert said.since == ACTED
    assert said.raw_action == admin_action
    assert said.until == "It stays so until somebody unlocks it: Tradovate never lifts an admin action by itself."


def test_a_limit_is_lifted_with_its_session() -> None:
    said = explain(account(stopped=True), limits(do_not_unlock=False))

    assert said.what == ("A limit stopped it: only closing orders.",)
    assert said.since == STOPPED
    assert "at the next open (17:00 Chicago)" in said.until


@pytest.mark.parametrize("admin_action", ["Normal", "LockTradingImmediately"])
def test_do_not_unlock_keeps_it_stopped_and_says_so(admin_action: str) -> None:
    said = explain(account(admin_action, stopped=True), limits(do_not_unlock=True))

    assert "“do not unlock”" in said.until
    assert "The setting itself remains." in said.until


def test_do_not_unlock_says_nothing_about_a_lock_that_no_limit_made() -> None:
    assert "do not unlock" not in explain(account("LockTradingImmediately"), limits(do_not_unlock=True)).until


def test_a_lock_on_top_of_a_limit_names_both() -> None:
    said = explain(account("LockTradingImmediately", stopped=True), None)

    assert said.what[1] == "One of its limits had stopped it as well."


def test_a_stop_the_trader_requested_is_the_traders() -> None:
    assert explain(account(stopped=True, by_trader=True), None).what == ("The trader asked for it: only closing orders.",)


@pytest.mark.parametrize("action", sorted(set(AdminAction) - {"Normal"}))
def test_no_raw_action_is_shown_instead_of_words(action: AdminAction) -> None:
    said = explain(account(action), None)

    assert action not in " ".join((*said.what, said.until))


@pytest.mark.parametrize("stopped", [True, False])
def test_what_an_action_that_is_not_documented_allows_is_not_known(*, stopped: bool) -> None:
    said = explain(account("FreezeForAudit", stopped=stopped), None)

    assert said.what[0] == "Unknown admin action: FreezeForAudit. Whether orders may be placed is not known."
    assert ("One of its limits had stopped it as well." in said.what) == stopped
    assert "Orders may be placed" not in " ".join((*said.what, said.until))
    assert (said.since, said.raw_action) == (ACTED, "FreezeForAudit")


def test_an_active_account_needs_nothing() -> None:
    said = explain(account(), limits(do_not_unlock=True))

    assert (said.what, said.since, said.until) == ((NO_CATEGORY,), None, "")


@pytest.mark.parametrize(("action", "where"), [("Normal", "what"), ("DisableAutoLiq", "until")])
def test_what_its_risk_category_allows_is_not_known(action: str, where: str) -> None:
    row = account(action)
    row.risk_category = RiskCategory(environment="demo", tradovate_id=7, name="Trading Halted")
    said = "".join(getattr(explain(row, None), where))
    assert "What its risk category (Trading Halted) allows is not known here." in said
    assert "Orders may be placed" not in said


@pytest.mark.parametrize(
    ("fields", "what"),
    [
        ({"closed": True, "archived": True}, "It is closed at Tradovate."),
        ({"archived": True}, "It is archived at Tradovate."),
    ],
)
def test_for_a_gone_account_nothing_can_be_asked(fields: dict[str, bool], what: str) -> None:
    said = explain(account("LockTradingImmediately", **fields), None)

    assert said.what == (what,)
    assert said.until.startswith("Nothing can be asked for it")


def test_a_missing_account_is_no_longer_listed() -> None:
    row = account(archived=True)
    row.missing_since = STOPPED

    said = explain(row, None)

    assert (said.what, said.since) == (("Tradovate no longer lists it.",), STOPPED)


def test_an_account_that_was_never_read_says_so() -> None:
    assert explain(Account(environment="demo", tradovate_id=1), None).what == ("Its risk status was never read.",)
