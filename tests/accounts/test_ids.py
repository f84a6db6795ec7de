"""Rows by Tradovate's ids: those of one environment, through a relation too, and no query for none."""

import pytest
from pytest_django import DjangoAssertNumQueries

from accounts.models import Account, RiskStatus
from accounts.models.ids import with_ids
from riskadmin.tradovate.vocabulary import Environment
from tests.changes.mirror import make_account


@pytest.mark.django_db
def test_rows_with_these_ids_in_this_environment(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    for environment, account_id in (("demo", 1), ("live", 1), ("demo", 2)):
        make_account(account_id, environment=environment)

    found = Account.objects.filter(with_ids(Environment.DEMO, [1, 3]))
    assert [(each.environment, each.tradovate_id) for each in found] == [("demo", 1)]
    by_account = with_ids(Environment.LIVE, [1, 2], column="account__tradovate_id", owner="account")
    assert [each.account.environment for each in RiskStatus.objects.filter(by_account)] == ["live"]
    with django_assert_num_queries(0):
        assert not list(Account.objects.filter(with_ids(Environment.DEMO, [])))
