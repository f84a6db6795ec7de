"""What policy wants for something: the version in force, asked with facts. The rule itself is SQL (`approvals_need`)."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final, Self

from django.core.serializers.json import DjangoJSONEncoder
from django.db import connection

from accounts.approvals.states import Direction, Hours
from riskadmin.staff.models import Staff
from riskadmin.staff.roles import Role

SENIORITY: Final = (Role.SUPERVISOR, Role.SUPPORT, Role.ADMINISTRATOR, Role.COMPLIANCE)
"""The first of these that a requester has is the role they are judged by; `approvals_role_of` in PostgreSQL says the same."""

NEED: Final = "SELECT id, approvals_need(%s::jsonb, id) FROM approvals_policyversion WHERE state = 'in_force'"


class PolicyMissing(Exception):
    """No rule of the policy in force covers it, so no one may ask for it."""


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What policy judges by. A fact that is None is not known, and meets every condition of a rule about it.

    `items_24h` are those of the same kind that the requester asked for within 24 hours, these included; `at_least` is how many
    approvals it needs whatever policy says; `runs_at` is from when on its validity counts.
    """

    subject: str
    kind: str
    environment: str | None
    requester_role: str
    direction: Direction | None
    hours: Hours | None
    items: int
    items_24h: int
    money_usd: Decimal | None
    liquidations: int | None
    open_positions: int | None
    at_least: int = 0
    runs_at: datetime | None = None

    def to_json(self) -> dict[str, Any]:
        """Return them as they are stored, covered by the digest of what is asked for."""
        runs_at = self.runs_at.isoformat() if self.runs_at else None  # to the microsecond, as PostgreSQL compares it
        stored: dict[str, Any] = json.loads(json.dumps({**asdict(self), "runs_at": runs_at}, cls=DjangoJSONEncoder))
        return stored


@dataclass(frozen=True, kw_only=True)
class Stage:
    """So many approvals, by people with that role ("" is any approver)."""

    approvals: int
    role: str

    @property
    def who(self) -> str:
        """Who has to approve: "1 supervisor", "2 approvers"."""
        return f"{self.approvals:,} {self.role or 'approver'}{'' if self.approvals == 1 else 's'}"


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What rules want of one request: approvals in stages, valid for so long; or none, and a review afterwards.

    `rules` are those that match, strictest first.
    """

    rules: tuple[int, ...]
    approvals: int
    stages: tuple[Stage, ...]
    valid_for: timedelta | None
    review_within: timedelta | None

    @classmethod
    def from_json(cls, answer: Mapping[str, Any]) -> Self:
        """Return what `approvals_need` answered."""
        return cls(
            rules=tuple(answer["rules"]),
            approvals=answer["approvals"],
            stages=stages_of(answer["stages"]),
            valid_for=_hours(answer["valid_hours"]),
            review_within=_hours(answer["review_within_hours"]),
        )

    @property
    def who(self) -> str:
        """Who has to approve, in order: "1 supervisor, then 1 administrator"; "" if no one has to."""
        return in_words(self.stages)

    @property
    def words(self) -> str:
        """The same, and what happens without approvals: "no one; reviewed within 24 h"."""
        hours = self.review_within // timedelta(hours=1) if self.review_within else None
        return needs_in_words(self.stages, hours)

    @property
    def stages_json(self) -> list[dict[str, Any]]:
        """The stages as they are stored."""
        return [asdict(stage) for stage in self.stages]


@dataclass(frozen=True, kw_only=True)
class Need(Wanted):
    """What a version of the policy wants of one request; `rules` are the keys of its rules."""

    policy_id: int


def in_words(stages: Sequence[Stage]) -> str:
    """Return who has to approve, in order."""
    return ", then ".join(stage.who for stage in stages)


def needs_in_words(stages: Sequence[Stage], review_within_hours: int | None) -> str:
    """Return who has to approve, or that no one has to, and within how many hours it is reviewed then."""
    reviewed = f"; reviewed within {review_within_hours:,} h" if review_within_hours is not None else ""
    return in_words(stages) or f"no one{reviewed}"


def stages_of(stored: Sequence[Mapping[str, Any]]) -> tuple[Stage, ...]:
    """Return stages as they are stored in rules and requests."""
    return tuple(Stage(approvals=each["approvals"], role=each["role"]) for each in stored)


def requester_role(person: Staff) -> str:
    """Return the role that a requester is judged by; "" if they are not active or have none."""
    return next((role.value for role in SENIORITY if person.is_active and role.value in person.role_names), "")


def need(facts: Mapping[str, Any], *, what: str) -> Need:
    """Return what the policy in force wants for stored facts; one query. Raises PolicyMissing, whose text names `what`."""
    with connection.cursor() as cursor:
        cursor.execute(NEED, [json.dumps(facts)])
        row = cursor.fetchone()
    if row is None or row[1] is None:
        raise PolicyMissing(f"No policy rule covers {what}.")
    policy_id, found = row
    answer = Wanted.from_json(json.loads(found))
    return Need(policy_id=policy_id, **{field.name: getattr(answer, field.name) for field in fields(answer)})


def items_24h(person: Staff, kind: str, at: datetime) -> int:
    """Return how many items of a kind somebody asked for in the 24 hours before; one query."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT approvals_items_24h(%s, %s, %s, NULL)", [person.pk, kind, at])
        return int(cursor.fetchone()[0])


def _hours(count: int | None) -> timedelta | None:
    return None if count is None else timedelta(hours=count)
