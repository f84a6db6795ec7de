"""`python -m riskadmin.cli`: find accounts, lock one, follow a change. docs/on-call.md says how to use it."""

import sys
from argparse import ArgumentParser, Namespace
from uuid import uuid4

from riskadmin.cli import commands
from riskadmin.cli.api import Api, Failed, from_environment
from riskadmin.cli.commands import Terminal


def main(arguments: list[str], *, api: Api | None = None, terminal: Terminal | None = None) -> int:
    """Run one command and return its exit code: 0 done and proven, 1 nothing found or refused, 2 not proven."""
    said = _parser().parse_args(arguments)
    terminal = terminal or Terminal()
    try:
        return _run(said, api or from_environment(), terminal)
    except Failed as error:
        terminal.write(str(error))
        return 1


def _run(said: Namespace, api: Api, terminal: Terminal) -> int:
    if said.command == "find":
        return commands.find(api, terminal, text=said.text, environment=said.environment)
    if said.command == "status":
        return commands.status(api, terminal, change=said.change, waits=said.wait)
    why = {"reason_code": said.code, "reason_text": said.reason, "ticket": said.ticket}
    return commands.lock(
        api, terminal, account=said.account, why=why, key=uuid4(), is_confirmed=said.yes, waits=not said.no_wait
    )


def _parser() -> ArgumentParser:
    parser = ArgumentParser(prog="riskadmin", description="Find accounts, lock one, follow a change.")
    by_command = parser.add_subparsers(dest="command", required=True)
    find = by_command.add_parser("find", help="find accounts by name, id, trader or e-mail")
    find.add_argument("text")
    find.add_argument("--environment", choices=("demo", "live"), default="")
    lock = by_command.add_parser("lock", help="lock an account: no orders, open positions are kept")
    lock.add_argument("account", help="as find prints it: demo:123")
    lock.add_argument("--reason", required=True, help="why, in words; Tradovate and the audit trail keep it")
    lock.add_argument("--code", default="Other", help="one of Tradovate's reason codes")
    lock.add_argument("--ticket", default="")
    lock.add_argument("--yes", action="store_true", help="don't ask")
    lock.add_argument("--no-wait", action="store_true", help="return as soon as it is requested")
    status = by_command.add_parser("status", help="how a change stands; without one, the system")
    status.add_argument("change", type=int, nargs="?")
    status.add_argument("--wait", action="store_true", help="until the change has ended")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
