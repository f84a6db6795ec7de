"""Several `manage.py` commands in one process, since loading Django takes longer than most of them.

`python -m riskadmin.local.commands '[["migrate", "--no-input"], ["sync_mirror"]]'` runs them in order and exits with 1 at
the first that fails.
"""

from __future__ import annotations

import json
import sys

import django
from django.core.management import CommandError, call_command


def main(commands: list[list[str]]) -> int:
    """Run each command with its arguments."""
    django.setup()
    for name, *arguments in commands:
        print(f"== {name}", flush=True)
        try:
            call_command(name, *arguments)
        except CommandError as error:
            print(f"{name}: {error}", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(json.loads(sys.argv[1])))
