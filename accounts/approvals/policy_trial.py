"""Trying rules before they are proposed: on everything that was requested lately, and on every kind of request.

Rules are tried by the same SQL function that requests are judged by (`approvals_need_by_rules`); they need not be stored. Both
sides of a comparison are computed now, for the facts that were stored with each request: so a difference is due to the rules
alone.
"""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from itertools import product
from statistics import median
from typing import Any, Final

from django.core.serializers.json import DjangoJSONEncoder
from django.db import connection
from django.db.models import TextChoices
from django.utils import timezone

from accounts.approvals.models import PolicyRule
from accounts.approvals.policy import SENIORITY, Wanted
from accounts.approvals.states import Direction
from accounts.approvals.subjects import all_subjects, kind_in_words, kinds_in_words
from accounts.models import EnvironmentChoice
from riskadmin.staff.models import Staff
from riskadmin.web.formats import counted, duration, listed
from riskadmin.web.looks import Look

PAST: Final = timedelta(days=90)
NOT_COVERED: Final = "not covered by a rule"

_DIFFERING: Final = """
    WITH before AS MATERIALIZED (
        SELECT array_agg(rule) AS rules FROM jsonb_populate_recordset(NULL::approvals_policyrule, %s::jsonb) AS rule
    ), after AS MATERIALIZED (
        SELECT array_agg(rule) AS rules FROM jsonb_populate_recordset(NULL::approvals_policyrule, %s::jsonb) AS rule
    ), compared AS MATERIALIZED (
        SELECT id, approvals_need_by_rules(facts, before.rules) AS was, approvals_need_by_rules(facts, after.rules) AS would
        FROM approvals_approvalrequest, before, after
        WHERE requested_at >= %s AND subject <> 'policy_version'
    )
    SELECT id, was, would FROM compared WHERE (was - 'rules') IS DISTINCT FROM (would - 'rules') ORDER BY id DESC
"""

_WANTED: Final = """
    WITH tried AS MATERIALIZED (
        SELECT array_agg(rule) AS rules FROM jsonb_populate_recordset(NULL::approvals_policyrule, %s::jsonb) AS rule
    )
    SELECT approvals_need_by_rules(facts, tried.rules)
    FROM tried, jsonb_array_elements(%s::jsonb) WITH ORDINALITY AS asked (facts, place) ORDER BY place
"""

_COUNTED: Final = """
    SELECT count(*), count(*) FILTER (WHERE NOT facts ? 'direction') FROM approvals_approvalrequest
    WHERE requested_at >= %s AND subject <> 'policy_version'
"""

_WAITS: Final = """
    SELECT needed, percentile_cont(0.5) WITHIN GROUP (ORDER BY decided_at - requested_at) FROM approvals_approvalrequest
    WHERE requested_at >= %s AND subject <> 'policy_version' AND state = 'approved' AND needed > 0 AND incident = ''
    GROUP BY needed
"""


class Difference(TextChoices):
    """How what the rules want differs from what those in force want, the gravest first."""

    REFUSED = "refused", "No rule covers it"
    FEWER = "fewer", "Fewer approvals"
    MORE = "more", "More approvals"
    OTHERWISE = "otherwise", "Other people or times"
    COVERED = "covered", "Newly covered"


DIFFERENCE_LOOK: Final[dict[Difference, Look]] = {
    Difference.REFUSED: Look(tone="danger", icon="ban", explanation="It could not have been requested."),
    Difference.FEWER: Look(tone="warn", icon="alert-triangle", explanation="It would have needed fewer approvals."),
    Difference.MORE: Look(tone="info", icon="gavel", explanation="It would have needed more approvals."),
    Difference.OTHERWISE: Look(
        tone="neutral", icon="adjustments", explanation="As many approvals, by others, within another time or with a review."
    ),
    Difference.COVERED: Look(tone="ok", icon="circle-check", explanation="The rules in force don't cover it."),
}


@dataclass(frozen=True, kw_only=True)
class Compared:
    """What one earlier request would need by the rules in force, and by those that are tried."""

    request_id: int
    before: Wanted | None
    after: Wanted | None

    @property
    def difference(self) -> Difference:
        """How the second differs from the first."""
        if self.before is None or self.after is None:
            return Difference.REFUSED if self.after is None else Difference.COVERED
        if self.after.approvals == self.before.approvals:
            return Difference.OTHERWISE
        return Difference.MORE if self.after.approvals > self.before.approvals else Difference.FEWER

    @property
    def before_words(self) -> str:
        """What the rules in force want, in words."""
        return self.before.words if self.before else NOT_COVERED

    @property
    def after_words(self) -> str:
        """What the rules that are tried want, in words."""
        return self.after.words if self.after else NOT_COVERED


@dataclass(frozen=True, kw_only=True)
class Wait:
    """By how much longer or shorter requests would have waited: the median of those for which that is known."""

    median: timedelta | None
    known: int
    unknown: int

    @property
    def words(self) -> str:
        """The median, in words."""
        return duration(self.median or timedelta())


