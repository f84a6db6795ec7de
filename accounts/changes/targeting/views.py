"""Pages before the request form: which kind, and for which accounts or traders."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlencode
from uuid import UUID

from django import forms
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts.changes.access import visible_changes
from accounts.changes.forms import FileForm, NamesForm, read_targets
from accounts.changes.kinds import KINDS
from accounts.changes.kinds.kind import Kind
from accounts.changes.kinds.spec import Unit
from accounts.changes.kinds.stored import State
from accounts.changes.models import Change, TargetList
from accounts.changes.preview_views import NAMING, is_urgent, kind_or_404, named_targets
from accounts.changes.states import Direction
from accounts.changes.targeting import targets
from accounts.changes.targeting.csv_columns import HEADINGS, columns_of, template
from accounts.changes.targeting.csv_table import BYTES_MAX, Unreadable
from accounts.changes.targeting.csv_upload import read_csv, refused_as_csv
from accounts.changes.targeting.targets import BadTargets, TargetSelection, copy_of
from accounts.pages.filters import AccountFilters
from riskadmin.staff.models import Staff
from riskadmin.staff.queries import person
from riskadmin.tradovate.vocabulary import Environment
from riskadmin.web.access import CapabilityMissing, demand, may, requires
from riskadmin.web.body_limits import ENVELOPE, accepts_body
from riskadmin.web.htmx import HttpResponseSeeOther
from riskadmin.web.rate_limits import EXPORTS, UPLOADS, rate_limited
from riskadmin.web.statuses import UNPROCESSABLE

CHANGE_NUMBER: Final = re.compile("[0-9]{1,18}")
TARGET_FILE_MAX: Final = BYTES_MAX + ENVELOPE
"""How many bytes a request may have that brings a file of targets."""

SPLIT: Final = "Split the file, or the list."


@dataclass(frozen=True, kw_only=True)
class ActionOption:
    """A kind that may be chosen: its link, or why it can't be requested here."""

    kind: Kind
    url: str
    obstacle: str


@requires("changes:view")
@require_GET
def choose(request: HttpRequest) -> HttpResponse:
    """Which kind of change to request: for the targets in the URL, or for targets to be named next."""
    offered = _offered(request)
    chosen = named_targets(request, request.GET, None) if any(name in request.GET for name in NAMING) else None
    offers = [_offer(kind, chosen, request.GET) for kind in offered]
    context = {
        "chosen": chosen,
        "environment": chosen.environment.value if chosen else "",
        "groups": [
            (direction.label, [offer for offer in offers if offer.kind.direction == direction])
            for direction in Direction
            if any(offer.kind.direction == direction for offer in offers)
        ],
    }
    return render(request, "changes/choose.html", context)


def _offered(request: HttpRequest) -> list[Kind]:
    """Return the kinds that this person may request; raises CapabilityMissing if there is none."""
    offered = [kind for kind in KINDS.values() if may(request, kind.capability)]
    if not offered:
        raise CapabilityMissing(*(kind.capability for kind in KINDS.values()))
    return offered


def _offer(kind: Kind, chosen: TargetSelection | None, query: QueryDict) -> ActionOption:
    if chosen is None:
        return ActionOption(kind=kind, url=reverse("changes:name_targets", args=[kind.name]), obstacle="")
    obstacle = ""
    if chosen.environment not in kind.environments:
        obstacle = f"Tradovate takes this on {' and '.join(sorted(kind.environments))} only."
    elif chosen.unit == Unit.TRADER and kind.unit == Unit.ACCOUNT:
        obstacle = "This is about accounts; traders are chosen."
    naming = urlencode([(name, value) for name in NAMING for value in query.getlist(name)])
    return ActionOption(kind=kind, url=f"{reverse('changes:new', args=[kind.name])}?{naming}", obstacle=obstacle)


@requires("changes:view")
@require_POST
def freeze(request: HttpRequest) -> HttpResponse:
    """Freeze every account that a filter matches, or every account of a trader, and go on to the change's form.

    Takes the accounts page's filters, or `trader=demo:123`; and `kind` if it is chosen already.
    """
    kind = kind_or_404(request.POST["kind"]) if request.POST.get("kind") else None
    if kind:
        demand(request, kind.capability)
    _offered(request)
    return _go_on(targets.keep(person(request), _everything_of(request.POST, person(request)), kind=kind), kind)


def _everything_of(posted: QueryDict, viewer: Staff) -> TargetSelection:
    if "trader" in posted:
        environment, ids = read_targets(posted.getlist("trader"), Unit.TRADER)
        if len(ids) > 1:
            raise BadTargets("One trader's accounts can be chosen at a time.")
        return targets.of_trader(environment, ids[0], viewer=viewer)
    filters = AccountFilters(posted, viewer=viewer)
    if not filters.is_valid():
        raise BadTargets("The filter isn't one that the list of accounts knows.")
    return targets.of_filters(filters)


def _go_on(target_list: TargetList, kind: Kind | None, *, proposed: State | None = None) -> HttpResponse:
    """Redirect to the form for a list; `proposed` are its initial parameters, if the list has none itself."""
    path = reverse("changes:new", args=[kind.name]) if kind else reverse("changes:choose")
    rest = {} if target_list.parameters or target_list.per_target else proposed or {}
    plain = {name: value for name, value in rest.items() if isinstance(value, str | int)}
    return HttpResponseSeeOther(f"{path}?{urlencode({**plain, 'targets': target_list.pk})}")


