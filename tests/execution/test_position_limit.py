"""Position limits against a real simulator: added, changed and removed; refused in its words; never added twice."""

import json
from datetime import timedelta

import pytest
from django.test import Client as DjangoClient
from django.urls import reverse
from django.utils import timezone

from accounts.changes.states import ItemState
from accounts.models import Account, PositionLimit
from accounts.sync.actions import Part, refresh
from riskadmin.staff.models import Staff
from riskadmin.tradovate.vocabulary import Environment, Lane
from tests.execution.pre_trade import LIMIT, Limited, approved, as_sent, make_limited
from tests.execution.worker import ORIGIN, active_account, reconciled, run, send_item, the_item, writes
from tests.simulator.driver import DELETE_POSITION_LIMIT, Simulator

KIND = "position_limit"
NEW = {"action": "create", "total_by": "Product", "product_id": 7, "short_limit": 0, "long_limit": 1, "description": "Gold"}
PATHS = {"create": f"{LIMIT}/create", "update": f"{LIMIT}/update", "delete": DELETE_POSITION_LIMIT}


@pytest.fixture
def limited(mirror: Simulator) -> Limited:
    return make_limited(mirror)


def parameters_of(action: str, limited: Limited) -> dict[str, object]:
    """Parameters of a change that would do something."""
    own: dict[str, dict[str, object]] = {
        "create": dict(NEW),
        "update": {"action": "update", "limit": limited.limit, "exposed_limit": 5},
        "delete": {"action": "delete", "limit": limited.limit},
    }
    return own[action]


def is_done(action: str, limited: Limited) -> bool:
    """Whether the simulator shows the effect of `parameters_of`, exactly once."""
    now = limited.position_limits()
    match action:
        case "create":
            return [each.get("description") for number, each in now.items() if number > limited.limit] == ["Gold"]
        case "update":
            return bool(now[limited.limit]["exposedLimit"] == 5)
        case _:
            return limited.limit not in now


def test_one_is_added(limited: Limited, support: Staff, supervisor: Staff) -> None:
    item = run(approved(support, supervisor, KIND, limited.account_id, **NEW))

    assert item.state == ItemState.APPLIED
    assert item.after is not None
    (body,) = writes(item.change)
    assert json.loads(body) == {"accountId": limited.account_id, **as_sent(item.after["record"])}
    assert json.loads(body)["active"] is True
    (number,) = limited.position_limits().keys() - {record["id"] for record in (item.before or {})["records"]}
    made = PositionLimit.objects.get(tradovate_id=number, account__tradovate_id=limited.account_id)
    assert (made.product_id, made.short_limit, made.long_limit, made.exposed_limit) == (7, 0, 1, None)
    assert limited.effects() == ["position_limit_created"]


def test_one_is_changed_and_keeps_what_was_not_requested(limited: Limited, support: Staff, supervisor: Staff) -> None:
    item = run(approved(support, supervisor, KIND, limited.account_id, **parameters_of("update", limited)))

    assert item.state == ItemState.APPLIED
    assert item.after is not None
    (body,) = writes(item.change)
    assert json.loads(body) == {"accountId": limited.account_id, **as_sent(item.after["record"])}
    expected = {"id": limited.limit, "accountId": limited.account_id, "active": True, "totalBy": "Overall"}
    assert limited.position_limits()[limited.limit] == {**expected, "exposedLimit": 5, "longLimit": 2}
    assert PositionLimit.objects.get(tradovate_id=limited.limit).exposed_limit == 5


def test_one_is_removed_with_what_hangs_on_it(limited: Limited, support: Staff, supervisor: Staff) -> None:
    item = run(approved(support, supervisor, KIND, limited.account_id, **parameters_of("delete", limited)))

    assert item.state == ItemState.APPLIED
    assert [json.loads(body) for body in writes(item.change)] == [{"userAccountPositionLimitId": limited.limit}]
    assert limited.limit not in limited.position_limits()
    assert not PositionLimit.objects.filter(tradovate_id=limited.limit).exists()


def test_a_change_costs_one_read_before_one_call_and_one_read_after(
    limited: Limited, support: Staff, supervisor: Staff
) -> None:
    item = approved(support, supervisor, KIND, limited.account_id, **parameters_of("update", limited))
    Account.objects.filter(tradovate_id=limited.account_id).update(
        position_limits_read_at=timezone.now() - timedelta(minutes=1)
    )

    assert run(item).state == ItemState.APPLIED
    reads = [call["endpoint"] for call in limited.simulator.calls(method="GET")]
    assert reads == [f"{LIMIT}/ldeps", f"{LIMIT}/ldeps"]


def test_what_somebody_else_has_changed_is_left_alone(limited: Limited, support: Staff, supervisor: Staff) -> None:
    item = approved(support, supervisor, KIND, limited.account_id, **parameters_of("update", limited))
    limited.simulator.patch("userAccountPositionLimit", limited.limit, exposedLimit=1)
    refresh(Environment.DEMO, [limited.account_id], lane=Lane.BULK, parts=frozenset({Part.PRE_TRADE}))

    item = run(item)

    assert item.state == ItemState.SKIPPED
    assert "has changed since" in item.note
    assert limited.effects() == []


def test_what_somebody_else_removed_after_our_lost_call_counts_as_removed(
    limited: Limited, support: Staff, supervisor: Staff
) -> None:
    item = approved(support, supervisor, KIND, limited.account_id, **parameters_of("delete", limited))
    limited.simulator.fault("cut", when="before", endpoint=DELETE_POSITION_LIMIT, count=1)
    send_item(item.pk, origin=ORIGIN)
    limited.remove_limit()

    assert reconciled(item).state == ItemState.APPLIED
    assert limited.effects() == ["risk_parameter_deleted", "position_limit_deleted"]


