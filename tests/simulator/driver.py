"""The standard way for tests to run a simulator: a real process, spoken to over HTTP."""

from __future__ import annotations

import json
import select
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import requests

from riskadmin.local.stack import free_ports

PROJECT: Final = Path(__file__).resolve().parents[2]
START_TIMEOUT_S: Final = 180.0
STOP_TIMEOUT_S: Final = 60.0
PORTS_TRIED: Final = 5

PASSWORD: Final = "simulator"
CID: Final = "8"
SEC: Final = "simulator-secret"
ADMIN: Final = "api-admin"
VIEWER: Final = "api-viewer"
OTHER_ADMIN: Final = "other-admin"

SET_ACTION: Final = "/accountRiskStatus/setadminautoliqaction"
SWITCH_CATEGORY: Final = "/accountRiskStatus/switchriskcategory"
UPDATE_LIMITS: Final = "/userAccountAutoLiq/updateuserautoliqs"
EXPIRE_LOCKOUT: Final = "/user/expireuserlockout"
RESET_STATUS: Final = "/accountRiskStatus/resetautoliqstatus"
MAX_NET_LIQ: Final = "/accountRiskStatus/updatemaxnetliq"
ACCOUNT_NOTES: Final = "/accountRiskStatus/setaccountnotes"
UPDATE_LIMIT: Final = "/userAccountAutoLiq/updateuserautoliq"
DEMO_BALANCE: Final = "/cashBalance/changedemobalance"
SNAPSHOT: Final = "/cashBalance/getcashbalancesnapshot"
CREATE_POSITION_LIMIT: Final = "/userAccountPositionLimit/create"
DELETE_POSITION_LIMIT: Final = "/userAccountPositionLimit/deleteuseraccountpositionlimit"
DELETE_RISK_PARAMETER: Final = "/userAccountPositionLimit/deleteuseraccountriskparameter"


class SimulatorError(RuntimeError):
    """The process did not start, or the control port refused."""


