"""What the command does: find, lock, status. Each returns the exit code; 0 only for what is proven."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from riskadmin.cli.api import Api, Failed

DONE: Final = frozenset({"finished", "cancelled", "rejected", "expired"})
AS_INTENDED: Final = frozenset({"applied", "unchanged"})
NOT_PROVEN: Final = 2
"""The exit code while or because the outcome is not as intended."""
POLL_S: Final = 2.0


@dataclass(frozen=True, kw_only=True)
class Terminal:
    """How the command talks to a person, and waits."""

    write: Callable[[str], object] = print
    ask: Callable[[str], str] = input
    wait: Callable[[float], None] = time.sleep


def find(api: Api, terminal: Terminal, *, text: str, environment: str) -> int:
    """Print the accounts that a search finds: how to name each, its status, category and trader; or that there is none."""
    query = {"search": text} | ({"environment": environment} if environment else {})
    found = api.send("GET", "/accounts", query=query).checked()
    for row in found["accounts"]:
        about = ", ".join(filter(None, (row["risk_category"], row["trader"])))
        terminal.write(f"{row['environment']}:{row['id']}\t{row['name']}\t{row['status_words']}\t{about}")
    if found["next_cursor"]:
        terminal.write("There are more. Write more of the name.")
    if not found["accounts"]:
        where = f" on {environment}" if environment else ""
        terminal.write(f"No account{where} that you have access to matches {text!r}.")
    return 0 if found["accounts"] else 1


def lock(
    api: Api, terminal: Terminal, *, account: str, why: Mapping[str, str], key: UUID, is_confirmed: bool, waits: bool
) -> int:
    """Preview a lock, ask, and request it; with `waits`, follow it to its end. Raises Failed; then nothing was requested."""
    environment, target = _named(account)
    wanted = {"kind": "lock", "environment": environment, "targets": [target]}
    shown = api.send("POST", "/previews", body=wanted).checked()
    row = shown["rows"][0]
    if row["skip_reason"]:
        raise Failed(f"{row['name']} would not be locked: {row['skip_reason']}")
    terminal.write(f"Lock {row['name']} ({account}). Approval: {shown['needs']}.")
    for warning in row["warnings"]:
        terminal.write(f"  {warning}")
    if not is_confirmed and terminal.ask(f"Type {target} or {account} to request it: ").strip() not in {str(target), account}:
        raise Failed("Not confirmed. Nothing was requested.")
    made = api.send("POST", "/changes", body={**wanted, **why, "digest": shown["digest"], "key": str(key)}).checked()
    terminal.write(f"Change {made['id']} is requested.")
    return status(api, terminal, change=made["id"], waits=waits)


def status(api: Api, terminal: Terminal, *, change: int | None, waits: bool) -> int:
    """Print how a change stands, or the system. A change that has not ended as intended gives NOT_PROVEN."""
    if change is None:
        return _system(api, terminal)
    found = api.send("GET", f"/changes/{change}").checked()
    while waits and found["state"] not in DONE:
        terminal.wait(POLL_S)
        found = api.send("GET", f"/changes/{change}").checked()
    counts = ", ".join(f"{count} {state}" for state, count in found["by_state"].items())
    given = f"{found['approvals']} of {found['approvals_needed']} approvals"
    terminal.write(f"Change {change} ({found['kind']}, {found['environment']}): {found['state']}. {counts}. {given}.")
    proven = found["state"] == "finished" and set(found["by_state"]) <= AS_INTENDED
    if found["state"] in DONE and not proven:
        terminal.write("Not every account is as intended. Look at the change's page.")
    return 0 if proven else NOT_PROVEN


def _system(api: Api, terminal: Terminal) -> int:
    found = api.send("GET", "/status").checked()
    for lane, at_work in found["lanes"].items():
        terminal.write(f"Lane {lane}: {'at work' if at_work else 'NO WORKER SEEN LATELY'}")
    for environment, read_at in found["last_read"].items():
        terminal.write(f"{environment} was last read whole: {read_at or 'never'}")
    terminal.write(f"Unknown outcomes: {found['unknown_outcomes']}")
    return 0 if all(found["lanes"].values()) else NOT_PROVEN


def _named(account: str) -> tuple[str, int]:
    environment, _, target = account.partition(":")
    if environment not in {"demo", "live"} or not (target.isascii() and target.isdecimal()):
        raise Failed(f"{account!r} does not name an account. Write demo:123 or live:123, as find prints it.")
    return environment, int(target)
