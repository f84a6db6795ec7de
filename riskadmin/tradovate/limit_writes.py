"""The writes to limits: post-trade (auto-liq, seed 000) and pre-trade (position limits and their risk parameters).

As in ``account_writes``: a permit, a ticket of an earlier ``NotHandled``, ``ValueError`` for what would be refused, and no
answer is proof. Source of the pre-trade ones: the partner OpenAPI document.
"""

from collections.abc import Collection, Mapping, Sequence

from riskadmin.tradovate import endpoints
from riskadmin.tradovate.auto_liq import MAX_AUTO_LIQ_UPDATES, AutoLiqUpdate, AutoLiqUpdated
from riskadmin.tradovate.calling import Calling
from riskadmin.tradovate.encoding import merged, positive
from riskadmin.tradovate.http_record import Reply
from riskadmin.tradovate.permit import WritePermit
from riskadmin.tradovate.pre_trade import (
    PositionLimitFields,
    RiskParameterFields,
    UserAccountPositionLimit,
    UserAccountRiskParameter,
)
from riskadmin.tradovate.reading import Unreadable


class LimitWrites(Calling):
    """Every method raises an error of the tree in ``errors``."""

    def update_user_auto_liqs(
        self,
        *,
        permit: WritePermit,
        items: Sequence[AutoLiqUpdate],
        ticket: str | None = None,
    ) -> Reply[dict[int, AutoLiqUpdated]]:
        """Change the limits of many accounts in one call (seed 000). Each account's level at most once.

        The value maps an account to its limits in the answer, by the ids of its records and not by their order. Records
        that belong to no account of ``items`` are left out, as are those that can't be read. Nothing depends on it: a
        read-back shows what has changed. Whether one bad item makes the others fail is not documented [?].
        """
        if not 1 <= len(items) <= MAX_AUTO_LIQ_UPDATES:
            raise ValueError(f"1 to {MAX_AUTO_LIQ_UPDATES} updates are sent at once")
        if len({(item.account_id, item.as_owner) for item in items}) != len(items):
            raise ValueError("an account's limits of one level are changed twice")
        body = {"items": [item.to_json() for item in items]}
        asked = {item.account_id for item in items}

        def read(data: object) -> dict[int, AutoLiqUpdated]:
            answers = data.get("userAutoLiqs") if isinstance(data, dict) else None
            if not isinstance(answers, list):
                raise Unreadable("userAutoLiqs is missing")
            found = {}
            for answer in answers:
                try:
                    updated = AutoLiqUpdated.from_json(answer)
                except Unreadable:
                    continue  # the read-back shows it
                if len(updated.record_ids) == 1 and updated.record_ids <= asked:
                    (account_id,) = updated.record_ids
                    found[account_id] = updated
            return found

        return self._write(endpoints.UPDATE_USER_AUTO_LIQS, body, read, permit=permit, ticket=ticket)

    def create_user_account_position_limit(
        self,
        *,
        permit: WritePermit,
        limit: PositionLimitFields,
        ticket: str | None = None,
    ) -> Reply[UserAccountPositionLimit]:
        """Create a position limit for an account. Sent twice, it may exist twice. Its id is in the answer."""
        return self._write(
            endpoints.CREATE_USER_ACCOUNT_POSITION_LIMIT,
            limit.to_json(),
            UserAccountPositionLimit.from_json,
            permit=permit,
            ticket=ticket,
        )

    def update_user_account_position_limit(
        self,
        *,
        permit: WritePermit,
        position_limit_id: int,
        limit: PositionLimitFields,
        carried: Mapping[str, object],
        altered: Collection[str],
        ticket: str | None = None,
    ) -> Reply[UserAccountPositionLimit]:
        """Replace a position limit by the record ``carried``, with the fields ``altered`` taken from ``limit``."""
        return self._write(
            endpoints.UPDATE_USER_ACCOUNT_POSITION_LIMIT,
            {"id": positive("a position limit's id", position_limit_id), **merged(carried, limit.to_json(), altered)},
            UserAccountPositionLimit.from_json,
            permit=permit,
            ticket=ticket,
        )

    def delete_user_account_position_limit(
        self,
        *,
        permit: WritePermit,
        position_limit_id: int,
        ticket: str | None = None,
    ) -> Reply[None]:
        """Delete a position limit. What happens to its risk parameters is not documented [?]."""
        body = {"userAccountPositionLimitId": positive("a position limit's id", position_limit_id)}
        return self._write(endpoints.DELETE_USER_ACCOUNT_POSITION_LIMIT, body, _deleted, permit=permit, ticket=ticket)

    def create_user_account_risk_parameter(
        self,
        *,
        permit: WritePermit,
        parameter: RiskParameterFields,
        ticket: str | None = None,
    ) -> Reply[UserAccountRiskParameter]:
        """Create a risk parameter for a position limit. Sent twice, it may exist twice. Its id is in the answer."""
        return self._write(
            endpoints.CREATE_USER_ACCOUNT_RISK_PARAMETER,
            parameter.to_json(),
            UserAccountRiskParameter.from_json,
            permit=permit,
            ticket=ticket,
        )

    def update_user_account_risk_parameter(
        self,
        *,
        permit: WritePermit,
        risk_parameter_id: int,
        parameter: RiskParameterFields,
        carried: Mapping[str, object],
        altered: Collection[str],
        ticket: str | None = None,
    ) -> Reply[UserAccountRiskParameter]:
        """Replace a risk parameter by the record ``carried``, with the fields ``altered`` taken from ``parameter``."""
        return self._write(
            endpoints.UPDATE_USER_ACCOUNT_RISK_PARAMETER,
            {"id": positive("a risk parameter's id", risk_parameter_id), **merged(carried, parameter.to_json(), altered)},
            UserAccountRiskParameter.from_json,
            permit=permit,
            ticket=ticket,
        )

    def delete_user_account_risk_parameter(
        self,
        *,
        permit: WritePermit,
        risk_parameter_id: int,
        ticket: str | None = None,
    ) -> Reply[None]:
        """Delete a risk parameter, under the path of position limits, as Tradovate has it."""
        body = {"userAccountRiskParameterId": positive("a risk parameter's id", risk_parameter_id)}
        return self._write(endpoints.DELETE_USER_ACCOUNT_RISK_PARAMETER, body, _deleted, permit=permit, ticket=ticket)


def _deleted(data: object) -> None:
    """Accept any clean answer: ``success`` is optional, and ``interpret`` has handled false."""
