"""A whole world to hurt: its own PostgreSQL, Valkey and simulator, and the product's workers and clock as processes.

The servers outlive a run; each run begins with a new database, an empty Redis, the simulator as it was made, and new
processes, so that a seed repeats whatever ran before it. Nothing here imports Django.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, Final

import psycopg
import redis

from riskadmin.local.places import prepare
from riskadmin.local.postgres import FORGETFUL, PostgresServer
from riskadmin.local.program import Process, Program
from riskadmin.local.stack import SimulatorPorts, Stack
from riskadmin.local.valkey import ValkeyServer
from tests import servers
from tests.simulator.driver import Simulator
from tests.waiting import wait_until

DATABASE: Final = "riskadmin"
TEMPLATE: Final = "riskadmin_template"
LANES: Final = ("urgent", "bulk")
# A Monday, an hour after the session's start in Chicago: the next one is beyond the hours that a run may jump. In the
# future, so that no token of the simulator's looks old by our own clock.
BORN_AT: Final = "2031-03-04T00:00:00Z"
TRADERS, ACCOUNTS = 200, 480
POSTGRES: Final = {**FORGETFUL, "synchronous_commit": "on", "max_connections": "80"}
"""A crash of the server alone loses nothing with this, however forgetful of the machine's."""

EACH_HOUR: Final = timedelta(seconds=3700)
"""What a jump of the clock moves: a little more than the rolling hour counts."""

MOVED_BY_A_JUMP: Final = """
    SELECT table_name, column_name FROM information_schema.columns
    WHERE table_schema = 'public' AND data_type = 'timestamp with time zone'
      AND (table_name LIKE 'accounts_api%' OR table_name = 'changes_item'
           OR (table_name = 'changes_change' AND column_name = 'held_until')
           OR (table_name LIKE 'execution_%' AND table_name <> 'execution_call'))
      AND column_name <> 'settled_at'
"""
"""Whatever somebody waits for: budget, halts, tokens, leases. Calls keep their times, which are evidence."""

OPEN: Final = """
    SELECT (SELECT count(*) FROM changes_item WHERE state NOT IN ('applied', 'unchanged', 'rejected', 'skipped', 'cancelled')
                AND NOT (state = 'unknown' AND not_before IS NULL))
         + (SELECT count(*) FROM execution_call WHERE state = 'open')
         + (SELECT count(*) FROM changes_change WHERE state = 'running' AND NOT EXISTS (
                SELECT FROM changes_item WHERE change_id = changes_change.id
                AND state NOT IN ('applied', 'unchanged', 'rejected', 'skipped', 'cancelled')))
"""

STOPPED: Final = """
    SELECT NOT EXISTS (SELECT FROM execution_call WHERE state = 'open')
       AND EXISTS (SELECT FROM changes_item item JOIN changes_change change ON change.id = item.change_id
                   WHERE item.state NOT IN ('applied', 'unchanged', 'rejected', 'skipped', 'cancelled')
                     AND (greatest(item.not_before, change.held_until) > now() + %s * interval '1 second'
                          OR EXISTS (SELECT FROM accounts_apihalt WHERE until > now() + %s * interval '1 second')))
"""

FULL: Final = """
    CREATE FUNCTION faults_no_space() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION 'could not extend file "base/16384/2619": No space left on device' USING ERRCODE = 'disk_full';
    END $$;
    CREATE TRIGGER faults_no_space BEFORE INSERT ON audit_event FOR EACH STATEMENT EXECUTE FUNCTION faults_no_space();
    ALTER TABLE audit_event ENABLE ALWAYS TRIGGER faults_no_space;
"""
SPACE_AGAIN: Final = "DROP FUNCTION IF EXISTS faults_no_space() CASCADE"


