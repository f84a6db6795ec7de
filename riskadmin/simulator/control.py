"""The control port: it injects faults, moves the clock and reports calls and effects. Its manual is docs/simulator.md."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from riskadmin.simulator import inspection, trading
from riskadmin.simulator.api import ENDPOINTS
from riskadmin.simulator.checkpoint import Checkpoint, NothingKeptError
from riskadmin.simulator.clock import parse_iso, trade_date
from riskadmin.simulator.faults import BadFaultError, Fault, Faults
from riskadmin.simulator.json_text import decode, encode
from riskadmin.simulator.limits import Limits
from riskadmin.simulator.sessions import Sessions
from riskadmin.simulator.settings import BadSettingError
from riskadmin.simulator.tables import PUBLIC_KINDS, Host
from riskadmin.simulator.vocabulary import Entity
from riskadmin.simulator.world import BY_CONTROL, World

_KNOWN: Final = frozenset(ENDPOINTS)
_OWNERS: Final = {
    "accountId": "account",
    "userId": "user",
    "userAccountPositionLimitId": "userAccountPositionLimit",
}


class NoSuchThingError(LookupError):
    """The address names something that does not exist."""


@dataclass(frozen=True, slots=True)
class Control:
    """The parts that the control port works on."""

    world: World
    sessions: Sessions
    limits: Limits
    faults: Faults
    calendar: trading.Calendar
    checkpoint: Checkpoint
    startup: dict[str, Any]

    def application(self) -> Starlette:
        """Return the ASGI application."""
        errors = (BadFaultError, BadSettingError, inspection.BadFilterError, ValueError, KeyError, TypeError)
        handlers: dict[Any, Any] = dict.fromkeys(errors, _bad_request) | {
            NoSuchThingError: _not_found,
            NothingKeptError: _not_found,
        }
        return Starlette(routes=self._routes(), exception_handlers=handlers)

    def _routes(self) -> list[Route]:
        """Return every route. The manual lists exactly these."""
        return [
            self._route("/", GET=self.describe),
            self._route("/settings", GET=self.show_settings, PATCH=self.patch_settings),
            self._route("/clock", GET=self.show_clock, POST=self.move_clock),
            self._route("/counters", GET=self.show_counters, DELETE=self.reset_counters),
            self._route("/calls", GET=self.show_calls),
            self._route("/effects", GET=self.show_effects),
            self._route("/checkpoint", PUT=self.keep_checkpoint, POST=self.restore_checkpoint),
            self._route("/sessions", GET=self.show_sessions, DELETE=self.close_sessions),
            self._route("/faults", GET=self.show_faults, POST=self.add_fault, DELETE=self.clear_faults),
            self._route("/faults/{fault:int}", GET=self.show_fault, DELETE=self.remove_fault),
            self._route("/faults/{fault:int}/held", GET=self.wait_held),
            self._route("/faults/{fault:int}/release", POST=self.release_fault),
            self._route("/{host}/accounts", GET=self.list_accounts),
            self._route("/{host}/accounts/{id:int}", GET=self.show_account),
            self._route("/{host}/accounts/{id:int}/breach", POST=self.breach_account),
            self._route("/{host}/accounts/{id:int}/pnl", POST=self.set_profit),
            self._route("/{host}/accounts/{id:int}/positions", POST=self.open_position),
            self._route("/{host}/users/{id:int}", GET=self.show_user),
            self._route("/{host}/users/{id:int}/lockout", POST=self.start_lockout, DELETE=self.end_lockout),
            self._route("/{host}/entities/{kind}/{id:int}", GET=self.show_entity, PATCH=self.patch_entity),
        ]

    def _route(self, path: str, **methods: Callable[[Request], Awaitable[object]]) -> Route:
        async def endpoint(request: Request) -> Response:
            self.calendar.settle()
            result = await methods["GET" if request.method == "HEAD" else request.method](request)
            self.world.store.flush()
            # The simulator's own encoder: an entity may contain values that Starlette's refuses.
            return Response(encode(result), media_type="application/json")

        return Route(path, endpoint, methods=list(methods))

    def _host(self, request: Request) -> Host:
        host = self.world.hosts.get(request.path_params["host"])
        if host is None:
            raise NoSuchThingError("the hosts are demo and live")
        return host

    def _entity(self, request: Request, kind: str) -> tuple[Host, int]:
        host, key = self._host(request), int(request.path_params["id"])
        if host.get(kind, key) is None:
            raise NoSuchThingError(f"no {kind} {key} on {host.name}")
        return host, key

    # --- the whole -------------------------------------------------------------------------------

    async def describe(self, _request: Request) -> object:
        """Return what is running."""
        routes = [f"{method} {route.path}" for route in self._routes() for method in sorted(route.methods or ())]
        return {
            **self.startup,
            "now": self.world.now(),
            "endpoints": [endpoint.path for endpoint in ENDPOINTS.values()],
            "control": [route for route in routes if not route.startswith("HEAD ")],
        }

    async def show_settings(self, _request: Request) -> object:
        """Return every setting."""
        return self.world.settings.as_json()

    async def patch_settings(self, request: Request) -> object:
        """Change some settings; they survive a restart."""
        self.world.settings = self.world.settings.patched(await _json(request))
        self.world.store.put_meta("settings", self.world.settings.as_json())
        return self.world.settings.as_json()

    async def show_clock(self, _request: Request) -> object:
        """Return the simulated moment and how far it is ahead of the real one."""
        return {"now": self.world.now(), "offset_s": self.world.clock.ahead_ms() / 1000}

    async def move_clock(self, request: Request) -> object:
        """Move the clock forward by ``advance_s`` or to ``to``. Session starts in between take effect."""
        given = await _json(request)
        clock = self.world.clock
        if "to" in given:
            clock.advance(parse_iso(given["to"]) - clock.now_ms())
        else:
            clock.advance(round(given["advance_s"] * 1000))
        self.world.store.put_meta("offset_ms", clock.offset_ms)
        self.calendar.settle()
        return await self.show_clock(request)

    async def keep_checkpoint(self, _request: Request) -> object:
        """Keep the present state of all entities, in place of what was kept before."""
        self.checkpoint.keep()
        return {}

    async def restore_checkpoint(self, _request: Request) -> object:
        """Return to the kept state: entities and effects; the clock goes on, settings, faults and counters stay."""
        self.checkpoint.restore()
        return {}

    # --- what happened ---------------------------------------------------------------------------

    async def show_counters(self, request: Request) -> object:
        """Return how many calls were made, and what the rolling hour holds."""
        counted = inspection.counters(self.world, dict(request.query_params))
        return {**counted, "last_hour": self.limits.report(self.world.clock.now_ms())}

    async def reset_counters(self, _request: Request) -> object:
        """Delete all calls, rolling hours, silences and tickets. Effects stay."""
        self.limits.reset()
        return {"ok": True}

    async def show_calls(self, request: Request) -> object:
        """Return the calls that were made."""
        return {"calls": inspection.calls(self.world, dict(request.query_params))}

    async def show_effects(self, request: Request) -> object:
        """Return what changed, when, and by which call."""
        found = inspection.effects(self.world, dict(request.query_params))
        return {"count": len(found), "effects": found}

    async def show_sessions(self, _request: Request) -> object:
        """Return every access token and its state."""
        return {"tokens": self.sessions.listed()}

    async def close_sessions(self, _request: Request) -> object:
        """Sign everyone out."""
        return {"closed": self.sessions.close_all()}

    # --- faults ----------------------------------------------------------------------------------

    async def show_faults(self, _request: Request) -> object:
        """Return the faults in force."""
        return {"faults": [fault.as_json() for fault in self.faults.all()]}

    async def add_fault(self, request: Request) -> object:
        """Add a fault."""
        return self.faults.add(await _json(request), _KNOWN).as_json()

    async def clear_faults(self, _request: Request) -> object:
        """Delete every fault and release every held call."""
        self.faults.clear()
        return {"ok": True}

    def _fault(self, request: Request) -> Fault:
        fault = self.faults.get(request.path_params["fault"])
        if fault is None:
            raise NoSuchThingError("no such fault")
        return fault

    async def show_fault(self, request: Request) -> object:
        """Return one fault and its progress."""
        return self._fault(request).as_json()

    async def remove_fault(self, request: Request) -> object:
        """Delete one fault and release the calls it holds."""
        fault = self._fault(request)
        self.faults.remove(fault.id)
        return fault.as_json()

    async def release_fault(self, request: Request) -> object:
        """Release the calls held now. Later calls pass too."""
        fault = self._fault(request)
        fault.released.set()
        return fault.as_json()

    async def wait_held(self, request: Request) -> object:
        """Wait until ``count`` calls are held, at most ``timeout_s``. Return whether they are."""
        fault = self._fault(request)
        wanted = int(request.query_params.get("count", "1"))
        limit = float(request.query_params.get("timeout_s", "10"))
        try:
            async with asyncio.timeout(limit):
                while fault.holding < wanted:
                    fault.changed.clear()
                    await fault.changed.wait()
        except TimeoutError:
            return {"held": False, **fault.as_json()}
        return {"held": True, **fault.as_json()}

    # --- accounts and users ----------------------------------------------------------------------

    async def list_accounts(self, request: Request) -> object:
        """Return accounts by the scenario they were created for."""
        query = request.query_params
        found = inspection.accounts_in(self._host(request), query.get("scenario"), int(query.get("limit", "100")))
        return {"accounts": found}

    async def show_account(self, request: Request) -> object:
        """Return everything about an account."""
        host, key = self._entity(request, "account")
        return inspection.account_state(self.world, host, key)

    async def breach_account(self, request: Request) -> object:
        """Apply a loss limit of ``kind`` daily, weekly or trailing now."""
        host, key = self._entity(request, "account")
        kind = (await _json(request)).get("kind", "daily")
        if kind not in trading.BREACHES:
            raise ValueError(f"kind must be one of {', '.join(trading.BREACHES)}")
        trading.breach(self.world, host, key, kind, cause=BY_CONTROL)
        return inspection.account_state(self.world, host, key)

    async def set_profit(self, request: Request) -> object:
        """Set the account's open profit in US dollars. Limits apply immediately."""
        host, key = self._entity(request, "account")
        profit = float((await _json(request))["open_pnl"])
        self.world.put(host, "_state", {**trading.state_of(host, key), "openPnL": profit})
        trading.enforce_limits(self.world, host, key, cause=BY_CONTROL)
        return inspection.account_state(self.world, host, key)

    async def open_position(self, request: Request) -> object:
        """Add a position, whatever the account's restrictions."""
        host, key = self._entity(request, "account")
        given = {"contractId": 3570918, "netPos": 1, "netPrice": 5000.0, **await _json(request)}
        size, price = int(given["netPos"]), float(given["netPrice"])
        value = abs(size) * price
        position: Entity = {
            "id": host.tables["position"].next_id,
            "accountId": key,
            "contractId": int(given["contractId"]),
            "timestamp": self.world.now(),
            "tradeDate": trade_date(self.world.clock.now_ms()),
            "netPos": size,
            "netPrice": price,
            "bought": max(size, 0),
            "boughtValue": value if size > 0 else 0.0,
            "sold": max(-size, 0),
            "soldValue": value if size < 0 else 0.0,
            "prevPos": 0,
            "prevPrice": 0.0,
        }
        self.world.change(host, "position", position, action="opened", cause=BY_CONTROL)
        return inspection.account_state(self.world, host, key)

    async def show_user(self, request: Request) -> object:
        """Return a user, accounts and lockout."""
        host, key = self._entity(request, "user")
        return inspection.user_state(self.world, host, key)

    async def start_lockout(self, request: Request) -> object:
        """Start a trader's own lockout for ``minutes``."""
        host, key = self._entity(request, "user")
        minutes = float((await _json(request)).get("minutes", 60))
        now_ms = self.world.clock.now_ms()
        lockout = {"id": key, "startedAt": now_ms, "expiresAt": now_ms + round(minutes * 60_000)}
        self.world.change(host, "_lockout", lockout, action="lockout_started", cause=BY_CONTROL)
        return inspection.user_state(self.world, host, key)

    async def end_lockout(self, request: Request) -> object:
        """End a lockout as if its time had passed."""
        host, key = self._entity(request, "_lockout")
        lockout = {**host.tables["_lockout"].rows[key], "expiresAt": self.world.clock.now_ms()}
        self.world.change(host, "_lockout", lockout, action="lockout_ended", cause=BY_CONTROL)
        return inspection.user_state(self.world, host, key)

    # --- any entity ------------------------------------------------------------------------------

    async def show_entity(self, request: Request) -> object:
        """Return one entity as the API would."""
        host, key = self._entity(request, _public(request.path_params["kind"]))
        return host.get(request.path_params["kind"], key)

    async def patch_entity(self, request: Request) -> object:
        """Merge fields into an entity (null removes one), or create it if it does not exist."""
        kind, key = _public(request.path_params["kind"]), int(request.path_params["id"])
        host = self._host(request)
        given = await _json(request)
        before = host.get(kind, key)
        for name in _OWNERS:
            if before is not None and name in given and given[name] != before.get(name):
                raise ValueError(f"{name} can't change")
            if before is None and name in given and host.get(_OWNERS[name], given[name]) is None:
                raise ValueError(f"no {_OWNERS[name]} {given[name]} on {host.name}")
        merged = {**(before or {}), **given, "id": key}
        entity = {name: value for name, value in merged.items() if value is not None}
        self.world.change(host, kind, entity, action="set", cause=BY_CONTROL)
        return entity


def _public(kind: str) -> str:
    if kind not in PUBLIC_KINDS:
        raise NoSuchThingError(f"the kinds are {', '.join(PUBLIC_KINDS)}")
    return kind


async def _json(request: Request) -> dict[str, Any]:
    """Return the JSON object of a body; an empty body is an empty object."""
    given = await request.body()
    if not given:
        return {}
    body = decode(given)
    if not isinstance(body, dict):
        raise TypeError("the body must be a JSON object")
    return body


async def _bad_request(_request: Request, error: Exception) -> JSONResponse:
    return JSONResponse({"error": f"{type(error).__name__}: {error}"}, status_code=400)


async def _not_found(_request: Request, error: Exception) -> JSONResponse:
    return JSONResponse({"error": str(error)}, status_code=404)
