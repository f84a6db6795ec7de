"""One HTTP request over ``requests``: sends it, reads the answer, and knows whether anything was sent.

No redirects, no proxies or netrc from the environment, no cookies, no retries. One session per thread, and connections that
all threads share: the most recently used connection is used next, by any thread.
"""

import math
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from http.cookiejar import DefaultCookiePolicy
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import HTTPError
from urllib3.poolmanager import PoolManager
from urllib3.response import BaseHTTPResponse, HTTPResponse

from riskadmin.tradovate.encoding import to_json

DEADLINE_S = 60.0
"""A whole answer must arrive within this time, however slowly the server sends."""

WRITE_DEADLINE_S = 20.0
"""A write's answer is short, and the process that waits for it holds a lease."""

KEPT_FOR_S = 50.0
"""A connection that was idle for longer is not used again: proxies in front of servers close it after about 60 s, and if
that happens during a call, it is not known whether the call arrived."""

_CHUNK = 64 * 1024
_HOSTS = 4
_CONNECTIONS = 256
_HELD_UP = "held up"


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer: the whole of it, or ``trouble`` says why not.

    ``sent`` is False only when no byte was given to the network, so that Tradovate can't have seen the request. ``status``
    is None when no status line was read.
    """

    sent: bool
    status: int | None
    text: str
    trouble: str
    sent_at: datetime
    elapsed_ms: int

    @property
    def held_up(self) -> bool:
        """Whether it was not sent because it was too late."""
        return self.trouble == _HELD_UP and not self.sent


class _Leaving(threading.local):
    """For this thread's request: the latest time to send it, by the monotonic clock, and whether it was sent."""

    by = math.inf
    has_left = False


_leaving = _Leaving()
_local = threading.local()


class _Watched(HTTPConnection):
    """Knows whether a request has been sent, sends none too late, and counts as closed after a long time without use.

    The time is checked here, right before the bytes are sent: a process may be stopped for any length of time while it
    opens a connection or waits for the interpreter lock.
    """

    _used_at = 0.0

    def connect(self) -> None:
        super().connect()
        self._used_at = time.monotonic()

    def send(self, data: Any) -> None:
        if self.sock is None:
            self.connect()
        if time.monotonic() > _leaving.by:
            raise _HeldUpError
        _leaving.has_left = True
        super().send(data)

    def getresponse(self) -> HTTPResponse:  # type: ignore[override]  # as urllib3 itself says
        response = super().getresponse()
        self._used_at = time.monotonic()
        return response

    @property
    def is_connected(self) -> bool:
        return time.monotonic() - self._used_at < KEPT_FOR_S and super().is_connected


class _WatchedTls(_Watched, HTTPSConnection):
    """The same over TLS."""


class _PlainPool(HTTPConnectionPool):
    ConnectionCls = _Watched


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _WatchedTls


class _Adapter(HTTPAdapter):
    """``requests``' adapter that uses these connections."""

    def init_poolmanager(self, connections: int, maxsize: int, block: bool = False, **options: Any) -> None:  # noqa: FBT001, FBT002  (its signature)
        self.poolmanager = PoolManager(num_pools=connections, maxsize=maxsize, block=block, **options)
        self.poolmanager.pool_classes_by_scheme = {"http": _PlainPool, "https": _TlsPool}


class Transport:
    """Sends requests to one base URL. ``timeout`` is (connect, read between two bytes) in seconds."""

    def __init__(self, base_url: str, *, timeout: tuple[float, float], deadline_s: float = DEADLINE_S) -> None:
        self._base_url = base_url
        self._timeout = timeout
        self._deadline_s = deadline_s

    def send(
        self,
        method: str,
        path: str,
        *,
        body: Mapping[str, object] | None,
        token: str | None,
        body_limit: int,
        deadline_s: float | None = None,
        leaves_by: float = math.inf,
    ) -> Answer:
        """Make the request once, if it can be sent by then (monotonic). Raises nothing that the network can cause."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        content = None
        if body is not None:
            headers["Content-Type"] = "application/json"
            content = to_json(body).encode()
        _leaving.by, _leaving.has_left = leaves_by, False
        sent_at, started = datetime.now(UTC), time.monotonic()
        status: int | None = None
        text = trouble = ""
        try:
            with _session().request(
                method,
                self._base_url + path,
                data=content,
                headers=headers,
                timeout=self._timeout,
                allow_redirects=False,
                stream=True,
            ) as response:
                status = response.status_code
                data = self._read(response.raw, limit=body_limit, deadline=started + (deadline_s or self._deadline_s))
                text = data.decode("utf-8", errors="replace")
        except _TooMuchError as error:
            trouble = str(error)
        except _HeldUpError:
            trouble = _HELD_UP
        except (requests.RequestException, HTTPError, OSError) as error:
            trouble = type(error).__name__
        elapsed_ms = round((time.monotonic() - started) * 1000)
        return Answer(_leaving.has_left, status, text, trouble, sent_at, elapsed_ms)

    @staticmethod
    def _read(raw: BaseHTTPResponse, *, limit: int, deadline: float) -> bytes:
        """Read to the end. ``read1`` returns what has arrived, so the deadline also applies to a server that sends slowly."""
        parts: list[bytes] = []
        length = 0
        while part := raw.read1(_CHUNK, decode_content=True):
            parts.append(part)
            length += len(part)
            if length > limit:
                raise _TooMuchError(f"more than {limit} bytes")
            if time.monotonic() > deadline:
                raise _TooMuchError("still not complete at the deadline")
        return b"".join(parts)


_adapter = _Adapter(pool_connections=_HOSTS, pool_maxsize=_CONNECTIONS)


def _session() -> requests.Session:
    """The session of this thread, shared by all clients."""
    session: requests.Session | None = getattr(_local, "session", None)
    if session is None:
        session = requests.Session()
        session.trust_env = False
        session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        session.headers.update({"Accept": "application/json", "User-Agent": "riskadmin"})
        for scheme in ("http://", "https://"):
            session.mount(scheme, _adapter)
        _local.session = session
    return session


class _HeldUpError(Exception):
    """The request was not sent in time, or only its first half was."""


class _TooMuchError(Exception):
    """The answer is longer, or takes longer, than any documented one."""
