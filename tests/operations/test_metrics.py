"""/metrics: who may read it, what it says of every state, that it costs few queries, and what it says when a part is gone."""

import json
import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import redis
import yaml
from django.conf import settings
from django.db import DatabaseError, connection
from django.db.models import QuerySet
from django.db.transaction import atomic
from django.test import Client, override_settings
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families

from accounts.approvals.models import ApprovalRequest
from accounts.changes.models import Change, Item
from accounts.changes.states import ChangeState, ItemState
from accounts.execution.heartbeat import beat
from accounts.execution.models import Call, CallState, Purpose
from accounts.models import SyncRun
from riskadmin.audit.actions import AuditEntry, record
from riskadmin.audit.origin import SYSTEM, Origin
from riskadmin.audit.tags import Tag
from riskadmin.audit.unwritten import unwritten
from riskadmin.local.places import PROJECT
from riskadmin.local.postgres import APPLICATION
from riskadmin.notifications.models import Message
from riskadmin.operations.metrics import state
from riskadmin.operations.metrics.catalogue import BY_NAME, COUNTED_HERE, READ_AT_SCRAPE
from riskadmin.staff.roles import Role
from tests.audit.events import sample as sample_of
from tests.changes.world import ask, make_account, make_accounts
from tests.rewriting import unguarded
from tests.staff.people import make_person

pytestmark = pytest.mark.django_db

TOKEN = "a-token-that-only-prometheus-knows-0000"

Read = dict[tuple[str, ...], float]
"""Values by the metric's name, without its prefix, and its labels' values in their order."""


@pytest.fixture(autouse=True)
def opened(redis_client: redis.Redis) -> Iterator[redis.Redis]:
    """Open the page to the token."""
    with override_settings(METRICS_TOKEN=TOKEN):
        yield redis_client


def scrape(client: Client) -> Read:
    page = client.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
    assert page.status_code == 200
    return values(page.content.decode())


def values(text: str) -> Read:
    found: Read = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            name = sample.name.removeprefix("riskadmin_")
            labels = BY_NAME[name].labels if name in BY_NAME else tuple(sorted(sample.labels))
            found[(name, *(sample.labels[label] for label in labels))] = sample.value
    return found


def ended_read(environment: str, *, minutes_ago: float, failure: str = "") -> None:
    at = timezone.now() - timedelta(minutes=minutes_ago)
    SyncRun.objects.create(environment=environment, started_at=at, seen_at=at, ended_at=at, failure=failure)


class TestAccess:
    def test_it_is_closed_unless_a_setting_opens_it(self, client: Client) -> None:
        with override_settings(METRICS_TOKEN=""):
            for token in ("", "Bearer ", f"Bearer {TOKEN}"):
                assert client.get("/metrics", headers={"Authorization": token}).status_code == 404

    @pytest.mark.parametrize(
        "sent", ["", "Bearer", "Bearer ", "Bearer wrong", f"Basic {TOKEN}", TOKEN, f"Bearer {TOKEN}x", "Bearer ÿ"]
    )
    def test_without_the_token_nothing_is_read(self, client: Client, sent: str) -> None:
        with CaptureQueriesContext(connection) as queries:
            page = client.get("/metrics", headers={"Authorization": sent})
        assert (page.status_code, page["WWW-Authenticate"]) == (401, "Bearer")
        assert (b"riskadmin_" in page.content, len(queries)) == (False, 0)

    def test_listed_addresses_need_no_token(self, client: Client) -> None:
        with override_settings(METRICS_TOKEN="", METRICS_ADDRESSES=["10.1.0.0/16", "192.0.2.7"]):
            for address, status in (("10.1.2.3", 200), ("192.0.2.7", 200), ("192.0.2.8", 401), ("", 401)):
                assert client.get("/metrics", REMOTE_ADDR=address).status_code == status, address

    def test_an_address_that_a_client_claims_counts_for_nothing(self, client: Client) -> None:
        with override_settings(METRICS_TOKEN="", METRICS_ADDRESSES=["10.1.0.0/16"]):
            page = client.get("/metrics", REMOTE_ADDR="203.0.113.9", headers={"X-Forwarded-For": "10.1.2.3"})
        assert page.status_code == 401

    def test_it_is_no_page_of_people(self, client: Client) -> None:
        client.force_login(make_person(Role.ADMINISTRATOR))
        assert client.get("/metrics").status_code == 401
        assert client.post("/metrics").status_code == 405


