"""How gunicorn serves the pages, for `gunicorn --config python:riskadmin.web.server`; a proxy before it terminates TLS.

Slow clients hold a thread each. Most of them a proxy keeps away; what is here holds without one.
"""

import struct
from socket import SO_RCVTIMEO, SOL_SOCKET
from typing import Any, Final

wsgi_app = "riskadmin.wsgi:application"
bind = ":8000"
worker_class = "gthread"
workers = 2
threads = 8
preload_app = True
worker_tmp_dir = "/dev/shm"  # noqa: S108  (memory: a heartbeat must not wait for a disk)
control_socket_disable = True

# Addresses with many filters are long; everything else of a request's head is short.
limit_request_line = 4094
limit_request_fields = 60
limit_request_field_size = 8190
timeout = 60
graceful_timeout = 25  # less than a container gets to stop
keepalive = 5

SILENCE_MAX_S: Final = 20
"""How long a client may send nothing in the middle of a request."""


def when_ready(server: Any) -> None:
    """Set the longest silence at the listening sockets: those of the connections inherit it."""
    for listener in server.LISTENERS:
        listener.sock.setsockopt(SOL_SOCKET, SO_RCVTIMEO, struct.pack("ll", SILENCE_MAX_S, 0))
