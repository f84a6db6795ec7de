"""Who may see and change what: an administrator everything of the organization, anyone else their own."""

from __future__ import annotations

from riskadmin.simulator.calls import Answer, SimulatedCall, not_admin, plain
from riskadmin.simulator.fields import not_positive
from riskadmin.simulator.tables import EVERYBODY
from riskadmin.simulator.vocabulary import NOT_FOUND


def visible(call: SimulatedCall, kind: str) -> list[int]:
    """Return the ids of a kind that the caller may see: the organization's for an administrator, else the caller's own."""
    table = call.host.tables[kind]
    if call.who.admin:
        return table.of_org(call.who.org)
    mine = _own_accounts(call)
    if kind == "user":
        return [call.who.user_id] if call.who.user_id in table.rows else []
    if kind == "tradingPermission":
        return table.of_master(call.who.user_id)
    return [
        key
        for key, entity in table.rows.items()
        if table.orgs[key] == EVERYBODY or (account := call.host.account_of(kind, entity)) is None or account in mine
    ]


def may_see(call: SimulatedCall, kind: str, key: int) -> bool:
    """Return whether one entity exists for this caller."""
    table = call.host.tables[kind]
    if key not in table.rows:
        return False
    if call.who.admin:
        return table.orgs[key] in {EVERYBODY, call.who.org}
    return key in visible(call, kind)


def account_refusal(call: SimulatedCall, account_id: int) -> Answer | None:
    """Return why an administrator's call about one account is refused, or None."""
    if not call.who.admin:
        return not_admin(call)
    problem = not_positive(account_id, "accountId")
    if problem is not None:
        return call.endpoint.refuse(problem.text)
    return None if may_see(call, "account", account_id) else plain(404, NOT_FOUND)


def ignored(call: SimulatedCall, account_id: int) -> bool:
    """Return whether a write to this account is accepted without effect: archived accounts."""
    account = call.host.tables["account"].rows[account_id]
    return bool(account.get("archived")) and not call.world.settings.archived_effect


def _own_accounts(call: SimulatedCall) -> frozenset[int]:
    permissions = call.host.tables["tradingPermission"]
    mine = (permissions.rows[key] for key in permissions.of_master(call.who.user_id))
    return frozenset(permission["accountId"] for permission in mine if permission["status"] == "Accepted")
