"""The faults: each is drawn from the seed, and strikes in steps, the last of which makes good again."""

from __future__ import annotations

import json
import signal
import threading
import time
import uuid
from collections.abc import Callable
from random import Random
from typing import Any, Final

from redis.exceptions import RedisError

from tests.faults.answer_faults import ANSWER_FAULTS
from tests.faults.fault import Fault, FaultContext, Step, answers
from tests.faults.world import LANES, World

HOURS_MAX: Final = 20
"""The next session starts after 23."""

LEAVES_WITHIN_S: Final = 120.0
"""A warm shutdown ends what is under way: a call may take 20 seconds, its read-back as long."""


def worker_kill(context: FaultContext) -> Fault:
    lanes = _lanes(context.rng)
    back_s = context.rng.uniform(0.1, 3.0)
    return Fault(
        "worker_kill",
        f"SIGKILL to {'+'.join(lanes)}",
        (Step(0, lambda world: world.signal_workers(lanes, signal.SIGKILL)), Step(back_s, World.start_workers)),
    )


def worker_term(context: FaultContext) -> Fault:
    lanes = _lanes(context.rng)
    return Fault(
        "worker_term",
        f"SIGTERM to {'+'.join(lanes)}",
        (
            Step(0, lambda world: world.signal_workers(lanes, signal.SIGTERM)),
            Step(0.2, World.has_left, LEAVES_WITHIN_S),
            Step(0.2, World.start_workers),
        ),
    )


def worker_freeze(context: FaultContext) -> Fault:
    lanes = _lanes(context.rng)
    asleep_s = context.rng.uniform(*context.scale.frozen_s)
    return Fault(
        "worker_freeze",
        f"SIGSTOP to {'+'.join(lanes)} for {asleep_s:.0f} s",
        (
            Step(0, lambda world: world.signal_workers(lanes, signal.SIGSTOP)),
            Step(asleep_s, World.wake_workers),
        ),
    )


def deploy(context: FaultContext) -> Fault:
    return Fault(
        "deploy",
        "a second set of workers, then SIGTERM to the first",
        (
            Step(0, World.start_second_set),
            Step(0.5, World.second_set_works),
            Step(0.5, World.first_set_leaves),
            Step(0.7, World.has_left, LEAVES_WITHIN_S),
        ),
    )


def two_dispatchers(context: FaultContext) -> Fault:
    return Fault("two_dispatchers", "a second clock, from now on", (Step(0, World.start_clock), Step(0.1, _everything_at_once)))


def duplicate_delivery(context: FaultContext) -> Fault:
    sender = _Doubler()
    return Fault(
        "duplicate_delivery",
        "every message twice for 4 s",
        (
            # Asleep for a moment, so that messages pile up and can be doubled before anybody takes one.
            Step(0, lambda world: world.signal_workers(LANES, signal.SIGSTOP)),
            Step(0, sender.start),
            Step(1.0, World.wake_workers),
            Step(4.0, sender.stop),
        ),
    )


def redis_wipe(context: FaultContext) -> Fault:
    times = context.rng.choice((1, 1, 2))
    return Fault("redis_wipe", f"FLUSHALL, {times} x", tuple(Step(0.7 * each, _wipe) for each in range(times)))


def redis_gone(context: FaultContext) -> Fault:
    away_s = context.away_s()
    return Fault("redis_gone", f"for {away_s:.0f} s", (Step(0, World.stop_redis), Step(away_s, World.start_redis)))


def postgres_restart(context: FaultContext) -> Fault:
    number = context.rng.choice((signal.SIGINT, signal.SIGQUIT))
    return Fault(
        "postgres_restart",
        f"{number.name}, and back at once",
        (Step(0, lambda world: world.stop_postgres(number)), Step(0, World.start_postgres)),
    )


