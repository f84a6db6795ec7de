"""A local HTTP server that answers exactly the bytes a test gives it, or misbehaves as told."""

from __future__ import annotations

import json
import socket
import ssl
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import BinaryIO

JSON = "application/json"


@dataclass(frozen=True)
class Request:
    method: str
    target: str
    headers: dict[str, str]
    body: bytes

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]

    @property
    def query(self) -> str:
        return self.target.partition("?")[2]

    def json(self) -> dict[str, object]:
        loaded = json.loads(self.body)
        assert isinstance(loaded, dict)
        return loaded


Play = Callable[[Request, socket.socket], None]


def raw(data: bytes) -> Play:
    """Send these bytes and close."""
    return lambda _request, connection: connection.sendall(data)


def answer(status: int, body: object = b"", *, content_type: str = JSON, headers: str = "", length: int | None = None) -> Play:
    """Send a whole answer and say that the connection ends with it; `length` lies about how long it is."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = f"HTTP/1.1 {status} X\r\nConnection: close\r\nContent-Type: {content_type}\r\n{headers}"
    return raw(f"{lines}Content-Length: {length or len(content)}\r\n\r\n".encode() + content)


def reset(_request: Request, connection: socket.socket) -> None:
    """Reset the connection instead of answering."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


@dataclass
class CannedServer:
    """Plays, for each path, its plays in turn, the last one again and again. `requests` is what came."""

    requests: list[Request] = field(default_factory=list)
    plays: dict[str, list[Play]] = field(default_factory=dict)
    closing: threading.Event = field(default_factory=threading.Event)
    tls: ssl.SSLContext | None = None

    def __post_init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.lock = threading.Lock()
        self.threads: list[threading.Thread] = []
        self.connections = 0
        self._start(self._accept)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.listener.getsockname()[1]}/v1"

    def on(self, path: str, *plays: Play) -> None:
        """What to do for `/v1/<path>`."""
        self.plays[f"/v1/{path}"] = list(plays)

    def hang(self, _request: Request, _connection: socket.socket) -> None:
        """Answer nothing for as long as the server lives."""
        self.closing.wait()

    def paths(self) -> list[str]:
        with self.lock:
            return [request.path.removeprefix("/v1/") for request in self.requests]

    def close(self) -> None:
        self.closing.set()
        # shutdown wakes the accepting thread; close alone does not on Linux.
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for thread in self.threads:
            thread.join(10)

    def _start(self, target: Callable[..., None], *args: object) -> None:
        thread = threading.Thread(target=target, args=args, daemon=True)
        self.threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            self._start(self._serve, connection)

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            try:
                secured = self.tls.wrap_socket(connection, server_side=True) if self.tls else connection
            except OSError:
                return  # the client did not like the certificate
            with secured:
                self._answer(secured)

    def _answer(self, connection: socket.socket) -> None:
        with connection.makefile("rb") as stream:
            try:
                request = self._receive(stream)
                with self.lock:
                    self.requests.append(request)
                    plays = self.plays.get(request.path) or [answer(404, b"no such play")]
                    play = plays.pop(0) if len(plays) > 1 else plays[0]
                play(request, connection)
            except (OSError, ValueError):
                return  # the client went away, which is its right

    @staticmethod
    def _receive(stream: BinaryIO) -> Request:
        line = stream.readline().decode()
        method, target, _ = line.split()
        headers: dict[str, str] = {}
        while header := stream.readline().decode().strip():
            name, _, value = header.partition(":")
            headers[name.lower()] = value.strip()
        body = stream.read(int(headers.get("content-length", "0")))
        return Request(method, target, headers, body)
