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

    DUTY_HOURS_ADDED = "duty:hours:added", "Hours of duty added"
    DUTY_HOURS_REMOVED = "duty:hours:removed", "Hours of duty removed"
    DUTY_ON = "duty:switch:on", "On duty"
    DUTY_OFF = "duty:switch:off", "Off duty"
    DELEGATION_MADE = "duty:delegation:made", "Stand-in named"
    DELEGATION_ENDED = "duty:delegation:ended", "Stand-in ended"

    ACCOUNT_NOTED = "account:note:written", "Note written"

    CHANGE_SUBMITTED = "change:request:submitted", "Change asked for"
    CHANGE_ROWS_LEFT_OUT = "change:rows:left_out", "Rows left out"
    CHANGE_FILES_ATTACHED = "change:attachment:added", "Files attached"
    CHANGE_FILE_DOWNLOADED = "change:attachment:downloaded", "Attached file downloaded"
    CHANGE_APPROVED = "change:decision:approved", "Change approved"
    CHANGE_REJECTED = "change:decision:rejected", "Change rejected"
    CHANGE_DECISION_REFUSED = "change:decision:refused", "Decision refused"
    CHANGE_CANCELLED = "change:request:cancelled", "Change cancelled"
    CHANGE_EXPIRED = "change:request:expired", "Change expired"
    CHANGE_STARTED = "change:run:started", "Scheduled change begun"
    CHANGE_NOT_CARRIED_ON = "change:rest:dropped", "Skipped items not requested again"
    CHANGE_WINDOW_CLOSED = "change:window:closed", "Window closed"
    CHANGE_PAUSED = "change:run:paused", "Change paused"
    CHANGE_RESUMED = "change:run:resumed", "Change resumed"
    CHANGE_STOPPED = "change:run:stopped", "Rest of the change cancelled"
    CHANGE_PRIORITY_SET = "change:priority:set", "Priority set"
    CHANGE_FINISHED = "change:run:finished", "Change finished"

    REASON_ADDED = "reason:entry:added", "Reason added"
    REASON_EDITED = "reason:entry:edited", "Reason edited"
    REASON_MOVED = "reason:list:reordered", "Reasons reordered"
    REASON_RETIRED = "reason:entry:retired", "Reason retired"
    REASON_RESTORED = "reason:entry:restored", "Reason offered again"

    TEMPLATE_PROPOSED = "template:version:proposed", "Limit template proposed"
    TEMPLATE_WITHDRAWN = "template:version:withdrawn", "Limit template withdrawn"
    TEMPLATE_APPROVED = "template:decision:approved", "Limit template approved"
    TEMPLATE_REJECTED = "template:decision:rejected", "Limit template rejected"
    TEMPLATE_DECISION_REFUSED = "template:decision:refused", "Decision refused"
    TEMPLATE_IN_FORCE = "template:version:in_force", "Limit template in force"
    TEMPLATE_ASSIGNED = "template:assignment:made", "Limit template assigned"
    TEMPLATE_UNASSIGNED = "template:assignment:ended", "Limit template no longer assigned"

    ITEM_CLAIMED = "item:call:claimed", "Sending"
    ITEM_STEP_DONE = "item:step:done", "Step done"
    ITEM_SENT = "item:call:answered", "Tradovate answered"
    ITEM_DEFERRED = "item:call:deferred", "Not sent, waiting"
    ITEM_SETTLED = "item:outcome:settled", "Outcome settled"
    ITEM_UNKNOWN = "item:outcome:unknown", "Outcome unknown"
    ITEM_READ_AGAIN = "item:outcome:read_again", "To be read back again"
    ITEM_RESOLVED = "item:outcome:resolved", "Outcome decided by a person"
    ITEM_RESENT = "item:call:resent", "Queued again"

    MIRROR_MISSING_ACCEPTED = "mirror:missing:accepted", "Missing rows accepted"

    OUTSIDE_STATUS = "outside:status:changed", "Risk action set outside riskadmin"
    OUTSIDE_LIMITS = "outside:limits:changed", "Limits changed outside riskadmin"
    OUTSIDE_CATEGORY = "outside:category:changed", "Risk category changed outside riskadmin"
    OUTSIDE_POSITION_LIMITS = "outside:position_limits:changed", "Position limits changed outside riskadmin"
    OUTSIDE_RISK_PARAMETERS = "outside:risk_parameters:changed", "Risk parameters changed outside riskadmin"

    API_HALTED = "api:budget:halted", "Calls to Tradovate stopped"
    API_LIMIT_LOWERED = "api:budget:lowered", "Hourly limit of calls lowered"
