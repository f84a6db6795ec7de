"""Run every benchmark, or those that `PARTS` names: `SCALE=small` (the default) or `SCALE=full` (the sizes of the goals)."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

from riskadmin.local.postgres import FORGETFUL
from tests import servers

SIZES = {"small": 1_150, "full": 11_400}
"""Accounts of the firm; one in eight of them is closed or archived."""

PARTS = ("changes", "execution", "year")
ALONE = "short_answers"
"""What needs a firm on which nothing was done, and so is measured by itself: `PARTS=short_answers`."""


def main() -> int:
    """Measure, print, write `.run/bench.json`; 1 when a goal is missed."""
    scale = os.environ.get("SCALE", "small")
    if scale not in SIZES:
        print(f"SCALE is {' or '.join(SIZES)}, not {scale!r}.")
        return 2
    parts = os.environ.get("PARTS", ",".join(PARTS)).split(",")
    if parts != [ALONE] and not set(parts) <= set(PARTS):
        print(f"PARTS is some of {','.join(PARTS)}, or {ALONE}, not {','.join(parts)!r}.")
        return 2
    # With autovacuum, as everywhere but in tests: rows die by the ten thousand here, and a queue among the dead is slow.
    own = servers.start({**FORGETFUL, "autovacuum": "on"})
    try:
        os.environ.update(servers.environment(database_url=own.database_url, redis_url=own.redis_url))
        import django

        django.setup()
        import riskadmin.celery  # noqa: F401  (tasks sent by name go to this run's own broker)
        from tests.bench import changes, execution, short_answers, year
        from tests.bench.firm import Firm
        from tests.bench.report import Report

        report = Report()
        if set(parts) - {"year"}:
            accounts = short_answers.ACCOUNTS[scale] if ALONE in parts else SIZES[scale]
            with (
                tempfile.TemporaryDirectory() as directory,
                Firm(Path(directory), accounts=accounts, superuser_url=own.database_url) as firm,
            ):
                if "changes" in parts:
                    changes.measure(firm, report)
                if "execution" in parts:
                    execution.measure(firm, report, Path(directory))
                if ALONE in parts:
                    short_answers.measure(firm, report, Path(directory), scale=scale)
        if "year" in parts:
            year.measure(report, scale=scale)
        print(f"written: {report.write().name}")
        return 0 if all(finding.met for finding in report.findings) else 1
    finally:
        own.stop()


if __name__ == "__main__":
    sys.exit(main())
