"""The four writing operations that the project was built for, with their pages' texts and rules."""

from __future__ import annotations

import re
from typing import Final

from riskadmin.simulator import vocabulary as words
from riskadmin.simulator.calls import (
    Answer,
    BadRequestError,
    Call,
    Endpoint,
    not_admin,
    ok,
    plain,
    simple_failure,
    whole_number,
)
from riskadmin.simulator.clock import parse_iso
from riskadmin.simulator.limits import EndpointLimit
from riskadmin.simulator.reads import may_see
from riskadmin.simulator.trading import close_positions, enforce_limits, lockout_active, set_admin_action
from riskadmin.simulator.vocabulary import Entity

_WORD: Final = re.compile(r"(?<=[a-z])(?=[A-Z])")
_FLAGS: Final = ("changesLocked", "doNotUnlock", "steppedUnlimited")
_STEP_FIELDS: Final = ("stepNumber", "stepDistance", "cooldownMinutes")


def write_endpoints() -> list[Endpoint]:
    """Return the four operations."""
    return [
        Endpoint(path="/accountRiskStatus/setadminautoliqaction", answer=_set_admin_auto_liq_action, writes=True),
        Endpoint(
            path="/accountRiskStatus/switchriskcategory",
            answer=_switch_risk_category,
            failure=simple_failure,
            writes=True,
            limit=EndpointLimit(per_hour=5000, penalty_s=1, only_failed=False),
        ),
        Endpoint(
            path="/userAccountAutoLiq/updateuserautoliqs",
            answer=_update_user_auto_liqs,
            failure=lambda text: {"userAutoLiqs": [], "errorText": text},
            writes=True,
        ),
        Endpoint(path="/user/expireuserlockout", answer=_expire_user_lockout, failure=simple_failure, writes=True),
    ]


def _ignored(call: Call, account_id: int) -> bool:
    """Say whether a write to this account is accepted and does nothing: archived accounts."""
    account = call.host.tables["account"].rows[account_id]
    return bool(account.get("archived")) and not call.world.settings.archived_effect


# --- POST /accountRiskStatus/setadminautoliqaction -------------------------------------------------


def _set_admin_auto_liq_action(call: Call) -> Answer:
    if call.host.name != "demo":
        return call.endpoint.refuse(words.ACCESS_DENIED)
    if not call.who.admin:
        return not_admin(call)
    body = call.parameters
    account_id = whole_number(body.get("accountId", 0), "accountId")
    reason = body.get("adminActionReason")
    if reason is not None and not isinstance(reason, str):
        raise BadRequestError("adminActionReason must be a string")
    text = _admin_action_error(account_id, body, reason)
    if text is not None:
        return call.endpoint.refuse(text)
    if not may_see(call, "account", account_id):
        return plain(404, words.NOT_FOUND)
    if _ignored(call, account_id):
        return ok({"accountRiskStatus": call.host.get("accountRiskStatus", account_id)})
    detail = {"reasonCode": body["adminActionReasonCode"], "reason": reason}
    action: str = body["adminAction"]
    set_admin_action(call.world, call.host, account_id, action, cause=call.cause, detail=detail)
    status = call.host.tables["accountRiskStatus"].encoded(account_id)
    return Answer(200, b'{"accountRiskStatus":' + status + b"}")


def _admin_action_error(account_id: int, body: Entity, reason: str | None) -> str | None:
    """Return the first applying line of the page's table of error messages."""
    code = body.get("adminActionReasonCode")
    if account_id <= 0:
        return words.ACCOUNT_ID_TEXT
    if body.get("adminAction") not in words.ADMIN_ACTIONS:
        return words.ADMIN_ACTION_TEXT
    if code not in words.REASON_CODES:
        return words.REASON_CODE_TEXT
    if len(reason or "") > words.REASON_TEXT_MAX:
        return words.REASON_LENGTH_TEXT
    # A blank text counts as none [?].
    if code == words.REASON_OTHER and not (reason or "").strip():
        return words.REASON_MISSING_TEXT
    return None


# --- POST /accountRiskStatus/switchriskcategory ----------------------------------------------------


def _switch_risk_category(call: Call) -> Answer:
    if not call.who.admin:
        return not_admin(call)
    given = call.parameters.get("accountIds", [])
    if not isinstance(given, list):
        raise BadRequestError("accountIds must be an array")
    if not given:
        return call.endpoint.refuse(words.EMPTY_ACCOUNT_IDS)
    if len(given) > words.SWITCH_ACCOUNTS_MAX:
        return call.endpoint.refuse(words.TOO_MANY_ACCOUNTS)
    account_ids = [whole_number(value, "accountIds") for value in given]
    category = whole_number(call.parameters.get("riskCategoryId", 0), "riskCategoryId")
    # All or nothing [?]: the page says 404 when "one or more" accounts do not exist.
    if not may_see(call, "riskCategory", category):
        return plain(404, words.NOT_FOUND)
    if not all(may_see(call, "account", account_id) for account_id in account_ids):
        return plain(404, words.NOT_FOUND)
    for account_id in dict.fromkeys(account_ids):
        account = call.host.tables["account"].rows[account_id]
        if account["riskCategoryId"] == category or _ignored(call, account_id):
            continue
        switched = {**account, "riskCategoryId": category}
        call.world.change(call.host, "account", switched, action="category_switched", cause=call.cause)
        _reevaluate(call, account_id, category)
    return ok({"ok": True, "errorText": ""})


