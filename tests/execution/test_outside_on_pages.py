"""Pages tell what others did at Tradovate from what was asked for here."""

from django.test import Client
from django.urls import reverse

from accounts.models import Account, MirrorMove
from accounts.outside.attribute import attribute_moves
from riskadmin.audit.wording import reason_words
from riskadmin.staff.models import Staff
from riskadmin.web.clock import display_zone
from riskadmin.web.formats import between
from tests.changes.world import approve, ask
from tests.execution.test_outside_changes import AT, read
from tests.execution.test_undo import run as run_change
from tests.execution.worker import ORIGIN, active_account
from tests.simulator.driver import Simulator

LOCKED, NORMAL = "LockTradingImmediately", "Normal"


def words(client: Client, address: str) -> str:
    response = client.get(address)
    assert response.status_code == 200
    return " ".join(response.content.decode().replace("&#x27;", "'").split())


def test_the_account_says_that_it_was_locked_outside_until_it_is_no_longer(
    mirror: Simulator, support: Staff, supervisor: Staff, client: Client
) -> None:
    account_id = active_account()
    client.force_login(support)
    address = reverse("accounts:detail", args=["demo", account_id])
    assert "outside riskadmin" not in words(client, address)
    mirror.patch("accountRiskStatus", account_id, adminAction=LOCKED, adminTimestamp=AT)
    read()
    attribute_moves(origin=ORIGIN)
    move = MirrorMove.objects.get()
    window = between(move.known_at, move.read_at, display_zone())
    page = words(client, address)
    assert "Locked outside riskadmin, <span" in page
    assert f">{window}</span>: by someone at Tradovate or the trader's firm. Tradovate does not say who." in page
    assert "By whom, and why" not in page

    run_change(approve(supervisor, ask(support, "unlock", account_id)))
    run_change(ask(support, "lock", account_id))
    attribute_moves(origin=ORIGIN)
    page = words(client, address)
    assert "Locked outside riskadmin, <span" not in page
    assert "By whom, and why" in page
    assert "<div>Locked, <span title=" in page  # among what was changed outside, with its time


def test_the_account_says_who_requested_its_lock_when_and_why(
    mirror: Simulator, support: Staff, supervisor: Staff, client: Client
) -> None:
    account_id = active_account()
    client.force_login(support)
    address = reverse("accounts:detail", args=["demo", account_id])
    change = ask(support, "lock", account_id)
    run_change(change)
    page = words(client, address)
    reported = page[page.index("By whom, and why") :]
    reported = reported[: reported.index("</div>")]
    assert change.requested_by_name in reported
    assert reason_words(change.reason_code) in reported
    assert reverse("changes:detail", args=[change.pk]) in reported
    assert "see History" not in reported

    # Another act at Tradovate, of the same word: it is no longer that change's.
    mirror.patch("accountRiskStatus", account_id, adminAction=LOCKED, adminTimestamp=AT)
    read()
    assert "see History" in words(client, address)


def test_an_account_that_was_locked_before_the_first_reading_says_so(mirror: Simulator, support: Staff, client: Client) -> None:
    account = Account.objects.filter(archived=False, risk_status__admin_action=LOCKED, moves=None, items=None)[0]
    client.force_login(support)
    page = words(client, reverse("accounts:detail", args=["demo", account.tradovate_id]))
    assert "Not known: it stood so when riskadmin first read it, and Tradovate does not say" in page
    assert "see History" not in page
