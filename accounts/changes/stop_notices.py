"""How pages show stops: each with the alternatives until it is over."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlencode

from django.urls import reverse

from accounts.changes.kinds import KINDS
from accounts.changes.kinds.kind import Kind
from accounts.changes.stops import Ahead, Cause, Stop, Stops
from riskadmin.tradovate.vocabulary import Environment, Lane
from riskadmin.web.formats import counted

DASHBOARD: Final = "in Tradovate's own dashboard"
CATEGORY: Final = "to a risk category that your firm has set up to allow no orders"
"""Which category that is, is not known here: a category does not say it."""
BY_HAND: Final = f"by hand {DASHBOARD}"


@dataclass(frozen=True, kw_only=True)
class Alternative:
    """An alternative; `url` leads there, if it is possible here and the person may do it."""

    words: str
    url: str = ""


@dataclass(frozen=True, kw_only=True)
class Notice:
    """A stop as a page shows it: with the alternatives until it is over."""

    stop: Stop
    alternatives: tuple[Alternative, ...]

    @property
    def tone(self) -> str:
        """The tone of its callout."""
        return "warn" if self.stop.is_warning else "danger"


@dataclass(frozen=True, kw_only=True)
class Subject:
    """What a page is about: this many targets of an environment, and how a URL names them; or none in particular.

    `kind` is the kind that is requested, None if every kind is offered.
    """

    targets: int = 0
    naming: Sequence[tuple[str, str]] = ()
    kind: Kind | None = None
    environment: Environment | None = None

    @property
    def first(self) -> str:
        """Its name at the first mention."""
        return {0: "an account", 1: "it"}.get(self.targets, "them")

    @property
    def then(self) -> str:
        """Its name after that."""
        return "it" if self.targets <= 1 else "them"


def notices(
    shown: Sequence[Stop], stops: Stops, *, may: Callable[[str], bool], subject: Subject = Subject()
) -> tuple[Notice, ...]:
    """Return stops as a page shows them; `stops` are all there are, `may` says whether the person has a capability."""
    return tuple(Notice(stop=stop, alternatives=tuple(_alternatives(stop, stops, may, subject))) for stop in shown)


def _alternatives(stop: Stop, stops: Stops, may: Callable[[str], bool], subject: Subject) -> list[Alternative]:
    if stop.is_warning:
        return [Alternative(words=f"calls leave; see what came of them {DASHBOARD}")] if stop.unconfirmed else []
    found = []
    waiting = {each.kind.name for each in stop.waits if subject.kind is None or each.kind.name == subject.kind.name}
    if stop.cause == Cause.ENDPOINT:
        found += _alternative_kinds(stop, stops, waiting, may, subject)
    if stop.cause == Cause.USED_UP and stop.lane == Lane.BULK and stops.state and stops.state.left_urgent:
        few = max((each.kind.urgent_up_to for each in stop.waits if each.kind.name in waiting), default=0)
        if few:
            left = f"{counted(stops.state.left_urgent, 'call')} left"
            found.append(Alternative(words=f"change at most {few} at a time, in the urgent lane ({left})"))
    locks = "lock" in waiting
    what = subject.then if found else subject.first
    found.append(Alternative(words=f"lock {what} {BY_HAND}" if locks else f"make the change {BY_HAND}"))
    return found


def _alternative_kinds(
    stop: Stop, stops: Stops, waiting: set[str], may: Callable[[str], bool], subject: Subject
) -> list[Alternative]:
    """Return the kinds that can keep an account from trading while the kind meant for that waits."""
    found = []
    alternatives = (kind.spec.alternative for name, kind in KINDS.items() if name in waiting and kind.spec.alternative)
    for name in dict.fromkeys(alternatives):
        kind = KINDS[name]
        where = [each for each in stop.environments if each in kind.environments and subject.environment in {None, each}]
        if name in waiting or not where:
            continue
        lane = Lane.URGENT if subject.targets <= kind.urgent_up_to else Lane.BULK
        if any(stops.holding_up(Ahead(kind=kind, environment=each, lane=lane, targets=subject.targets)) for each in where):
            continue
        what = subject.first
        words = (
            f"lock {what}" if name == "lock" else f"move {what} to a risk category that your firm has set up to allow no orders"
        )
        is_linked = subject.naming and may(kind.capability)
        url = f"{reverse('changes:new', args=[name])}?{urlencode(subject.naming)}" if is_linked else ""
        found.append(Alternative(words=words, url=url))
    return found
