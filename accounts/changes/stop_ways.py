"""What else can be done while something is stopped: for the pages that tell of stops."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode

from django.urls import reverse

from accounts.changes.kinds import KINDS
from accounts.changes.kinds.kind import Kind
from accounts.changes.stops import Ahead, Cause, Stop, Stops
from riskadmin.tradovate.vocabulary import Lane

STAND_INS: Final = {"lock": "risk_category", "liquidate_only": "risk_category", "risk_category": "lock"}
"""Which other kind can keep an account from trading, by the kind that waits."""

DASHBOARD: Final = "in Tradovate's own dashboard"
BY_HAND: Final = f"by hand {DASHBOARD}"


@dataclass(frozen=True, kw_only=True)
class Way:
    """Something that can be done meanwhile; `url` leads there, where it is done here and the person may do it."""

    words: str
    url: str = ""


@dataclass(frozen=True, kw_only=True)
class Told:
    """A stop as a page tells it: with what can be done until it is over."""

    stop: Stop
    ways: tuple[Way, ...]

    @property
    def tone(self) -> str:
        """The tone of its callout."""
        return "warn" if self.stop.is_warning else "danger"


@dataclass(frozen=True, kw_only=True)
class Subject:
    """What a page is about, so that it names the ways for it: so many targets, and how an address names them; or none.

    `kind` is the kind that is asked for, None where every kind is offered.
    """

    targets: int = 0
    naming: Sequence[tuple[str, str]] = ()
    kind: Kind[Any] | None = None

    @property
    def first(self) -> str:
        """What it is called when it is first spoken of."""
        return {0: "an account", 1: "it"}.get(self.targets, "them")

    @property
    def then(self) -> str:
        """What it is called after that."""
        return "it" if self.targets <= 1 else "them"


def told(shown: Sequence[Stop], stops: Stops, *, may: Callable[[str], bool], subject: Subject = Subject()) -> tuple[Told, ...]:
    """Return stops as a page tells them; `stops` are all there are, `may` says whether the person holds a capability."""
    return tuple(Told(stop=stop, ways=tuple(_ways(stop, stops, may, subject))) for stop in shown)


def _ways(stop: Stop, stops: Stops, may: Callable[[str], bool], subject: Subject) -> list[Way]:
    if stop.is_warning:
        return [Way(words=f"calls leave; see what came of them {DASHBOARD}")] if stop.unconfirmed else []
    found = []
    waiting = {each.kind.name for each in stop.waits if subject.kind is None or each.kind.name == subject.kind.name}
    if stop.cause == Cause.ENDPOINT:
        found += _stand_ins(stop, stops, waiting, may, subject)
    if stop.cause == Cause.USED_UP and stop.lane == Lane.BULK and stops.state and stops.state.left_urgent:
        few = max((each.kind.urgent_up_to for each in stop.waits if each.kind.name in waiting), default=0)
        if few:
            left = f"{stops.state.left_urgent:,} call{'' if stops.state.left_urgent == 1 else 's'} left"
            found.append(Way(words=f"change at most {few} at a time, in the urgent lane ({left})"))
    locks = "lock" in waiting
    what = subject.then if found else subject.first
    found.append(Way(words=f"lock {what} {BY_HAND}" if locks else f"make the change {BY_HAND}"))
    return found


def _stand_ins(stop: Stop, stops: Stops, waiting: set[str], may: Callable[[str], bool], subject: Subject) -> list[Way]:
    """Return the kinds that can keep an account from trading although another one, meant for that, waits."""
    found = []
    for name in dict.fromkeys(STAND_INS[each] for each in ("lock", "liquidate_only", "risk_category") if each in waiting):
        kind = KINDS[name]
        where = [each for each in stop.environments if each in kind.environments]
        if name in waiting or not where:
            continue
        lane = Lane.URGENT if subject.targets <= kind.urgent_up_to else Lane.BULK
        if any(stops.holding_up(Ahead(kind=kind, environment=each, lane=lane, targets=subject.targets)) for each in where):
            continue
        what = subject.first
        words = f"lock {what}" if name == "lock" else f"move {what} to a risk category that allows no orders"
        is_linked = subject.naming and may(kind.capability)
        url = f"{reverse('changes:new', args=[name])}?{urlencode(subject.naming)}" if is_linked else ""
        found.append(Way(words=words, url=url))
    return found
