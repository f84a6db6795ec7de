"""Proposing a version of the policy, and putting it in force once a second person has approved it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.db.models import Exists, Max, OuterRef
from django.urls import reverse
from django.utils import timezone

from accounts.approvals.actions import new_request
from accounts.approvals.models import ApprovalRequest, PolicyRule, PolicyVersion
from accounts.approvals.policy import Facts, Stage, need, requester_role, stages_of
from accounts.approvals.policy_trial import Trial, on_the_past
from accounts.approvals.queries import policy_in_force, rules_of
from accounts.approvals.states import POLICY_TRANSITIONS, Direction, Hours, PolicyState, RequestState
from accounts.approvals.subjects import DecisionRefused, Line, NotAllowed, Step, Subject
from accounts.models.digests import digest_of
from accounts.models.moving import move_row
from riskadmin.audit.actions import AuditEntry, record
from riskadmin.audit.origin import Origin, Who
from riskadmin.audit.tags import Tag
from riskadmin.staff.models import Staff


class AlreadyProposed(Exception):
    """Another version waits for approval, and has to be decided about or withdrawn first. Nothing was written."""


@dataclass(frozen=True, kw_only=True)
class RuleDraft:
    """A rule to be proposed; its fields are those of `models.PolicyRule`, where they are explained."""

    kinds: tuple[str, ...] = ()
    directions: tuple[Direction, ...] = ()
    environment: str = ""
    requester_role: str = ""
    hours: Hours | str = ""
    from_items: int = 0
    from_items_24h: int = 0
    from_money_usd: Decimal = Decimal(0)
    from_liquidations: int = 0
    from_open_positions: int = 0
    stages: tuple[Stage, ...] = ()
    valid_hours: int = 24
    review_within_hours: int | None = None
    escalate_to: str = ""
    note: str = ""

    @classmethod
    def of(cls, rule: PolicyRule) -> "RuleDraft":
        """Return the draft of a stored rule."""
        columns = {name: getattr(rule, name) for name in cls.__dataclass_fields__}
        return cls(
            **{
                **columns,
                "kinds": tuple(rule.kinds),
                "directions": tuple(Direction(each) for each in rule.directions),
                "stages": stages_of(rule.stages),
            }
        )

    def columns(self) -> dict[str, Any]:
        """Return it as the columns of a rule."""
        return {
            **{name: getattr(self, name) for name in self.__dataclass_fields__},
            "kinds": list(self.kinds),
            "directions": [each.value for each in self.directions],
            "stages": [asdict(stage) for stage in self.stages],
        }

    def at(self, position: int) -> PolicyRule:
        """Return it as a rule at a position, unsaved and of no version yet."""
        return PolicyRule(position=position, **self.columns())


def drafts_of(version: PolicyVersion) -> list[RuleDraft]:
    """Return the rules of a version, to be edited into the next one."""
    return [RuleDraft.of(rule) for rule in rules_of(version)]


def drafts_in_force() -> list[RuleDraft]:
    """Return the rules in force, to be edited into the next version."""
    return drafts_of(policy_in_force())


def in_order(rules: Iterable[RuleDraft]) -> list[PolicyRule]:
    """Return drafts as rules, unsaved, in their order."""
    return [rule.at(position) for position, rule in enumerate(rules, start=1)]


def comparable(rules: Iterable[RuleDraft]) -> list[RuleDraft]:
    """Return rules so that two that say the same are equal, in whichever order they list kinds and directions."""
    return [replace(rule, kinds=tuple(sorted(rule.kinds)), directions=tuple(sorted(rule.directions))) for rule in rules]


def digest_of_rules(rules: Iterable[RuleDraft]) -> str:
    """Return the SHA-256, in hex, over drafts in their order."""
    return digest_of([_content(rule) for rule in in_order(rules)])


def try_on_the_past(rules: Sequence[RuleDraft], *, compared_with: PolicyVersion) -> Trial:
    """Return what drafts would have wanted of everything that was requested lately."""
    return on_the_past(in_order(rules), list(rules_of(compared_with)))


def propose(*, actor: Staff, origin: Origin, rules: Sequence[RuleDraft], note: str) -> PolicyVersion:
    """Propose the next version of the policy. It holds once another person has approved it.

    It is tried on the past first, and its event says how much would have needed something else. Raises NotAllowed, and
    AlreadyProposed while another version waits.
    """
    if not actor.may("policy:edit"):
        raise NotAllowed("You may not propose a change of the policy.")
    before = policy_in_force()
    trial = {"compared_with": before.number, **try_on_the_past(rules, compared_with=before).summary()}
    at = timezone.now()
    with transaction.atomic():
        PolicyVersion.objects.select_for_update(of=("self",)).get(state=PolicyState.IN_FORCE)  # one proposal at a time
        waiting = PolicyVersion.objects.filter(state=PolicyState.PROPOSED).first()
        if waiting:
            raise AlreadyProposed(f"Version {waiting.number} still waits for approval. Decide about it or withdraw it first.")
        newest: int = PolicyVersion.objects.aggregate(newest=Max("number"))["newest"] or 0
        version = PolicyVersion(
            number=newest + 1,
            note=note,
            proposed_by=actor,
            proposed_by_name=actor.who().name,
            proposed_at=at,
            rule_count=len(rules),
            state=PolicyState.PROPOSED,
        )
        rows = in_order(rules)
        version.digest = _digest(version, rows)
        version.approval = _request(actor, version)
        version.approval.save(force_insert=True)
        version.save(force_insert=True)
        for row in rows:
            row.version = version
        PolicyRule.objects.bulk_create(rows)
        detail = {"number": version.number, "digest": version.digest, "rules": len(rules), "comment": note, "trial": trial}
        record(AuditEntry(tag=Tag.POLICY_PROPOSED, actor=actor.who(), origin=origin, detail=detail))
    return version


def _request(actor: Staff, version: PolicyVersion) -> ApprovalRequest:
    facts = Facts(
        subject=PolicySubject.name,
        kind="",
        environment=None,
        requester_role=requester_role(actor),
        direction=None,
        hours=None,
        items=version.rule_count,
        items_24h=0,
        money_usd=None,
        liquidations=None,
        open_positions=None,
    ).to_json()
    wanted = need(facts, what="a change of the policy")
    subject = PolicySubject()
    at = version.proposed_at
    return new_request(subject, actor=actor, need=wanted, facts=facts, digest=version.digest, at=at, expires=False)


def _digest(version: PolicyVersion, rules: Iterable[PolicyRule]) -> str:
    return digest_of(
        {
            "number": version.number,
            "note": version.note,
            "proposed_by": version.proposed_by_id,
            "rules": [_content(rule) for rule in rules],
        }
    )


def _content(rule: PolicyRule) -> dict[str, Any]:
    draft = RuleDraft.of(rule).columns()
    return {**draft, "from_money_usd": f"{Decimal(draft['from_money_usd']):.2f}"}


_TAGS: Mapping[Step, Tag] = {
    Step.APPROVED: Tag.POLICY_APPROVED,
    Step.REJECTED: Tag.POLICY_REJECTED,
    Step.EDITS_REQUESTED: Tag.POLICY_EDITS_REQUESTED,
    Step.REFUSED: Tag.POLICY_DECISION_REFUSED,
    Step.WITHDRAWN: Tag.POLICY_WITHDRAWN,
    Step.LAPSED: Tag.POLICY_APPROVALS_LAPSED,
    Step.COMMENTED: Tag.POLICY_COMMENTED,
}


class PolicySubject(Subject):
    """A version of the policy as something that is approved."""

    name = "policy_version"
    one = "version of the policy"
    many = "versions of the policy"
    capability = "policy:decide"
    view_capability = "policy:view"
    may_act_alone = False

    def lock(self, request_id: int) -> PolicyVersion:
        """Lock the version in force too: it makes way."""
        PolicyVersion.objects.select_for_update(of=("self",)).get(state=PolicyState.IN_FORCE)
        return PolicyVersion.objects.select_for_update(of=("self",)).get(approval=request_id)

    def no_longer_as_shown(
        self, thing: PolicyVersion, prepared: Any, shown: Mapping[str, Any] | None
    ) -> DecisionRefused | None:
        """Refuse an approval of rules that are not those of the digest."""
        del prepared, shown
        return (
            None
            if _digest(thing, rules_of(thing)) == thing.digest
            else DecisionRefused("Its rules are not those that were proposed.")
        )

    def event(
        self,
        step: Step,
        thing: PolicyVersion,
        *,
        actor: Who,
        origin: Origin,
        detail: Mapping[str, Any],
        refusal: DecisionRefused | None,
    ) -> AuditEntry:
        """Name the version."""
        del refusal
        return AuditEntry(tag=_TAGS[step], actor=actor, origin=origin, detail={"number": thing.number, **detail})

    def approved(self, thing: PolicyVersion, *, actor: Who, origin: Origin) -> None:
        """Put it in force in place of the version before."""
        at = timezone.now()
        move_row(policy_in_force(), POLICY_TRANSITIONS, PolicyState.SUPERSEDED, ended_at=at)
        move_row(thing, POLICY_TRANSITIONS, PolicyState.IN_FORCE, in_force_at=at)
        record(AuditEntry(tag=Tag.POLICY_IN_FORCE, actor=actor, origin=origin, detail={"number": thing.number}))

    def ended(self, thing: PolicyVersion, state: RequestState, *, actor: Who, origin: Origin) -> None:
        """Leave the version before in force."""
        del actor, origin
        to = PolicyState.WITHDRAWN if state == RequestState.WITHDRAWN else PolicyState.REJECTED
        move_row(thing, POLICY_TRANSITIONS, to, ended_at=timezone.now())

    def lines(self, requests: Iterable[ApprovalRequest]) -> Mapping[int, Line]:
        """Say which version, and how many rules it has."""
        later = PolicyVersion.objects.filter(number__gt=OuterRef("number"))
        versions = PolicyVersion.objects.filter(approval__in=requests).annotate(is_last=~Exists(later))
        return {version.approval_id or 0: _line(version, is_last=version.is_last) for version in versions}


def _line(version: PolicyVersion, *, is_last: bool) -> Line:
    again = reverse("approvals:edit_policy", query={"version": version.number})
    return Line(
        title=f"Policy, version {version.number}",
        effect=f"{version.rule_count:,} rules",
        url=reverse("approvals:policy_version", args=[version.number]),
        edit_url=again if is_last and version.state == PolicyState.REJECTED else "",
    )
