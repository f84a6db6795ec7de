"""What the events of each tag carry, and the sentence that people read.

A sentence has placeholders: the declared fields by name, and the words that `rendering.DERIVED` computes from an event. A part
in square brackets is left out when one of its placeholders is empty.

Fields are checked when an event is made, never when one is read: stored rows stay as they were written.
"""

from collections.abc import Iterable
from typing import Final

from riskadmin.audit.declaration import Declaration
from riskadmin.audit.folding import POSITION
from riskadmin.audit.people_declarations import PEOPLE
from riskadmin.audit.tags import Tag


class WrongFields(ValueError):
    """An event was made without a field that its tag requires, or with one that its tag does not declare."""


ANSWER: Final = ("status", "response", "elapsed_ms")
"""What an event repeats of Tradovate's response."""

_REASON: Final = "the reason “{firm_reason}”[ for the kind {kind}]"
_TEMPLATE: Final = "version {number} of the limit template {template}"
_OUTSIDE: Final = Declaration(
    sentence="Someone at Tradovate or the trader's firm changed {account}[: {outside_kind}][, {found}]",
    required=("kind", "known_at", "read_at", "source", "move"),
    tone="warn",
)

DECLARATIONS: Final[dict[Tag, Declaration]] = {
    **PEOPLE,
    Tag.DUTY_HOURS_ADDED: Declaration(
        sentence="{actor} put {on_duty} on duty every week: {hours}",
        required=("staff_id", "on_duty", "hours"),
    ),
    Tag.DUTY_HOURS_REMOVED: Declaration(
        sentence="{actor} took hours of {on_duty} off the duty roster: {hours}",
        required=("staff_id", "on_duty", "hours"),
    ),
    Tag.DUTY_ON: Declaration(
        sentence="{actor} said that {on_duty} is on duty[ until {until}]",
        required=("staff_id", "on_duty", "until"),
    ),
    Tag.DUTY_OFF: Declaration(
        sentence="{actor} said that {on_duty} is off duty[ until {until}]",
        required=("staff_id", "on_duty", "until"),
    ),
    Tag.DELEGATION_MADE: Declaration(
        sentence="{actor} named {stand_in} to stand in for {on_duty}[ from {since}][ until {until}][: “{comment}”]",
        required=("staff_id", "on_duty", "stand_in", "since", "until", "comment"),
    ),
    Tag.DELEGATION_ENDED: Declaration(
        sentence="{actor} ended that {stand_in} stands in for {on_duty}",
        required=("staff_id", "on_duty", "stand_in"),
    ),
    Tag.NOTIFICATIONS_CHOSEN: Declaration(
        sentence="{actor} chose which notifications to get, and how",
    ),
    Tag.WEBHOOK_ADDED: Declaration(
        sentence="{actor} added the webhook {webhook}[ at {host}]",
        required=("webhook", "host", "topics"),
    ),
    Tag.WEBHOOK_REMOVED: Declaration(
        sentence="{actor} removed the webhook {webhook}[ at {host}]",
        required=("webhook", "host", "topics"),
    ),
    Tag.ACCOUNT_NOTED: Declaration(
        sentence="{actor} wrote a note about {account}[: “{text}”]",
        required=("note", "text"),
    ),
    Tag.CATEGORY_MARKED: Declaration(
        sentence="{actor} marked the risk category {category} as halting",
        required=("category", "category_id", "environment"),
        tone="warn",
    ),
    Tag.CATEGORY_UNMARKED: Declaration(
        sentence="{actor} removed the mark halting from the risk category {category}",
        required=("category", "category_id", "environment"),
        tone="warn",
    ),
    Tag.CHANGE_SUBMITTED: Declaration(
        sentence="{actor} requested {change}[: {kind}][, {item_count}][, ticket {ticket}][; skipped for {target}: {skipped}]",
        required=("kind", "items", "digest", "decisions_needed", "skipped"),
        optional=(
            "source",
            "runs_at",
            "window",
            "goes_on",
            "review_by",
            "relation",
            "of_change",
            "firm_reason",
            "ticket",
            POSITION,
        ),
    ),
    Tag.CHANGE_PREVIEWED: Declaration(
        sentence="{actor} previewed a change[: {kind}][, {item_count}][, shown that {shown_effects}]",
        required=("kind", "items", "environment", "effects", "digest"),
        tone="warn",
    ),
    Tag.CHANGE_NUMBERS_UNUSED: Declaration(
        sentence="No change has the numbers {first} to {last}: what was requested under them was not written",
        required=("first", "last"),
    ),
    Tag.CHANGE_ROWS_LEFT_OUT: Declaration(
        sentence="{actor} left {row_count}[ of {source}] out of {change}",
        required=("source", "rows", "lines", "faults"),
    ),
    Tag.CHANGE_FILES_ATTACHED: Declaration(
        sentence="{actor} attached to {change}: {files}",
        required=("files",),
    ),
    Tag.CHANGE_FILE_DOWNLOADED: Declaration(
        sentence="{actor} downloaded {files} of {change}",
        required=("files",),
    ),
    Tag.CHANGE_APPROVED: Declaration(
        sentence="{actor} approved {change}[ ({kind})][, shown that {shown_effects}][, without {excluded}][: “{comment}”]",
        required=("digest", "comment", "kind"),
        optional=("effects", "excluded"),
        state="verdict:approve",
    ),
    Tag.CHANGE_REJECTED: Declaration(
        sentence="{actor} rejected {change}[ ({kind})][, shown that {shown_effects}][: “{comment}”]",
        required=("digest", "comment", "kind"),
        optional=("effects",),
        state="verdict:reject",
    ),
    Tag.CHANGE_EDITS_REQUESTED: Declaration(
        sentence="{actor} asked for edits of {change}[ ({kind})][: “{comment}”]",
        required=("digest", "comment", "kind"),
        optional=("effects",),
        state="verdict:request_edits",
    ),
    Tag.CHANGE_COMMENTED: Declaration(
        sentence="{actor} commented on {change}[: “{comment}”]",
        required=("comment",),
        optional=("mentions",),
    ),
    Tag.CHANGE_REVIEWED: Declaration(
        sentence="{actor} reviewed {change}, which ran without approval[: “{comment}”]",
        required=("comment",),
        tone="ok",
    ),
    Tag.CHANGE_RUN_ALONE: Declaration(
        sentence="{actor} ran {change}[ ({kind})] without approval, because of the incident {incident}[: “{comment}”]",
        required=("incident", "comment", "kind"),
        tone="warn",
    ),
    Tag.CHANGE_APPROVALS_LAPSED: Declaration(
        sentence="The approvals of {change} no longer count: {why}",
        required=("why",),
        tone="warn",
    ),
    Tag.CHANGE_DECISION_REFUSED: Declaration(
        sentence="{actor} tried to {verdict} {change}, and that was refused[: {why}]",
        required=("verdict", "digest", "why", "moved"),
        tone="warn",
    ),
    Tag.CHANGE_CANCELLED: Declaration(
        sentence="{actor} cancelled {change}",
        state="change:cancelled",
    ),
    Tag.CHANGE_EXPIRED: Declaration(
        sentence="The time to approve {change} ran out",
        state="change:expired",
    ),
    Tag.CHANGE_STARTED: Declaration(
        sentence="{actor} started {change}[ ({kind})][: {item_count}][, {skipped_count} skipped]",
        required=("kind", "items", "set_aside"),
    ),
    Tag.CHANGE_NOT_CARRIED_ON: Declaration(
        sentence="What was skipped when {change} started is not requested again[: {text}][; {item_count}]",
        required=("kind", "items", "text"),
        tone="warn",
    ),
    Tag.CHANGE_SUSPENDED: Declaration(
        sentence="{actor} suspended {change}[ ({kind})][: {why}]",
        required=("kind", "why"),
        tone="warn",
    ),
    Tag.CHANGE_ALTERED: Declaration(
        sentence="{actor} suspended {change}[ ({kind})], because what is stored is not what was approved[: {why}]",
        required=("kind", "why"),
        state="change:paused",
    ),
    Tag.CHANGE_WINDOW_CLOSED: Declaration(
        sentence="The window of {change} closed: {after_window}",
        required=("kind",),
        optional=("until",),
        tone="warn",
    ),
    Tag.CHANGE_PAUSED: Declaration(
        sentence="{actor} paused {change}[ ({kind})]",
        required=("kind",),
        state="change:paused",
    ),
    Tag.CHANGE_RESUMED: Declaration(
        sentence="{actor} resumed {change}[ ({kind})]",
        required=("kind",),
    ),
    Tag.CHANGE_RESUME_REFUSED: Declaration(
        sentence="{actor} tried to resume {change}[ ({kind})], and that was refused[: {why}]",
        required=("kind", "why"),
        tone="warn",
    ),
    Tag.CHANGE_STOPPED: Declaration(
        sentence="{actor} cancelled the rest of {change}[ ({kind})]",
        required=("kind",),
        state="change:stopping",
    ),
    Tag.CHANGE_PRIORITY_SET: Declaration(
        sentence="{actor} set the priority of {change} to {priority}",
        required=("kind",),
    ),
    Tag.CHANGE_FINISHED: Declaration(
        sentence="Every item of {change} has its outcome[: {counts}]",
        required=("counts", "seconds"),
        state="change:finished",
    ),
    Tag.REASON_ADDED: Declaration(sentence="{actor} added " + _REASON, required=("kind", "firm_reason")),
    Tag.REASON_EDITED: Declaration(sentence="{actor} edited " + _REASON, required=("kind", "firm_reason")),
    Tag.REASON_MOVED: Declaration(sentence="{actor} moved " + _REASON, required=("kind", "firm_reason")),
    Tag.REASON_RETIRED: Declaration(sentence="{actor} retired " + _REASON, required=("kind", "firm_reason")),
    Tag.REASON_RESTORED: Declaration(sentence="{actor} offers again " + _REASON, required=("kind", "firm_reason")),
    Tag.TEMPLATE_PROPOSED: Declaration(
        sentence="{actor} proposed " + _TEMPLATE + "[: “{comment}”]",
        required=("template", "number", "digest", "decisions_needed", "comment"),
    ),
    Tag.TEMPLATE_WITHDRAWN: Declaration(
        sentence="{actor} withdrew " + _TEMPLATE,
        required=("template", "number"),
        state="template:withdrawn",
    ),
    Tag.TEMPLATE_APPROVED: Declaration(
        sentence="{actor} approved " + _TEMPLATE + "[: “{comment}”]",
        required=("template", "number", "digest", "comment"),
        state="verdict:approve",
    ),
    Tag.TEMPLATE_REJECTED: Declaration(
        sentence="{actor} rejected " + _TEMPLATE + "[: “{comment}”]",
        required=("template", "number", "digest", "comment"),
        state="verdict:reject",
    ),
    Tag.TEMPLATE_EDITS_REQUESTED: Declaration(
        sentence="{actor} asked for edits of " + _TEMPLATE + "[: “{comment}”]",
        required=("template", "number", "digest", "comment"),
        state="verdict:request_edits",
    ),
    Tag.TEMPLATE_COMMENTED: Declaration(
        sentence="{actor} commented on " + _TEMPLATE + "[: “{comment}”]",
        required=("template", "number", "comment"),
        optional=("mentions",),
    ),
    Tag.TEMPLATE_REVIEWED: Declaration(
        sentence="{actor} reviewed " + _TEMPLATE + ", which came into force first[: “{comment}”]",
        required=("template", "number", "comment"),
        tone="ok",
    ),
    Tag.TEMPLATE_RUN_ALONE: Declaration(
        sentence="{actor} put " + _TEMPLATE + " in force without approval, because of the incident {incident}[: “{comment}”]",
        required=("template", "number", "incident", "comment"),
        tone="warn",
    ),
    Tag.TEMPLATE_APPROVALS_LAPSED: Declaration(
        sentence="The approvals of " + _TEMPLATE + " no longer count: {why}",
        required=("template", "number", "why"),
        tone="warn",
    ),
    Tag.TEMPLATE_DECISION_REFUSED: Declaration(
        sentence="{actor} tried to {verdict} " + _TEMPLATE + ", and that was refused[: {why}]",
        required=("template", "number", "verdict", "digest", "why"),
        tone="warn",
    ),
    Tag.TEMPLATE_IN_FORCE: Declaration(
        sentence="The limit template {template} is now in force in version {number}",
        required=("template", "number"),
        state="template:in_force",
    ),
    Tag.TEMPLATE_ASSIGNED: Declaration(
        sentence="{actor} assigned the limit template {template} to: {to}",
        required=("template", "to"),
    ),
    Tag.TEMPLATE_UNASSIGNED: Declaration(
        sentence="{actor} ended the assignment of the limit template {template} to: {to}",
        required=("template", "to"),
    ),
    Tag.POLICY_PROPOSED: Declaration(
        sentence="{actor} proposed version {number} of the policy[: “{comment}”]",
        required=("number", "digest", "rules", "comment"),
        optional=("trial",),
    ),
    Tag.POLICY_WITHDRAWN: Declaration(
        sentence="{actor} withdrew version {number} of the policy",
        required=("number",),
        state="policy:withdrawn",
    ),
    Tag.POLICY_APPROVED: Declaration(
        sentence="{actor} approved version {number} of the policy[: “{comment}”]",
        required=("number", "digest", "comment"),
        state="verdict:approve",
    ),
    Tag.POLICY_REJECTED: Declaration(
        sentence="{actor} rejected version {number} of the policy[: “{comment}”]",
        required=("number", "digest", "comment"),
        state="verdict:reject",
    ),
    Tag.POLICY_EDITS_REQUESTED: Declaration(
        sentence="{actor} asked for edits of version {number} of the policy[: “{comment}”]",
        required=("number", "digest", "comment"),
        state="verdict:request_edits",
    ),
    Tag.POLICY_APPROVALS_LAPSED: Declaration(
        sentence="The approvals of version {number} of the policy no longer count: {why}",
        required=("number", "why"),
        tone="warn",
    ),
    Tag.POLICY_DECISION_REFUSED: Declaration(
        sentence="{actor} tried to {verdict} version {number} of the policy, and that was refused[: {why}]",
        required=("number", "verdict", "digest", "why"),
        tone="warn",
    ),
    Tag.POLICY_COMMENTED: Declaration(
        sentence="{actor} commented on version {number} of the policy[: “{comment}”]",
        required=("number", "comment"),
        optional=("mentions",),
    ),
    Tag.POLICY_IN_FORCE: Declaration(
        sentence="Version {number} of the policy is now in force",
        required=("number",),
        state="policy:in_force",
    ),
    Tag.ITEM_EXCLUDED: Declaration(
        sentence="{actor} excluded {target} from {change}",
        state="item:skipped",
    ),
    Tag.ITEM_CLAIMED: Declaration(
        sentence="{actor} started {call} for {target}[, step “{step}”][, attempt {repeated_attempt}]",
        required=("attempt",),
        optional=("step", "items"),
    ),
    Tag.ITEM_STEP_DONE: Declaration(
        sentence="A step for {target} is done[: {text}]",
        required=("text",),
        optional=("items",),
    ),
    Tag.ITEM_SENT: Declaration(
        sentence="Tradovate answered {call} for {target}[ ({http})][: {answer}]",
        optional=("text", *ANSWER, "items"),
    ),
    Tag.ITEM_DEFERRED: Declaration(
        sentence="The call for {target} is delayed[: {text}][, {retried}]",
        required=("reason", "text", "wait_s"),
        optional=(*ANSWER, "items"),
        tone="warn",
    ),
    Tag.ITEM_SETTLED: Declaration(
        sentence="The outcome for {target} is {outcome}[: {text}]",
        required=("outcome", "text"),
        optional=ANSWER,
        state="item:{outcome}",
    ),
    Tag.ITEM_UNKNOWN: Declaration(
        sentence="The outcome for {target} is not known[: {text}][; {who_decides}]",
        required=("text",),
        optional=("needs_person", "observed", *ANSWER, "items"),
        state="item:unknown",
    ),
    Tag.ITEM_READ_AGAIN: Declaration(
        sentence="{actor} had {target} read back again",
        required=("text",),
        optional=("items",),
    ),
    Tag.ITEM_RESOLVED: Declaration(
        sentence="{actor} decided that the outcome for {target} is {outcome}[: “{comment}”]",
        required=("outcome", "comment", "text", "seen_call", "shown"),
        optional=("items", "digest"),
        state="item:{outcome}",
    ),
    Tag.ITEM_DECISION_REFUSED: Declaration(
        sentence="{actor} tried to decide the outcome for {target}, and that was refused[: {why}]",
        required=("outcome", "why"),
        tone="warn",
    ),
    Tag.ITEM_RESENT: Declaration(
        sentence="{actor} queued {target} to be sent again[: {resend_reason}]",
        required=("text",),
        optional=("outcome", "comment", "seen_call", "shown", "items", "digest"),
        tone="warn",
    ),
    Tag.MIRROR_MISSING_ACCEPTED: Declaration(
        sentence="{actor} accepted that {missing_rows} of {environment} are missing",
        required=("environment", "missing"),
        tone="warn",
    ),
    Tag.OUTSIDE_STATUS: _OUTSIDE,
    Tag.OUTSIDE_LIMITS: _OUTSIDE,
    Tag.OUTSIDE_CATEGORY: _OUTSIDE,
    Tag.OUTSIDE_POSITION_LIMITS: _OUTSIDE,
    Tag.OUTSIDE_RISK_PARAMETERS: _OUTSIDE,
    Tag.CONNECTION_TESTED: Declaration(
        sentence="{actor} tested the connection to Tradovate's {environment} environment",
        required=("environment",),
    ),
    Tag.CREDENTIALS_TRIED: Declaration(
        sentence="{actor} tried new credentials in Tradovate's {environment} environment",
        required=("environment",),
        tone="warn",
    ),
    Tag.CREDENTIALS_STORED: Declaration(
        sentence="{actor} stored new credentials for Tradovate's {environment} environment",
        required=("environment",),
        tone="warn",
    ),
    Tag.SYSTEM_STARTED: Declaration(
        sentence="The process {process} started on {host}",
        required=("process", "host"),
    ),
    Tag.TRAIL_VERIFIED: Declaration(
        sentence="{actor} verified the trail: {rows} rows are as sealed", required=("rows", "verified_from"), tone="ok"
    ),
    Tag.TRAIL_ALTERED: Declaration(
        sentence="{actor} verified the trail: it does not match its proof",
        required=("rows", "verified_from", "findings"),
        tone="danger",
    ),
    Tag.TRAIL_EXPORT_REQUESTED: Declaration(
        sentence="{actor} requested an export of the trail", required=("export", "filter", "format", "withheld")
    ),
    Tag.TRAIL_EXPORT_DOWNLOADED: Declaration(
        sentence="{actor} downloaded the export {export} of the trail", required=("export", "rows")
    ),
    Tag.BACKUP_TAKEN: Declaration(
        sentence="{actor} took the backup {backup}",
        required=("backup", "size", "sha256", "taken_at", "deleted_backups"),
    ),
    Tag.BACKUP_RESTORED: Declaration(
        sentence="{actor} restored the backup {backup}: what happened after {taken_at} is not in this trail",
        required=("backup", "sha256", "taken_at"),
        tone="warn",
    ),
    Tag.API_HALTED: Declaration(
        sentence="Calls to Tradovate are stopped[ for {endpoint}][ until {until}][: {text}]",
        required=("endpoint", "text", "until"),
        tone="danger",
    ),
    Tag.API_LIMIT_LOWERED: Declaration(
        sentence="The hourly limit of calls to Tradovate was lowered[ {text}][; this lasts until {until}]",
        required=("text", "until"),
        tone="warn",
    ),
}


def check_fields(tag: Tag, given: Iterable[str]) -> None:
    """Raise WrongFields unless `given` are fields that the tag declares, with all that it requires."""
    declaration, names = DECLARATIONS[tag], set(given)
    missing = set(declaration.required) - names
    unknown = names - set(declaration.fields)
    if missing or unknown:
        raise WrongFields(f"{tag.name}: missing fields {sorted(missing)}, unknown fields {sorted(unknown)}.")