class TestState:
    def test_nothing_to_do_is_zero_and_what_never_was_is_absent(self, client: Client) -> None:
        found = scrape(client)
        assert {found["part_up", part] for part in (*state.OF_POSTGRESQL, *state.OF_REDIS)} == {1}
        for lane in ("urgent", "bulk"):
            assert (found["queue_age_seconds", lane], found["queue_changes", lane], found["broker_messages", lane]) == (0, 0, 0)
            assert ("worker_heartbeat_age_seconds", lane) not in found
        assert (found["unknown_items",], found["approvals_waiting",], found["reviews_overdue",]) == (0, 0, 0)
        assert (found["outbox_delay_seconds",], found["trail_writable",], found["trail_write_failures_total",]) == (0, 1, 0)
        assert found["sign_ins_refused_last_15m", "no"] == 0
        assert not [labels for labels in found if labels[0] in {"sync_lag_seconds", "sync_failing", "calls_last_10m"}]
        assert abs(found["clock_skew_seconds",]) < 60

    def test_the_queue_is_as_old_as_the_oldest_change_with_something_to_send(self, client: Client) -> None:
        make_account(101)
        change = ask(make_person(Role.SUPPORT), "lock", 101)
        assert (change.state, change.lane) == (ChangeState.RUNNING, "urgent")
        at = timezone.now() - timedelta(seconds=90)
        set_in_place(Change.objects.all(), submitted_at=at)
        set_in_place(ApprovalRequest.objects.all(), requested_at=at, decided_at=at)
        found = scrape(client)
        assert 90 <= found["queue_age_seconds", "urgent"] < 300
        assert (found["queue_changes", "urgent"], found["queue_age_seconds", "bulk"]) == (1, 0)

        set_in_place(Item.objects.all(), state=ItemState.UNKNOWN)
        found = scrape(client)
        assert (found["queue_age_seconds", "urgent"], found["queue_changes", "urgent"], found["unknown_items",]) == (0, 0, 1)

    def test_calls_of_the_last_minutes_are_counted_by_their_end(self, client: Client) -> None:
        now = timezone.now()
        for outcome, minutes_ago in (
            (CallState.ANSWERED, 1),
            (CallState.ANSWERED, 9),
            (CallState.UNKNOWN, 2),
            (CallState.UNKNOWN, 11),
        ):
            at = now - timedelta(minutes=minutes_ago)
            Call.objects.create(
                purpose=Purpose.WRITE, environment="live", lane="bulk", worker="w", state=outcome, started_at=at, ended_at=at
            )
        Call.objects.create(
            purpose=Purpose.WRITE, environment="demo", lane="urgent", worker="w", state=CallState.OPEN, started_at=now
        )
        assert {labels[1:]: value for labels, value in scrape(client).items() if labels[0] == "calls_last_10m"} == {
            ("live", "bulk", "answered"): 2,
            ("live", "bulk", "unknown"): 1,
            ("demo", "urgent", "open"): 1,
        }

    def test_the_mirrors_age_is_that_of_the_last_complete_read(self, client: Client) -> None:
        ended_read("demo", minutes_ago=30)
        ended_read("live", minutes_ago=20)
        ended_read("live", minutes_ago=5, failure="it was cut short")
        found = scrape(client)
        assert 1800 <= found["sync_lag_seconds", "demo"] < 2100
        assert 1200 <= found["sync_lag_seconds", "live"] < 1500
        assert (found["sync_failing", "demo"], found["sync_failing", "live"]) == (0, 1)

    def test_workers_and_messages(self, client: Client, opened: redis.Redis) -> None:
        beat(lane="bulk", worker="bulk@here")
        opened.lpush("bulk", "one", "two")
        at = timezone.now() - timedelta(minutes=5)
        person = make_person(Role.SUPERVISOR)
        message = Message(topic="t", channel="page", person=person, subject="s", link="/", created_at=at, next_try_at=at)
        for number, name in enumerate(("waiting", "failed", "given_up", "given_up", "sent")):
            message.pk, message.key, message.state = None, f"key {number}", name
            message.save(force_insert=True)
        found = scrape(client)
        assert found["worker_heartbeat_age_seconds", "bulk"] < 60
        assert (found["broker_messages", "bulk"], found["broker_messages", "urgent"]) == (2, 0)
        assert [found["outbox_messages", name] for name in ("waiting", "failed", "given_up")] == [1, 1, 2]
        assert 300 <= found["outbox_delay_seconds",] < 600

    def test_refused_sign_ins(self, client: Client) -> None:
        for throttled in (False, False, True):
            detail = {"locked_until": timezone.now()} if throttled else {}
            record(AuditEntry(tag=Tag.STAFF_SIGN_IN_REFUSED, actor=SYSTEM, origin=Origin(), detail=detail))
        found = scrape(client)
        assert [found["sign_ins_refused_last_15m", throttled] for throttled in ("no", "yes")] == [2, 1]

    def test_an_event_that_cant_be_written_is_counted(self, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuses(*_: object) -> None:
            raise DatabaseError

        monkeypatch.setattr("riskadmin.audit.actions.copy_in", refuses)
        with pytest.raises(DatabaseError), atomic():
            record(AuditEntry(tag=Tag.STAFF_SIGN_IN_REFUSED, actor=SYSTEM, origin=Origin()))
        assert scrape(client)["trail_write_failures_total",] == unwritten() == 1

    def test_a_trail_that_may_not_be_written_is_reported(self, client: Client) -> None:
        with connection.cursor() as cursor:
            cursor.execute("CREATE ROLE without_the_trail; GRANT USAGE ON SCHEMA public TO without_the_trail")
            cursor.execute("SET LOCAL ROLE without_the_trail")
            assert dict(pair(state._trail())) == {"trail_writable": 0}
            cursor.execute("RESET ROLE")
        assert scrape(client)["trail_writable",] == 1

    def test_the_applications_role_may_write_the_trail(self, client: Client) -> None:
        with connection.cursor() as cursor:
            cursor.execute(f"SET LOCAL ROLE {APPLICATION}")
            found = scrape(client)
            cursor.execute("RESET ROLE")
        assert {found["part_up", part] for part in state.OF_POSTGRESQL} == {1}
        assert found["trail_writable",] == 1

    def test_what_cant_be_read_is_absent_and_named(self, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(state, "APPROVALS", "SELECT no_such_column FROM approvals_approvalrequest")
        with override_settings(REDIS_URL="redis://127.0.0.1:1/0"):
            found = scrape(client)
        down = {labels[1] for labels, value in found.items() if labels[0] == "part_up" and value == 0}
        assert down == {"approvals", *state.OF_REDIS}
        assert not [labels for labels in found if labels[0].startswith(("approvals_", "broker_", "environment_"))]
        assert found["unknown_items",] == 0

    def test_a_database_that_is_gone_is_asked_once(self, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
        tries = []

        def fails(_: object) -> None:
            tries.append(1)
            raise DatabaseError

        monkeypatch.setattr(state, "_within_limit", fails)
        found = scrape(client)
        assert (len(tries), found["part_up", "queues"], found["part_up", "broker"]) == (1, 0, 1)

    def test_a_scrape_costs_a_fixed_number_of_queries(self, client: Client) -> None:
        with CaptureQueriesContext(connection) as few:
            scrape(client)
        requester = make_person(Role.SUPPORT)
        make_accounts(range(201, 221))
        ask(requester, "lock", *range(201, 221))
        with CaptureQueriesContext(connection) as many:
            scrape(client)
        assert len(many) == len(few)


class TestRequests:
    def test_they_are_counted_by_route_method_and_class_of_status(self, client: Client) -> None:
        before = scrape(client)
        client.get("/accounts/demo/123456789/")
        client.get("/accounts/demo/987654321/")
        client.get("/nowhere/123456789/")
        client.generic("BREW", "/healthz")
        found = scrape(client)

        def more(*labels: str) -> float:
            return found.get(labels, 0) - before.get(labels, 0)

        assert more("requests_total", "accounts:detail", "GET", "3xx") == 2
        assert more("requests_total", "other", "GET", "4xx") == 1
        assert more("requests_total", "healthz", "other", "4xx") == 1
        assert more("request_seconds_count", "accounts:detail") == 2

    def test_no_series_names_an_account(self, client: Client) -> None:
        make_account(123456789)
        client.get("/accounts/demo/123456789/?q=secret")
        page = client.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"}).content
        assert b"123456789" not in page
        assert b"secret" not in page


class TestDocuments:
    @pytest.mark.parametrize("file", ["prometheus/alerts.yml", "grafana/riskadmin.json"])
    def test_whatever_is_asked_for_is_exported(self, file: str) -> None:
        text = (PROJECT / "deploy" / file).read_text(encoding="utf-8")
        asked = re.findall(r"\b(riskadmin_\w+?)(?:_bucket)?\b", text)
        assert set(asked) <= {metric.full_name for metric in BY_NAME.values()}
        assert len(set(asked)) > 10

    def test_labels_that_are_asked_for_are_exported(self) -> None:
        for file in ("prometheus/alerts.yml", "grafana/riskadmin.json"):
            text = (PROJECT / "deploy" / file).read_text(encoding="utf-8").replace('\\"', '"')
            for name, labels in re.findall(r"\briskadmin_(\w+?)(?:_bucket)?\{([^}]*)\}", text):
                assert set(re.findall(r"(\w+)\s*(?:=|!=|=~|!~)\s*\"", labels)) <= set(BY_NAME[name].labels), name

    def test_labels_that_results_are_grouped_and_named_by_are_exported(self) -> None:
        deploy = PROJECT / "deploy"
        groups = yaml.safe_load((deploy / "prometheus" / "alerts.yml").read_text(encoding="utf-8"))["groups"]
        panels = json.loads((deploy / "grafana" / "riskadmin.json").read_text(encoding="utf-8"))["panels"]
        targets = [target for panel in panels for target in panel.get("targets", [])]
        asked = [(rule["expr"], "") for group in groups for rule in group["rules"]]
        asked += [(target["expr"], target.get("legendFormat") or "") for target in targets]
        for expression, legend in asked:
            read = [BY_NAME[name] for name in re.findall(r"\briskadmin_(\w+?)(?:_bucket)?\b", expression)]
            known = {label for metric in read for label in metric.labels} | ({"le"} if "_bucket" in expression else {"job"})
            by = {label.strip() for labels in re.findall(r"\bby \(([^)]*)\)", expression) for label in labels.split(",")}
            assert by <= known, expression
            assert set(re.findall(r"{{(\w+)}}", legend)) <= by, (expression, legend)

    def test_each_alert_has_advice(self) -> None:
        groups = yaml.safe_load((PROJECT / "deploy" / "prometheus" / "alerts.yml").read_text(encoding="utf-8"))["groups"]
        alerts = {rule["alert"] for group in groups for rule in group["rules"]}
        section = (
            (PROJECT / "docs" / "operations.md").read_text(encoding="utf-8").partition("| alert |")[2].partition("\n\n")[0]
        )
        named = {name for cell in re.findall(r"^\| ([\w, ]+) \|", section, flags=re.MULTILINE) for name in cell.split(", ")}
        assert named == alerts

    def test_each_metric_is_documented_with_its_labels(self) -> None:
        text = (PROJECT / "docs" / "operations.md").read_text(encoding="utf-8")
        rows = re.findall(r"^\| `(riskadmin_\w+)` \| ([^|]*) \|", text, flags=re.MULTILINE)
        assert {name: tuple(re.findall(r"\w+", labels)) for name, labels in rows} == {
            metric.full_name: metric.labels for metric in (*READ_AT_SCRAPE, *COUNTED_HERE)
        }

    def test_every_metric_is_read_by_some_part(self, client: Client) -> None:
        ended_read("demo", minutes_ago=1)
        beat(lane="bulk", worker="bulk@here")
        at = timezone.now()
        Call.objects.create(purpose=Purpose.WRITE, environment="demo", lane="bulk", worker="w", state="open", started_at=at)
        detail = {**sample_of(Tag.BACKUP_TAKEN), "taken_at": at}
        record(AuditEntry(tag=Tag.BACKUP_TAKEN, actor=SYSTEM, origin=Origin(), detail=detail))
        found = {labels[0] for labels in scrape(client)}
        assert {metric.name for metric in READ_AT_SCRAPE} <= found


def pair(samples: Iterator[state.Sample]) -> Iterator[tuple[str, float]]:
    for name, value, _ in samples:
        yield name, value


def set_in_place(rows: QuerySet[Any], **values: object) -> None:
    """Set columns that are written once, which PostgreSQL refuses by its guards."""
    with unguarded(rows.model._meta.db_table):
        rows.update(**values)


def test_the_queues_of_the_broker_are_the_lanes() -> None:
    schedule: dict[str, dict[str, Any]] = settings.CELERY_BEAT_SCHEDULE
    assert {entry["options"]["queue"] for entry in schedule.values()} == {"urgent", "bulk"}