def postgres_gone(context: FaultContext) -> Fault:
    away_s = context.away_s()
    number = context.rng.choice((signal.SIGINT, signal.SIGQUIT))
    return Fault(
        "postgres_gone",
        f"{number.name}, for {away_s:.0f} s",
        (Step(0, lambda world: world.stop_postgres(number)), Step(away_s, World.start_postgres)),
    )


def no_connections(context: FaultContext) -> Fault:
    away_s = context.away_s()
    return Fault(
        "no_connections",
        f"two connections a worker, and no new one for {away_s:.0f} s",
        (Step(0, World.take_connections), Step(away_s, World.connections_back)),
        env={"DATABASE_POOL_SIZE": "2"},
    )


def trail_full(context: FaultContext) -> Fault:
    away_s = context.away_s()
    return Fault(
        "trail_full",
        f"no event can be written for {away_s:.0f} s",
        (Step(0, World.trail_fills_up), Step(away_s, World.trail_has_space)),
    )


def tradovate_gone(context: FaultContext) -> Fault:
    away_s = context.away_s()
    return Fault("tradovate_gone", f"for {away_s:.0f} s", (Step(0, World.stop_tradovate), Step(away_s, World.start_tradovate)))


def signed_out(context: FaultContext) -> Fault:
    return Fault(
        "signed_out", "every token is refused", (Step(0, lambda world: _done(world.simulator.control("DELETE", "/sessions"))),)
    )


def clock_jump(context: FaultContext) -> Fault:
    return Fault("clock_jump", "by a little more than an hour", (Step(0, World.jump),))


def hang(context: FaultContext) -> Fault:
    away_s = context.away_s()
    return answers(context, "hang", context.rng.choice(("before", "after")), for_s=away_s, everywhere=True)


def late(context: FaultContext) -> Fault:
    """A call takes effect long after its caller has given up on it: within the time that the design counts with."""
    return answers(context, "hold", "before", for_s=context.rng.uniform(*context.scale.held_s))


def cut_before(context: FaultContext) -> Fault:
    return answers(context, "cut", "before")


def cut_after(context: FaultContext) -> Fault:
    return answers(context, "cut", "after")


def cut_body(context: FaultContext) -> Fault:
    return answers(context, "cut-body", "after")


def html(context: FaultContext) -> Fault:
    return answers(
        context, "html", context.rng.choice(("before", "after")), status=context.rng.choice((200, 200, 503)), everywhere=True
    )


def server_error(context: FaultContext) -> Fault:
    return answers(context, "500", context.rng.choice(("before", "after")), everywhere=True)


def p_ticket(context: FaultContext) -> Fault:
    return answers(context, "p-ticket", "before", p_time=context.rng.randint(1, 4), everywhere=True)


def captcha(context: FaultContext) -> Fault:
    return _with_jump(answers(context, "p-ticket", "before", captcha=True), "captcha")


def too_many(context: FaultContext) -> Fault:
    return _with_jump(answers(context, "429", "before", count=1, everywhere=True), "429")


def lockout_warning(context: FaultContext) -> Fault:
    return _with_jump(answers(context, "423", "before", count=1, everywhere=True), "423")


def few_calls(context: FaultContext) -> Fault:
    """The hour is used up in the middle, and passes, as often as it takes."""
    allowed = context.rng.randint(40, 80)
    jumped_at = [0.0]

    def hour_passes(world: World) -> bool:
        if world.is_quiet() or len(world.jumps) >= HOURS_MAX:
            return True
        calls = max(world.simulator.counters()["last_hour"]["subjects"].values(), default=0)
        if calls >= allowed * 0.7 or time.monotonic() > jumped_at[0] + 10.0:
            world.jump()
            jumped_at[0] = time.monotonic()
        return False

    return Fault(
        "few_calls",
        f"{allowed} calls an hour, and the hours pass quickly",
        (Step(0, lambda world: _done(world.simulator.set(user_calls_per_hour=allowed))), Step(5.0, hour_passes, again_s=3.0)),
        env={"BUDGET_CALLS_PER_HOUR": str(allowed), "BUDGET_SAFETY_MARGIN": "2"},
    )


