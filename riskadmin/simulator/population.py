"""The invented firm: who trades what, in every state that staff meet.

It is a pure function of seed, sizes and creation time: the same values give the same entities, byte for byte. People's mail
addresses are in domains reserved for documentation.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Final

from riskadmin.simulator import names
from riskadmin.simulator.clock import iso, trade_date
from riskadmin.simulator.tables import Host
from riskadmin.simulator.vocabulary import LIQUIDATE, LIQUIDATE_ONLY, LOCK, NORMAL, Entity

ORGANIZATION: Final = 701
OTHER_ORGANIZATION: Final = 702
HOLDER, API_ADMIN, API_VIEWER, OTHER_HOLDER, OTHER_ADMIN, OTHER_TRADER = range(100_001, 100_007)
FIRST_TRADER: Final = 200_001
DAY_MS: Final = 86_400_000
HOUR_MS: Final = 3_600_000

# Per thousand accounts. The rest are plainly active. Each occurs at least once.
SCENARIOS: Final = (
    ("archived", 60),
    ("closed", 60),
    ("locked", 40),
    ("liquidated", 10),
    ("liquidate_only", 20),
    ("breached_do_not_unlock", 30),
    ("breached", 20),
    ("near_limit", 40),
    ("positions", 150),
    ("trader_liquidate_only", 10),
    ("restricted", 10),
)
LOCKED_OUT_PER_THOUSAND: Final = 10


@dataclass(frozen=True, slots=True)
class Programme:
    """One evaluation size with its limits in US dollars."""

    label: str
    size: float
    daily_loss: float
    drawdown: float
    share: int


PROGRAMMES: Final = (
    Programme("25K", 25_000.0, 500.0, 1_500.0, 20),
    Programme("50K", 50_000.0, 1_000.0, 2_500.0, 45),
    Programme("100K", 100_000.0, 2_000.0, 3_500.0, 25),
    Programme("150K", 150_000.0, 3_000.0, 5_000.0, 10),
)


@dataclass(frozen=True, slots=True)
class Firm:
    """The differences between the two hosts' data."""

    prefix: str
    first_account: int
    categories: tuple[tuple[int, str, int], ...]
    """Id, name and the maximum lots per position."""


FIRMS: Final = {
    "demo": Firm(
        "KTR",
        4_200_001,
        ((3, "Evaluation Standard", 10), (4, "Evaluation Reduced", 2), (5, "Sim Funded", 15), (6, "Trading Halted", 0)),
    ),
    # Ids larger than 32 bits: the API's are int64.
    "live": Firm("KTRF", 9_876_500_001, ((13, "Funded Standard", 8), (14, "Funded Reduced", 2), (16, "Trading Halted", 0))),
}


