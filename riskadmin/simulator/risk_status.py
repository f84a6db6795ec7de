"""The writes under /accountRiskStatus: admin actions, category switches, the peak of net liq, resets and notes."""

from __future__ import annotations

from riskadmin.simulator import vocabulary as words
from riskadmin.simulator.access import account_refusal, ignored, may_see
from riskadmin.simulator.calls import Answer, Endpoint, SimulatedCall, not_admin, ok, plain, simple_failure
from riskadmin.simulator.edge import shown
from riskadmin.simulator.fields import BadRequestError, number, text, whole_number
from riskadmin.simulator.limits import EndpointLimit
from riskadmin.simulator.trading import close_positions, enforce_limits, reset_auto_liq, set_admin_action, set_max_net_liq
from riskadmin.simulator.vocabulary import Entity


def risk_status_endpoints() -> list[Endpoint]:
    """Return the five operations."""
    return [
        Endpoint(path="/accountRiskStatus/setadminautoliqaction", answer=_set_admin_auto_liq_action, writes=True),
        Endpoint(
            path="/accountRiskStatus/switchriskcategory",
            answer=_switch_risk_category,
            failure=simple_failure,
            writes=True,
            limit=EndpointLimit(per_hour=5000, penalty_s=1, only_failed=False),
        ),
        Endpoint(path="/accountRiskStatus/updatemaxnetliq", answer=_update_max_net_liq, writes=True),
        Endpoint(path="/accountRiskStatus/resetautoliqstatus", answer=_reset_auto_liq_status, writes=True),
        Endpoint(path="/accountRiskStatus/setaccountnotes", answer=_set_account_notes, failure=simple_failure, writes=True),
    ]


# --- POST /accountRiskStatus/setadminautoliqaction -------------------------------------------------


def _set_admin_auto_liq_action(call: SimulatedCall) -> Answer:
    if call.host.name != "demo":
        return call.endpoint.refuse(words.ACCESS_DENIED)
    if not call.who.admin:
        return not_admin(call)
    body = call.parameters
    account_id = whole_number(body.get("accountId", 0), "accountId")
    reason = text(body.get("adminActionReason"), "adminActionReason")
    error = _admin_action_error(account_id, body, reason)
    if error is not None:
        return call.endpoint.refuse(error)
    if not may_see(call, "account", account_id):
        return plain(404, words.NOT_FOUND)
    if ignored(call, account_id):
        return _status_answer(call, account_id)
    detail = {"reasonCode": body["adminActionReasonCode"], "reason": reason}
    action: str = body["adminAction"]
    set_admin_action(call.world, call.host, account_id, action, cause=call.cause, detail=detail)
    return _status_answer(call, account_id)


def _status_answer(call: SimulatedCall, account_id: int) -> Answer:
    """Answer with the account's current risk status, or nothing when it has none."""
    if account_id not in call.host.tables["accountRiskStatus"].rows:
        return ok({})
    return Answer(200, b'{"accountRiskStatus":' + shown(call, "accountRiskStatus", account_id) + b"}")


def _admin_action_error(account_id: int, body: Entity, reason: str | None) -> str | None:
    """Return the first line that applies of the page's table of error messages."""
    code = body.get("adminActionReasonCode")
    if account_id <= 0:
        return words.ACCOUNT_ID_TEXT
    if body.get("adminAction") not in words.ADMIN_ACTIONS:
        return words.ADMIN_ACTION_TEXT
    if code not in words.REASON_CODES:
        return words.REASON_CODE_TEXT
    if len(reason or "") > words.REASON_TEXT_MAX:
        return words.REASON_LENGTH_TEXT
    # A blank text counts as missing [?].
    if code == words.REASON_OTHER and not (reason or "").strip():
        return words.REASON_MISSING_TEXT
    return None


# --- POST /accountRiskStatus/switchriskcategory ----------------------------------------------------


def _switch_risk_category(call: SimulatedCall) -> Answer:
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
        if account["riskCategoryId"] == category or ignored(call, account_id):
            continue
        switched = {**account, "riskCategoryId": category}
        call.world.change(call.host, "account", switched, action="category_switched", cause=call.cause)
        _reevaluate(call, account_id, category)
    return ok({"ok": True, "errorText": ""})


def _reevaluate(call: SimulatedCall, account_id: int, category: int) -> None:
    """Check open positions against the new category's lots. Those above them may be liquidated."""
    positions = call.host.tables["position"]
    lots = max((abs(positions.rows[key]["netPos"]) for key in positions.of_master(account_id)), default=0)
    if not lots:
        return
    allowed = (call.host.get("_lots", category) or {"lots": lots})["lots"]
    detail = {"lots": lots, "allowed": allowed}
    call.world.log(call.host, "account", account_id, action="positions_reevaluated", cause=call.cause, detail=detail)
    if lots > allowed and call.world.settings.switch_liquidates:
        close_positions(call.world, call.host, account_id, cause=call.cause)


# --- POST /accountRiskStatus/updatemaxnetliq -------------------------------------------------------


def _update_max_net_liq(call: SimulatedCall) -> Answer:
    # "Sim accounts" on the only page that names it. On live it refuses like similar endpoints [?].
    if call.host.name != "demo":
        return call.endpoint.refuse(words.ACCESS_DENIED)
    account_id = whole_number(call.parameters.get("accountId", 0), "accountId")
    peak = number(call.parameters.get("maxNetLiq"), "maxNetLiq")
    refusal = account_refusal(call, account_id)
    if refusal is not None:
        return refusal
    if not ignored(call, account_id):
        set_max_net_liq(call.world, call.host, account_id, peak, action="max_net_liq_set", cause=call.cause)
        # Only the drawdown depends on the peak: a daily loss that staff cleared with Normal must not stop the account again
        # here.
        enforce_limits(call.world, call.host, account_id, cause=call.cause, kinds=("trailing",))
    return _status_answer(call, account_id)


# --- POST /accountRiskStatus/resetautoliqstatus ----------------------------------------------------


def _reset_auto_liq_status(call: SimulatedCall) -> Answer:
    account_id = whole_number(call.parameters.get("accountId", 0), "accountId")
    refusal = account_refusal(call, account_id)
    if refusal is not None:
        return refusal
    if not ignored(call, account_id):
        reset_auto_liq(call.world, call.host, account_id, cause=call.cause)
    return _status_answer(call, account_id)


# --- POST /accountRiskStatus/setaccountnotes -------------------------------------------------------


def _set_account_notes(call: SimulatedCall) -> Answer:
    account_id = whole_number(call.parameters.get("accountId", 0), "accountId")
    refusal = account_refusal(call, account_id)
    if refusal is not None:
        return refusal
    if not ignored(call, account_id):
        # The account is the body's only documented field. Other fields are neither refused nor kept [?].
        call.world.log(call.host, "account", account_id, action="notes_accepted", cause=call.cause)
    return ok({"ok": True})