FAULTS: Final[dict[str, Callable[[FaultContext], Fault]]] = {
    "worker_kill": worker_kill,
    "worker_term": worker_term,
    "worker_freeze": worker_freeze,
    "deploy": deploy,
    "two_dispatchers": two_dispatchers,
    "duplicate_delivery": duplicate_delivery,
    "redis_wipe": redis_wipe,
    "redis_gone": redis_gone,
    "postgres_restart": postgres_restart,
    "postgres_gone": postgres_gone,
    "no_connections": no_connections,
    "trail_full": trail_full,
    "tradovate_gone": tradovate_gone,
    "signed_out": signed_out,
    "clock_jump": clock_jump,
    "hang": hang,
    "late": late,
    "cut_before": cut_before,
    "cut_after": cut_after,
    "cut_body": cut_body,
    "html": html,
    "server_error": server_error,
    "p_ticket": p_ticket,
    "captcha": captcha,
    "429": too_many,
    "423": lockout_warning,
    "few_calls": few_calls,
    **ANSWER_FAULTS,
}


def _lanes(rng: Random) -> tuple[str, ...]:
    return rng.choice((LANES[:1], LANES[1:], LANES))


def _with_jump(fault: Fault, name: str) -> Fault:
    """What stops calls for an hour, and the hour."""

    def hour_passes(world: World) -> bool:
        # An answer that a worker still holds, since PostgreSQL is away, would stop calls from when it is written down.
        ((still_open,),) = world.rows("SELECT count(*) FROM execution_call WHERE state = 'open'")
        if still_open:
            return False
        world.jump()
        return True

    last_s = max(step.after_s for step in fault.steps)
    steps = (*fault.steps, Step(last_s + 1.0, hour_passes))
    return Fault(name, f"{fault.words}; then an hour passes", steps, lies_in_wait=True, stops_calls=True)


def _done(_: object) -> None:
    """Let an answer count as done."""


def _wipe(world: World) -> None:
    world.redis.flushall()


def _everything_at_once(world: World) -> None:
    """Send what the clock sends, five times over."""
    from django.conf import settings

    from riskadmin.celery import app

    schedule: dict[str, dict[str, Any]] = settings.CELERY_BEAT_SCHEDULE
    for entry in schedule.values():
        for _ in range(5):
            app.send_task(entry["task"], args=entry["args"], queue=entry["options"]["queue"])


class _Doubler:
    """Puts a copy of each message into its queue, as a broker does that delivers twice, until it is told to stop."""

    def __init__(self) -> None:
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._seen: set[str] = set()

    def start(self, world: World) -> None:
        """Begin, in a thread of its own."""
        self._thread = threading.Thread(target=self._work, args=(world,), daemon=True)
        self._thread.start()

    def stop(self, world: World) -> None:
        """Return when it has ended."""
        self._stop.set()
        if self._thread:
            self._thread.join()

    def _work(self, world: World) -> None:
        while not self._stop.wait(0.02):
            try:
                self._double(world)
            except (RedisError, OSError):
                continue  # Redis is away for another fault

    def _double(self, world: World) -> None:
        for queue in LANES:
            waiting: Any = world.redis.lrange(queue, 0, -1)
            for raw in waiting:
                self._copy(world, queue, json.loads(raw))
        taken: Any = world.redis.hvals("unacked")
        for raw in taken:
            message, _, queue = json.loads(raw)
            self._copy(world, queue, message)

    def _copy(self, world: World, queue: str, message: dict[str, Any]) -> None:
        properties = message["properties"]
        if properties["delivery_tag"] in self._seen:
            return
        copy = {**message, "properties": {**properties, "delivery_tag": str(uuid.uuid4())}}
        self._seen |= {properties["delivery_tag"], copy["properties"]["delivery_tag"]}
        world.redis.lpush(queue, json.dumps(copy))