@pytest.mark.parametrize("action", PATHS)
def test_a_refusal_is_shown_in_tradovates_words(limited: Limited, support: Staff, supervisor: Staff, action: str) -> None:
    item = approved(support, supervisor, KIND, limited.account_id, **parameters_of(action, limited))
    limited.simulator.fault("errorText", endpoint=PATHS[action], text="Access is denied")

    item = run(item)

    assert (item.state, item.note) == (ItemState.REJECTED, "Tradovate answered: Access is denied")
    assert limited.effects() == []


VIOLATIONS = (
    "Product Type should be between CommonStock and Swap",
    "Exposed Limit should be greater than or equal to 0",
    "Description should be no longer than 64",
    "Account Id can't be changed",
)


@pytest.mark.parametrize("words", VIOLATIONS)
@pytest.mark.parametrize("action", ["create", "update"])
def test_violations_are_shown_in_tradovates_words(
    limited: Limited, support: Staff, supervisor: Staff, action: str, words: str
) -> None:
    item = approved(support, supervisor, KIND, limited.account_id, **parameters_of(action, limited))
    refusal = {"violations": [{"constraint": "any", "value": None, "description": words}]}
    limited.simulator.fault("answer", endpoint=PATHS[action], count=1, status=200, body=json.dumps(refusal))

    item = run(item)

    assert (item.state, item.note) == (ItemState.REJECTED, f"Tradovate answered: {words}")
    assert limited.effects() == []


def test_an_account_that_is_gone_is_404(limited: Limited, support: Staff, supervisor: Staff) -> None:
    gone = 987_654_321
    Account.objects.filter(tradovate_id=limited.account_id, environment="demo").update(tradovate_id=gone)

    item = run(approved(support, supervisor, KIND, gone, **NEW))

    assert item.state == ItemState.REJECTED
    assert "HTTP 404" in item.note


@pytest.mark.parametrize("action", ["update", "delete"])
def test_a_limit_that_is_gone_is_404(limited: Limited, support: Staff, supervisor: Staff, action: str) -> None:
    item = approved(support, supervisor, KIND, limited.account_id, **parameters_of(action, limited))
    limited.remove_limit()

    item = run(item)

    # What was to be removed is gone, no matter who did it; of what was to be changed a person has to decide.
    ends = {"create": ItemState.REJECTED, "update": ItemState.UNKNOWN, "delete": ItemState.APPLIED}
    assert item.state == ends[action]
    assert "HTTP 404" in item.note


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("action", ["update", "delete"])
def test_a_lost_answer_is_reconciled(limited: Limited, support: Staff, supervisor: Staff, action: str, when: str) -> None:
    limited.simulator.fault("cut", when=when, endpoint=PATHS[action], count=1)
    item = approved(support, supervisor, KIND, limited.account_id, **parameters_of(action, limited))
    send_item(item.pk, origin=ORIGIN)
    assert the_item(item.change).state == ItemState.UNKNOWN

    assert reconciled(item).state == ItemState.APPLIED
    assert is_done(action, limited)
    assert len([each for each in limited.effects() if each.startswith("position_limit")]) == 1


def test_an_addition_whose_answer_was_lost_is_found_by_its_number(limited: Limited, support: Staff, supervisor: Staff) -> None:
    limited.simulator.fault("cut", when="after", endpoint=PATHS["create"], count=1)
    item = approved(support, supervisor, KIND, limited.account_id, **NEW)
    send_item(item.pk, origin=ORIGIN)
    assert the_item(item.change).state == ItemState.UNKNOWN

    assert reconciled(item).state == ItemState.APPLIED
    assert limited.effects() == ["position_limit_created"]


def test_an_addition_that_did_nothing_is_left_to_a_person(limited: Limited, support: Staff, supervisor: Staff) -> None:
    limited.simulator.fault("cut", when="before", endpoint=PATHS["create"], count=1)
    item = approved(support, supervisor, KIND, limited.account_id, **NEW)
    send_item(item.pk, origin=ORIGIN)

    item = reconciled(item)

    assert item.state == ItemState.UNKNOWN
    assert item.note == "The read-back shows no effect, and it is not sent again by itself"
    assert limited.effects() == []
    assert limited.simulator.call_count(PATHS["create"]) == 1


@pytest.mark.parametrize("action", ["update", "delete"])
def test_an_answered_call_without_effect_is_not_taken_for_done(
    limited: Limited, support: Staff, supervisor: Staff, action: str
) -> None:
    item = approved(support, supervisor, KIND, limited.account_id, **parameters_of(action, limited))
    limited.simulator.patch("account", limited.account_id, archived=True)  # the mirror does not know yet
    try:
        item = run(item)
    finally:
        limited.simulator.patch("account", limited.account_id, archived=False)

    assert item.state == ItemState.SENT
    assert limited.effects() == []


def test_what_was_never_read_is_read_before_it_is_planned(mirror: Simulator, support: Staff, client: DjangoClient) -> None:
    account_id = active_account(2)
    client.force_login(support)
    assert Account.objects.get(tradovate_id=account_id, environment="demo").position_limits_read_at is None

    asked = {"account": f"demo:{account_id}", "action": "create", "total_by": "Overall", "long_limit": "1", "preview": "1"}
    page = client.get(reverse("changes:new", args=[KIND]), asked)

    assert page.status_code == 200
    (row,) = page.context["plan"].rows
    assert row.is_sent
    assert mirror.call_count(f"{LIMIT}/ldeps") == 1
    assert Account.objects.get(tradovate_id=account_id, environment="demo").position_limits_read_at is not None
