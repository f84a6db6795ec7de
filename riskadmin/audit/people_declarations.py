"""What the events about people, their sign-in, their tokens and commands carry, and their sentences (`declarations`)."""

from typing import Final

from riskadmin.audit.declaration import Declaration
from riskadmin.audit.tags import Tag

PEOPLE: Final[dict[Tag, Declaration]] = {
    Tag.STAFF_SIGNED_IN: Declaration(
        sentence="{actor} signed in[ as {username}][ with {proven_by}]",
        required=("username",),
        optional=("proven_by",),
    ),
    Tag.STAFF_SIGNED_OUT: Declaration(
        sentence="{actor} signed out",
        required=("username",),
    ),
    Tag.STAFF_SIGN_IN_REFUSED: Declaration(
        sentence="A sign-in was refused for {attempted}[ ({step})][; further attempts are refused until {locked_until}]",
        optional=("username", "staff_id", "active", "step", "why", "locked_until"),
        tone="warn",
    ),
    Tag.STAFF_FACTOR_ADDED: Declaration(
        sentence="{actor} added a second factor: {factor}",
        required=("username", "staff_id", "factor"),
    ),
    Tag.STAFF_FACTOR_RENAMED: Declaration(
        sentence="{actor} renamed {factor}",
        required=("username", "staff_id", "factor"),
    ),
    Tag.STAFF_FACTOR_REMOVED: Declaration(
        sentence="{actor} removed a second factor: {factor}",
        required=("username", "staff_id", "factor"),
        tone="warn",
    ),
    Tag.STAFF_FACTORS_RESET: Declaration(
        sentence="{actor} removed a second factor of {username}: {factor}[: “{comment}”]",
        required=("username", "staff_id", "factor", "comment"),
        tone="warn",
    ),
    Tag.STAFF_RECOVERY_CODES_MADE: Declaration(
        sentence="{actor} made new recovery codes",
        required=("username", "staff_id", "factor"),
    ),
    Tag.STAFF_SSO_LINKED: Declaration(
        sentence="{username} was linked to their identity at the identity provider",
        required=("username", "staff_id"),
    ),
    Tag.STAFF_ROLES_FROM_SSO: Declaration(
        sentence="Single sign-on set the roles of {username}",
        required=("username", "staff_id"),
    ),
    Tag.STAFF_ROLES_WITHHELD: Declaration(
        sentence="Single sign-on did not give {username} the roles of their groups, since their sign-in was changed: {role}",
        required=("username", "staff_id", "role"),
        tone="warn",
    ),
    Tag.STAFF_EMERGENCY_GIVEN: Declaration(
        sentence="{operator} made an emergency code for {username} in place of {stead}",
        required=("username", "staff_id", "operator", "stead"),
        tone="warn",
    ),
    Tag.STAFF_EMERGENCY_USED: Declaration(
        sentence="{username} used an emergency code in place of {stead}, which {operator} had made",
        required=("username", "staff_id", "operator", "stead"),
        tone="warn",
    ),
    Tag.STAFF_THROTTLE_LIFTED: Declaration(
        sentence="{actor} let {username} try to sign in again at once[, after {failures} failed attempts]",
        required=("username", "staff_id", "failures"),
    ),
    Tag.STAFF_PROVED: Declaration(
        sentence="{actor} confirmed who they are[ as {username}][ with {proven_by}]",
        required=("username",),
        optional=("proven_by",),
    ),
    Tag.STAFF_PROOF_REFUSED: Declaration(
        sentence="{actor} didn't confirm who they are[ as {username}][: {why}][ (of {whose})]",
        required=("username",),
        optional=("why", "whose"),
        tone="warn",
    ),
    Tag.STAFF_PREFERENCES_SAVED: Declaration(
        sentence="{actor} chose their time zone and start page",
    ),
    Tag.STAFF_REQUEST_REFUSED: Declaration(
        sentence="{actor} sent {method} to {path}, and that was refused with status {status}",
        required=("method", "path", "status"),
        tone="warn",
    ),
    Tag.STAFF_CREATED: Declaration(
        sentence="{actor} added {person}[ as {roles}]",
        required=("staff_id",),
    ),
    Tag.STAFF_PASSWORD_SET: Declaration(
        sentence="{actor} set the password of {username}",
        required=("username", "staff_id"),
    ),
    Tag.TOKEN_MADE: Declaration(
        sentence="{actor} made the access token {token}[ for {scope}][, until {until}]",
        required=("token", "token_id", "username", "scope", "until"),
        optional=("staff_id",),
    ),
    Tag.TOKEN_REVOKED: Declaration(
        sentence="{actor} revoked the access token {token} of {username}",
        required=("token", "token_id", "username"),
        optional=("staff_id",),
    ),
    Tag.TOKEN_USED: Declaration(
        sentence="A program with the token {token} of {actor} sent {method} to {path}, answered with status {status}",
        required=("token", "token_id", "username", "method", "path", "status"),
    ),
    Tag.TOKEN_REFUSED: Declaration(
        sentence="A program sent {method} to {path} with a token that is not in force[: {token} of {username}]",
        required=("method", "path"),
        optional=("token", "token_id", "username"),
        tone="warn",
    ),
    Tag.STAFF_INVITED: Declaration(
        sentence="{actor} invited {person}",
        required=("staff_id",),
    ),
    Tag.STAFF_DETAILS_SET: Declaration(
        sentence="{actor} changed the name or the address of {username}",
        required=("username", "staff_id"),
    ),
    Tag.STAFF_SWITCHED_OFF: Declaration(
        sentence="{actor} switched off {username}[: “{comment}”]",
        required=("username", "staff_id", "comment", "sessions"),
        tone="warn",
    ),
    Tag.STAFF_SWITCHED_ON: Declaration(
        sentence="{actor} switched on {username}",
        required=("username", "staff_id"),
    ),
    Tag.STAFF_ROLE_ADDED: Declaration(
        sentence="{actor} gave {username} the role {role}",
        required=("username", "staff_id", "role"),
    ),
    Tag.STAFF_ROLE_REMOVED: Declaration(
        sentence="{actor} took the role {role} from {username}",
        required=("username", "staff_id", "role"),
    ),
    Tag.STAFF_RESET: Declaration(
        sentence="{actor} reset the sign-in of {username}: the password no longer works",
        required=("username", "staff_id", "sessions"),
        tone="warn",
    ),
    Tag.STAFF_SESSIONS_ENDED: Declaration(
        sentence="{actor} ended sessions of {username}: {sessions}",
        required=("username", "staff_id", "sessions"),
    ),
    Tag.STAFF_LINK_MADE: Declaration(
        sentence="{actor} made a one-time link for {username}[, valid until {until}]",
        required=("username", "staff_id", "link", "purpose", "until", "by_email"),
    ),
    Tag.STAFF_LINK_USED: Declaration(
        sentence="{actor} set a password with a one-time link",
        required=("username", "staff_id", "link", "purpose"),
    ),
    Tag.STAFF_LINK_WITHDRAWN: Declaration(
        sentence="{actor} withdrew the one-time link of {username}",
        required=("username", "staff_id", "link"),
    ),
    Tag.STAFF_RIGHTS_REQUESTED: Declaration(
        sentence="{actor} requests for {username}: {act}[ {role}][, to {email}][ ({words})][: “{comment}”]",
        required=("username", "staff_id", "rights_request", "act", "role", "email", "comment", "until"),
        optional=("words",),
    ),
    Tag.STAFF_RIGHTS_CONFIRMED: Declaration(
        sentence="{actor} confirmed for {username}: {act}[ {role}][ ({words})][, as {requester} requested]",
        required=("username", "staff_id", "rights_request", "act", "role", "requester"),
        optional=("words",),
        tone="ok",
    ),
    Tag.STAFF_RIGHTS_DECLINED: Declaration(
        sentence="{actor} declined for {username}: {act}[ {role}][ ({words})][, which {requester} requested]",
        required=("username", "staff_id", "rights_request", "act", "role", "requester"),
        optional=("words",),
        tone="warn",
    ),
    Tag.STAFF_RIGHTS_WITHDRAWN: Declaration(
        sentence="The request of {requester} for {username} ended: {act}[ {role}][ ({words})][: {why}]",
        required=("username", "staff_id", "rights_request", "act", "role", "requester", "why"),
        optional=("words",),
    ),
    Tag.STAFF_WORK_HANDED_OVER: Declaration(
        sentence="{actor} handed over what {username} had open[ to {to}]: {handed_over}",
        required=("username", "staff_id", "handed_over"),
        optional=("to",),
    ),
    Tag.PAGE_VIEWED: Declaration(
        sentence="{actor} viewed {path}",
        required=("page", "path"),
    ),
    Tag.FILE_EXPORTED: Declaration(
        sentence="{actor} exported {path}[ with {query}]",
        required=("page", "path", "query"),
    ),
    Tag.TRAIL_PRINTED: Declaration(
        sentence="{actor} printed {event_count} of the audit trail: {filter}",
        required=("filter", "query", "events"),
    ),
    Tag.COMMAND_RUN: Declaration(
        sentence="{actor} started the command {command} on the server[ ({options})]",
        required=("command", "options"),
    ),
    Tag.STAFF_ACCESS_SET: Declaration(
        sentence="{actor} changed what {whom} has access to, from {access_before} to {access}[, as {requester} requested]"
        "[: “{comment}”]",
        required=("staff_id", "whom", "access_before", "access", "is_wider", "comment"),
        optional=("requester", "rights_request"),
        tone="warn",
    ),
    Tag.RELATED_MARKED: Declaration(
        sentence="{actor} marked {account} as belonging to {whose}[: “{comment}”]",
        required=("staff_id", "whose", "comment"),
        tone="warn",
    ),
    Tag.RELATED_END_REQUESTED: Declaration(
        sentence="{actor} requests that the mark of {account} as belonging to {whose} end[: “{comment}”]",
        required=("staff_id", "whose", "comment", "rights_request"),
        tone="warn",
    ),
    Tag.RELATED_ENDED: Declaration(
        sentence="{actor} ended the mark that {account} belongs to {whose}[, as {requester} requested][: “{comment}”]",
        required=("staff_id", "whose", "comment"),
        optional=("requester", "rights_request"),
        tone="warn",
    ),
}
