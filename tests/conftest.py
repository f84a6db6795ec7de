"""Fixtures for every test: real PostgreSQL and Redis, a broker that refuses unless asked for, and whole stacks."""

from __future__ import annotations

import gc
import re
from collections import Counter
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import redis
from django.conf import settings as django_settings
from django.db import connection
from django.test import TransactionTestCase, override_settings
from hypothesis import HealthCheck, settings
from playwright.sync_api import Browser, Page
from pytest_django import DjangoDbBlocker

from tests import kept_tables
from tests.browsing import launch, watched_page
from tests.examples import EXAMPLES
from tests.servers import PUBLISHING, SERVERS_KEY, Servers, own_database, sign_in_as_superuser, with_redis_number, worker_index
from tests.stack import LiveStack

# How long an example takes, or is made, rests on what else the machine does.
settings.register_profile(
    "whatever the load", max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("whatever the load")

TESTS_TOGETHER = 8
"""Tests of one file that go to a worker together."""

WHOLE_STACK = "whole stack"
"""The group of the tests that need one."""
FIRST_POLICY = Path(__file__).parent / "approvals" / "first_policy.sql"

AXE = Path(__file__).parent / "browser" / "vendor" / "axe.min.js"
# Of a long table the first rows tell: the others are drawn by the same template.
# What is not reported is not worked out: what passes, and the selectors of what does not.
RUN = """async only => (await axe.run(
        {exclude: ["tbody tr:nth-child(n+13)"]},
        {runOnly: only, resultTypes: ["violations"], selectors: false, preload: {assets: ["media"]}},
    ))
    .violations.map(found => `${found.id}: ${found.nodes.map(node => node.html.slice(0, 200)).join(" | ")}`)"""
EVERYTHING = {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
# Nothing is being loaded, nor will be right away: a panel that has come may ask for another one.
SETTLED = """() => {
    const calm = !document.querySelector(".htmx-request, .htmx-swapping, .htmx-settling, .htmx-added");
    const since = calm ? window.calmSince ?? performance.now() : null;
    window.calmSince = since;
    return calm && performance.now() - since > 60;
}"""
COLOURS = {"type": "rule", "values": ["color-contrast", "link-in-text-block"]}
"""What a theme can do to a page; all else is the same in both."""


SLOW = (
    "tests/faults/test_short",
    "tests/execution/test_time_in_browser",
    "tests/execution/test_year",
    "tests/limit_templates/test_drift_any",
    "tests/local/",
)


@pytest.hookimpl(wrapper=True, tryfirst=True)  # around the plugins': xdist reads the groups, and pytest-django sorts
def pytest_collection_modifyitems(items: list[pytest.Item]) -> Generator[None]:
    """Begin with what takes long, so that no worker is left with it while the others have nothing to do.

    All tests of the whole stack go to one worker, first of all (`--dist loadgroup`): it is started once. A worker takes the
    others in small lots of one file, for each test on its own has to be sent to it.
    """
    taken: Counter[str] = Counter()
    for item in items:
        if _needs_whole_stack(item):
            group = WHOLE_STACK
        elif item.nodeid.startswith(SLOW):
            continue
        else:
            file = item.nodeid.partition("::")[0]
            group = f"{file} {taken[file] // TESTS_TOGETHER}"
            taken[file] += 1
        item.add_marker(pytest.mark.xdist_group(group))
    yield
    items.sort(key=lambda item: (not _needs_whole_stack(item), not item.nodeid.startswith(SLOW)))


def pytest_collection_finish() -> None:
    """Let the garbage collector pass over what is loaded by now, and come less often: a seventh of the tests' time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


def _needs_whole_stack(item: pytest.Item) -> bool:
    return "whole_stack" in getattr(item, "fixturenames", ())


@pytest.fixture(scope="session")
def servers(pytestconfig: pytest.Config) -> Servers:
    """The PostgreSQL and Redis of this test process."""
    return pytestconfig.stash[SERVERS_KEY]


@pytest.fixture(scope="session")
def django_db_keepdb() -> bool:
    """Let Django use the database that is there (`django_db_modify_db_settings`), and leave it there in the end.

    Dropping it fails now and then, when the connection pool's threads are just opening a spare connection.
    """
    return True


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings: None, servers: Servers) -> None:
    """Let Django find its test database: the owner's, and migrated already if the migrations ran once for all workers.

    Tests sign in to it as a superuser, to prepare rows that the application couldn't write.
    """
    servers.new_database(own_database())
    sign_in_as_superuser(servers.database_url)


@pytest.fixture(autouse=True, scope="session")
def settings_for_speed() -> Iterator[None]:
    """Hash passwords cheaply and serve static files without a manifest: neither is what most tests are about."""
    storages = {
        **django_settings.STORAGES,
        "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
    }
    hashers = ["django.contrib.auth.hashers.MD5PasswordHasher", *django_settings.PASSWORD_HASHERS]
    with override_settings(STORAGES=storages, PASSWORD_HASHERS=hashers, WHITENOISE_AUTOREFRESH=True):
        yield


EMPTY_EVERYTHING = """
DO $$
DECLARE
    touched record;
    has_rows boolean;
BEGIN
    SET LOCAL session_replication_role = replica;  -- no foreign key is looked at; only guards that fire ALWAYS are left
    FOR touched IN
        SELECT t.relname AS name,
               (SELECT array_agg(g.tgname) FROM pg_trigger g WHERE g.tgrelid = t.oid AND g.tgenabled = 'A') AS guards,
               to_regclass(format('seeds.%I', t.relname)) AS seeds
        FROM pg_class t JOIN pg_namespace n ON n.oid = t.relnamespace
        WHERE t.relkind = 'r' AND n.nspname = 'public'
          AND t.relname NOT IN ('django_migrations', 'django_content_type', 'auth_permission')
    LOOP
        EXECUTE format('SELECT EXISTS (SELECT FROM public.%I)', touched.name) INTO has_rows;
        IF has_rows OR touched.seeds IS NOT NULL THEN
            IF touched.guards IS NOT NULL THEN
                EXECUTE format('ALTER TABLE public.%I DISABLE TRIGGER USER', touched.name);
            END IF;
            EXECUTE format('DELETE FROM public.%I', touched.name);
            IF touched.seeds IS NOT NULL THEN
                EXECUTE format('INSERT INTO public.%I SELECT * FROM %s', touched.name, touched.seeds);
            END IF;
            FOR guard IN 1 .. coalesce(array_length(touched.guards, 1), 0) LOOP
                EXECUTE format('ALTER TABLE public.%I ENABLE ALWAYS TRIGGER %I', touched.name, touched.guards[guard]);
            END LOOP;
        END IF;
    END LOOP;
END;
$$
"""


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> None:
    """Give tests a policy of their own, and keep aside what is written then, so that every test begins with it."""
    with django_db_blocker.unblock(), connection.cursor() as cursor:
        cursor.execute(FIRST_POLICY.read_text(encoding="utf-8"))
        kept_tables.keep("seeds")


@pytest.fixture(autouse=True, scope="session")
def tables_are_emptied_fast() -> Iterator[None]:
    """Take every table back to what the migrations wrote, after a transactional test; guarded ones too: no other statement of any test may.

    Django's own flush truncates every table and fills those of its permissions again, which takes longer than most tests do.
    """

    def teardown(_: TransactionTestCase) -> None:
        with connection.cursor() as cursor:
            cursor.execute(EMPTY_EVERYTHING)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TransactionTestCase, "_fixture_teardown", teardown)
        yield


GROWN = """
SELECT quote_ident(relname) FROM pg_class
WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace AND pg_relation_size(oid) > 32 * 8192
"""


@pytest.fixture(autouse=True, scope="module")
def tables_stay_small(django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """Give back the space of rows that tests took back or deleted, which every search would pass over for the rest of the run."""
    yield
    if connection.connection is not None:
        with django_db_blocker.unblock(), connection.cursor() as cursor:
            cursor.execute(GROWN)
            if grown := [name for (name,) in cursor.fetchall()]:
                cursor.execute(f"VACUUM {', '.join(grown)}")


@pytest.fixture
def redis_client(servers: Servers) -> Iterator[redis.Redis]:
    """A client of an empty Redis, emptied again afterwards."""
    with redis.Redis.from_url(servers.redis_url) as client:
        client.flushdb()
        yield client
        client.flushdb()


@pytest.fixture
def real_broker(redis_client: redis.Redis, monkeypatch: pytest.MonkeyPatch) -> Iterator[redis.Redis]:
    """Let this test publish: messages land in the queues of the Redis it returns (`urgent`, `bulk`), where no one works."""
    from riskadmin.celery import app

    def forget_connections(celery_app: Any) -> None:
        celery_app._pool = None
        celery_app.amqp._producer_pool = None

    monkeypatch.delenv(PUBLISHING)
    forget_connections(app)
    yield redis_client
    forget_connections(app)


@pytest.fixture(scope="session")
def whole_stack(servers: Servers) -> Iterator[LiveStack]:
    """The whole product as processes, started once; tests take `live_stack`."""
    number = worker_index()
    database_url = servers.new_database(f"riskadmin_live_{number}")
    redis_url = with_redis_number(servers.redis_url, 2 * number + 1)
    stack = LiveStack(servers.places, database_url=database_url, redis_url=redis_url)
    try:
        stack.prepare()
        yield stack
    finally:
        stack.stop()


@pytest.fixture
def live_stack(request: pytest.FixtureRequest, whole_stack: LiveStack) -> Iterator[LiveStack]:
    """The whole product as processes, all well at the start of the test, whatever the one before has done to it.

    Rows stay from test to test: take accounts that no other test takes (`tests.stack.free_accounts`).
    """
    if request.config.getoption("loadgroup", default=False):
        assert request.node.nodeid.endswith(f"@{WHOLE_STACK}"), "no groups: each worker would start a whole stack"
    whole_stack.restore()
    yield whole_stack
    whole_stack.simulator.clear_faults()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """A headless Chromium; the test fails, it is never skipped, where there is none (`make test` installs one)."""
    # Playwright leaves an event loop in this thread, in which Django would refuse to query for all later tests.
    with pytest.MonkeyPatch.context() as patch, launch() as chromium:
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
        yield chromium


@pytest.fixture
def page(browser: Browser, request: pytest.FixtureRequest) -> Iterator[Page]:
    """A page of a fresh browser session, which must not log an exception or a breach of the content security policy.

    A failing test leaves trace and screenshot in `.run/failures/`.
    """
    with watched_page(browser, name=request.node.name, failed=lambda: request.node.stash.get(FAILED, False)) as page:
        yield page


FAILED = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Let fixtures know whether their test failed."""
    report = yield
    item.stash[FAILED] = item.stash.get(FAILED, False) or report.failed
    return report


@pytest.fixture(scope="session")
def seen_in_dark() -> set[str]:
    """The views that were checked in dark: the same parts have the same colours in each of their states."""
    return set()


@pytest.fixture
def check_page(seen_in_dark: set[str]) -> Callable[[Page], None]:
    """What every page must stand: a function that finds no violation on it as it is, in light and, once for each view, in dark."""

    def check(page: Page) -> None:
        page.wait_for_load_state()
        page.wait_for_function(SETTLED)
        if not page.evaluate("'axe' in window"):
            page.evaluate(AXE.read_text(encoding="utf-8"))
        before = page.evaluate("document.documentElement.dataset.bsTheme")
        view = re.sub(r"\d+", "N", urlsplit(page.url).path)
        for theme, rules in (("light", EVERYTHING), *((("dark", COLOURS),) if view not in seen_in_dark else ())):
            page.evaluate("theme => { document.documentElement.dataset.bsTheme = theme }", theme)
            assert page.evaluate(RUN, rules) == [], f"{page.url} in {theme}"
        page.evaluate("theme => { document.documentElement.dataset.bsTheme = theme }", before)
        seen_in_dark.add(view)

    return check