def populate(hosts: dict[str, Host], *, seed: int, traders: int, accounts: int, born_ms: int) -> None:
    """Fill both hosts. Live gets a tenth of the traders and accounts, with other ids and figures."""
    for name, share in (("demo", 1), ("live", 10)):
        rng = random.Random(f"{seed}:{name}")  # noqa: S311 - invented people, no secrets
        _Builder(hosts[name], FIRMS[name], rng, born_ms).build(-(-traders // share), -(-accounts // share))


class _Builder:
    def __init__(self, host: Host, firm: Firm, rng: random.Random, born_ms: int) -> None:
        self._host = host
        self._firm = firm
        self._rng = rng
        self._born_ms = born_ms
        self._date = trade_date(born_ms)

    def build(self, traders: int, accounts: int) -> None:
        for key, name, lots in self._firm.categories:
            self._host.put("riskCategory", {"id": key, "name": name})
            self._host.put("_lots", {"id": key, "lots": lots})
        self._margins()
        self._staff()
        for number in range(traders):
            self._trader(FIRST_TRADER + number)
        owners = self._owners(traders, accounts)
        scenarios = self._scenarios(accounts)
        for number, (owner, scenario) in enumerate(zip(owners, scenarios, strict=True)):
            self._account(self._firm.first_account + number, number + 1, owner, scenario, HOLDER)
            self._position_limits(self._firm.first_account + number, number)
        if self._host.name == "demo":
            self._lockouts(owners, scenarios)
            for number in range(3):
                key = self._firm.first_account + accounts + number
                self._account(key, 900_000 + number, OTHER_TRADER, "active", OTHER_HOLDER)

    def _staff(self) -> None:
        people = (
            (HOLDER, "ktr-holdings", ORGANIZATION),
            (API_ADMIN, "api-admin", ORGANIZATION),
            (API_VIEWER, "api-viewer", ORGANIZATION),
            (OTHER_HOLDER, "nvx-holdings", OTHER_ORGANIZATION),
            (OTHER_ADMIN, "other-admin", OTHER_ORGANIZATION),
            (OTHER_TRADER, "other-trader", OTHER_ORGANIZATION),
        )
        for key, name, organization in people:
            self._user(key, name, f"{name}@example.com", organization, "Active")
        for key in (API_ADMIN, OTHER_ADMIN):
            self._host.put("_role", {"id": key, "admin": True})

    def _trader(self, key: int) -> None:
        # Derived from the id alone: a person has the same name on both hosts.
        rng = random.Random(key)  # noqa: S311 - an invented person
        first, last = rng.choice(names.FIRST_NAMES), rng.choice(names.LAST_NAMES)
        name = f"{first}.{last}.{key - FIRST_TRADER + 1}".lower()
        status = rng.choices(("Active", "Closed", "TemporaryLocked"), (96, 3, 1))[0]
        self._user(key, name, f"{name}@{rng.choice(names.MAIL_DOMAINS)}", ORGANIZATION, status)

    def _user(self, key: int, name: str, email: str, organization: int, status: str) -> None:
        entity: Entity = {"id": key, "name": name, "timestamp": iso(self._born_ms - (key % 700 + 30) * DAY_MS)}
        entity |= {"email": email, "status": status, "professional": False, "organizationId": organization}
        self._host.put("user", entity)

    def _owners(self, traders: int, accounts: int) -> list[int]:
        """Give each trader one account until the accounts run out, and the rest to the few who trade many."""
        people = [FIRST_TRADER + number for number in range(traders)]
        eagerness = [min(self._rng.paretovariate(1.3), 20.0) for _ in people]
        extra = max(0, accounts - traders)
        owners = people[:accounts] + (self._rng.choices(people, eagerness, k=extra) if extra else [])
        self._rng.shuffle(owners)
        return owners

    def _scenarios(self, accounts: int) -> list[str]:
        drawn = [name for name, share in SCENARIOS for _ in range(max(1, accounts * share // 1000))]
        drawn = (drawn + ["active"] * accounts)[:accounts]
        self._rng.shuffle(drawn)
        return drawn

    def _account(self, key: int, number: int, trader: int, scenario: str, holder: int) -> None:
        rng = self._rng
        programme = rng.choices(PROGRAMMES, [p.share for p in PROGRAMMES])[0]
        archived = scenario == "archived"
        closed = archived or scenario == "closed"
        created = iso(self._born_ms - rng.randrange(1, 400) * DAY_MS - rng.randrange(DAY_MS))
        account: Entity = {
            "id": key,
            "name": f"{self._firm.prefix if holder == HOLDER else 'NVX'}{programme.label}-{number:06d}",
            "userId": holder,
            "accountType": "Customer",
            "active": not closed,
            "clearingHouseId": 2,
            "riskCategoryId": rng.choice(self._firm.categories[:-1])[0],
            "autoLiqProfileId": 7,
            "marginAccountType": "Speculator",
            "legalStatus": "Individual",
            "timestamp": created,
            "evaluationSize": programme.size,
            "restricted": scenario == "restricted",
            "closed": closed,
            "archived": archived,
        }
        self._host.put("account", account)
        self._permission(key, trader, created, revoked=archived)
        self._money(key, programme, scenario)

    def _permission(self, account: int, trader: int, created: str, *, revoked: bool) -> None:
        person = self._host.tables["user"].rows[trader]
        entity: Entity = {"id": account + 50_000_000, "userId": trader, "accountId": account}
        entity |= {"accountHolderContact": "ktr-holdings", "accountHolderEmail": "ktr-holdings@example.com"}
        entity |= {"ctaContact": person["name"], "ctaEmail": person["email"]}
        entity |= {"status": "Revoked" if revoked else "Accepted", "updated": created, "approvedById": API_ADMIN}
        self._host.put("tradingPermission", entity)

    def _money(self, key: int, programme: Programme, scenario: str) -> None:
        """Create figures that agree with the scenario: only breached accounts are beyond a limit."""
        rng = self._rng
        daily = programme.daily_loss
        day = rng.uniform(-0.4, 0.5) * daily
        if scenario == "near_limit":
            day = -rng.uniform(0.85, 0.98) * daily
        elif scenario.startswith("breached"):
            day = -rng.uniform(1.0, 1.05) * daily
        day = round(day, 2)
        has_positions = scenario in {"positions", "trader_liquidate_only"} or (
            scenario in {"near_limit", "locked", "liquidate_only"} and rng.random() < 0.5  # noqa: PLR2004 - half of them
        )
        open_profit = round(rng.uniform(-0.1, 0.1) * daily, 2) if has_positions else 0.0
        realized = round(day - open_profit, 2)
        amount = round(programme.size + rng.uniform(-0.2 * programme.drawdown, 0.05 * programme.size) + realized, 2)
        self._cash(key, amount, realized, round(realized + rng.uniform(-0.3, 0.6) * daily, 2))
        if has_positions:
            self._position(key)
        used = rng.uniform(0, 0.6) * (programme.drawdown - 1.1 * daily) + max(0.0, -day)
        peak = round(amount + open_profit + used, 2)
        self._limits(key, programme, scenario)
        self._risk_status(key, scenario, peak, round(peak - programme.drawdown, 2))
        kind = "daily" if scenario.startswith("breached") else None
        self._host.put("_state", {"id": key, "scenario": scenario, "openPnL": open_profit, "breach": kind, "revertAt": None})

    def _cash(self, key: int, amount: float, realized: float, week: float) -> None:
        entity: Entity = {"id": key + 60_000_000, "accountId": key, "timestamp": iso(self._born_ms), "tradeDate": self._date}
        entity |= {"currencyId": 1, "amount": amount, "realizedPnL": realized, "weekRealizedPnL": week}
        entity["amountSOD"] = round(amount - realized, 2)
        self._host.put("cashBalance", entity)

    def _position(self, key: int) -> None:
        rng = self._rng
        contract, price = rng.choice(names.CONTRACTS)
        lots = rng.randrange(1, 4)
        long = rng.random() < 0.5  # noqa: PLR2004 - half of them
        value = round(lots * price, 2)
        entity: Entity = {"id": key + 70_000_000, "accountId": key, "contractId": contract}
        entity |= {"timestamp": iso(self._born_ms - rng.randrange(HOUR_MS)), "tradeDate": self._date}
        entity |= {"netPos": lots if long else -lots, "netPrice": price, "prevPos": 0, "prevPrice": 0.0}
        entity |= {"bought": lots if long else 0, "boughtValue": value if long else 0.0}
        entity |= {"sold": 0 if long else lots, "soldValue": 0.0 if long else value}
        self._host.put("position", entity)

    def _limits(self, key: int, programme: Programme, scenario: str) -> None:
        rng = self._rng
        daily = programme.daily_loss
        stays = rng.random() < 0.6  # noqa: PLR2004 - most evaluations end with a breach
        if scenario.startswith("breached"):
            stays = scenario == "breached_do_not_unlock"
        record: Entity = {"id": key, "changesLocked": rng.random() < 0.1}  # noqa: PLR2004 - one in ten
        record |= {"dailyLossAlert": daily * 0.8, "dailyLossLiqOnly": daily * 0.9, "dailyLossAutoLiq": daily}
        record |= {"weeklyLossAutoLiq": daily * 2.5, "trailingMaxDrawdown": programme.drawdown}
        record["trailingMaxDrawdownLimit"] = programme.size + 100
        record["trailingMaxDrawdownMode"] = rng.choice(("EOD", "RealTime"))
        record["doNotUnlock"] = stays
        self._host.put("userAccountAutoLiq", record)
        own: Entity = {"id": key}
        if scenario == "active" and rng.random() < 0.3:  # noqa: PLR2004 - traders with stricter limits of their own
            own |= {"dailyLossAutoLiq": round(daily * 0.75, 2), "changesLocked": False}
        self._host.put("permissionedAccountAutoLiq", own)

    def _margins(self) -> None:
        for contract, product, initial, maintenance in names.MARGINS:
            margin = {"initialMargin": initial, "maintenanceMargin": maintenance, "timestamp": iso(self._born_ms)}
            self._host.put("contractMargin", {"id": contract, **margin})
            self._host.put("productMargin", {"id": product, **margin})

    def _position_limits(self, key: int, number: int) -> None:
        """Give every third account a limit over everything, and some of these order sizes and a limit for one product.

        By number instead of by chance: the rest of the firm is then the same with and without them.
        """
        if number % 3:
            return
        category = self._host.tables["account"].rows[key]["riskCategoryId"]
        lots = next(lots for found, _, lots in self._firm.categories if found == category)
        overall: Entity = {"id": key + 80_000_000, "accountId": key, "active": True, "totalBy": "Overall"}
        overall |= {"shortLimit": lots, "longLimit": lots, "exposedLimit": lots, "description": "All contracts"}
        self._host.put("userAccountPositionLimit", overall)
        if number % 2 == 0:
            orders: Entity = {"id": key + 90_000_000, "userAccountPositionLimitId": overall["id"]}
            orders |= {"maxOpeningOrderQty": lots, "maxClosingOrderQty": 100, "hardLimit": True}
            self._host.put("userAccountRiskParameter", orders)
        if number % 5 == 0:
            product: Entity = {"id": key + 85_000_000, "accountId": key, "active": number % 2 == 0, "totalBy": "Product"}
            product |= {"productId": names.MARGINS[number // 15 % len(names.MARGINS)][1], "exposedLimit": 1}
            self._host.put("userAccountPositionLimit", product)

    def _risk_status(self, key: int, scenario: str, peak: float, floor: float) -> None:
        at = iso(self._born_ms - self._rng.randrange(HOUR_MS // 60, 20 * HOUR_MS))
        status: Entity = {"id": key, "adminAction": NORMAL, "userTriggeredLiqOnly": scenario == "trader_liquidate_only"}
        actions = {"locked": LOCK, "liquidated": LIQUIDATE, "liquidate_only": LIQUIDATE_ONLY, "breached_do_not_unlock": LOCK}
        if scenario in actions:
            status |= {"adminAction": actions[scenario], "adminTimestamp": at}
        if scenario == "liquidate_only" or scenario.startswith("breached"):
            status["liquidateOnly"] = at
        status |= {"maxNetLiq": peak, "minNetLiq": floor}
        self._host.put("accountRiskStatus", status)
        if scenario in actions or scenario == "breached":
            log = self._host.tables["accountRiskStatusLog"]
            self._host.put("accountRiskStatusLog", {**status, "id": log.next_id, "accountId": key, "timestamp": at})

    def _lockouts(self, owners: list[int], scenarios: list[str]) -> None:
        """Give a few traders with a plainly active account a lockout of their own."""
        candidates = sorted({owner for owner, scenario in zip(owners, scenarios, strict=True) if scenario == "active"})
        wanted = min(len(candidates), max(1, len(candidates) * LOCKED_OUT_PER_THOUSAND // 1000))
        for trader in self._rng.sample(candidates, wanted):
            started = self._born_ms - self._rng.randrange(HOUR_MS)
            lasts = self._rng.choice((2, 4, 24, 72)) * HOUR_MS
            self._host.put("_lockout", {"id": trader, "startedAt": started, "expiresAt": started + lasts})
