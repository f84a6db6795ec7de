"""`manage.py lock_account`: request a lock while the web is down. Workers carry it out, as any other change."""

from argparse import ArgumentParser
from typing import Any
from uuid import uuid4

from django.core.management.base import CommandError

from accounts.approvals.policy import PolicyMissing
from accounts.approvals.subjects import NotAllowed
from accounts.changes import actions
from accounts.changes.forms import AskForm, read_targets
from accounts.changes.kinds import KINDS
from accounts.changes.models import Change
from accounts.changes.plan import Plan, plan
from accounts.changes.targeting.source import TargetSource
from accounts.changes.targeting.targets import BadTargets
from riskadmin.audit.commands import OperatorCommand
from riskadmin.audit.origin import Origin
from riskadmin.staff.models import Staff, plain_username
from riskadmin.tradovate.vocabulary import ReasonCode

JOB = "lock_account"


class Command(OperatorCommand):
    """`--operator` is the username of who requests it.

    Prints the change's number and what it waits for; exits with 1 and the reason if nothing was requested.
    """

    help = "Request a lock of one account in the name of a person, while the pages can't be opened. Policy decides as always."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take the account, the person and the reason."""
        parser.add_argument("account", help="demo:123 or live:123, by Tradovate's id")
        parser.add_argument("--reason", required=True, help="why, in words")
        parser.add_argument("--code", default=ReasonCode.OTHER.value, choices=[code.value for code in ReasonCode])
        parser.add_argument("--ticket", default="")

    def handle(self, *_: Any, **options: Any) -> None:
        """Request the lock."""
        operator = Staff.objects.filter(username=plain_username(options["operator"]), is_active=True).first()
        if operator is None:
            raise CommandError(f"There is no active person {options['operator']}. Nothing was requested.")
        planned = _planned(options["account"], operator)
        row = planned.rows[0]
        if row.skip_reason:
            who_else = actions.who_else(operator, planned)
            raise CommandError(f"{row.name} would not be locked: {row.skip_reason}. {who_else} Nothing was requested.")
        change = _request(operator, planned, options)
        needed = change.approval.needed
        waits = f"It waits for {needed} approvals." if needed else "Workers send it as soon as they run."
        self.stdout.write(f"Change {change.pk} to lock {row.name} is requested by {operator.display_name}. {waits}")


def _planned(account: str, operator: Staff) -> Plan:
    try:
        environment, target_ids = read_targets([account])
    except BadTargets as error:
        raise CommandError(str(error)) from error
    return plan(KINDS["lock"], environment=environment, target_ids=target_ids, requester=operator)


def _request(operator: Staff, planned: Plan, options: dict[str, Any]) -> Change:
    typed = {"reason_code": options["code"], "reason_text": options["reason"], "ticket": options["ticket"]}
    form = AskForm({**typed, "form_key": str(uuid4()), "digest": planned.digest}, kind=planned.kind)
    if not form.is_valid():
        errors = "; ".join(f"{name}: {' '.join(map(str, found))}" for name, found in form.errors.items())
        raise CommandError(f"{errors} Nothing was requested.")
    try:
        return actions.submit(
            actor=operator,
            origin=Origin(job=JOB),
            kind=planned.kind,
            environment=planned.environment,
            target_ids=[row.target_id for row in planned.rows],
            parameters=planned.parameters,
            confirmed_count=len(planned.sent),
            source=TargetSource(words="the command line"),
            **form.submission,
        )
    except (actions.PlanMoved, actions.NothingToDo, NotAllowed, PolicyMissing) as error:
        raise CommandError(f"{error} Nothing was requested.") from error
