"""docs/endpoints.md against Tradovate's list of risk endpoints, the client, and who uses it."""

from __future__ import annotations

import ast
import inspect
import re
from collections import defaultdict
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

import pytest

from riskadmin.tradovate import endpoints
from riskadmin.tradovate.client import Client
from riskadmin.tradovate.endpoints import ENDPOINTS

ROOT: Final = Path(__file__).parents[1]
PAGE: Final = ROOT / "docs" / "endpoints.md"
NONE: Final = "—"
NO_CALLS: Final = {"reserve", "release"}  # they count calls in advance, of whatever endpoint

# The navigation of the partner documentation, "Risks", as of the page "Switch Risk Category", with each page's address.
RISKS: Final = {
    "Account Risk Status Dependents": "accountRiskStatus/deps",
    "Account Risk Status Item": "accountRiskStatus/item",
    "Account Risk Status Items": "accountRiskStatus/items",
    "Account Risk Status L Dependents": "accountRiskStatus/ldeps",
    "Account Risk Status List": "accountRiskStatus/list",
    "Contract Margin Dependents": "contractMargin/deps",
    "Contract Margin Item": "contractMargin/item",
    "Contract Margin Items": "contractMargin/items",
    "Contract Margin L Dependents": "contractMargin/ldeps",
    "Delete User Account Position Limit": "userAccountPositionLimit/deleteuseraccountpositionlimit",
    "Delete User Account Risk Parameter": "userAccountPositionLimit/deleteuseraccountriskparameter",
    "Permissioned Account Auto Liq Dependents": "permissionedAccountAutoLiq/deps",
    "Permissioned Account Auto Liq Item": "permissionedAccountAutoLiq/item",
    "Permissioned Account Auto Liq Items": "permissionedAccountAutoLiq/items",
    "Permissioned Account Auto Liq L Dependents": "permissionedAccountAutoLiq/ldeps",
    "Permissioned Account Auto Liq List": "permissionedAccountAutoLiq/list",
    "Product Margin Dependents": "productMargin/deps",
    "Product Margin Item": "productMargin/item",
    "Product Margin Items": "productMargin/items",
    "Product Margin L Dependents": "productMargin/ldeps",
    "Product Margin List": "productMargin/list",
    "Reset Auto Liq Status": "accountRiskStatus/resetautoliqstatus",
    "Set Account Notes": "accountRiskStatus/setaccountnotes",
    "Set Admin Auto Liq Action": "accountRiskStatus/setadminautoliqaction",
    "Switch Risk Category": "accountRiskStatus/switchriskcategory",
    "Update Max Net Liq": "accountRiskStatus/updatemaxnetliq",
    "Update User Auto Liq": "userAccountAutoLiq/updateuserautoliq",
    "User Account Auto Liq Create": "userAccountAutoLiq/create",
    "User Account Auto Liq Dependents": "userAccountAutoLiq/deps",
    "User Account Auto Liq Item": "userAccountAutoLiq/item",
    "User Account Auto Liq Items": "userAccountAutoLiq/items",
    "User Account Auto Liq L Dependents": "userAccountAutoLiq/ldeps",
    "User Account Auto Liq List": "userAccountAutoLiq/list",
    "User Account Auto Liq Update": "userAccountAutoLiq/update",
    "User Account Position Limit Create": "userAccountPositionLimit/create",
    "User Account Position Limit Dependents": "userAccountPositionLimit/deps",
    "User Account Position Limit Item": "userAccountPositionLimit/item",
    "User Account Position Limit Items": "userAccountPositionLimit/items",
    "User Account Position Limit L Dependents": "userAccountPositionLimit/ldeps",
    "User Account Position Limit Update": "userAccountPositionLimit/update",
    "User Account Risk Parameter Create": "userAccountRiskParameter/create",
    "User Account Risk Parameter Dependents": "userAccountRiskParameter/deps",
    "User Account Risk Parameter Item": "userAccountRiskParameter/item",
    "User Account Risk Parameter Items": "userAccountRiskParameter/items",
    "User Account Risk Parameter L Dependents": "userAccountRiskParameter/ldeps",
    "User Account Risk Parameter Update": "userAccountRiskParameter/update",
}