class World:
    """The servers, the processes of the run under way, and every way to hurt them."""

    def __init__(self, directory: Path) -> None:
        """Start servers and simulator; no process of the product yet."""
        self.places = prepare(directory)
        self.postgres = PostgresServer(self.places, options=POSTGRES)
        self.valkey = ValkeyServer(self.places)
        self.simulator = Simulator(self.places.run / "simulator", traders=TRADERS, accounts=ACCOUNTS, now=BORN_AT)
        self.simulator_made = self.places.run / "simulator-made"
        try:
            migrated = servers.take_migrated_data(self.postgres)
            self.postgres.start()
            self.valkey.start()
            servers.new_database(self.postgres.url(DATABASE), template=servers.MIGRATED if migrated else "")
            self.simulator.start()
        except BaseException:
            self.end()
            raise
        self.database_url = self.postgres.url(DATABASE)
        self.redis = redis.Redis.from_url(self.valkey.url(), socket_timeout=5, socket_connect_timeout=2)
        self.env: dict[str, str] = {
            **servers.environment(database_url=self.database_url, redis_url=self.valkey.url()),
            **SimulatorPorts(**self.simulator.ports).settings,
            "PYTHONUNBUFFERED": "1",
        }
        self.workers: dict[str, Process] = {}
        self.clocks: list[Process] = []
        self.leaving: list[Process] = []
        self._forget_run({})

    def _forget_run(self, env: Mapping[str, str]) -> None:
        self.run_env = dict(env)
        self.kills = 0
        self.deaths: list[str] = []
        self.complaints: list[str] = []
        self.unreadable: set[str] = set()
        """Targets whose rows a fault of the run made odd or left out, or that somebody else changed."""
        self.trail_full: list[tuple[datetime, datetime]] = []
        self.jumps: list[tuple[datetime, timedelta]] = []
        self._full_since: datetime | None = None
        self._meant_to_be_down: set[str] = set()
        self._hogs: list[psycopg.Connection[Any]] = []
        self._started = 0

    # --- A run's beginning and end ----------------------------------------------------------------------------------------

    def freeze(self) -> None:
        """Keep database and simulator as they are now: every run begins with them. No one may be connected."""
        self.simulator.stop()
        shutil.copytree(self.simulator.data, self.simulator_made)
        self.admin(f"CREATE DATABASE {TEMPLATE} TEMPLATE {DATABASE}")

    def begin(self, env: Mapping[str, str], simulator: Mapping[str, object]) -> None:
        """Start a run: all as it was frozen, then the simulator with these settings and the processes with this environment."""
        self._forget_run(env)
        self.admin(f"DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)")
        self.admin(f"CREATE DATABASE {DATABASE} TEMPLATE {TEMPLATE}")
        self.postgres.create_database(DATABASE)  # which of the roles may connect is not copied
        # The mirror is as good as just read: the simulator stands as it did then.
        tables = self.rows("SELECT table_name FROM information_schema.columns WHERE column_name = 'fresh_at'")
        for (table,) in tables:
            self.rows(f"UPDATE {table} SET fresh_at = now()")
        self.redis.flushall()
        shutil.rmtree(self.places.logs / "run", ignore_errors=True)
        self.start_workers()
        self.start_clock()
        shutil.rmtree(self.simulator.data, ignore_errors=True)
        shutil.copytree(self.simulator_made, self.simulator.data)
        self.simulator.start()
        self.simulator.set(**simulator)
        self.simulator.reset_counters()
        for process in (*self.workers.values(), *self.clocks):
            wait_until(partial(_at_work, process.program.log), timeout=120, every=0.1)

    def stop_processes(self) -> None:
        """End every process of the product at once, and the simulator; lift what was done to the servers."""
        for process in (*self.workers.values(), *self.clocks, *self.leaving):
            if process.running:
                os.kill(_pid(process), signal.SIGKILL)
            process.stop()
        self.workers, self.clocks, self.leaving = {}, [], []
        self.connections_back()
        self.valkey.start() if not self.valkey.process.running else None
        self.postgres.start() if not self.postgres.process.running else None
        self.simulator.stop()

    def end(self) -> None:
        """End everything and delete it."""
        if hasattr(self, "workers"):
            with contextlib.suppress(psycopg.Error):
                self.stop_processes()
        self.simulator.stop()
        self.valkey.stop()
        self.postgres.stop()
        self.places.forget()

    # --- Processes --------------------------------------------------------------------------------------------------------

    def _stack(self) -> Stack:
        return Stack(self.places, {**self.env, **self.run_env})

    def _process(self, program: Program) -> Process:
        """A process under a name of its own: several of a kind may run at once."""
        self._started += 1
        name = f"{program.name}-{self._started}"
        argv = [f"{part.removesuffix('@%h')}-{self._started}@%h" if part.endswith("@%h") else part for part in program.argv]
        argv = [f"{part}-{self._started}" if part.endswith("beat-schedule") else part for part in argv]
        log = self.places.logs / "run" / f"{name}.log"
        return Process(replace(program, name=name, argv=argv, log=log, pidfile=self.places.pidfile(name)))

    def start_workers(self) -> None:
        """Start a worker of each lane that has none."""
        self._meant_to_be_down.clear()
        for lane in LANES:
            if lane not in self.workers or not self.workers[lane].running:
                self.workers[lane] = self._process(self._stack().worker(lane))
                self.workers[lane].start()

    def start_clock(self) -> None:
        """Start a clock, beside any that runs."""
        clock = self._process(self._stack().beat())
        schedule = Path(clock.program.argv[clock.program.argv.index("-s") + 1])
        for left in schedule.parent.glob(f"{schedule.name}*"):
            left.unlink()
        self.clocks.append(clock)
        clock.start()

    def signal_workers(self, lanes: tuple[str, ...], number: signal.Signals) -> None:
        """Send a signal to workers; those that it ends count as killed."""
        self._meant_to_be_down |= set(lanes) if number in {signal.SIGKILL, signal.SIGTERM} else set()
        for lane in lanes:
            worker = self.workers[lane]
            if worker.running:
                os.kill(_pid(worker), number)
                self.leaving += [worker] if number == signal.SIGTERM else []
                self.kills += number in {signal.SIGKILL, signal.SIGTERM}
        if number == signal.SIGKILL:
            wait_until(lambda: not any(self.workers[lane].running for lane in lanes))

    def wake_workers(self) -> None:
        """Let every worker go on that was put to sleep, also one that has been replaced meanwhile."""
        for worker in (*self.workers.values(), *self.leaving):
            if worker.running:
                os.kill(_pid(worker), signal.SIGCONT)

    def start_second_set(self) -> None:
        """Start new workers beside those that work, which from now on are the old ones."""
        self.leaving += [worker for worker in self.workers.values() if worker.running]
        self.workers = {}
        self.start_workers()

    def second_set_works(self) -> bool:
        """Whether the new workers take messages."""
        return all(_at_work(worker.program.log) for worker in self.workers.values())

    def first_set_leaves(self) -> None:
        """Ask the old workers to leave."""
        for worker in self.leaving:
            if worker.running:
                os.kill(_pid(worker), signal.SIGTERM)
                self.kills += 1

    def has_left(self) -> bool:
        """Whether every worker that was asked to leave has done so; who works in its place meanwhile is no matter."""
        return not any(worker.running for worker in self.leaving)

    def supervise(self) -> None:
        """Start again what has ended by itself, as the supervisor of a demo and a container's restart policy do."""
        for lane, worker in self.workers.items():
            if not worker.running and lane not in self._meant_to_be_down:
                self.deaths.append(worker.program.name)
                self.workers[lane] = self._process(self._stack().worker(lane))
                self.workers[lane].start()
        for clock in self.clocks:
            if not clock.running:
                self.deaths.append(clock.program.name)
                clock.start()

    def logs(self) -> dict[str, str]:
        """What each process of the run has logged."""
        return {log.stem: log.read_text(errors="replace") for log in sorted((self.places.logs / "run").glob("*.log"))}

    # --- PostgreSQL -------------------------------------------------------------------------------------------------------

    def admin(self, statement: str) -> None:
        """Run a statement outside of the run's database."""
        with psycopg.connect(self.postgres.url("postgres"), autocommit=True) as connection:
            connection.execute(statement.encode())

    def rows(self, query: str, *parameters: object) -> list[tuple[Any, ...]]:
        """Run one SQL statement in a transaction of its own; return its rows, if it has any."""
        with psycopg.connect(self.database_url, connect_timeout=2) as connection:
            cursor = connection.execute(query.encode(), parameters or None)
            return cursor.fetchall() if cursor.description else []

    def is_quiet(self) -> bool:
        """Whether nothing is open any more but what waits for a person. Raises psycopg.Error while PostgreSQL is away."""
        ((open_rows,),) = self.rows(OPEN)
        return not open_rows

    def is_stopped(self, for_s: float) -> bool:
        """Whether something open waits for a stop that lasts longer than so many seconds, and no answer is still to be written down."""
        ((stopped,),) = self.rows(STOPPED, for_s, for_s)
        return bool(stopped)

    def stop_postgres(self, number: signal.Signals) -> None:
        """End it: SIGINT rolls everything back in order, SIGQUIT is a crash."""
        if self.postgres.process.running:
            os.kill(_pid(self.postgres.process), number)
            self.kills += 1
            wait_until(lambda: not self.postgres.process.running)

    def start_postgres(self) -> None:
        """Start it again; does nothing while it runs."""
        if not self.postgres.process.running:
            self.postgres.start()

    def trail_fills_up(self) -> None:
        """From now on no event can be written."""
        self.rows(FULL)
        self._full_since = datetime.now(UTC)

    def trail_has_space(self) -> None:
        """Lift that again."""
        until = datetime.now(UTC)
        self.rows(SPACE_AGAIN)
        if self._full_since:
            self.trail_full.append((self._full_since, until))
            self._full_since = None

    def take_connections(self) -> None:
        """Hold every connection that PostgreSQL has left, so that no one gets a new one."""
        with contextlib.suppress(psycopg.OperationalError):
            while True:
                self._hogs.append(psycopg.connect(self.database_url, connect_timeout=2, autocommit=True))

    def connections_back(self) -> None:
        """Let go of them."""
        while self._hogs:
            with contextlib.suppress(psycopg.Error):
                self._hogs.pop().close()

    # --- Redis ------------------------------------------------------------------------------------------------------------

    def stop_redis(self) -> None:
        """Kill it. Its append-only file may lack the last second."""
        if self.valkey.process.running:
            os.kill(_pid(self.valkey.process), signal.SIGKILL)
            self.kills += 1
            wait_until(lambda: not self.valkey.process.running)

    def start_redis(self) -> None:
        """Start it again; does nothing while it runs."""
        if not self.valkey.process.running:
            self.valkey.start()

    # --- Tradovate --------------------------------------------------------------------------------------------------------

    def stop_tradovate(self) -> None:
        """Let no one answer: connections are refused."""
        self.simulator.kill()
        self.kills += 1

    def start_tradovate(self) -> None:
        """Let it answer again, as it stood."""
        if not self.simulator.running:
            self.simulator.start()

    def jump(self) -> None:
        """Let a little more than an hour pass for everybody at once.

        A process's clock can't be moved honestly from outside. What can is every time that somebody waits for: those in PostgreSQL move
        back, and the simulator's own clock moves forward. The latter first, so that in between we count more calls than Tradovate
        does, never fewer; whether Tradovate answers is found out again.
        """
        seconds = EACH_HOUR.total_seconds()
        keys = list(self.redis.scan_iter("tradovate:*"))  # also asks whether Redis is there, before anything is moved
        with psycopg.connect(self.database_url, connect_timeout=2) as connection:
            by_table: dict[str, list[str]] = {}
            for table, column in connection.execute(MOVED_BY_A_JUMP).fetchall():
                by_table.setdefault(str(table), []).append(str(column))
            for table, columns in sorted(by_table.items()):
                moved = ", ".join(f"{column} = {column} - interval '{seconds} seconds'" for column in columns)
                still_open = "WHERE settled_at IS NULL" if table == "changes_item" else ""
                connection.execute(f"UPDATE {table} SET {moved} {still_open}".encode())
            self.jumps.append((datetime.fromisoformat(self.simulator.advance(seconds)), EACH_HOUR))
        if keys:
            self.redis.delete(*keys)

    def real_time(self, simulated: datetime) -> datetime:
        """Return when something happened that the simulator has logged: its clock is ahead, and jumps.

        A jump is known by the moment at which it ended: the hour before that never was.
        """
        passed = sum((length for ended, length in self.jumps if simulated > ended - length / 2), timedelta())
        return simulated - passed - self._ahead

    def keep_offset(self) -> None:
        """Note how far the simulator's clock is ahead before any jump."""
        offset_s = float(self.simulator.control("GET", "/clock")["offset_s"])
        self._ahead = timedelta(seconds=offset_s) - sum((length for _, length in self.jumps), timedelta())


def _at_work(log: Path) -> bool:
    """Whether a Celery process has said in its log that it works."""
    said = log.read_text(errors="replace") if log.exists() else ""
    return " ready." in said or "beat: Starting" in said


def _pid(process: Process) -> int:
    assert process.pid is not None
    return process.pid


@contextlib.contextmanager
def new_world(directory: Path) -> Iterator[World]:
    """A world that ends with the block."""
    world = World(directory)
    try:
        yield world
    finally:
        world.end()
