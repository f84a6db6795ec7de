"""The three auth operations: accesstokenrequest, renewaccesstoken, me."""

from __future__ import annotations

from riskadmin.simulator.calls import Answer, Endpoint, SimulatedCall, ok, plain
from riskadmin.simulator.clock import iso
from riskadmin.simulator.limits import EndpointLimit
from riskadmin.simulator.sessions import Token
from riskadmin.simulator.vocabulary import APP_NOT_REGISTERED, WRONG_PASSWORD, Entity


def auth_endpoints() -> list[Endpoint]:
    """Return the auth operations with the limits of the rate-limit page."""
    return [
        Endpoint(
            path="/auth/accesstokenrequest",
            answer=_request_token,
            public=True,
            secret=True,
            writes=True,
            # A penalty on this endpoint always requires a captcha.
            limit=EndpointLimit(per_hour=5, penalty_s=15, only_failed=True, captcha=True),
        ),
        Endpoint(
            path="/auth/renewaccesstoken",
            answer=_renew_token,
            limit=EndpointLimit(per_hour=15, penalty_s=15, only_failed=False),
        ),
        Endpoint(path="/auth/me", answer=_me, limit=EndpointLimit(per_hour=10, penalty_s=30, only_failed=True)),
    ]


def _request_token(call: SimulatedCall) -> Answer:
    settings = call.world.settings
    body = call.parameters
    if (str(body.get("cid", "")), body.get("sec")) != (settings.app_cid, settings.app_sec):
        return call.endpoint.refuse(APP_NOT_REGISTERED)
    name = str(body.get("name", "")).lower()
    # People sign in with the same name on both hosts. The demo host has all of them.
    users = call.world.hosts["demo"].tables["user"].rows.values()
    user = next((user for user in users if user["name"].lower() == name), None)
    if user is None or body.get("password") != settings.password or user["status"] != "Active":
        if settings.bad_login_status == 401:  # noqa: PLR2004 - an HTTP status
            return plain(401, WRONG_PASSWORD)
        return call.endpoint.refuse(WRONG_PASSWORD)
    token = call.sessions.open(user["id"], call.now_ms, settings)
    return ok(_token_body(call, user, token))


def _renew_token(call: SimulatedCall) -> Answer:
    user = call.world.hosts["demo"].tables["user"].rows[call.who.user_id]
    return ok(_token_body(call, user, call.sessions.renew(call.token, call.now_ms, call.world.settings)))


def _token_body(call: SimulatedCall, user: Entity, token: Token) -> Entity:
    return {
        "accessToken": token.token,
        "expirationTime": iso(token.expires_ms),
        "userStatus": user["status"],
        "userId": user["id"],
        "name": user["name"],
        "hasLive": call.world.hosts["live"].get("user", user["id"]) is not None,
        "hasSimPlus": False,
    }


def _me(call: SimulatedCall) -> Answer:
    user = call.world.hosts["demo"].tables["user"].rows[call.who.user_id]
    return ok(
        {
            "userId": user["id"],
            "name": user["name"],
            "fullName": user["name"],
            "email": user["email"],
            "emailVerified": True,
            "isTrial": False,
            "organizationName": f"Organization {user['organizationId']}",
        }
    )
