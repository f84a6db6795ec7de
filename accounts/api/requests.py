"""Requesting changes: what the request page does, for programs. A request is checked by the same forms and the same actions."""

from functools import partial
from http import HTTPStatus
from typing import Any, Final

from django.http import QueryDict

from accounts.api.auth import demand
from accounts.api.schemas import Preview, Requested, Wanted
from accounts.approvals.policy import Need, PolicyMissing
from accounts.approvals.subjects import NotAllowed
from accounts.changes import actions
from accounts.changes.effects import ChangeEffects, may_liquidate
from accounts.changes.facts import facts_of, need_of
from accounts.changes.forms import AskForm
from accounts.changes.freshness import with_fresh_rows
from accounts.changes.kinds import KINDS
from accounts.changes.kinds.kind import Kind
from accounts.changes.kinds.stored import State
from accounts.changes.models import Change
from accounts.changes.plan import Plan, plan
from accounts.changes.plan_summary import overview
from accounts.changes.targeting.source import TargetSource
from riskadmin.audit.origin import Origin
from riskadmin.staff.tokens.bearer import Bearer

NEEDS_A_PERSON: Final = (
    "No one would have to approve this, so a program can't request it: only what protects an account runs at once. "
    "Request it on its page."
)
NEEDS_A_PROOF: Final = (
    "This might liquidate positions, so the person who requests it has to confirm who they are, which a program can't. "
    "Request it on its page."
)


class Refused(Exception):
    """The request can't be met; nothing was written. `status` is the status of the answer, `fields` the errors of input."""

    def __init__(self, detail: str, *, status: int = HTTPStatus.UNPROCESSABLE_ENTITY, fields: Any = None) -> None:
        super().__init__(detail)
        self.status, self.fields = status, fields or {}


def preview(bearer: Bearer, wanted: Wanted) -> Preview:
    """Return what a change would do now, after reading outdated rows again. Raises Refused."""
    kind, parameters = _kind(bearer, wanted), _parameters(bearer, wanted)
    planned, unread = with_fresh_rows(partial(_plan, bearer, kind, wanted, parameters))
    seen = overview(planned)
    needs, approvals = "no one: nothing would be sent", 0
    if planned.sent:
        need = _need(bearer, planned, seen.effects)
        needs, approvals = need.words, need.approvals
    effects = seen.effects.to_json()
    warnings = [f"{topic.words} ({topic.count:,})" for topic in seen.effects.warnings]
    del effects["warnings"], effects["version"]
    return Preview.of(planned, effects=effects, warnings=warnings, needs=needs, approvals=approvals, unread=unread)


def request_change(bearer: Bearer, origin: Origin, requested: Requested) -> Change:
    """Request a change in the name of the token's person, and return it; the same key returns the first one. Raises Refused."""
    kind, parameters = _kind(bearer, requested), _parameters(bearer, requested)
    said = _reason(kind, requested)
    planned = _plan(bearer, kind, requested, parameters)
    _refuse_if_unattended(bearer, planned)
    try:
        return actions.submit(
            actor=bearer.person,
            origin=origin,
            kind=kind,
            environment=requested.environment,
            target_ids=requested.targets,
            parameters=parameters,
            confirmed_count=requested.confirm_count,
            source=TargetSource(words=f"the API, token {bearer.token}"),
            **said.submission,
        )
    except actions.PlanMoved as error:
        again = "An account has changed since the preview. Preview it again, and request what you see then."
        raise Refused(again, status=HTTPStatus.CONFLICT) from error
    except actions.CountNotConfirmed as error:
        raise Refused(str(error), fields={"confirm_count": [str(error)]}) from error
    except (actions.NothingToDo, NotAllowed, PolicyMissing) as error:
        raise Refused(str(error), status=HTTPStatus.CONFLICT) from error


def _kind(bearer: Bearer, wanted: Wanted) -> Kind:
    kind = KINDS.get(wanted.kind)
    if kind is None:
        raise Refused(f"There is no kind {wanted.kind[:40]!r}.", fields={"kind": [f"One of: {', '.join(sorted(KINDS))}."]})
    demand(bearer, kind.capability)
    if wanted.environment not in kind.environments:
        raise Refused(f"{kind.action_label} is not offered there.", fields={"environment": ["Not offered for this kind."]})
    return kind


def _parameters(bearer: Bearer, wanted: Wanted) -> State:
    """Check the parameters with the form of the kind; the names and formats are those of its page."""
    kind = KINDS[wanted.kind]
    typed = QueryDict(mutable=True)
    for name, value in wanted.parameters.items():
        typed.setlist(name, value if isinstance(value, list) else [value])
    form = kind.form(wanted.environment, viewer=bearer.person, data=typed)
    unknown = sorted(set(wanted.parameters) - set(form.fields if form else ()))
    if unknown:
        raise Refused("There is no such parameter.", fields={name: ["This kind has no such parameter."] for name in unknown})
    if form is None:
        return {}
    if not form.is_valid():
        raise Refused("Some parameters can't be used.", fields=_errors(form.errors.get_json_data()))
    return kind.parameters(form.cleaned_data)


def _plan(bearer: Bearer, kind: Kind, wanted: Wanted, parameters: State) -> Plan:
    where, who = wanted.environment, bearer.person
    return plan(kind, environment=where, target_ids=wanted.targets, parameters=parameters, requester=who)


def _reason(kind: Kind, requested: Requested) -> AskForm:
    """Check the reason with the form of the request page."""
    typed = QueryDict(mutable=True)
    typed.update(
        {
            "reason_code": requested.reason_code,
            "reason_text": requested.reason_text,
            "ticket": requested.ticket,
            "form_key": str(requested.key),
            "digest": requested.digest,
        }
    )
    form = AskForm(typed, kind=kind)
    if not form.is_valid():
        raise Refused("The reason can't be used.", fields=_errors(form.errors.get_json_data()))
    return form


def _refuse_if_unattended(bearer: Bearer, planned: Plan) -> None:
    """Refuse what needs somebody who is there, unless it only protects: a recent proof, or any person's decision."""
    if not planned.sent or planned.kind.is_protective:
        return
    effects = overview(planned).effects
    if may_liquidate(planned.kind.direction, effects):
        raise Refused(NEEDS_A_PROOF, status=HTTPStatus.FORBIDDEN)
    if not _need(bearer, planned, effects).approvals:
        raise Refused(NEEDS_A_PERSON, status=HTTPStatus.FORBIDDEN)


def _need(bearer: Bearer, planned: Plan, effects: ChangeEffects) -> Need:
    """Return what policy wants if the token's person asks for a plan now. Raises Refused."""
    try:
        return need_of(facts_of(bearer.person, planned, effects))
    except PolicyMissing as error:
        raise Refused(str(error), status=HTTPStatus.CONFLICT) from error


def _errors(data: Any) -> dict[str, list[str]]:
    return {name: [error["message"] for error in errors] for name, errors in data.items()}
