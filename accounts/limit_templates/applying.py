"""Choosing what a template is applied to: this becomes an ordinary change of limits, planned and approved as any other."""

from collections.abc import Sequence
from dataclasses import replace

from accounts.approvals.subjects import NotAllowed
from accounts.changes.kinds.spec import Unit
from accounts.changes.models import TargetList
from accounts.changes.targeting import targets
from accounts.changes.targeting.targets import TARGETS_MAX, BadTargets, TargetSelection
from accounts.limit_templates import drift, queries
from accounts.limit_templates.actions import KIND, NotPossible
from accounts.limit_templates.drift import Wanted
from accounts.limit_templates.models import LimitTemplate
from riskadmin.staff.models import Staff
from riskadmin.tradovate.vocabulary import Environment


def apply_to(*, actor: Staff, template_id: int, chosen: TargetSelection) -> TargetList:
    """Freeze accounts with what a template sets now, for a change; PostgreSQL checks at submit that it still does.

    Raises NotAllowed, NotPossible while no version is in force, and BadTargets for what no template can be applied to.
    """
    if not actor.may(KIND.capability):
        raise NotAllowed("You may not ask to change limits.")
    version = queries.version_in_force(template_id)
    if version is None:
        raise NotPossible("No version of this template is in force, so there is nothing to apply.")
    if chosen.unit != Unit.ACCOUNT:
        raise BadTargets("A template is applied to accounts, and these are traders.")
    if chosen.parameters or chosen.per_target:
        raise BadTargets("These accounts come with values of their own. A template takes a list with one column: account.")
    words = f"{version.words}, for {chosen.source or 'chosen accounts'}"
    return targets.keep(actor, replace(chosen, parameters=version.parameters, source=words, link=None), kind=KIND)


def assigned_to(template: LimitTemplate, environment: Environment, viewer: Staff) -> TargetSelection:
    """Return every account of one environment that a template is for and `viewer` has access to. Raises BadTargets."""
    rows = queries.assigned_accounts(template, viewer).filter(environment=environment.value).order_by("name", "pk")
    ids = list(rows.values_list("tradovate_id", flat=True)[: TARGETS_MAX + 1])
    return _chosen(environment, ids, "all accounts that it is for")


def drifting_from(wanted: Wanted, environment: Environment, viewer: Staff) -> TargetSelection:
    """Return every account of one environment that differs from its template and `viewer` has access to. Raises BadTargets."""
    ids = drift.drifting_ids(wanted, environment, at_most=TARGETS_MAX, viewer=viewer)
    return _chosen(environment, ids, "accounts that differ from it")


def _chosen(environment: Environment, ids: Sequence[int], source: str) -> TargetSelection:
    if not ids:
        raise BadTargets(f"There are no {source} on {environment.value} now.")
    if len(ids) > TARGETS_MAX:
        raise BadTargets(f"More than {TARGETS_MAX:,} accounts match, and one change takes no more. Choose them in parts.")
    return TargetSelection(environment=environment, unit=Unit.ACCOUNT, ids=tuple(ids), source=source)
