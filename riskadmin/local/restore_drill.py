"""`make restore-drill`: restores the newest backup into a second PostgreSQL of its own, verifies it, and deletes the copy.

Fails when anything is not as it was backed up. `python -m riskadmin.local.restore_drill FOLDER` takes that backup instead.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from riskadmin.local.demo import DATABASE
from riskadmin.local.on_demo import manage, settings_of
from riskadmin.local.places import PROJECT, prepare
from riskadmin.local.postgres import APPLICATION, PostgresServer
from riskadmin.local.program import CannotStart


def main(arguments: list[str]) -> int:
    """Run the drill; the exit code is 0 when the copy is what was backed up."""
    began = time.monotonic()
    try:
        env = settings_of(prepare(PROJECT / ".run"))
        places = prepare(Path(tempfile.mkdtemp(prefix="riskadmin-drill-")))
        server = PostgresServer(places)
        try:
            server.start()
            server.create_database(DATABASE)
            print(f"second server    PostgreSQL in {places.state}, ready after {time.monotonic() - began:.1f} s", flush=True)
            # The copy alone: neither its database nor its Redis is that of the demo.
            # As a superuser, who may create any other role that the backup names.
            addresses = {"DATABASE_URL": server.url(DATABASE, APPLICATION), "DATABASE_OWNER_URL": server.url(DATABASE)}
            env |= {**addresses, "REDIS_URL": "redis://127.0.0.1:1/0"}
            failed = manage(env, ["restore", *arguments, "--operator", "restore drill"])
        finally:
            server.stop()
            places.forget()
    except CannotStart as error:
        print(error, file=sys.stderr)
        return 1
    print("drill            " + ("FAILED" if failed else f"passed, {time.monotonic() - began:.1f} s in all"), flush=True)
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
