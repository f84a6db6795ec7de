"""Run a `manage.py` command with the settings of the demo that runs here: `python -m riskadmin.local.on_demo backup`."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence

from riskadmin.local.demo import DATABASE, secret_key, signing_key
from riskadmin.local.places import PROJECT, Places, prepare
from riskadmin.local.postgres import APPLICATION, OWNER, PostgresServer
from riskadmin.local.program import CannotStart
from riskadmin.local.valkey import ValkeyServer


def settings_of(places: Places) -> dict[str, str]:
    """Return the environment of the demo's processes."""
    env = {**os.environ, "DJANGO_SETTINGS_MODULE": "riskadmin.settings", "LOG_FORMAT": "line"}
    env.setdefault("SECRET_KEY", secret_key(places))
    env.setdefault("AUDIT_SIGNING_KEY", signing_key(places))
    if not env.get("DATABASE_URL"):
        postgres = PostgresServer(places)
        env |= {"DATABASE_URL": postgres.url(DATABASE, APPLICATION), "DATABASE_OWNER_URL": postgres.url(DATABASE, OWNER)}
    env.setdefault("REDIS_URL", ValkeyServer(places).url())
    env.setdefault("BACKUP_FOLDER", str(places.run / "backups"))
    return env


def manage(env: dict[str, str], command: Sequence[str]) -> int:
    """Run a command of `manage.py`; return its exit code."""
    return subprocess.run([sys.executable, "manage.py", *command], cwd=PROJECT, env=env, check=False).returncode


def main(command: list[str]) -> int:
    """Run it. The exit code is that of the command, or 1 without a demo to run it on."""
    try:
        return manage(settings_of(prepare(PROJECT / ".run")), command)
    except CannotStart as error:
        print(error, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