@dataclass(frozen=True, kw_only=True)
class Trial:
    """What rules would have wanted since a time.

    `requests` is how many there were, `older` how many of them lack facts, because they are older than the policy's first
    version; `waits` is how long requests waited that needed so many approvals, the median.
    """

    since: datetime
    requests: int
    older: int
    differing: tuple[Compared, ...]
    waits: Mapping[int, timedelta]

    @cached_property
    def counts(self) -> dict[Difference, int]:
        """How many requests differ in which way, the gravest first; those that don't occur are left out."""
        found = Counter(each.difference for each in self.differing)
        return {each: found[each] for each in Difference if found[each]}

    def of(self, difference: str = "") -> list[Compared]:
        """Return those that differ in one way, or in any: the gravest first, then the newest."""
        order = list(Difference)
        wanted = [each for each in self.differing if difference in {"", each.difference}]
        return sorted(wanted, key=lambda each: order.index(each.difference))

    @property
    def longer(self) -> Wait:
        """By how much longer those would have waited that would have needed more approvals."""
        return self._wait(Difference.MORE)

    @property
    def shorter(self) -> Wait:
        """By how much shorter those would have waited that would have needed fewer approvals."""
        return self._wait(Difference.FEWER)

    def summary(self) -> dict[str, int]:
        """Return its counts, as they are recorded."""
        return {"requests": self.requests, **{each.value: self.counts.get(each, 0) for each in Difference}}

    def _wait(self, difference: Difference) -> Wait:
        waits = {0: timedelta(), **self.waits}
        known: list[float] = []
        unknown = 0
        for each in self.of(difference):
            needed = [side.approvals for side in (each.before, each.after) if side]
            if all(count in waits for count in needed):
                # Requests that need more are not expected to be approved sooner, whatever few of them have shown.
                known.append(max(timedelta(), waits[max(needed)] - waits[min(needed)]).total_seconds())
            else:
                unknown += 1
        return Wait(median=timedelta(seconds=median(known)) if known else None, known=len(known), unknown=unknown)


def on_the_past(rules: Sequence[PolicyRule], in_force: Sequence[PolicyRule]) -> Trial:
    """Return what rules would have wanted for everything that was requested lately; three queries, however much that is."""
    since = timezone.now() - PAST
    with connection.cursor() as cursor:
        cursor.execute(_COUNTED, [since])
        requests, older = cursor.fetchone()
        cursor.execute(_DIFFERING, [_json(in_force), _json(rules), since])
        differing = tuple(
            Compared(request_id=request_id, before=_wanted(was), after=_wanted(would))
            for request_id, was, would in cursor.fetchall()
        )
        cursor.execute(_WAITS, [since])
        waits = dict(cursor.fetchall())
    return Trial(since=since, requests=requests, older=older, differing=differing, waits=waits)


def wanted_for(facts: Sequence[Mapping[str, Any]], rules: Sequence[PolicyRule]) -> list[Wanted | None]:
    """Return what rules want for each of several requests, given by its facts; one query. `rules` of it are positions."""
    with connection.cursor() as cursor:
        cursor.execute(_WANTED, [_json(rules), json.dumps(facts, cls=DjangoJSONEncoder)])
        return [_wanted(answer) for (answer,) in cursor.fetchall()]


def warnings(rules: Sequence[PolicyRule], in_force: Sequence[PolicyRule]) -> list[str]:
    """Return what somebody should know before they propose rules or approve them, in sentences."""
    return [*_gaps(rules, in_force), *_too_few_people(rules)]


def _gaps(rules: Sequence[PolicyRule], in_force: Sequence[PolicyRule]) -> Iterable[str]:
    """Compare every kind of request, of one target each: also those that no one has made lately."""
    facts = [
        {
            "subject": "change",
            "kind": kind,
            "environment": environment,
            "requester_role": role.value,
            "direction": direction.value,
            "hours": None,
            "items": 1,
            "items_24h": 1,
            "money_usd": 0,
            "liquidations": liquidations,
            "open_positions": 0,
        }
        for kind, environment, role, direction, liquidations in product(
            kinds_in_words(), EnvironmentChoice.values, SENIORITY, Direction, (0, 1)
        )
    ]
    before, after = wanted_for(facts, in_force), wanted_for(facts, rules)
    refused = _kinds(asked for asked, was, would in zip(facts, before, after, strict=True) if was and not would)
    if refused:
        yield f"No rule would cover every request that the policy in force covers of: {refused}. They could not be requested."
    at_once = _kinds(
        asked
        for asked, was, would in zip(facts, before, after, strict=True)
        if was and would and was.approvals and not would.approvals
    )
    if at_once:
        yield f"Could run without an approval, at least for one target, where one is needed now: {at_once}."


def _kinds(facts: Iterable[Mapping[str, Any]]) -> str:
    names = dict.fromkeys(str(asked["kind"]) for asked in facts)
    return listed([kind_in_words(name) for name in names]) if names else ""


def _too_few_people(rules: Sequence[PolicyRule]) -> Iterable[str]:
    """Compare how many people a rule wants with how many there are."""
    capabilities = {subject.capability for subject in all_subjects().values() if subject.kinds()}
    people = [
        person.role_names
        for person in Staff.objects.filter(is_active=True).prefetch_related("groups")
        if any(person.may(capability) for capability in capabilities)
    ]
    for rule in rules:
        for role in dict.fromkeys(stage["role"] for stage in rule.stages):
            wanted = sum(stage["approvals"] for stage in rule.stages if stage["role"] == role)
            there = sum(not role or role in roles for roles in people)
            if there < wanted:
                yield (
                    f"Rule {rule.position} wants {counted(wanted, role or 'approver')}, but only {there:,} of the active people"
                    " who may approve changes could approve it. What it matches would expire."
                )


def _json(rules: Iterable[PolicyRule]) -> str:
    """Return rules as rows, each with its position for its key: those that are tried have none."""
    columns = [field.attname for field in PolicyRule._meta.concrete_fields]
    rows = [{**{name: getattr(rule, name) for name in columns}, "id": rule.position} for rule in rules]
    return json.dumps(rows, cls=DjangoJSONEncoder)


def _wanted(answer: str | None) -> Wanted | None:
    return None if answer is None else Wanted.from_json(json.loads(answer))
