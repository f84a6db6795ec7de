"""What is stopped, until when, what waits because of it, and what else can be done: on every page that promises anything."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from accounts.changes.kinds import KINDS
from accounts.changes.queries import progress
from accounts.changes.states import ItemState
from accounts.changes.stops import Ahead, stops_now
from accounts.changes.tracking.pace import pace
from accounts.models.api import ApiToken
from accounts.sync.complete import ASKED_BY_ID
from riskadmin.staff.models import Staff
from riskadmin.staff.roles import Role
from riskadmin.tradovate.vocabulary import Environment, Lane
from tests.changes import stopped as having
from tests.changes.pages import listed, new, words
from tests.changes.stopped import AT, CATEGORY, DENIED, IN_AN_HOUR, LOCK, NOW, Stopped, connect
from tests.changes.world import LOCKED, make_account, make_accounts, open_item
from tests.staff.people import make_person

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("two_o_clock")]


@pytest.fixture
def browser(client: Client, support: Staff, sent: list[Any]) -> Client:
    client.force_login(support)
    return client


@dataclass(frozen=True)
class Case:
    """A stop, and what pages say of it: its first line, why, and what else can be done; None for `until` is not known."""

    stopped: Stopped
    title: str
    why: str
    ways: str
    until: datetime | None = IN_AN_HOUR
    also: str = ""

    def reported(self, subject: str) -> str:
        """All that a callout says, of this subject."""
        also = f" {self.also}" if self.also else ""
        return f"{self.title} {self.why}{also} Until then: {self.ways.format(subject)}."


NOTHING_IS_READ = (
    "Nothing is read from Tradovate either: what pages show is what was known before, and changes made outside riskadmin may "
    "go unseen."
)
BY_HAND = "lock {} by hand in Tradovate's own dashboard"
LOCKING = f"Lock, Closing only, Unlock and Liquidate wait on demo, and Remediate before its step “Unlock”, until {AT} (in 1 h)."
CASES = {
    "captcha": Case(
        having.endpoint(LOCK),
        LOCKING,
        f"Tradovate demands a captcha for {LOCK}.",
        "move {} to a risk category that your firm has set up to allow no orders, or lock it by hand in Tradovate's own dashboard",
    ),
    "penalty": Case(
        having.endpoint(LOCK, "Tradovate makes us wait (p-ticket)"),
        LOCKING,
        f"Tradovate makes us wait (p-ticket) for {LOCK}.",
        "move {} to a risk category that your firm has set up to allow no orders, or lock it by hand in Tradovate's own dashboard",
    ),
    "denied": Case(
        having.endpoint(LOCK, DENIED, environment=Environment.DEMO),
        LOCKING.replace(f"until {AT} (in 1 h)", "until Tradovate allows access again"),
        f"{DENIED}. It is tried again at {AT}; until the permission is back, it will be refused again.",
        "move {} to a risk category that your firm has set up to allow no orders, or lock it by hand in Tradovate's own dashboard",
        until=None,
    ),
    "429": Case(
        having.everything(),
        f"Every change waits until {AT} (in 1 h).",
        "Too many calls in an hour (HTTP 429).",
        BY_HAND,
        also=NOTHING_IS_READ,
    ),
    "423": Case(
        having.everything("Tradovate warns of a lockout (HTTP 423)"),
        f"Every change waits until {AT} (in 1 h).",
        "Tradovate warns of a lockout (HTTP 423).",
        BY_HAND,
        also=NOTHING_IS_READ,
    ),
    "login": Case(
        having.endpoint("auth/accesstokenrequest", "the login was refused: wrong password"),
        f"Every change waits until {AT} (in 1 h).",
        "No session at Tradovate is open: the login was refused: wrong password.",
        BY_HAND,
        also=NOTHING_IS_READ,
    ),
    "outage": Case(
        having.outage(),
        "Every change waits on demo until Tradovate's demo environment answers again.",
        "No answer since 2026-11-21 13:57:00 (HTTP 503). It is tried again on its own, at the latest every minute.",
        BY_HAND,
        until=None,
        also=NOTHING_IS_READ.replace("Tradovate either", "Tradovate on demo either"),
    ),
    "uncounted": Case(
        having.uncounted(),
        "Every change waits until PostgreSQL answers again.",
        "PostgreSQL does not answer, so calls can't be counted, and none is made.",
        BY_HAND,
        until=None,
        also=NOTHING_IS_READ,
    ),
    "used up": Case(
        having.used_up(urgent=0, urgent_free_at=NOW + timedelta(minutes=10)),
        "Every change waits until 2026-11-21 14:10:00 (in 10 min).",
        "The calls of this hour are used up; each comes back an hour after it was made.",
        BY_HAND,
        until=NOW + timedelta(minutes=10),
        also=NOTHING_IS_READ,
    ),
}


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest, stop: Callable[[Stopped], None]) -> Case:
    """Each stop that holds up a lock."""
    found = CASES[request.param]
    stop(found.stopped)
    return found


class TestEachStop:
    """Each kind of stop on each page."""

    def test_on_the_preview(self, browser: Client, case: Case) -> None:
        make_account(1)
        page = browser.get(new("lock"), {"account": "demo:1"})
        text = words(page)
        assert case.reported("it") in text
        assert "As soon as Tradovate answers" not in text
        found = page.context["outlook"]
        assert not found.fits
        if case.until is None:
            assert found.finish_at is None
            assert "Not known" in text
        else:
            assert found.finish_at >= case.until
            assert "Finished Not before " in text

    def test_on_the_page_of_an_account(self, browser: Client, case: Case) -> None:
        account = make_account(1)
        reported = case.reported("it")
        assert reported in words(browser.get(reverse("accounts:detail", args=["demo", account.tradovate_id])))
        assert reported in words(browser.get(reverse("changes:account_stops", args=["demo", account.tradovate_id])))

    @pytest.mark.parametrize("name", ["home", "changes:stops"])
    def test_on_home_and_the_page_of_stops(self, browser: Client, case: Case, name: str) -> None:
        assert case.reported("an account") in words(browser.get(reverse(name)))

    def test_on_system(self, client: Client, case: Case) -> None:
        client.force_login(make_person(Role.ADMINISTRATOR))
        assert f"{case.title} {case.why}" in words(client.get(reverse("system")))

    def test_below_the_top_bar_of_every_page(self, browser: Client, case: Case) -> None:
        text = words(browser.get(reverse("changes:stops_strip"), headers={"HX-Request": "true"}))
        assert text.startswith(case.title.removesuffix("."))
        assert text.endswith("can be done")
        for name in ("home", "accounts:list", "changes:list"):
            page = browser.get(reverse(name)).content.decode()
            assert '<div class="stops" hx-get="/changes/-/stops/" hx-trigger="load, poll" data-poll="30s">' in page

    def test_on_the_page_of_a_running_change(self, browser: Client, support: Staff, case: Case) -> None:
        item = open_item(support, make_account(1), "lock", ItemState.QUEUED)
        following = pace(progress(item.change_id))
        (hold,) = following.holds
        assert hold.until == case.until
        assert hold.words.endswith(case.why.rstrip("."))
        assert hold.words.startswith("Waits")
        if case.until is None:
            assert following.finish_at is None
        else:
            assert following.finish_at is not None
            assert following.finish_at >= case.until
        page = words(browser.get(reverse("changes:detail", args=[item.change_id])))
        assert hold.words in page


class TestWhichWait:
    """Only what needs what is stopped waits, and ways out are real ones."""

    @staticmethod
    def ahead(name: str, environment: Environment = Environment.DEMO, **more: Any) -> Ahead:
        return Ahead(kind=KINDS[name], environment=environment, lane=Lane.URGENT, **more)

    def waiting(self, environment: Environment = Environment.DEMO) -> list[str]:
        stops = stops_now()
        return [
            name
            for name, kind in KINDS.items()
            if environment in kind.environments and stops.holding_up(self.ahead(name, environment))
        ]

    def test_nothing_is_stopped(self, stop: Callable[[Stopped], None], browser: Client) -> None:
        stop(Stopped())
        make_account(1)
        assert stops_now().found == ()
        assert words(browser.get(reverse("changes:stops_strip"), headers={"HX-Request": "true"})) == ""
        assert "Nothing waits." in words(browser.get(reverse("changes:stops")))
        page = browser.get(new("lock"), {"account": "demo:1"})
        assert page.context["outlook"].fits
        assert "As soon as Tradovate answers" in words(page)
        assert 'class="callout tone-danger"' not in page.content.decode()

    def test_no_environment_is_connected(self, stop: Callable[[Stopped], None], settings: Settings) -> None:
        stop(having.everything())
        settings.TRADOVATE_URLS = {"demo": "", "live": ""}
        assert stops_now().found == ()

    @pytest.mark.parametrize(
        ("endpoint", "waits"),
        [
            (LOCK, ["lock", "liquidate_only", "unlock", "liquidate", "remediation"]),
            (CATEGORY, ["risk_category"]),
            ("userAccountAutoLiq/updateuserautoliqs", ["auto_liq_limits"]),
            ("userAccountPositionLimit/create", ["position_limit"]),
            ("userAccountPositionLimit/deleteuseraccountriskparameter", []),
            ("user/expireuserlockout", ["user_lockout"]),
            ("accountRiskStatus/resetautoliqstatus", ["reset_auto_liq_status"]),
            ("accountRiskStatus/updatemaxnetliq", ["max_net_liq", "remediation"]),
            ("cashBalance/changedemobalance", ["demo_balance", "remediation"]),
            ("auth/me", []),
            ("riskCategory/list", []),
        ],
    )
    def test_a_stopped_endpoint_holds_up_those_that_call_it(
        self, stop: Callable[[Stopped], None], endpoint: str, waits: list[str]
    ) -> None:
        stop(having.endpoint(endpoint))
        assert self.waiting() == waits

    def test_the_action_on_a_record_decides_which_endpoint_it_is(self, stop: Callable[[Stopped], None]) -> None:
        stop(having.endpoint("userAccountPositionLimit/deleteuseraccountpositionlimit"))
        (found,) = stops_now().found
        assert found.what == "Position limit: remove one waits"
        removes = KINDS["position_limit"].of({"action": "delete"})
        assert found.holds_up(Ahead(kind=removes, environment=Environment.LIVE, lane=Lane.BULK))
        assert not found.holds_up(self.ahead("position_limit"))

    def test_a_denial_is_of_one_environment(self, stop: Callable[[Stopped], None], browser: Client) -> None:
        stop(having.endpoint(CATEGORY, "denied", environment=Environment.LIVE))
        assert self.waiting(Environment.LIVE) == ["risk_category"]
        assert self.waiting(Environment.DEMO) == []
        (found,) = stops_now().found
        assert found.what == "Risk category waits on live"
        make_account(1)
        assert "Risk category waits" not in words(browser.get(reverse("accounts:detail", args=["demo", 1])))

    def test_a_read_that_is_stopped_delays_what_is_confirmed_by_it(
        self, stop: Callable[[Stopped], None], browser: Client
    ) -> None:
        stop(having.endpoint("accountRiskStatus/ldeps", "Tradovate makes us wait (p-ticket)"))
        (found,) = stops_now().found
        assert found.what == (
            "Closing only, Unlock, Liquidate, Reset auto-liq status, Max net liq and Remediate wait, and Lock can't be confirmed"
        )
        assert not found.holds_up(self.ahead("lock")), "a lock rests on nothing: it leaves at once"
        assert found.delays(self.ahead("lock")), "but what came of it is read later"
        make_account(1)
        page = browser.get(new("lock"), {"account": "demo:1"})
        assert page.context["outlook"].finish_at == IN_AN_HOUR

    @pytest.mark.parametrize(
        ("endpoint", "what", "also"),
        [
            (
                "position/list",
                "Positions can't be read on demo",
                "Full reads on demo fail because of it: what pages show is old, ",
            ),
            ("riskCategory/list", "Risk categories can't be read on demo", "Full reads on demo fail because of it"),
            ("account/items", "Risk category waits on demo", "Some readings of accounts fail because of it"),
            ("userAccountRiskParameter/ldeps", "Risk parameter", "What pages show of risk parameters is old."),
        ],
    )
    def test_a_denied_read_is_described(
        self, stop: Callable[[Stopped], None], browser: Client, endpoint: str, what: str, also: str
    ) -> None:
        stop(having.endpoint(endpoint, DENIED, environment=Environment.DEMO))
        page = words(browser.get(reverse("changes:stops")))
        assert what in page
        assert also in page
        assert "can't be called" not in page

    def test_lists_are_read_for_many_only(self, stop: Callable[[Stopped], None]) -> None:
        stop(having.endpoint("account/list"))
        (found,) = stops_now().found
        assert (found.what, found.waits) == ("Accounts can't be read", ())
        assert not found.delays(self.ahead("risk_category", targets=ASKED_BY_ID))
        assert found.delays(self.ahead("risk_category", targets=ASKED_BY_ID + 1))

    @pytest.mark.parametrize(("step", "waits"), [(0, True), (1, False), (2, False)])
    def test_a_step_that_is_done_needs_nothing(self, stop: Callable[[Stopped], None], step: int, *, waits: bool) -> None:
        stop(having.endpoint("cashBalance/changedemobalance"))
        assert bool(stops_now().holding_up(self.ahead("remediation", step=step))) == waits

    def test_an_unlock_has_no_alternative(self, stop: Callable[[Stopped], None], browser: Client) -> None:
        stop(having.endpoint(LOCK))
        make_account(1, LOCKED)
        text = words(browser.get(new("unlock"), {"account": "demo:1"}))
        assert "Until then: make the change by hand in Tradovate's own dashboard." in text
        assert "risk category that your firm has set up to allow no orders" not in text

    def test_an_alternative_that_waits_too_is_not_offered(
        self, monkeypatch: pytest.MonkeyPatch, settings: Settings, browser: Client
    ) -> None:
        both = having.endpoint(LOCK)
        assert both.state is not None
        more = having.endpoint(CATEGORY).state
        assert more is not None
        object.__setattr__(both.state, "halted_endpoints", both.state.halted_endpoints + more.halted_endpoints)
        connect(monkeypatch, settings, both)
        make_account(1)
        text = words(browser.get(new("lock"), {"account": "demo:1"}))
        assert "Until then: lock it by hand in Tradovate's own dashboard." in text
        assert "1 more, and what can be done" in words(browser.get(reverse("changes:stops_strip")))

    def test_the_alternative_is_a_link_for_those_who_may(
        self, stop: Callable[[Stopped], None], browser: Client, client: Client
    ) -> None:
        stop(having.endpoint(LOCK))
        make_account(1)
        link = '<a href="/changes/new/risk_category/?account=demo%3A1">move it to a risk category that your firm has set up to allow no orders</a>'
        account = reverse("accounts:detail", args=["demo", 1])
        assert link in browser.get(account).content.decode()
        assert link in browser.get(new("lock"), {"account": "demo:1"}).content.decode()
        client.force_login(make_person(Role.COMPLIANCE))
        page = client.get(account).content.decode()
        assert link not in page
        assert "move it to a risk category that your firm has set up to allow no orders" in page

    def test_a_category_switch_that_waits_leaves_the_lock(self, stop: Callable[[Stopped], None], browser: Client) -> None:
        stop(having.endpoint(CATEGORY))
        assert (
            "Risk category waits until 2026-11-21 15:00:00 (in 1 h). Tradovate demands a captcha for "
            f"{CATEGORY}. Until then: lock an account, or make the change by hand in Tradovate's own dashboard."
        ) in words(browser.get(reverse("home")))

    def test_a_live_account_is_not_offered_what_only_demo_takes(self, stop: Callable[[Stopped], None], browser: Client) -> None:
        stop(having.endpoint(CATEGORY))
        for environment, offered in (("demo", "lock it, or make"), ("live", "make")):
            account = make_account(1, environment=environment)
            page = words(browser.get(reverse("accounts:detail", args=[environment, account.tradovate_id])))
            assert f"Until then: {offered} the change by hand in Tradovate's own dashboard." in page

    def test_bulk_calls_that_are_used_up_leave_the_urgent_lane(
        self, stop: Callable[[Stopped], None], browser: Client, support: Staff
    ) -> None:
        stop(having.used_up())
        make_accounts(range(1, 61))
        one = browser.get(new("lock"), {"account": "demo:1"})
        assert one.context["outlook"].fits
        assert "As soon as Tradovate answers" in words(one)
        many = browser.get(new("lock"), {"targets": listed(support, " ".join(map(str, range(1, 61))))})
        assert (
            "Bulk changes wait until 2026-11-21 14:25:00 (in 25 min). The bulk calls of this hour are used up; each comes back "
            "an hour after it was made. Full reads wait too: what pages show is what was known before, and changes made outside "
            "riskadmin may go unseen. Until then: change at most 50 at a time, in the urgent lane (500 calls left), or lock "
            "them by hand in Tradovate's own dashboard."
        ) in words(many)
        assert many.context["outlook"].finish_at == NOW + timedelta(minutes=26)
        assert "Finished Not before 2026-11-21 14:26:00 (in 26 min)" in words(many)

    def test_a_lowered_limit_is_shown_where_it_matters(
        self, stop: Callable[[Stopped], None], browser: Client, support: Staff
    ) -> None:
        stop(having.lowered())
        make_accounts(range(1, 61))
        reported = (
            "Changes of many accounts take longer until 2026-11-22 14:00:00 (in 1 d). Tradovate answered 429 when 2,501 calls "
            "were counted, so only 2,500 calls an hour are made instead of 5,000."
        )
        many = browser.get(new("lock"), {"targets": listed(support, " ".join(map(str, range(1, 61))))})
        assert reported in words(many)
        assert "Not before 2026-11-21 14:30:00 (in 30 min): this hour's calls have no room" in words(many)
        assert reported not in words(browser.get(new("lock"), {"account": "demo:1"}))
        assert reported in words(browser.get(reverse("home")))

    @pytest.mark.parametrize(("left", "waits"), [(timedelta(minutes=40), False), (timedelta(seconds=29), True)])
    def test_a_refused_login_holds_up_only_what_has_no_session(
        self, stop: Callable[[Stopped], None], browser: Client, left: timedelta, *, waits: bool
    ) -> None:
        ApiToken.objects.create(environment="demo", expires_at=NOW + left)
        stop(having.endpoint("auth/accesstokenrequest", "the login was refused: wrong password"))
        assert bool(self.waiting()) == waits
        assert self.waiting(Environment.LIVE)
        text = words(browser.get(reverse("home")))
        if waits:
            assert f"Every change waits until {AT} (in 1 h)." in text
        else:
            assert f"Every change waits on live until {AT} (in 1 h)." in text
            assert (
                f"No new session can be started on demo until {AT} (in 1 h). The login was refused: wrong password. Calls go on "
                "only while Tradovate accepts the session that is open."
            ) in text