class Simulator:
    """One simulator process and its control port.

    A stopped one's clock moves only when it is told to, so that no test rests on how fast the machine is. The API credentials are ADMIN, PASSWORD, CID and SEC above. The same instance may be stopped or
    killed and started again: it keeps its data directory and its ports.
    """

    def __init__(
        self,
        data: Path,
        *,
        seed: int = 1,
        traders: int = 60,
        accounts: int = 150,
        now: str | None = None,
        stopped: bool = False,
        settings: Mapping[str, object] | None = None,
        arguments: Sequence[str] = (),
    ) -> None:
        self.data = data
        self.seed = seed
        self.traders = traders
        self.accounts = accounts
        self.now = now
        self.stopped = stopped
        self.settings = dict(settings or {})
        self.arguments = list(arguments)
        self.ports: dict[str, int] = {"demo": 0, "live": 0, "control": 0}
        self._checkpoint_of = 0
        self._process: subprocess.Popen[str] | None = None
        self._session = requests.Session()
        self._session.trust_env = False

    # --- the process -----------------------------------------------------------------------------

    def start(self) -> Self:
        """Start the process and return when it answers; raise SimulatorError when it doesn't.

        The first time on ports that are free; one that somebody else takes meanwhile is replaced.
        """
        if any(self.ports.values()):
            return self._start()
        for _ in range(PORTS_TRIED):
            self.ports = dict(zip(self.ports, free_ports(len(self.ports)), strict=True))
            try:
                return self._start()
            except SimulatorError as error:
                if "can't listen" not in str(error):
                    raise
        raise SimulatorError("no free ports were found")

    def _start(self) -> Self:
        command = [sys.executable, "-m", "riskadmin.simulator", "--data", str(self.data), "--seed", str(self.seed)]
        command += ["--traders", str(self.traders), "--accounts", str(self.accounts)]
        for name, port in self.ports.items():
            command += [f"--{name}-port", str(port)]
        for name, value in self.settings.items():
            command += ["--set", f"{name}={value}"]
        if self.now is not None:
            command += ["--now", self.now]
        if self.stopped:
            command.append("--stopped")
        command += self.arguments
        self.data.mkdir(parents=True, exist_ok=True)
        log = self.data / "stderr.log"
        with log.open("w") as errors:
            process = subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, stderr=errors, text=True)
        line = _first_line(process)
        if not line:
            process.kill()
            process.communicate()
            raise SimulatorError(log.read_text().strip() or "the simulator said nothing")
        announced = json.loads(line)
        self.ports = {name: announced[name] for name in self.ports}
        self._process = process
        return self

    @property
    def pid(self) -> int:
        """Return the id of the running process."""
        if self._process is None:
            raise SimulatorError("the simulator is not running")
        return self._process.pid

    @property
    def running(self) -> bool:
        """Return whether the process was started and has not ended."""
        return self._process is not None and self._process.poll() is None

    def stop(self) -> None:
        """End the process with SIGTERM and wait for it; does nothing when it isn't running."""
        self.end(signal.SIGTERM)

    def kill(self) -> None:
        """End the process with SIGKILL and wait for it."""
        self.end(signal.SIGKILL)

    def end(self, number: signal.Signals) -> int:
        """Send a signal, wait, and return the exit status (0 when it wasn't running)."""
        process, self._process = self._process, None
        self._session.close()
        if process is None:
            return 0
        process.send_signal(number)
        process.communicate(timeout=STOP_TIMEOUT_S)
        return process.returncode

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    # --- where it is -----------------------------------------------------------------------------

    @property
    def demo_url(self) -> str:
        """Return what TRADOVATE_DEMO_URL is set to."""
        return self.url("demo")

    @property
    def live_url(self) -> str:
        """Return what TRADOVATE_LIVE_URL is set to."""
        return self.url("live")

    def url(self, host: str) -> str:
        """Return the base address of a host, with /v1."""
        return f"http://127.0.0.1:{self.ports[host]}/v1"

    @property
    def control_url(self) -> str:
        """Return the address of the control port."""
        return f"http://127.0.0.1:{self.ports['control']}"

    # --- the API, as a bare client without any of the project's own -------------------------------

    def call(
        self,
        method: str,
        path: str,
        *,
        host: str = "demo",
        token: str | None = None,
        body: object = None,
        query: Mapping[str, Any] | None = None,
        timeout_s: float = 60.0,
    ) -> requests.Response:
        """Make one API call on a connection of its own and return whatever came. The timeout is for the answer."""
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        with requests.Session() as session:
            session.trust_env = False
            return session.request(
                method, self.url(host) + path, headers=headers, json=body, params=query, timeout=(60, timeout_s)
            )

    def credentials(self, name: str = ADMIN) -> dict[str, object]:
        """Return a valid body of accesstokenrequest."""
        return {"name": name, "password": PASSWORD, "appId": "tests", "appVersion": "1", "cid": CID, "sec": SEC}

    def token(self, name: str = ADMIN, *, host: str = "demo") -> str:
        """Sign a user in and return the access token."""
        answer = self.call("POST", "/auth/accesstokenrequest", host=host, body=self.credentials(name)).json()
        token: str = answer["accessToken"]
        return token

    # --- the control port ------------------------------------------------------------------------

    def control(self, method: str, path: str, body: object = None, query: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Make one control call and return its JSON; raise SimulatorError when it is refused.

        A string goes as the JSON text that it is. NaN and lone surrogates are sent like anything else.
        """
        text = body if isinstance(body, str) or body is None else json.dumps(body)
        answer = self._session.request(method, self.control_url + path, data=text, params=query, timeout=60)
        if answer.status_code != 200:
            raise SimulatorError(f"{method} {path}: {answer.status_code} {answer.text}")
        found: dict[str, Any] = answer.json()
        return found

    def set(self, **settings: object) -> dict[str, Any]:
        """Change settings of the running process."""
        return self.control("PATCH", "/settings", settings)

    def advance(self, seconds: float) -> str:
        """Move the simulated clock forward and return the new moment."""
        return str(self.control("POST", "/clock", {"advance_s": seconds})["now"])

    def advance_to(self, moment: str) -> str:
        """Move the simulated clock forward to an ISO moment."""
        return str(self.control("POST", "/clock", {"to": moment})["now"])

    def fault(self, kind: str, **fields: object) -> int:
        """Inject a fault and return its id."""
        return int(self.control("POST", "/faults", {"kind": kind, **fields})["id"])

    def clear_faults(self) -> None:
        """Drop every fault and let go of every held call."""
        self.control("DELETE", "/faults")

    def release(self, fault_id: int) -> None:
        """Let go of the calls that a hold fault holds."""
        self.control("POST", f"/faults/{fault_id}/release")

    def wait_held(self, fault_id: int, *, count: int = 1, timeout_s: float = 55.0) -> None:
        """Return when so many calls are held; raise SimulatorError when they don't come in time."""
        found = self.control("GET", f"/faults/{fault_id}/held", query={"count": count, "timeout_s": timeout_s})
        if not found["held"]:
            raise SimulatorError(f"{found['holding']} of {count} calls held after {timeout_s} s")

    def counters(self, **filters: object) -> dict[str, Any]:
        """Return the counters of the calls since the last reset."""
        return self.control("GET", "/counters", query=filters)

    def call_count(self, endpoint: str, **filters: object) -> int:
        """Return how many calls of an endpoint came since the last reset."""
        return int(self.counters(endpoint=endpoint, **filters)["calls"])

    def reset_counters(self) -> None:
        """Forget all calls, rolling hours, silences and tickets."""
        self.control("DELETE", "/counters")

    def return_to_start(self) -> None:
        """Return all entities and effects to what they were when this was first called for the running process."""
        self.control("POST" if self._checkpoint_of == self.pid else "PUT", "/checkpoint")
        self._checkpoint_of = self.pid

    def calls(self, **filters: object) -> list[dict[str, Any]]:
        """Return the calls that came, oldest first."""
        found: list[dict[str, Any]] = self.control("GET", "/calls", query=filters)["calls"]
        return found

    def effects(self, **filters: object) -> list[dict[str, Any]]:
        """Return the effects log, oldest first."""
        found: list[dict[str, Any]] = self.control("GET", "/effects", query=filters)["effects"]
        return found

    def account(self, account_id: int, *, host: str = "demo") -> dict[str, Any]:
        """Return everything about an account."""
        return self.control("GET", f"/{host}/accounts/{account_id}")

    def account_ids(self, scenario: str | None = None, *, host: str = "demo", limit: int = 100) -> list[int]:
        """Return ids of accounts, of one initial scenario or of all."""
        query = {"limit": limit} if scenario is None else {"limit": limit, "scenario": scenario}
        return [row["id"] for row in self.control("GET", f"/{host}/accounts", query=query)["accounts"]]

    def breach(self, account_id: int, kind: str = "daily", *, host: str = "demo") -> dict[str, Any]:
        """Let a loss limit of an account act."""
        return self.control("POST", f"/{host}/accounts/{account_id}/breach", {"kind": kind})

    def open_position(self, account_id: int, net_pos: int = 1, *, host: str = "demo") -> dict[str, Any]:
        """Give an account an open position."""
        return self.control("POST", f"/{host}/accounts/{account_id}/positions", {"netPos": net_pos})

    def user(self, user_id: int, *, host: str = "demo") -> dict[str, Any]:
        """Return a user with accounts and lockout."""
        return self.control("GET", f"/{host}/users/{user_id}")

    def start_lockout(self, user_id: int, minutes: float = 60, *, host: str = "demo") -> dict[str, Any]:
        """Let a trader lock herself out."""
        return self.control("POST", f"/{host}/users/{user_id}/lockout", {"minutes": minutes})

    def patch(self, kind: str, entity_id: int, *, host: str = "demo", **fields: object) -> dict[str, Any]:
        """Merge fields into any entity; None removes one."""
        return self.control("PATCH", f"/{host}/entities/{kind}/{entity_id}", fields)


def _first_line(process: subprocess.Popen[str]) -> str:
    """Return the first line a process prints, or nothing when it ends or stays silent."""
    stdout = process.stdout
    deadline = time.monotonic() + START_TIMEOUT_S
    while stdout is not None and time.monotonic() < deadline:
        if select.select([stdout], [], [], 0.1)[0]:
            return stdout.readline()
        if process.poll() is not None:
            break
    return ""
