"""What the page of a change shows to those who decide: what it would do now, the decision bar, and why that has gone."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

from django.http import HttpRequest
from django.urls import reverse

from accounts.access.trail import VIEWS_MARKS
from accounts.approvals.actions import refusal
from accounts.approvals.forms import DecideForm
from accounts.approvals.models import PolicyRule
from accounts.approvals.neighbours import neighbours
from accounts.approvals.states import RequestState, Verdict
from accounts.changes import shown
from accounts.changes.confirmation import confirmation_of
from accounts.changes.effects import ChangeEffects
from accounts.changes.listed_rows import result_today, reviewed
from accounts.changes.models import Change
from accounts.changes.plan_summary import RowFilter, sheet
from accounts.changes.queries import Progress
from accounts.changes.recomputed import FILTERS, MOVED, Recomputed
from accounts.changes.states import ChangeState
from riskadmin.staff.models import Staff
from riskadmin.web.access import may
from riskadmin.web.visible import isolated

ITEMS_TO_DECIDE: Final = 15
"""Fewer than elsewhere, so that what is below them stays near, also on a phone."""
SEARCH_MAX: Final = 64
LIQUIDATED: Final = "liquidated"
"""What the page can leave out of an approval as a whole: `?without=liquidated`, `?without=moved`; else single items, by key."""
LEFT_OUT_MAX: Final = 500
"""Items that one form may exclude: Django reads at most 1,000 fields."""

KEYS: Final = (
    ("a", "Approve: goes to the number or the button"),
    ("r", "Reject"),
    ("e", "Ask for edits"),
    ("c", "Comment"),
    ("j", "Next request that waits for you"),
    ("k", "Previous request that waits for you"),
)
"""The keys of the decision bar, for the list of shortcuts; the page's elements name them in `aria-keyshortcuts`."""


@dataclass(frozen=True, kw_only=True)
class Bar:
    """The forms of the decision bar, each with ids of its own. One of them may have been filled in and refused."""

    approve: DecideForm
    reject: DecideForm
    request_edits: DecideForm

    @classmethod
    def of(cls, posted: DecideForm | None) -> "Bar":
        """Return empty forms for what is shown now; in place of the one that was posted, that one with its errors."""
        verdict = posted["verdict"].value() if posted else ""
        forms = {each.value: DecideForm(auto_id=f"{each.value}_%s") for each in Verdict}
        if posted and verdict in forms:
            posted.auto_id = f"{verdict}_%s"
            forms[verdict] = posted
        return cls(**forms)


def review_context(request: HttpRequest, review: Recomputed) -> dict[str, Any]:
    """Return what the page shows above the bar: effects, and the items that its URL asks for, worst first, a page at a time."""
    wanted = RowFilter.of(request.GET, also=FILTERS)
    search = request.GET.get("q", "").strip()[:SEARCH_MAX]
    page_url = reverse("changes:detail", args=[review.change.pk])
    without = _without(request) if review.excluded else []
    rows_url = f"{page_url}?q={quote(search)}{''.join(f'&without={each}' for each in without)}"
    found = sheet(review.filtered(wanted, search), request.GET.get("page", "1"), ITEMS_TO_DECIDE)
    liquidated = [row for row in review.plan.sent if row.effects and row.effects.liquidation == "now"]
    return {
        "rows_filter": wanted,
        "without": without,
        "search": search,
        "rows_url": rows_url,
        "tab_url": f"{rows_url}{wanted.query}",
        "sheet": found.showing(reviewed(review, found.rows, names_owners=may(request, VIEWS_MARKS))),
        "parameter_words": review.plan.kind.parameter_words(review.change.parameters),
        "effects": review.overview.effects,
        "together_usd": result_today(liquidated),
        "seen": [] if review.excluded else shown.seen_otherwise(review.change, review.overview.effects),
        "rules": PolicyRule.objects.filter(pk__in=review.change.approval.rules[:1]).select_related("version"),
    }