def _reevaluate(call: Call, account_id: int, category: int) -> None:
    """Hold open positions against the new category's lots; above them they may be liquidated."""
    positions = call.host.tables["position"]
    lots = max((abs(positions.rows[key]["netPos"]) for key in positions.of_master(account_id)), default=0)
    if not lots:
        return
    allowed = (call.host.get("_lots", category) or {"lots": lots})["lots"]
    detail = {"lots": lots, "allowed": allowed}
    call.world.log(call.host, "account", account_id, action="positions_reevaluated", cause=call.cause, detail=detail)
    if lots > allowed and call.world.settings.switch_liquidates:
        close_positions(call.world, call.host, account_id, cause=call.cause)


# --- POST /userAccountAutoLiq/updateuserautoliqs ---------------------------------------------------


def _update_user_auto_liqs(call: Call) -> Answer:
    if not call.who.admin:
        return not_admin(call)
    items = call.parameters.get("items")
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise BadRequestError("items must be an array of objects")
    if not items:
        return call.endpoint.refuse("Empty items")  # [?] after switchriskcategory's
    for item in items:
        text = _limits_error(item)
        if text is not None:
            return call.endpoint.refuse(text)
    if not all(may_see(call, "account", item["accountId"]) for item in items):
        return plain(404, words.NOT_FOUND)
    return ok({"userAutoLiqs": [_update_limits(call, item) for item in items]})


def _update_limits(call: Call, item: Entity) -> Entity:
    account_id: int = item["accountId"]
    if not _ignored(call, account_id):
        # asOwner picks the record; without it an administrator acts as owner [?].
        owner = item.get("asOwner", True)
        kind = "userAccountAutoLiq" if owner else "permissionedAccountAutoLiq"
        names = words.OWNER_FIELDS if owner else words.PERMISSIONED_FIELDS
        record: Entity = {"id": account_id}
        if call.world.settings.omitted_limits == "keep":
            record = dict(call.host.get(kind, account_id) or record)
        for name in names:
            if name in item:
                record[name] = item[name]
            if record.get(name) is None:
                record.pop(name, None)
        call.world.change(call.host, kind, record, action="limits_updated", cause=call.cause)
        enforce_limits(call.world, call.host, account_id, cause=call.cause)
    return {
        "userAccountAutoLiq": call.host.get("userAccountAutoLiq", account_id) or {"id": account_id},
        "permissionedAccountAutoLiq": call.host.get("permissionedAccountAutoLiq", account_id) or {"id": account_id},
    }


def _limits_error(item: Entity) -> str | None:
    """Return what is wrong with one item; raise BadRequestError when a field has the wrong type.

    The page gives no texts: these follow the pattern of its sisters [?].
    """
    if whole_number(item.get("accountId", 0), "accountId") <= 0:
        return words.ACCOUNT_ID_TEXT
    for name in words.OWNER_NUMBERS:
        value = item.get(name)
        if value is None:
            continue
        if not isinstance(value, (int, float)) or isinstance(value, bool):
            raise BadRequestError(f"{name} must be a number")
        if value < 0:
            return f"{_in_words(name)} should be greater than or equal to 0"
    for name in (*_FLAGS, "asOwner"):
        if item.get(name) is not None and not isinstance(item[name], bool):
            raise BadRequestError(f"{name} must be true or false")
    mode = item.get("trailingMaxDrawdownMode")
    if mode is not None and mode not in words.DRAWDOWN_MODES:
        return "Trailing Max Drawdown Mode should be between EOD and RealTime"
    _check_flatten(item.get("flattenTimestamp"))
    _check_steps(item.get("steppedCooldown"))
    return None


def _check_flatten(value: object) -> None:
    try:
        if value is not None:
            parse_iso(str(value))
    except ValueError:
        raise BadRequestError("flattenTimestamp must be a date-time") from None


def _check_steps(config: object) -> None:
    if config is None:
        return
    steps = config.get("steps") if isinstance(config, dict) else None
    if not isinstance(steps, list) or not all(
        isinstance(step, dict) and all(isinstance(step.get(name), (int, float)) for name in _STEP_FIELDS) for step in steps
    ):
        raise BadRequestError("steppedCooldown must have steps")


def _in_words(name: str) -> str:
    """Turn ``dailyLossAutoLiq`` into ``Daily Loss Auto Liq``, as the pages' texts do."""
    return _WORD.sub(" ", name[0].upper() + name[1:])


# --- POST /user/expireuserlockout ------------------------------------------------------------------


def _expire_user_lockout(call: Call) -> Answer:
    user_id = whole_number(call.parameters.get("userId", 0), "userId")
    notes = call.parameters.get("notes")
    if notes is not None and not isinstance(notes, str):
        raise BadRequestError("notes must be a string")
    text = _lockout_error(call, user_id, notes or "")
    if text is not None:
        return call.endpoint.refuse(text)
    lockout = {**call.host.tables["_lockout"].rows[user_id], "expiresAt": call.now_ms}
    # The vendor's own audit entry, with the notes, is this line of the effects log.
    call.world.change(call.host, "_lockout", lockout, action="lockout_expired", cause=call.cause, detail={"notes": notes})
    return ok({"ok": True})


def _lockout_error(call: Call, user_id: int, notes: str) -> str | None:
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
