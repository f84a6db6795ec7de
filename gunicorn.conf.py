"""gunicorn reads this by itself when it is started here: where its processes count requests, and how it logs."""

import os
import shutil
import tempfile
from pathlib import Path
from typing import Final

from riskadmin.env import read
from riskadmin.logs.config import logging_config

COUNTS: Final = "PROMETHEUS_MULTIPROC_DIR"

# In memory where there is a place for it: each request writes there. Made before the application is loaded, which looks for it,
# and once: after SIGHUP this file is read again. A folder that the environment names is used as it is.
if COUNTS not in os.environ:
    memory = Path("/dev/shm")  # noqa: S108  (the folder below it is new and ours)
    os.environ[COUNTS] = tempfile.mkdtemp(prefix="riskadmin-metrics-", dir=memory if os.access(memory, os.W_OK) else None)

_env = read()
# The application logs each request itself.
accesslog = None
logconfig_dict = logging_config(form=_env.LOG_FORMAT, level=_env.LOG_LEVEL)


def on_exit(server: object) -> None:  # noqa: ARG001  (gunicorn passes it)
    """Remove the counts: the next start begins at zero, which Prometheus understands."""
    shutil.rmtree(os.environ[COUNTS], ignore_errors=True)