@dataclass(frozen=True, kw_only=True)
class Row:
    section: str
    endpoint: str
    method: str
    environments: str
    limit: str
    used_in: frozenset[str]
    why_not: str


def rows() -> dict[str, Row]:
    found: dict[str, Row] = {}
    section = ""
    for line in PAGE.read_text().splitlines():
        if line.startswith("## "):
            section = line.removeprefix("## ")
        cells = [cell.strip() for cell in line.strip("|").split("|")] if line.startswith("| `") else []
        if not cells:
            continue
        endpoint, method, environments, limit, used_in, why_not = cells
        name = endpoint.strip("`")
        assert name not in found, f"{name} has two rows"
        found[name] = Row(
            section=section,
            endpoint=name,
            method=method.strip("`"),
            environments=environments,
            limit=limit,
            used_in=frozenset(re.findall(r"`([^`]+)`", used_in)),
            why_not=why_not,
        )
    return found


@cache
def methods_by_endpoint() -> dict[str, str]:
    """Which public method of the client names which endpoint in its code."""
    found: dict[str, str] = {}
    for name, method in inspect.getmembers(Client, inspect.isfunction):
        constants = re.findall(r"\bendpoints\.([A-Z_]+)\b", inspect.getsource(method))
        if name.startswith("_"):
            assert not constants, f"{name} is private and names an endpoint"
            continue
        if name in NO_CALLS:
            continue
        (constant,) = constants
        endpoint = getattr(endpoints, constant).name
        assert endpoint not in found, f"{endpoint} has two methods"
        found[endpoint] = name
    return found


@cache
def users_of_methods() -> dict[str, set[str]]:
    """Which modules mention which method of something that they call a client, by the method's name."""
    names = set(methods_by_endpoint().values())
    users: dict[str, set[str]] = defaultdict(set)
    for path in sorted((ROOT / "accounts").rglob("*.py")):
        module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute) and node.attr in names and _is_client(node.value):
                users[node.attr].add(module)
    return users


def _is_client(owner: ast.expr) -> bool:
    name = owner.id if isinstance(owner, ast.Name) else owner.attr if isinstance(owner, ast.Attribute) else ""
    return name in {"client", "tradovate"}


def test_every_risk_endpoint_has_a_row_in_its_section() -> None:
    assert len(RISKS) == len(set(RISKS.values())) == 46
    assert [row.endpoint for row in rows().values() if row.section == "The 46 risk endpoints"] == list(RISKS.values())


def test_every_endpoint_of_the_client_has_a_row() -> None:
    assert set(ENDPOINTS) <= set(rows())
    assert {"userAccountAutoLiq/updateuserautoliqs", "user/expireuserlockout"} <= set(rows())
    assert {"cashBalance/changedemobalance", "cashBalance/getcashbalancesnapshot"} <= set(rows())


def test_each_row_says_what_the_code_does(subtests: pytest.Subtests) -> None:
    for name, row in rows().items():
        with subtests.test(name):
            check_row(row)


def check_row(row: Row) -> None:
    method = methods_by_endpoint().get(row.endpoint, NONE)
    assert row.method == method
    if row.endpoint not in ENDPOINTS:
        assert (row.environments, row.limit, row.used_in) == (NONE, NONE, frozenset())
        assert row.why_not != NONE, "no method, so a reason"
        return
    endpoint = ENDPOINTS[row.endpoint]
    assert row.environments.removesuffix(" [?]") == ", ".join(sorted(endpoint.environments))
    limit = f"{endpoint.hourly_limit:,} {endpoint.counts.value}" if endpoint.hourly_limit else NONE
    assert row.limit == limit
    if method == NONE:
        assert row.used_in == {"riskadmin.tradovate.tokens"}, "called for the client, not through it"
    else:
        assert row.used_in == users_of_methods().get(method, set())


def test_every_public_method_has_a_row() -> None:
    assert set(methods_by_endpoint().values()) == {row.method for row in rows().values()} - {NONE}
