"""Position limits and the risk parameters below them: create, update, delete, and their reads."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.simulator.conftest import Post
from tests.simulator.driver import DELETE_POSITION_LIMIT, DELETE_RISK_PARAMETER, OTHER_ADMIN, VIEWER, Simulator

LIMIT, PARAMETER = "/userAccountPositionLimit", "/userAccountRiskParameter"
Made = Callable[[int], int]


def limit(account: object, **changes: object) -> dict[str, object]:
    body = {"accountId": account, "active": True, "totalBy": "Overall", "exposedLimit": 3, "description": "x" * 64}
    return body | changes


@pytest.fixture
def made(post: Post) -> Made:
    """Make a position limit for an account and return its id."""

    def make(account: int) -> int:
        found: int = post(f"{LIMIT}/create", limit(account)).json()["id"]
        return found

    return make


def of_account(simulator: Simulator, token: str, path: str, master: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = simulator.call("GET", f"{path}/deps", token=token, query={"masterid": master}).json()
    return found


def new_ones(simulator: Simulator, account: int) -> list[tuple[str, str]]:
    return [(effect["action"], effect["entity"]) for effect in simulator.effects(account_id=account)]


def test_a_limit_is_made_changed_and_deleted(simulator: Simulator, post: Post, token: str, account: int) -> None:
    before = of_account(simulator, token, LIMIT, account)

    answer = post(f"{LIMIT}/create", limit(account, id=5, shortLimit=None)).json()
    assert answer == {"id": answer["id"], **limit(account)}
    assert answer["id"] != 5
    assert of_account(simulator, token, LIMIT, account) == [*before, answer]

    changed = post(f"{LIMIT}/update", {"id": answer["id"], **limit(account, active=False, longLimit=0)}).json()
    assert changed == {"id": answer["id"], **limit(account, active=False, longLimit=0)}
    assert of_account(simulator, token, LIMIT, account) == [*before, changed]

    deleted = post(DELETE_POSITION_LIMIT, {"userAccountPositionLimitId": answer["id"]})
    assert deleted.json() == {"success": True}
    assert of_account(simulator, token, LIMIT, account) == before
    assert simulator.call("GET", f"{LIMIT}/item", token=token, query={"id": answer["id"]}).status_code == 404
    assert post(DELETE_POSITION_LIMIT, {"userAccountPositionLimitId": answer["id"]}).status_code == 404
    effects = simulator.effects(account_id=account)
    assert [effect["action"] for effect in effects] == [f"position_limit_{verb}" for verb in ("created", "updated", "deleted")]
    assert (effects[2]["before"], effects[2]["after"]) == (changed, None)


def test_a_risk_parameter_is_made_changed_and_deleted(
    simulator: Simulator, post: Post, token: str, account: int, made: Made
) -> None:
    master = made(account)
    body = {"userAccountPositionLimitId": master, "maxOpeningOrderQty": 2, "marginPercentage": 50.5, "hardLimit": True}

    answer = post(f"{PARAMETER}/create", body).json()
    assert answer == {"id": answer["id"], **body}
    changed = post(f"{PARAMETER}/update", {"id": answer["id"], **body, "maxOpeningOrderQty": 1}).json()
    assert of_account(simulator, token, PARAMETER, master) == [changed]
    query = {"masterids": [master, 999]}
    assert simulator.call("GET", f"{PARAMETER}/ldeps", token=token, query=query).json() == [changed]
    assert simulator.account(account)["userAccountRiskParameters"][-1] == changed

    assert post(DELETE_RISK_PARAMETER, {"userAccountRiskParameterId": answer["id"]}).json() == {"success": True}
    assert of_account(simulator, token, PARAMETER, master) == []
    assert post(DELETE_RISK_PARAMETER, {"userAccountRiskParameterId": answer["id"]}).status_code == 404
    assert new_ones(simulator, account)[1:] == [
        (f"risk_parameter_{verb}", "userAccountRiskParameter") for verb in ("created", "updated", "deleted")
    ]


def test_the_documented_path_of_the_deletion_is_the_only_one(post: Post, simulator: Simulator, token: str) -> None:
    straight = "/userAccountRiskParameter/deleteuseraccountriskparameter"
    body = {"userAccountRiskParameterId": 1}
    assert simulator.call("POST", straight, token=token, body=body).status_code == 404
    assert post(DELETE_RISK_PARAMETER, {"userAccountRiskParameterId": 0}).status_code == 200


def test_a_deleted_limit_takes_its_parameters_along(simulator: Simulator, post: Post, account: int, made: Made) -> None:
    master = made(account)
    parameter = post(f"{PARAMETER}/create", {"userAccountPositionLimitId": master}).json()["id"]

    post(DELETE_POSITION_LIMIT, {"userAccountPositionLimitId": master})

    assert post(DELETE_RISK_PARAMETER, {"userAccountRiskParameterId": parameter}).status_code == 404
    assert [action for action, _ in new_ones(simulator, account)][-2:] == ["risk_parameter_deleted", "position_limit_deleted"]


@pytest.mark.parametrize(
    ("changes", "constraint", "text"),
    [
        ({"accountId": 0}, "min", "Account Id should be greater than 0"),
        ({"active": None}, "required", "Active should be specified"),
        ({"totalBy": None}, "required", "Total By should be specified"),
        ({"totalBy": "Account"}, "enum", "Total By should be between Contract and ProductType"),
        ({"productType": "Bonds"}, "enum", "Product Type should be between CommonStock and Swap"),
        (
            {"productVerificationStatus": "New"},
            "enum",
            "Product Verification Status should be between Inactive and Verified",
        ),
        ({"shortLimit": -1}, "min", "Short Limit should be greater than or equal to 0"),
        ({"longLimit": -1}, "min", "Long Limit should be greater than or equal to 0"),
        ({"exposedLimit": -1}, "min", "Exposed Limit should be greater than or equal to 0"),
        ({"fungibleExposedLimit": -1}, "min", "Fungible Exposed Limit should be greater than or equal to 0"),
        ({"description": "x" * 65}, "maxLength", "Description should be no longer than 64"),
    ],
)
def test_values_that_are_not_allowed(post: Post, account: int, changes: dict[str, object], constraint: str, text: str) -> None:
    refused = post(f"{LIMIT}/create", limit(account, **changes)).json()
    [violation] = refused["violations"]
    assert (violation["constraint"], violation["description"]) == (constraint, text)


def test_a_refusal_changes_nothing(simulator: Simulator, post: Post, account: int) -> None:
    post(f"{LIMIT}/create", limit(account, exposedLimit=-1))
    assert simulator.effects(account_id=account) == []


@pytest.mark.parametrize(
    "name",
    ["maxOpeningOrderQty", "maxClosingOrderQty", "maxBackMonth", "preExpirationDays", "marginPercentage", "marginDollarValue"],
)
def test_parameters_below_zero(post: Post, account: int, made: Made, name: str) -> None:
    body = {"userAccountPositionLimitId": made(account), name: -1}
    [violation] = post(f"{PARAMETER}/create", body).json()["violations"]
    assert violation["description"].endswith("should be greater than or equal to 0")


def test_unknown_ids_are_404(simulator: Simulator, post: Post, account: int, made: Made) -> None:
    own = made(account)
    assert post(f"{LIMIT}/create", limit(999)).status_code == 404
    assert post(f"{LIMIT}/update", {"id": 999, **limit(account)}).status_code == 404
    assert post(f"{LIMIT}/update", {"id": own, **limit(999)}).status_code == 404
    assert post(f"{PARAMETER}/create", {"userAccountPositionLimitId": 999}).status_code == 404
    assert post(f"{PARAMETER}/update", {"id": 999, "userAccountPositionLimitId": own}).status_code == 404
    other = simulator.token(OTHER_ADMIN)
    assert post(DELETE_POSITION_LIMIT, {"userAccountPositionLimitId": own}, token=other).status_code == 404
    assert len(simulator.effects(account_id=account)) == 1


@pytest.mark.parametrize(
    ("path", "name", "text"),
    [
        (DELETE_POSITION_LIMIT, "userAccountPositionLimitId", "User Account Position Limit Id should be greater than 0"),
        (DELETE_RISK_PARAMETER, "userAccountRiskParameterId", "User Account Risk Parameter Id should be greater than 0"),
    ],
)
def test_a_deletion_of_no_id(post: Post, path: str, name: str, text: str) -> None:
    for body in ({name: 0}, {name: -1}, {"accountId": 1}):
        assert post(path, body).json() == {"success": False, "errorText": text}
    assert post(path, {name: "1"}).status_code == 400


@pytest.mark.parametrize(
    "changes", [{"exposedLimit": 1.5}, {"active": "yes"}, {"contractId": "1"}, {"description": 7}, {"accountId": "1"}]
)
def test_fields_of_the_wrong_type(post: Post, account: int, changes: dict[str, object]) -> None:
    assert post(f"{LIMIT}/create", limit(account, **changes)).status_code == 400


def test_a_limit_stays_with_its_account(simulator: Simulator, post: Post, account: int, made: Made) -> None:
    own, stranger = made(account), simulator.account_ids("locked", limit=1)[0]
    [violation] = post(f"{LIMIT}/update", {"id": own, **limit(stranger)}).json()["violations"]
    assert violation["description"] == "Account Id can't be changed"


def test_omitted_fields_are_cleared_or_by_setting_kept(simulator: Simulator, post: Post, account: int, made: Made) -> None:
    body = {"id": made(account), "accountId": account, "active": False, "totalBy": "Overall"}

    simulator.set(omitted_limits="keep")
    assert post(f"{LIMIT}/update", body).json() == {**body, "exposedLimit": 3, "description": "x" * 64}
    assert "description" not in post(f"{LIMIT}/update", {**body, "description": None}).json()
    simulator.set(omitted_limits="clear")
    assert post(f"{LIMIT}/update", body).json() == body


def test_archived_accounts_are_accepted_silently(
    simulator: Simulator, post: Post, token: str, account: int, made: Made
) -> None:
    own = made(account)
    parameter = post(f"{PARAMETER}/create", {"userAccountPositionLimitId": own}).json()
    simulator.patch("account", account, archived=True)
    before = simulator.account(account)

    answer = post(f"{LIMIT}/create", limit(account)).json()
    assert simulator.call("GET", f"{LIMIT}/item", token=token, query={"id": answer["id"]}).status_code == 404
    assert "id" in post(f"{LIMIT}/update", {"id": own, **limit(account, exposedLimit=9)}).json()
    assert post(f"{PARAMETER}/update", {**parameter, "hardLimit": True}).json() == parameter
    assert post(DELETE_RISK_PARAMETER, {"userAccountRiskParameterId": parameter["id"]}).json() == {"success": True}
    assert post(DELETE_POSITION_LIMIT, {"userAccountPositionLimitId": own}).json() == {"success": True}

    assert simulator.account(account) == before


def test_a_user_who_is_no_admin_is_refused(simulator: Simulator, post: Post, account: int, made: Made) -> None:
    own, viewer = made(account), simulator.token(VIEWER)
    bodies: dict[str, dict[str, object]] = {
        f"{LIMIT}/create": limit(account),
        f"{LIMIT}/update": {"id": own, **limit(account)},
        f"{PARAMETER}/create": {"userAccountPositionLimitId": own},
        f"{PARAMETER}/update": {"id": 1, "userAccountPositionLimitId": own},
        DELETE_POSITION_LIMIT: {"userAccountPositionLimitId": own},
        DELETE_RISK_PARAMETER: {"userAccountRiskParameterId": 1},
    }
    for path, body in bodies.items():
        assert post(path, body, token=viewer).status_code == 401, path
    simulator.set(not_admin_status=200)
    for path, body in bodies.items():
        assert post(path, body, token=viewer).json()["errorText"] == "Access is denied"
    assert len(simulator.effects(account_id=account)) == 1


def test_it_works_on_live(simulator: Simulator, post: Post) -> None:
    [account] = simulator.account_ids("active", host="live", limit=1)
    answer = post(f"{LIMIT}/create", limit(account), host="live").json()
    assert post(DELETE_POSITION_LIMIT, {"userAccountPositionLimitId": answer["id"]}, host="live").json() == {"success": True}


def test_a_fault_bound_to_the_account_hits_a_call_that_names_its_limit(
    simulator: Simulator, post: Post, account: int, made: Made
) -> None:
    body = {"userAccountPositionLimitId": made(account)}
    simulator.fault("errorText", text="Not now", account_id=account, count=1)
    assert post(DELETE_POSITION_LIMIT, body).json() == {"success": False, "errorText": "Not now"}
    assert post(DELETE_POSITION_LIMIT, body).json() == {"success": True}


def test_a_trader_sees_her_accounts_limits_only(simulator: Simulator, post: Post, account: int, made: Made) -> None:
    own = made(account)
    trader = simulator.account(account)["traders"][0]
    simulator.patch("user", trader["id"], status="Active")
    hers = simulator.token(trader["name"])
    assert simulator.call("GET", f"{LIMIT}/item", token=hers, query={"id": own}).status_code == 200
    viewer = simulator.token(VIEWER)
    assert simulator.call("GET", f"{LIMIT}/item", token=viewer, query={"id": own}).status_code == 404
