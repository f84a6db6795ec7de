"""Commands that write: each names the person who runs it, and leaves an event before it does anything."""

import getpass
from typing import Any, Final

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction

from riskadmin.audit.actions import AuditEntry, record
from riskadmin.audit.origin import Origin, Who
from riskadmin.audit.tags import Tag
from riskadmin.web.visible import is_empty

OPERATOR_MAX: Final = 100
_OS_USER_MAX: Final = 40

_OF_DJANGO: Final = frozenset(
    {"operator", "verbosity", "settings", "pythonpath", "traceback", "no_color", "force_color", "skip_checks"}
    | {"stdout", "stderr", "version"}
)
"""Options that say nothing about what a command does."""


class OperatorCommand(BaseCommand):
    """A command that writes. `--operator` names who runs it: it is required, and never taken from the account that runs it.

    `operator` is how events name that person, with the account beside it, and `origin` where the events come from. That the
    command was started is an event of its own, also if it then refuses. Options must not carry secrets: the event has them.
    """

    operator: Who
    origin: Origin

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        """Add the option that every such command has."""
        parser = super().create_parser(prog_name, subcommand, **kwargs)
        parser.add_argument("--operator", required=True, metavar="NAME", help="who runs this, for the audit trail: your name")
        return parser

    def execute(self, *args: Any, **options: Any) -> str | None:
        """Write who started the command, then run it. Raises CommandError without a name; nothing is done then."""
        self.operator = operator_called(str(options["operator"]))
        command = type(self).__module__.rpartition(".")[2]
        self.origin = Origin(job=command)
        given = {key: _plain(value) for key, value in options.items() if key not in _OF_DJANGO and value not in (None, "", [])}
        detail = {"command": command, "options": {key: value for key, value in given.items() if value is not False}}
        with transaction.atomic():
            record(AuditEntry(tag=Tag.COMMAND_RUN, actor=self.operator, origin=self.origin, detail=detail))
        return super().execute(*args, **options)


def operator_called(given: str) -> Who:
    """Return how events name the person who runs a command, by the name that they gave. Raises CommandError without one."""
    name = " ".join(given.split())
    if is_empty(name):
        raise CommandError("Say who runs this: --operator NAME. It is written to the audit trail.")
    if len(name) > OPERATOR_MAX:
        raise CommandError(f"The name after --operator has more than {OPERATOR_MAX} characters.")
    return Who(id=None, name=name, role=f"command line as {_os_user()}")


def _os_user() -> str:
    try:
        return getpass.getuser()[:_OS_USER_MAX]
    except (KeyError, OSError):  # a container may run under a number that has no name
        return "an account without a name"


def _plain(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    return value if isinstance(value, bool | int) else str(value)