@requires("changes:view")
@accepts_body(TARGET_FILE_MAX, advice=SPLIT)
@rate_limited(UPLOADS, unless=is_urgent)
@require_http_methods(["GET", "POST"])
def name_targets(request: HttpRequest, kind_name: str) -> HttpResponse:
    """The page to name targets for a kind: typed ids or names, a CSV file, or a filter. Refused input is kept.

    With `copy_of`, an earlier change, they get what that change set.
    """
    kind = kind_or_404(kind_name)
    demand(request, kind.capability)
    named = _Naming(request, kind, _copied(request, kind))
    if request.method == "GET":
        return named.page()
    chosen = named.chosen()
    if chosen is None:
        return named.page(status=UNPROCESSABLE)
    if named.copied is None:
        return _go_on(targets.keep(person(request), chosen, kind=kind), kind)
    chosen = copy_of(named.copied, chosen)
    return _go_on(targets.keep(person(request), chosen, kind=kind), kind, proposed=named.copied.parameters)


def _copied(request: HttpRequest, kind: Kind) -> Change | None:
    """Return the change of this kind that is to be copied to other targets; None if none is named."""
    typed = request.POST if request.method == "POST" else request.GET
    number = typed.get("copy_of", "")
    if not number:
        return None
    changes = visible_changes(Change.objects.filter(kind=kind.name), person(request))
    change = changes.filter(pk=int(number)).first() if CHANGE_NUMBER.fullmatch(number) else None
    if change is None:
        raise Http404("There is no such change to copy.")
    return change


class _Naming:
    """The forms of one request to name targets: the submitted one is bound, the others are empty."""

    def __init__(self, request: HttpRequest, kind: Kind, copied: Change | None) -> None:
        self.request, self.kind, self.copied = request, kind, copied
        self.how = request.POST.get("how", "names") if request.method == "POST" else ""
        where = {"environment": copied.environment} if copied else {}
        names = (request.POST,) if self.how == "names" else ()
        files = (request.POST, request.FILES) if self.how == "csv" else ()
        self.names_form = NamesForm(*names, kind=kind, auto_id="names_%s", initial=where)
        self.file_form = FileForm(*files, kind=kind, auto_id="file_%s", initial=where)
        self.viewer = person(request)
        self.filters = AccountFilters(request.POST if self.how == "filter" else QueryDict(urlencode(where)), viewer=self.viewer)

    def chosen(self) -> TargetSelection | None:
        """Return what the submitted form selects; None, with the reasons as its errors, if that is not possible."""
        match self.how:
            case "csv":
                return _read(self.file_form, self.kind, self.viewer) if self.file_form.is_valid() else None
            case "filter":
                return self._filtered() if self.filters.is_valid() else None
            case _:
                return self._named() if self.names_form.is_valid() else None

    def _named(self) -> TargetSelection | None:
        said = self.names_form.cleaned_data
        try:
            return targets.of_text(Environment(said["environment"]), self.kind.unit, said["text"], viewer=self.viewer)
        except BadTargets as error:
            self.names_form.add_error("text", str(error))
            return None

    def _filtered(self) -> TargetSelection | None:
        try:
            return targets.of_filters(self.filters)
        except BadTargets as error:
            self.filters.form.add_error(None, str(error))
            return None

    def page(self, *, status: int = 200) -> HttpResponse:
        """Show the forms."""
        kind = self.kind
        heading: Sequence[str] = HEADINGS[kind.unit]
        context = {
            "kind": kind,
            "copied": self.copied,
            "copied_own": self.copied is not None and targets.had_own_parameters(self.copied),
            "copied_words": kind.parameter_words(self.copied.parameters) if self.copied else (),
            "names_form": self.names_form,
            "file_form": self.file_form,
            "filter_form": self.filters.form,
            "heading": heading[0],
            "columns": columns_of(kind),
            "environment": next(iter(kind.environments)).value if len(kind.environments) == 1 else "",
        }
        return render(self.request, "changes/name_targets.html", context, status=status)


def _read(form: forms.Form, kind: Kind, viewer: Staff) -> TargetSelection | None:
    """Return what the file selects; None, with an error for each reason, if it can't be read."""
    said = form.cleaned_data
    file, environment = said["file"], Environment(said["environment"])
    try:
        return read_csv(
            kind, environment, file.read(), filename=file.name, ignore_unknown=said["ignore_unknown"], viewer=viewer
        )
    except Unreadable as error:
        for reason in error.reasons:
            form.add_error("file", reason)
        return None


@requires("changes:view", recent_proof_to_read=True)
@rate_limited(EXPORTS)
@require_GET
def refused_rows(request: HttpRequest, list_id: UUID) -> HttpResponse:
    """The rows with errors of one's own list, as a file to correct and upload again."""
    target_list = targets.kept(person(request), list_id)
    if target_list is None or not target_list.problems:
        raise Http404("There is no such list of targets, or nothing of it was refused.")
    headers = {"Content-Disposition": 'attachment; filename="refused-rows.csv"'}
    content = "".join(refused_as_csv(targets.chosen_of(target_list)))
    return HttpResponse(content, content_type="text/csv; charset=utf-8", headers=headers)


@requires("changes:view")
@require_GET
def csv_template(request: HttpRequest, kind_name: str) -> HttpResponse:
    """The header of a kind's CSV file, to be filled in below."""
    kind = kind_or_404(kind_name)
    demand(request, kind.capability)
    headers = {"Content-Disposition": f'attachment; filename="{kind.name}.csv"'}
    return HttpResponse(template(kind), content_type="text/csv; charset=utf-8", headers=headers)