def left_out(request: HttpRequest, review: Recomputed) -> Recomputed:
    """Return what is left of a review without what its address, or the form that was posted, leaves out of the approval."""
    keys: set[str] = set()
    for wanted in _without(request):
        if wanted == LIQUIDATED:
            keys |= set(review.with_effect(LIQUIDATED))
        elif wanted == MOVED:
            keys |= {str(each.item.pk) for each in review.moved}
        else:
            keys |= {wanted} & {str(each.item.pk) for each in review.items}
    return review.without(keys) if len(keys) < min(len(review.items), LEFT_OUT_MAX) else review


def _without(request: HttpRequest) -> list[str]:
    """Return what an address, or the form that was posted, leaves out: "liquidated", "moved", or keys of items."""
    typed = request.POST if request.method == "POST" else request.GET
    return [each for each in dict.fromkeys(typed.getlist("without")) if each in {LIQUIDATED, MOVED} or each.isdecimal()]


def bar_context(viewer: Staff, change: Change, review: Recomputed | None, posted: DecideForm | None) -> dict[str, Any]:
    """Return what the decision bar shows to somebody who may decide; `posted` is their form, if it was refused."""
    effects = review.overview.effects if review else ChangeEffects.from_json(change.effects)
    excluded = [str(item.pk) for item in review.excluded] if review else []
    return {
        "bar": Bar.of(posted),
        "confirmation": confirmation_of(effects),
        "shown": shown.sealed(change, viewer, effects, excluded) if review and effects else "",
        "may_leave_out": effects is not None and 0 < effects.liquidated < min(effects.targets, LEFT_OUT_MAX),
        "rest": effects.targets - effects.liquidated if effects else 0,
    }


def way_on(viewer: Staff, change: Change) -> dict[str, Any]:
    """Return the way to the next and the previous request that wait for somebody who decides, with the keys of the page."""
    return {"neighbours": neighbours(viewer, change.approval_id), "page_keys": KEYS}


def why_undecidable(viewer: Staff, change: Change) -> str:
    """Return why somebody with the role can't decide about a pending change, as sentences; "" if they can, or lack the role."""
    refused = refusal(change.approval, viewer, change.approval.digest) if viewer.may("changes:decide") else None
    return refused.message if refused else ""


def why_over(viewer: Staff, following: Progress, digest: str) -> str:
    """Return why somebody who was shown a digest can't decide any more: what happened, and by whom; "" if they still can."""
    change, request = following.change, following.change.approval
    refused = refusal(request, viewer, digest)
    if refused is None and change.state == ChangeState.PENDING:
        return ""
    if request.state == RequestState.WAITING and refused and digest != request.digest:
        return "This change was edited since you opened this page, and approvals of what it was no longer count."
    said = _ENDED.get(RequestState(request.state))
    if said is None:
        return refused.message if refused else "This change is no longer waiting."
    requester = isolated(request.requested_by_name)
    if request.incident:
        return f"{requester} ran this change alone, because of incident {isolated(request.incident)}."
    made = [each for each in following.approvals if each.verdict == said.verdict and each.version == request.version]
    words = said.words.format(people=" and ".join(isolated(each.staff_name) for each in made), requester=requester)
    return f"{words}: “{isolated(made[-1].comment)}”" if made and made[-1].comment else f"{words}."


@dataclass(frozen=True, kw_only=True)
class _Ended:
    """How a request ended, in words, and the verdict that did it."""

    words: str
    verdict: Verdict | None = None


_ENDED: Final[Mapping[RequestState, _Ended]] = {
    RequestState.APPROVED: _Ended(words="{people} approved this change", verdict=Verdict.APPROVE),
    RequestState.REJECTED: _Ended(words="{people} rejected this change", verdict=Verdict.REJECT),
    RequestState.EDITS_REQUESTED: _Ended(words="{people} asked for edits", verdict=Verdict.REQUEST_EDITS),
    RequestState.WITHDRAWN: _Ended(words="{requester} withdrew this change"),
    RequestState.EXPIRED: _Ended(words="This change expired before it was decided"),
}
