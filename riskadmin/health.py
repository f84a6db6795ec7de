"""Health checks, for machines and for the system page: whether the process is up, and whether people can work."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from threading import Event

import psycopg
import redis
from django.conf import settings
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, JsonResponse
from django.utils import timezone
from django.views.decorators.http import require_safe

from accounts.execution.heartbeat import lanes_at_work
from accounts.gateway.connection import connected_environments
from accounts.models import SyncRun
from riskadmin.database.start import excess_of_application
from riskadmin.tradovate.vocabulary import Environment, Lane
from riskadmin.web.access import public

_all_migrated = Event()
_role_is_right = Event()

READ_LATELY_RUNS = 4
"""How many full reads of the mirror may fail or be late before Tradovate counts as unreachable."""


@dataclass(frozen=True, kw_only=True)
class Check:
    """The result of one check. `detail` says what was found, without addresses or secrets."""

    name: str
    ok: bool
    detail: str


@public
@require_safe
def healthz(request: HttpRequest) -> JsonResponse:  # noqa: ARG001  (a view's signature)
    """Answer 200 while the process is up."""
    return JsonResponse({"status": "ok"})


@public
@require_safe
def readyz(request: HttpRequest) -> JsonResponse:  # noqa: ARG001  (a view's signature)
    """Answer 200 when people can work, else 503, with each check by name."""
    found = checks()
    ready = all(check.ok for check in found)
    return JsonResponse(
        {
            "status": "ready" if ready else "not ready",
            "checks": {check.name: {"ok": check.ok, "detail": check.detail} for check in found},
        },
        status=200 if ready else 503,
    )


def checks() -> list[Check]:
    """Return every check. Costs a few cheap queries and one ping; Tradovate itself is not called."""
    database = _guarded("database", _database)
    if not database.ok:
        return [database, _guarded("redis", _redis)]
    return [
        database,
        _guarded("database-role", _database_role),
        _guarded("migrations", _migrations),
        _guarded("redis", _redis),
        *(_guarded(f"worker-{lane.value}", partial(_worker, lane)) for lane in Lane),
        *(_tradovate_checks()),
    ]


def _guarded(name: str, find: Callable[[], tuple[bool, str]]) -> Check:
    """Run one check. A part that can't be reached is a finding, not a failure of the page."""
    try:
        ok, detail = find()
    except (DatabaseError, psycopg.Error, redis.RedisError, OSError) as error:
        ok, detail = False, type(error).__name__
    return Check(name=name, ok=ok, detail=detail)


def _database() -> tuple[bool, str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return True, "answers"


def _database_role() -> tuple[bool, str]:
    """Ask what the application's role may do: a process may have started while PostgreSQL did not answer. Asked until well."""
    if not _role_is_right.is_set():
        if excess_of_application() and not (settings.DEBUG or settings.DEMO):
            return False, "may do too much: see `manage.py check --deploy`"
        _role_is_right.set()
    return True, "may do what it should"


def _migrations() -> tuple[bool, str]:
    """Compare the migrations in the code with those applied. Once all are applied, this process does not check again."""
    if _all_migrated.is_set():
        return True, "all run"
    executor = MigrationExecutor(connection)
    missing = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if not missing:
        _all_migrated.set()
    return not missing, f"{len(missing)} to run" if missing else "all run"


def _redis() -> tuple[bool, str]:
    with redis.Redis.from_url(settings.REDIS_URL, socket_timeout=2, socket_connect_timeout=2) as client:
        client.ping()
    return True, "answers"


def _worker(lane: Lane) -> tuple[bool, str]:
    at_work = lanes_at_work()[lane.value]
    return at_work, "seen lately" if at_work else "not seen lately"


def _tradovate_checks() -> list[Check]:
    environments = connected_environments()
    if not environments:
        return [Check(name="tradovate", ok=False, detail="no environment is connected")]
    return [_guarded(f"tradovate-{each.value}", partial(_tradovate, each)) for each in environments]


def _tradovate(environment: Environment) -> tuple[bool, str]:
    """Tell by the mirror's full reads, which are calls that are made anyway."""
    since = timezone.now() - timedelta(seconds=READ_LATELY_RUNS * settings.SYNC_SECONDS)
    last = SyncRun.objects.filter(environment=environment.value, ended_at__isnull=False).order_by("-started_at").first()
    if last is None:
        return False, "never read"
    if SyncRun.objects.filter(environment=environment.value, ended_at__gte=since, failure="").exists():
        return True, "read lately"
    return False, last.failure or "not read lately"
