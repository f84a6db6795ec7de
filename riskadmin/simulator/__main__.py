"""``python -m riskadmin.simulator``: start Tradovate in a box."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any, Final

from riskadmin.simulator.api import Api
from riskadmin.simulator.checkpoint import Checkpoint
from riskadmin.simulator.clock import Clock, parse_iso
from riskadmin.simulator.control import Control
from riskadmin.simulator.faults import Faults
from riskadmin.simulator.limits import Limits
from riskadmin.simulator.population import populate
from riskadmin.simulator.server import LOOPBACK, Ports, listen, ports_of, serve
from riskadmin.simulator.sessions import Sessions
from riskadmin.simulator.settings import BadSettingError, Settings
from riskadmin.simulator.store import Store, StoreInUseError
from riskadmin.simulator.tables import Host, empty_hosts
from riskadmin.simulator.trading import Calendar
from riskadmin.simulator.world import World

_EXIT_USAGE: Final = 2


class OtherPopulationError(RuntimeError):
    """The data directory holds a firm created from other parameters."""


def main() -> int:
    """Parse the command line and serve until a signal. Return the exit status."""
    options = _options()
    options.data.mkdir(parents=True, exist_ok=True)
    try:
        store = Store(options.data / "simulator.sqlite3")
        clock, hosts = _load(store, options)
        settings = _settings(store, options.set)
    except (StoreInUseError, OtherPopulationError, BadSettingError, ValueError) as error:
        print(f"simulator: {error}", file=sys.stderr)
        return _EXIT_USAGE
    world = World(hosts=hosts, store=store, clock=clock, settings=settings)
    sessions, limits, faults = Sessions(store), Limits(store, clock.now_ms()), Faults()
    calendar = Calendar(world, store.meta("settled_ms"))
    calendar.settle()
    store.flush()
    api = Api(world=world, sessions=sessions, limits=limits, faults=faults, calendar=calendar)
    try:
        sockets = {
            "demo": listen(options.host, options.demo_port),
            "live": listen(options.host, options.live_port),
            "control": listen(LOOPBACK, options.control_port),
        }
    except OSError as error:
        print(f"simulator: can't listen: {error}", file=sys.stderr)
        return _EXIT_USAGE
    ports = ports_of(sockets)
    startup = {"ports": ports, "seed": options.seed, "traders": options.traders, "accounts": options.accounts}
    control = Control(
        world=world,
        sessions=sessions,
        limits=limits,
        faults=faults,
        calendar=calendar,
        checkpoint=Checkpoint(world),
        startup=startup,
    )
    app = Ports(
        api=api,
        hosts={ports[name]: host for name, host in hosts.items()},
        control_port=ports["control"],
        control=control.application(),
    )
    try:
        serve(app, sockets, options.ports_file)
    finally:
        store.close()
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m riskadmin.simulator", description="Tradovate in a box.")
    for name in ("demo", "live", "control"):
        parser.add_argument(f"--{name}-port", type=int, default=0, metavar="N", help="0 (default): a free one")
    parser.add_argument("--host", default=LOOPBACK, help="address of the demo and live ports; control is always loopback")
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="where the state is kept")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="of the invented firm")
    parser.add_argument("--traders", type=int, default=600, metavar="N")
    parser.add_argument("--accounts", type=int, default=1500, metavar="N")
    parser.add_argument("--now", metavar="ISO", help="the simulated moment of a first start (default: the real one)")
    parser.add_argument("--stopped", action="store_true", help="of a first start: only the control port moves the clock")
    parser.add_argument("--ports-file", type=Path, metavar="FILE", help="gets the line that is printed when ready")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a setting of docs/simulator.md")
    options = parser.parse_args()
    if options.traders < 1 or options.accounts < 1:
        parser.error("--traders and --accounts must be at least 1")
    return options


def _load(store: Store, options: argparse.Namespace) -> tuple[Clock, dict[str, Host]]:
    """Return clock and hosts as they were stored, or new ones at a first start."""
    hosts = empty_hosts()
    wanted = {"seed": options.seed, "traders": options.traders, "accounts": options.accounts}
    present = store.meta("population")
    if present is None:
        born_ms = Clock().now_ms() if options.now is None else parse_iso(options.now)
        clock = Clock.at(born_ms, stopped=options.stopped)
        populate(hosts, **wanted, born_ms=born_ms)
        for host in hosts.values():
            for kind, table in host.tables.items():
                for key in table.rows:
                    store.put_entity(host.name, kind, key, table.encoded(key))
        store.put_meta("population", wanted)
        store.put_meta("offset_ms", clock.offset_ms)
        store.put_meta("clock_stopped", clock.stopped)
        store.put_meta("settled_ms", born_ms)
        store.flush()
        return clock, hosts
    if present != wanted:
        raise OtherPopulationError(f"{options.data} holds the population {present}, not {wanted}; use another directory")
    store.load(hosts)
    return Clock(store.meta("offset_ms"), stopped=bool(store.meta("clock_stopped"))), hosts


def _settings(store: Store, given: list[str]) -> Settings:
    """Return the default settings, overridden by those stored from the control port, then by the command line."""
    settings = Settings().patched(store.meta("settings") or {})
    changes: dict[str, Any] = {}
    for pair in given:
        name, _, text = pair.partition("=")
        present = getattr(settings, name, None)
        if isinstance(present, bool):
            changes[name] = text.lower() in {"1", "true", "yes"}
        elif isinstance(present, dict):
            changes[name] = json.loads(text)
        else:
            changes[name] = int(text) if isinstance(present, int) else text
    return settings.patched(changes)


if __name__ == "__main__":
    sys.exit(main())
