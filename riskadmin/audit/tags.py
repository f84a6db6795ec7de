"""What happened in an event: `subject:part:verb`, with a label. `declarations` has the fields and the sentence of each tag.

A tag that is no longer written stays here, so that old rows keep their words.
"""

from django.db import models


class Tag(models.TextChoices):
    """Every kind of event."""

    STAFF_SIGNED_IN = "staff:session:opened", "Signed in"
    STAFF_SIGNED_OUT = "staff:session:closed", "Signed out"
    STAFF_SIGN_IN_REFUSED = "staff:session:refused", "Sign-in refused"
    STAFF_CREATED = "staff:person:created", "Person added"
    STAFF_PASSWORD_SET = "staff:password:set", "Password set"

    NOTIFICATIONS_CHOSEN = "notification:settings:saved", "Notification settings saved"
    WEBHOOK_ADDED = "notification:webhook:added", "Webhook added"
    WEBHOOK_REMOVED = "notification:webhook:removed", "Webhook removed"

    ACCOUNT_NOTED = "account:note:written", "Note written"

    CATEGORY_MARKED = "category:halting:marked", "Category marked as halting"
    CATEGORY_UNMARKED = "category:halting:unmarked", "Category no longer halting"

    CHANGE_SUBMITTED = "change:request:submitted", "Change asked for"
    CHANGE_ROWS_LEFT_OUT = "change:rows:left_out", "Rows left out"
    CHANGE_APPROVED = "change:decision:approved", "Change approved"
    CHANGE_REJECTED = "change:decision:rejected", "Change rejected"
    CHANGE_EDITS_REQUESTED = "change:decision:edits_requested", "Edits of a change requested"
    CHANGE_COMMENTED = "change:comment:written", "Comment about a change"
    CHANGE_REVIEWED = "change:review:done", "Change reviewed"
    CHANGE_RUN_ALONE = "change:incident:run", "Change run without approval"
    CHANGE_DECISION_REFUSED = "change:decision:refused", "Decision refused"
    CHANGE_CANCELLED = "change:request:cancelled", "Change cancelled"
    CHANGE_EXPIRED = "change:request:expired", "Change expired"
    CHANGE_STARTED = "change:run:started", "Scheduled change begun"
    CHANGE_NOT_CARRIED_ON = "change:rest:dropped", "Skipped items not requested again"
    CHANGE_SUSPENDED = "change:run:suspended", "Scheduled change suspended"
    CHANGE_WINDOW_CLOSED = "change:window:closed", "Window closed"
    CHANGE_PAUSED = "change:run:paused", "Change paused"
    CHANGE_RESUMED = "change:run:resumed", "Change resumed"
    CHANGE_RESUME_REFUSED = "change:resume:refused", "Resuming refused"
    CHANGE_STOPPED = "change:run:stopped", "Rest of the change cancelled"
    CHANGE_PRIORITY_SET = "change:priority:set", "Priority set"
    CHANGE_FINISHED = "change:run:finished", "Change finished"

    TEMPLATE_PROPOSED = "template:version:proposed", "Limit template proposed"
    TEMPLATE_WITHDRAWN = "template:version:withdrawn", "Limit template withdrawn"
    TEMPLATE_APPROVED = "template:decision:approved", "Limit template approved"
    TEMPLATE_REJECTED = "template:decision:rejected", "Limit template rejected"
    TEMPLATE_EDITS_REQUESTED = "template:decision:edits_requested", "Edits of a limit template requested"
    TEMPLATE_COMMENTED = "template:comment:written", "Comment about a limit template"
    TEMPLATE_REVIEWED = "template:review:done", "Limit template reviewed"
    TEMPLATE_RUN_ALONE = "template:incident:run", "Limit template in force without approval"
    TEMPLATE_DECISION_REFUSED = "template:decision:refused", "Decision refused"
    TEMPLATE_IN_FORCE = "template:version:in_force", "Limit template in force"
    TEMPLATE_ASSIGNED = "template:assignment:made", "Limit template assigned"
    TEMPLATE_UNASSIGNED = "template:assignment:ended", "Limit template no longer assigned"

    POLICY_PROPOSED = "policy:version:proposed", "Change of the policy proposed"
    POLICY_WITHDRAWN = "policy:version:withdrawn", "Change of the policy withdrawn"
    POLICY_APPROVED = "policy:decision:approved", "Change of the policy approved"
    POLICY_REJECTED = "policy:decision:rejected", "Change of the policy rejected"
    POLICY_EDITS_REQUESTED = "policy:decision:edits_requested", "Edits of the policy requested"
    POLICY_DECISION_REFUSED = "policy:decision:refused", "Decision refused"
    POLICY_COMMENTED = "policy:comment:written", "Comment about the policy"
    POLICY_IN_FORCE = "policy:version:in_force", "Policy in force"

    ITEM_EXCLUDED = "item:exclusion:done", "Excluded by an approver"
    ITEM_CLAIMED = "item:call:claimed", "Sending"
    ITEM_STEP_DONE = "item:step:done", "Step done"
    ITEM_SENT = "item:call:answered", "Tradovate answered"
    ITEM_DEFERRED = "item:call:deferred", "Not sent, waiting"
    ITEM_SETTLED = "item:outcome:settled", "Outcome settled"
    ITEM_UNKNOWN = "item:outcome:unknown", "Outcome unknown"
    ITEM_READ_AGAIN = "item:outcome:read_again", "To be read back again"
    ITEM_RESOLVED = "item:outcome:resolved", "Outcome decided by a person"
    ITEM_DECISION_REFUSED = "item:decision:refused", "Decision about an outcome refused"
    ITEM_RESENT = "item:call:resent", "Queued again"

    MIRROR_MISSING_ACCEPTED = "mirror:missing:accepted", "Missing rows accepted"

    OUTSIDE_STATUS = "outside:status:changed", "Risk action set outside riskadmin"
    OUTSIDE_LIMITS = "outside:limits:changed", "Limits changed outside riskadmin"
    OUTSIDE_CATEGORY = "outside:category:changed", "Risk category changed outside riskadmin"
    OUTSIDE_POSITION_LIMITS = "outside:position_limits:changed", "Position limits changed outside riskadmin"
    OUTSIDE_RISK_PARAMETERS = "outside:risk_parameters:changed", "Risk parameters changed outside riskadmin"

    API_HALTED = "api:budget:halted", "Calls to Tradovate stopped"
    API_LIMIT_LOWERED = "api:budget:lowered", "Hourly limit of calls lowered"
