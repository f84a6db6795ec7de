"""The process: three listening sockets, one event loop, one core."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any, Final

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from riskadmin.simulator.api import Api, Request
from riskadmin.simulator.calls import Answer
from riskadmin.simulator.faults import Cut
from riskadmin.simulator.tables import Host

LOOPBACK: Final = "127.0.0.1"
_TRANSPORT: Final = "riskadmin.simulator.transport"


class CuttableProtocol(HttpToolsProtocol):
    """uvicorn's protocol, with its transport accessible to the application.

    ASGI has no way to end a connection without an answer, which is the most important fault.
    """

    def on_message_begin(self) -> None:
        """Put the transport into the new request's scope."""
        super().on_message_begin()
        self.scope["extensions"] = {_TRANSPORT: {"transport": self.transport}}


class Ports:
    """ASGI application that selects the host by the port on which a request was received."""

    def __init__(self, *, api: Api, hosts: dict[int, Host], control_port: int, control: ASGIApp) -> None:
        self._api = api
        self._hosts = hosts
        self._control_port = control_port
        self._control = control

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        port = scope["server"][1]
        if port == self._control_port:
            await self._control(scope, receive, send)
            return
        sent = await self._api.answer(self._hosts[port], await _request(scope, receive))
        transport: asyncio.Transport = scope["extensions"][_TRANSPORT]["transport"]
        if sent is Cut.SILENT:
            transport.abort()
        elif sent is Cut.HALF:
            await _send_half(send)
            transport.close()
        else:
            await _send(send, sent)


async def _request(scope: Scope, receive: Receive) -> Request:
    message = await receive()
    body: bytes = message.get("body", b"")
    while message.get("more_body"):
        message = await receive()
        body += message.get("body", b"")
    authorization = next((value for name, value in scope["headers"] if name == b"authorization"), b"")
    return Request(
        method=scope["method"],
        path=scope["path"],
        query=scope["query_string"],
        authorization=authorization.decode("latin-1"),
        body=body,
        ip=scope["client"][0],
    )


async def _send(send: Send, answer: Answer) -> None:
    headers = [(b"content-type", answer.content_type), (b"content-length", b"%d" % len(answer.body))]
    if not answer.body:
        headers = headers[1:]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})


async def _send_half(send: Send) -> None:
    """Send the start of a JSON object that is shorter than its Content-Length."""
    headers = [(b"content-type", b"application/json"), (b"content-length", b"512")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b'{"accountRiskStatus":{"id":', "more_body": True})


class _AnnouncingServer(uvicorn.Server):
    """A server that reports when it is ready."""

    def __init__(self, config: uvicorn.Config, announce: Callable[[], None]) -> None:
        super().__init__(config)
        self._announce = announce

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, then announce."""
        await super().startup(sockets=sockets)
        if self.started:
            self._announce()


def listen(host: str, port: int) -> socket.socket:
    """Return a listening socket. Port 0 takes a free one."""
    listener = socket.create_server((host, port), backlog=1024)
    listener.setblocking(False)
    return listener


def serve(app: Ports, sockets: dict[str, socket.socket], ports_file: Path | None) -> None:
    """Serve until SIGINT or SIGTERM. Print one JSON line with the ports when ready."""

    def announce() -> None:
        line = json.dumps({"ready": True, "pid": os.getpid(), **ports_of(sockets)})
        if ports_file is not None:
            # Renamed into place, so that a reader never sees a partial file.
            draft = ports_file.with_name(f"{ports_file.name}.{os.getpid()}")
            draft.write_text(line + "\n")
            draft.replace(ports_file)
        print(line, flush=True)

    # uvicorn raises the signal that ended it again when it is done: then exit without a traceback.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _leave)
    config = uvicorn.Config(
        _as_asgi(app),
        http=CuttableProtocol,
        loop="uvloop",
        lifespan="off",
        ws="none",
        log_level="warning",
        access_log=False,
        server_header=False,
        # The limits are counted by address, so no header may set it.
        proxy_headers=False,
        # Longer than any of our clients keeps a connection, so that no race loses one.
        timeout_keep_alive=300,
        timeout_graceful_shutdown=1,
    )
    _AnnouncingServer(config, announce).run(sockets=list(sockets.values()))


def ports_of(sockets: dict[str, socket.socket]) -> dict[str, int]:
    """Return the port of each listener by name."""
    return {name: int(listener.getsockname()[1]) for name, listener in sockets.items()}


def _leave(_number: int, _frame: FrameType | None) -> None:
    raise SystemExit(0)


def _as_asgi(app: Ports) -> Any:
    # uvicorn's own ASGI types and Starlette's differ only in name.
    return app
