"""An account's status, said twice: as a function of a row and as a condition for many; both must always agree."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from accounts.models import Account
from accounts.models.status import STATUS_LOOK, AccountStatus, account_status_q
from riskadmin.tradovate.vocabulary import AdminAction
from riskadmin.web.icons import icon_names
from riskadmin.web.templatetags.face import TONE_ICONS
from tests.accounts.mirrored import make_account, make_status

ACTIONS = ["", *AdminAction, "SomethingNew"]
NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


class StatusInPythonAndSql(TestCase):
    """On PostgreSQL, since the condition's joins and NULLs are what could differ."""

    @given(
        closed=st.booleans(),
        archived=st.booleans(),
        read=st.booleans(),
        admin_action=st.sampled_from(ACTIONS),
        stopped=st.booleans(),
    )
    def test_the_function_and_the_condition_agree(
        self, *, closed: bool, archived: bool, read: bool, admin_action: str, stopped: bool
    ) -> None:
        account = make_account(closed=closed, archived=archived or closed)
        if read:
            make_status(account, admin_action=admin_action, liquidate_only_at=NOW if stopped else None)
        account = Account.objects.select_related("risk_status").get(pk=account.pk)

        found = [status for status in AccountStatus if Account.objects.filter(account_status_q(status), pk=account.pk).exists()]

        assert found == [account.status]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("admin_action", "stopped", "status"),
    [
        ("Normal", False, AccountStatus.ACTIVE),
        ("", False, AccountStatus.ACTIVE),
        ("Normal", True, AccountStatus.BREACHED),
        ("LockTradingImmediately", False, AccountStatus.LOCKED),
        ("LockTradingImmediately", True, AccountStatus.LOCKED),
        ("LiquidateImmediately", True, AccountStatus.LIQUIDATED),
        ("LiquidateOnlyModeImmediately", False, AccountStatus.LIQUIDATE_ONLY),
        ("DisableAutoLiq", False, AccountStatus.UNUSUAL),
        ("DisableAutoLiq", True, AccountStatus.BREACHED),
        ("SomethingNew", False, AccountStatus.UNKNOWN),
        ("SomethingNew", True, AccountStatus.UNKNOWN),
    ],
)
def test_what_an_open_account_is_called(admin_action: str, status: AccountStatus, *, stopped: bool) -> None:
    account = make_account()
    make_status(account, admin_action=admin_action, admin_at=NOW, liquidate_only_at=NOW if stopped else None)

    assert account.status == status
    assert (account.status_since is None) == (status == AccountStatus.ACTIVE)


def test_every_status_has_a_look_that_pages_can_draw() -> None:
    assert STATUS_LOOK.keys() == set(AccountStatus)
    assert {status.tone for status in AccountStatus} <= TONE_ICONS.keys()
    assert {status.icon for status in AccountStatus} <= icon_names()
