"""gunicorn reads this by itself when it is started here: how it serves and logs, and where its processes count requests.

A proxy before it terminates TLS. Slow clients hold a thread each; most of them the proxy keeps away, and what is here holds
without one.
"""

import os
import shutil
import struct
import tempfile
from socket import SO_RCVTIMEO, SOL_SOCKET, gethostname
from typing import Any, Final

from riskadmin.env import read
from riskadmin.logs.config import logging_config

wsgi_app = "riskadmin.wsgi:application"
bind = ":8000"
worker_class = "gthread"
workers = 2
threads = 8
preload_app = True
control_socket_disable = True
# Addresses with many filters are long; everything else of a request's head is short.
limit_request_line = 4094
limit_request_fields = 60
limit_request_field_size = 8190
timeout = 60
graceful_timeout = 25  # less than a container gets to stop
keepalive = 5

MEMORY: Final = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108  (gunicorn and we make files of our own there)
worker_tmp_dir = MEMORY  # a heartbeat must not wait for a disk

SILENCE_MAX_S: Final = 20
"""How long a client may send nothing in the middle of a request."""

COUNTS: Final = "PROMETHEUS_MULTIPROC_DIR"

# In memory where there is a place for it: each request writes there. Made before the application is loaded, which looks for it,
# and once: after SIGHUP this file is read again. A folder that the environment names is used as it is.
if COUNTS not in os.environ:
    os.environ[COUNTS] = tempfile.mkdtemp(prefix="riskadmin-metrics-", dir=MEMORY)

_env = read()
# The application logs each request itself.
accesslog = None
logconfig_dict = logging_config(form=_env.LOG_FORMAT, level=_env.LOG_LEVEL)


def when_ready(server: Any) -> None:
    """Set the longest silence at the listening sockets, which connections inherit, and record the start."""
    for listener in server.LISTENERS:
        listener.sock.setsockopt(SOL_SOCKET, SO_RCVTIMEO, struct.pack("ll", SILENCE_MAX_S, 0))
    from riskadmin.audit.starting import record_start  # noqa: PLC0415  (the application is loaded by now)

    record_start("web", gethostname())


def on_exit(server: object) -> None:  # noqa: ARG001  (gunicorn passes it)
    """Remove the counts: the next start begins at zero, which Prometheus understands."""
    shutil.rmtree(os.environ[COUNTS], ignore_errors=True)
