"""What the rest of riskadmin needs to know about a kind of change: one frozen `KindSpec` for each, in the kind's own file.

Roles, words for permissions, the trail's names for what it records, buttons and the list in
docs/kinds.md derive from it. How the kind plans, sends and reads is its class (`kind.Kind`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from accounts.changes.states import Direction
from riskadmin.staff.roles import Role
from riskadmin.tradovate.vocabulary import Environment

ON_CALL: Final = frozenset({Role.SUPPORT, Role.SUPERVISOR})
"""Who may request most kinds."""


class Unit(StrEnum):
    """The type of a kind's targets; TARGET is that of a kind that is retired, whose targets may be either."""

    ACCOUNT = "account"
    TRADER = "trader"
    TARGET = "target"

    @property
    def one(self) -> str:
        """One target, with its article."""
        return "an account" if self is Unit.ACCOUNT else f"a {self.value}"

    @property
    def gone_meanwhile(self) -> str:
        """Why nothing is sent for a target that there was when the change was requested."""
        if self is Unit.TRADER:
            return "Tradovate no longer lists the trader"
        return "The account was archived or closed meanwhile"


@dataclass(frozen=True, kw_only=True)
class KindSpec:
    """The facts of one kind."""

    name: str  # as stored in changes and events: it never changes
    verb: str  # on buttons, before the targets: "Lock"
    action_label: str  # on the account's own page: "Lock"
    effect: str  # what it does, one sentence for the form
    direction: Direction  # also decides what may block it
    environments: frozenset[Environment]  # where Tradovate takes it
    icon: str
    unit: Unit = Unit.ACCOUNT
    permission: str  # what a person without the capability lacks: "It needs the permission to ask to unlock accounts"
    requested_by: frozenset[Role] = ON_CALL
    warning: str = ""  # what to know about every change of this kind
    ended_by: str = ""  # the kind that ends it, if it may be requested until a time
    alternative: str = ""  # another kind that can keep an account from trading while this one can't be sent
    cheaper: str = ""  # the kind that does the same for many targets with far fewer calls
    is_first_choice: bool = False  # offered by name on the account's page; the others are one step further
    in_lists: str = ""  # the button for accounts selected in a list, "" if there is none
    recorded: Mapping[str, str] = field(default_factory=dict, hash=False)  # the trail's names for fields that only it records

    @property
    def capability(self) -> str:
        """The capability that a person needs to request it."""
        return f"changes:request:{self.name}"
