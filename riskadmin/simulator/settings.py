"""The settings of a running simulator: limits, lifetimes and the choices that the documents leave open."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, Final


class BadSettingError(ValueError):
    """A setting that does not exist, or an invalid value."""


CHOICES: Final[dict[str, frozenset[object]]] = {
    "bad_login_status": frozenset({200, 401}),
    "not_admin_status": frozenset({200, 401}),
    "omitted_limits": frozenset({"clear", "keep"}),
    "entity_cap_varies": frozenset({"day", "call"}),
    "entity_cap_drops": frozenset({"tail", "random"}),
    "answer_order": frozenset({"plain", "shuffled"}),
    "maintenance": frozenset({"off", "on", "schedule"}),
}


@dataclass(frozen=True, slots=True)
class Settings:
    """Every default is the documented value. ``[?]`` marks those that no document states."""

    user_calls_per_hour: int = 5000
    """Rolling hour, per user, every endpoint, both hosts together."""
    anonymous_calls_per_hour: int = 1000
    """Rolling hour, per address, for calls without a valid token."""
    anonymous_calls_per_second: int = 100
    block_s: int = 3600
    """How long a user or address that exceeded its limit gets nothing but 429."""
    endpoint_calls_per_hour: dict[str, int] = field(default_factory=dict)
    """Replaces an endpoint's own limit, by lower-case path (``/auth/me``); 0 lifts it."""
    penalty_growth: int = 1
    """Factor on p-time for each further violation within the hour [?]."""

    token_life_s: int = 5400
    sessions_per_user: int = 2
    password: str = "simulator"  # noqa: S105 - the password of every simulated person
    app_cid: str = "8"
    app_sec: str = "simulator-secret"
    bad_login_status: int = 200
    """200 with errorText (reported from real use) or 401 (the conformance page)."""
    not_admin_status: int = 401
    """401, or 200 with errorText: the page of setadminautoliqaction lists both."""
    expired_token_status: int = 401
    evicted_token_status: int = 408
    """The documents name "408, 429 or 5xx-type errors"."""
    renewal_closes_old_token: bool = False
    """Whether the renewed token ends immediately or stays valid for its 90 minutes [?]."""

    entity_cap: int = 0
    """The most entities in one answer. Others are left out silently. 0 means no cap [?]."""
    entity_caps: dict[str, int] = field(default_factory=dict)
    """The same for single paths, in lower case (``/position/list``). 0 removes the cap of one [?]."""
    entity_cap_min: int = 0
    """Above 0, each cap is a random value between this and its own value: a limit that varies [?]."""
    entity_cap_varies: str = "day"
    """How often a varying cap changes: with each simulated day (UTC), or with each call."""
    entity_cap_drops: str = "tail"
    """Which entities a cut answer leaves out: those at its end, or random ones."""
    answer_order: str = "plain"
    """Plain (lists and ``items`` by id, updates as they were sent) or shuffled, in reads and updateuserautoliqs [?]."""
    omit_false: bool = False
    """Whether false booleans are left out of answers [?]."""
    extension_id_offset: int = 0
    """How far the ids of an account's risk status and limits are from the account's own: 0 is the inferred rule [?]."""
    variant_seed: int = 1
    """The seed of varying caps, random cuts and shuffled orders."""
    list_archived: bool = True
    """Whether account/list includes archived accounts [?]."""
    archived_effect: bool = False
    """Whether a write that is silently accepted for an archived account changes anything [?]."""
    omitted_limits: str = "clear"
    """What updates of limits, position limits and risk parameters do with a field that is not sent [?]."""
    demo_cash_cap_for_admins: bool = False
    """Whether changedemobalance limits administrators to the 50,000 dollars that apply to everyone else [?]."""
    newer_endpoints: bool = True
    """Endpoints of newer documents: /accountRiskStatusLog/…; without this they answer 404."""
    switch_liquidates: bool = True
    """Whether a category switch closes positions above the new category's lots."""

    maintenance: str = "off"
    maintenance_status: int = 503
    latency_ms: int = 0
    """Delay of every answer, after the effect."""
    kept_answer_bytes: int = 0
    """Answers up to this size are stored with their calls, except those of /auth. 0 stores none."""

    def patched(self, changes: dict[str, Any]) -> Settings:
        """Return the settings with ``changes`` applied. Raise BadSettingError, and change nothing, for an invalid one."""
        known = {f.name: type(getattr(self, f.name)) for f in fields(self)}
        for name, value in changes.items():
            if name not in known:
                msg = f"no setting {name!r}; there are {', '.join(known)}"
                raise BadSettingError(msg)
            if type(value) is not known[name]:
                msg = f"{name} must be {known[name].__name__}, not {value!r}"
                raise BadSettingError(msg)
            if isinstance(value, int) and value < 0:
                msg = f"{name} must not be negative"
                raise BadSettingError(msg)
            if isinstance(value, dict) and not all(_is_path_number(*pair) for pair in value.items()):
                msg = f"{name} must be numbers from 0 up by lower-case path, not {value!r}"
                raise BadSettingError(msg)
            if name in CHOICES and value not in CHOICES[name]:
                msg = f"{name} must be one of {sorted(map(str, CHOICES[name]))}, not {value!r}"
                raise BadSettingError(msg)
        return replace(self, **changes)

    def as_json(self) -> dict[str, Any]:
        """Return every setting by name, ready for JSON."""
        return asdict(self)


def _is_path_number(path: object, value: object) -> bool:
    """Return whether this is a pair of a lower-case path and a number from 0 up."""
    is_path = isinstance(path, str) and path.startswith("/") and path == path.lower()
    return is_path and type(value) is int and value >= 0
