"""Accounts for tests of the whole stack, whose rows stay from test to test."""

from tests.stack import LiveStack

FREE = """
    SELECT account.tradovate_id, account.name
    FROM accounts_account account JOIN accounts_riskstatus status ON status.account_id = account.id
    WHERE account.environment = 'demo' AND NOT account.archived AND NOT account.closed
      AND status.admin_action IN ('', 'Normal') AND status.admin_at IS NULL AND status.liquidate_only_at IS NULL
      AND NOT EXISTS (SELECT 1 FROM changes_item item WHERE item.account_id = account.id)
    ORDER BY account.tradovate_id LIMIT %s
"""


def free_accounts(stack: LiveStack, count: int) -> list[tuple[int, str]]:
    """Return Tradovate's id and the name of open demo accounts that no test has asked anything for."""
    found = [(int(account_id), str(name)) for account_id, name in stack.rows(FREE, count)]
    assert len(found) == count
    return found
