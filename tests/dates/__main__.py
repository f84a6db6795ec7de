"""Run the tests once on each of the dates below, with libfaketime: `make test-on-dates`.

Arguments are pytest's. Only the machine's time of day is another one; what counts seconds (`time.monotonic`) is left alone, or
nothing that waits would ever end. PostgreSQL, Valkey and the simulator inherit it. Browser, launcher and fault tests are left out:
they start programs that don't run under libfaketime.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

from riskadmin.local.places import PROJECT

HERE: Final = Path(__file__).parent
MOMENTS: Final = (
    datetime(2027, 6, 15, 12, 0),  # noqa: DTZ001  (by the clock in Chicago)
    datetime(2027, 3, 14, 1, 59),  # noqa: DTZ001  (a minute before an hour is skipped)
    datetime(2027, 11, 7, 1, 30),  # noqa: DTZ001  (in the hour that comes twice)
    datetime(2027, 12, 31, 23, 58),  # noqa: DTZ001
    datetime(2028, 2, 29, 12, 0),  # noqa: DTZ001
)
CHICAGO: Final = ZoneInfo("America/Chicago")
LEFT_OUT: Final = ("tests/browser", "tests/faults", "tests/local", "tests/execution/test_time_in_browser.py")
NEVER_ENDS: Final = "tests/audit/test_list_page.py::test_a_search_that_takes_too_long_is_ended_and_explained"
"""PostgreSQL's own time limits don't strike under libfaketime."""

LIBRARIES: Final = ("/usr/lib/*/faketime/libfaketime.so.1", "/opt/homebrew/lib/faketime/libfaketime.1.dylib")


def main(arguments: Sequence[str]) -> int:
    """Return 0 when the tests passed on every date, 1 when not, 2 when libfaketime is missing."""
    library = find_library()
    if library is None:
        print("libfaketime is missing: `apt-get install faketime` (Debian, Ubuntu)", file=sys.stderr)
        return 2
    failed = []
    for moment in MOMENTS:
        print(f"== {moment:%Y-%m-%d %H:%M} in Chicago", flush=True)
        command = [
            sys.executable,
            "-m",
            "pytest",
            *arguments,
            *(f"--ignore={path}" for path in LEFT_OUT),
            f"--deselect={NEVER_ENDS}",
        ]
        if subprocess.run(command, cwd=PROJECT, env=environment(moment, library), check=False).returncode:
            failed.append(f"{moment:%Y-%m-%d %H:%M}")
    print(f"failed on: {', '.join(failed)}" if failed else "passed on every date")
    return 1 if failed else 0


def find_library() -> Path | None:
    """Return where libfaketime is, if anywhere."""
    found = (path for pattern in LIBRARIES for path in Path("/").glob(pattern.removeprefix("/")))
    return next(found, None)


def environment(moment: datetime, library: Path) -> dict[str, str]:
    """Return an environment in which that moment is now, for every process that inherits it."""
    ahead = moment.replace(tzinfo=CHICAGO) - datetime.now(UTC)
    path = os.pathsep.join(filter(None, [str(HERE), os.environ.get("PYTHONPATH", "")]))  # sitecustomize.py is there
    return {
        **os.environ,
        "LD_PRELOAD": str(library),
        # An offset and no moment: each process would begin with that.
        "FAKETIME": f"{ahead.total_seconds():+.0f}s",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "PYTHONPATH": path,
    }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
