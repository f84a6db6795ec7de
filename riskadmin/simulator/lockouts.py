"""POST /user/expireuserlockout: staff end a trader's own lockout."""

from __future__ import annotations

from riskadmin.simulator import vocabulary as words
from riskadmin.simulator.calls import Answer, Endpoint, SimulatedCall, ok, simple_failure
from riskadmin.simulator.fields import text, whole_number
from riskadmin.simulator.trading import lockout_active


def lockout_endpoints() -> list[Endpoint]:
    """Return the one operation."""
    return [Endpoint(path="/user/expireuserlockout", answer=_expire_user_lockout, failure=simple_failure, writes=True)]


def _expire_user_lockout(call: SimulatedCall) -> Answer:
    user_id = whole_number(call.parameters.get("userId", 0), "userId")
    notes = text(call.parameters.get("notes"), "notes")
    error = _lockout_error(call, user_id, notes or "")
    if error is not None:
        return call.endpoint.refuse(error)
    lockout = {**call.host.tables["_lockout"].rows[user_id], "expiresAt": call.now_ms}
    # This row of the effects log stands for the vendor's own audit entry, with the notes.
    call.world.change(call.host, "_lockout", lockout, action="lockout_expired", cause=call.cause, detail={"notes": notes})
    return ok({"ok": True})


def _lockout_error(call: SimulatedCall, user_id: int, notes: str) -> str | None:
    """Return why the lockout can't be expired, or None."""
    if call.host.name != "demo":
        return words.ACCESS_DENIED
    user = call.host.get("user", user_id)
    if not call.who.admin:
        return words.LOCKOUT_UNAUTHORIZED
    if len(notes) > words.REASON_TEXT_MAX:
        return words.NOTES_LENGTH_TEXT
    if user is None:
        return words.LOCKOUT_USER_NOT_FOUND
    if user["organizationId"] != call.who.org:
        return words.LOCKOUT_UNAUTHORIZED
    return None if lockout_active(call.host, user_id, call.now_ms) else words.LOCKOUT_NOT_ACTIVE
