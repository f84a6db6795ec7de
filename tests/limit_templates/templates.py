"""Templates for tests, made as the application makes them, and accounts whose limits are read as a full read reads them."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.utils import timezone

from accounts.approvals.actions import decide
from accounts.approvals.states import Verdict
from accounts.limit_templates.actions import assign, propose_template, propose_version
from accounts.limit_templates.models import Assignment, TemplateVersion
from accounts.models import Account, AutoLiqLimits, LimitLevel, RiskCategory, Source
from accounts.models.auto_liq_fields import AUTO_LIQ_FIELDS, ValueType
from accounts.sync.history import write_noting_moves
from accounts.sync.mapping import ReadStamp, limits_row
from riskadmin.staff.models import Staff
from riskadmin.tradovate.encoding import number
from riskadmin.tradovate.entities import PermissionedAccountAutoLiq, UserAccountAutoLiq
from riskadmin.tradovate.vocabulary import Environment
from tests.changes.world import ORIGIN

SIZE = Decimal(50_000)

EVALUATION = {
    "daily_loss_auto_liq_usd": "1000",
    "trailing_max_drawdown_usd": "2500",
    "trailing_max_drawdown_mode": "EOD",
    "do_not_unlock": True,
}
"""What a template for $50,000 evaluations sets."""


def proposed(
    person: Staff, name: str = "50K evaluation", level: LimitLevel = LimitLevel.FIRM, **limits: Any
) -> TemplateVersion:
    """Propose a new template."""
    return propose_template(
        actor=person, origin=ORIGIN, name=name, level=level, description="", limits=limits or EVALUATION, note="A test"
    )


def propose_again(person: Staff, version: TemplateVersion, **limits: Any) -> TemplateVersion:
    """Propose another version of a template."""
    return propose_version(actor=person, origin=ORIGIN, template_id=version.template_id, limits=limits, note="")


def decided(
    person: Staff, version: TemplateVersion, verdict: Verdict = Verdict.APPROVE, *, digest: str | None = None
) -> TemplateVersion:
    """Decide about a version as it stands, or as somebody saw it."""
    shown = version.digest if digest is None else digest
    decide(actor=person, origin=ORIGIN, request_id=version.approval_id, verdict=verdict, digest=shown, comment="Agreed")
    return TemplateVersion.objects.get(pk=version.pk)


def put_in_force(
    proposer: Staff, decider: Staff, name: str = "50K evaluation", level: LimitLevel = LimitLevel.FIRM, **limits: Any
) -> TemplateVersion:
    """Make a template with a version in force."""
    return decided(decider, proposed(proposer, name, level, **limits))


def assign_size(person: Staff, version: TemplateVersion, size: Decimal | int = SIZE, environment: str = "demo") -> Assignment:
    """Assign a template to the accounts of a size."""
    return assign(
        actor=person,
        origin=ORIGIN,
        template_id=version.template_id,
        environment=Environment(environment),
        evaluation_size_usd=Decimal(size),
    )


def assign_category(person: Staff, version: TemplateVersion, category: RiskCategory) -> Assignment:
    """Assign a template to the accounts of a category."""
    return assign(
        actor=person,
        origin=ORIGIN,
        template_id=version.template_id,
        environment=Environment(category.environment),
        category=category,
    )


def read_limits(
    records: Mapping[int, Mapping[str, Any]],
    *,
    level: LimitLevel = LimitLevel.FIRM,
    at: datetime | None = None,
    source: Source = Source.SYNC,
) -> None:
    """Let the mirror read records of limits, by Tradovate's ids, as Tradovate would answer them."""
    reading = ReadStamp(Environment.DEMO, at or timezone.now(), source)
    keys = dict(Account.objects.filter(environment="demo", tradovate_id__in=records).values_list("tradovate_id", "pk"))
    entity = UserAccountAutoLiq if level == LimitLevel.FIRM else PermissionedAccountAutoLiq
    write_noting_moves(
        AutoLiqLimits,
        (
            limits_row(entity.from_json({"id": account_id, **_answered(record)}), reading, account_id=keys[account_id])
            for account_id, record in records.items()
        ),
    )


def _answered(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return a record as Tradovate's JSON says it."""
    answered: dict[str, Any] = {}
    for name, value in record.items():
        field = AUTO_LIQ_FIELDS[name]
        if field.is_number:
            answered[_TRADOVATES[name]] = Decimal(str(number(name, Decimal(value))))
        elif field.value_type is ValueType.STEPS:
            steps = [
                {
                    "stepNumber": step["step"],
                    "stepDistance": Decimal(step["distance_usd"]),
                    "cooldownMinutes": step["cooldown_minutes"],
                }
                for step in value
            ]
            answered[_TRADOVATES[name]] = {"steps": steps}
        else:
            answered[_TRADOVATES[name]] = value
    return answered


def _camel(words: str) -> str:
    first, *others = words.split("_")
    return first + "".join(word.capitalize() for word in others)


_TRADOVATES = {field.name: _camel(field.entity_name) for field in AUTO_LIQ_FIELDS.values()}


def differing() -> dict[int, Sequence[str]]:
    """Return which fields of which accounts differ from their templates, by Tradovate's ids."""
    from accounts.limit_templates.drift import Wanted
    from accounts.limit_templates.drift import differing as rows

    found = rows(Wanted()).values_list("account__tradovate_id", "differing")
    return {account_id: sorted(names) for account_id, names in found}
