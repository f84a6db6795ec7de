"""A request's body comes whole and in time, or not at all: the layer between the web server and Django.

Gunicorn's threads wait for a body as long as its client likes, and a connection that breaks looks to Django like the end of
the body, so a form that was cut off would be taken for a whole one.
"""

from collections.abc import Callable, Iterable
from contextlib import suppress
from socket import SHUT_RD
from threading import Timer
from typing import Any

Environ = dict[str, Any]
Application = Callable[[Environ, Callable[..., Any]], Iterable[bytes]]


class BodyCutOff(OSError):
    """A body ended before its length. Django answers as to a connection that broke, and no view sees the form."""


class WholeBody:
    """Wraps an application, so that it reads a body of exactly the length announced, within `seconds`, or gets an error."""

    def __init__(self, application: Application, *, seconds: float) -> None:
        """Take the application that answers."""
        self._application, self._seconds = application, seconds

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer one request."""
        said = str(environ.get("CONTENT_LENGTH") or "0")
        length = int(said) if said.isascii() and said.isdigit() else 0
        if not length:
            return self._application(environ, start_response)
        # Nothing more is received from a client that is too slow. The answer can still be sent.
        watchdog = Timer(self._seconds, _stop_receiving, [environ.get("gunicorn.socket")])
        watchdog.daemon = True
        environ["wsgi.input"] = _Body(environ["wsgi.input"], length, watchdog)
        watchdog.start()
        try:
            return self._application(environ, start_response)
        finally:
            watchdog.cancel()


class _Body:
    """The body as the stream that Django reads, never beyond the announced length."""

    def __init__(self, stream: Any, length: int, watchdog: Timer) -> None:
        self._stream, self._missing, self._watchdog = stream, length, watchdog

    def read(self, size: int) -> bytes:
        """Return `size` bytes, or what is left of the body. Raises BodyCutOff."""
        wanted = min(size, self._missing)
        data: bytes = self._stream.read(wanted)
        return self._counted(data, is_short=len(data) < wanted)

    def readline(self, size: int) -> bytes:
        """Return the next line, at most `size` bytes of it. Raises BodyCutOff."""
        line: bytes = self._stream.readline(min(size, self._missing))
        return self._counted(line, is_short=len(line) < min(size, self._missing) and not line.endswith(b"\n"))

    def _counted(self, data: bytes, *, is_short: bool) -> bytes:
        self._missing -= len(data)
        if is_short:
            raise BodyCutOff(f"{self._missing} bytes of the body did not come")
        if not self._missing:
            self._watchdog.cancel()
        return data


def _stop_receiving(connection: Any) -> None:
    with suppress(OSError):  # it is closed already
        connection.shutdown(SHUT_RD)
