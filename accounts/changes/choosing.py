"""Pages that lead to asking: which kind, and for which accounts or traders."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts.changes import targets
from accounts.changes.asking import NAMING, kind_or_404, named_targets
from accounts.changes.csv_upload import HEADINGS, Unreadable, columns_of, read_csv, template
from accounts.changes.forms import FileForm, NamesForm, read_targets
from accounts.changes.kinds import KINDS
from accounts.changes.kinds.kind import Kind, Unit
from accounts.changes.models import TargetList
from accounts.changes.states import Direction
from accounts.changes.targets import BadTargets, Chosen
from accounts.forms import FilterForm
from riskadmin.staff.queries import person
from riskadmin.tradovate.vocabulary import Environment
from riskadmin.web.access import CapabilityMissing, demand, may, requires
from riskadmin.web.htmx import HttpResponseSeeOther

UNPROCESSABLE = 422


@dataclass(frozen=True, kw_only=True)
class Offer:
    """A kind that may be chosen: where it leads, or why it can't be asked for here."""

    kind: Kind[Any]
    url: str
    obstacle: str


@requires("changes:view")
@require_GET
def choose(request: HttpRequest) -> HttpResponse:
    """Which kind of change to ask for: of the targets in the address, or of ones to be named next."""
    offered = _offered(request)
    chosen = None
    if any(name in request.GET for name in NAMING):
        try:
            chosen = named_targets(request, request.GET, None)
        except BadTargets as error:
            raise BadRequest(str(error)) from error
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


def _offered(request: HttpRequest) -> list[Kind[Any]]:
    """Return the kinds that this person may ask for; raises CapabilityMissing when there is none."""
    offered = [kind for kind in KINDS.values() if may(request, kind.capability)]
    if not offered:
        raise CapabilityMissing(*(kind.capability for kind in KINDS.values()))
    return offered


def _offer(kind: Kind[Any], chosen: Chosen | None, query: QueryDict) -> Offer:
    if chosen is None:
        return Offer(kind=kind, url=reverse("changes:name_targets", args=[kind.name]), obstacle="")
    obstacle = ""
    if chosen.environment not in kind.environments:
        obstacle = f"Tradovate takes this on {' and '.join(sorted(kind.environments))} only."
    elif chosen.unit == Unit.TRADER and kind.unit == Unit.ACCOUNT:
        obstacle = "This is about accounts; traders are chosen."
    naming = urlencode([(name, value) for name in NAMING for value in query.getlist(name)])
    return Offer(kind=kind, url=f"{reverse('changes:new', args=[kind.name])}?{naming}", obstacle=obstacle)


@requires("changes:view")
@require_POST
def freeze(request: HttpRequest) -> HttpResponse:
    """Freeze every account that a filter matches, or every one of a trader, and go on to ask for something.

    Takes the accounts page's filters, or `trader=demo:123`; and `kind` where it is chosen already.
    """
    kind = kind_or_404(request.POST["kind"]) if request.POST.get("kind") else None
    if kind:
        demand(request, kind.capability)
    _offered(request)
    try:
        chosen = _everything_of(request.POST)
    except BadTargets as error:
        raise BadRequest(str(error)) from error
    return _go_on(targets.keep(person(request), chosen, kind=kind), kind)


def _everything_of(posted: QueryDict) -> Chosen:
    if "trader" in posted:
        environment, ids = read_targets(posted.getlist("trader"), Unit.TRADER)
        if len(ids) > 1:
            raise BadTargets("One trader's accounts can be chosen at a time.")
        return targets.of_trader(environment, ids[0])
    form = FilterForm(posted)
    if not form.is_valid():
        raise BadTargets("The filter isn't one that the list of accounts knows.")
    return targets.of_filters(form.filters())


def _go_on(target_list: TargetList, kind: Kind[Any] | None) -> HttpResponse:
    path = reverse("changes:new", args=[kind.name]) if kind else reverse("changes:choose")
    return HttpResponseSeeOther(f"{path}?targets={target_list.pk}")


@requires("changes:view")
@require_http_methods(["GET", "POST"])
def name_targets(request: HttpRequest, kind_name: str) -> HttpResponse:
    """The page to name targets for a kind: ids or names by hand, or a CSV file. What is refused keeps what was typed."""
    kind = kind_or_404(kind_name)
    demand(request, kind.capability)
    if request.method == "GET":
        return _name_page(request, kind, _names_form(kind), _file_form(kind))
    if request.POST.get("how") == "csv":
        file_form = _file_form(kind, request.POST, request.FILES)
        if file_form.is_valid():
            chosen = _read(file_form, kind)
            if chosen:
                return _go_on(targets.keep(person(request), chosen, kind=kind), kind)
        return _name_page(request, kind, _names_form(kind), file_form, status=UNPROCESSABLE)
    names_form = _names_form(kind, request.POST)
    if names_form.is_valid():
        environment = Environment(names_form.cleaned_data["environment"])
        try:
            chosen = targets.of_text(environment, kind.unit, names_form.cleaned_data["text"])
        except BadTargets as error:
            names_form.add_error("text", str(error))
        else:
            return _go_on(targets.keep(person(request), chosen, kind=kind), kind)
    return _name_page(request, kind, names_form, _file_form(kind), status=UNPROCESSABLE)


def _read(form: forms.Form, kind: Kind[Any]) -> Chosen | None:
    """Return what the file chooses; None, with an error for each reason, when it can't be read."""
    file = form.cleaned_data["file"]
    try:
        return read_csv(kind, Environment(form.cleaned_data["environment"]), file.read(), filename=file.name)
    except Unreadable as error:
        for reason in error.reasons:
            form.add_error("file", reason)
        return None


def _names_form(kind: Kind[Any], *data: QueryDict) -> NamesForm:
    return NamesForm(*data, kind=kind, auto_id="names_%s")


def _file_form(kind: Kind[Any], *data: Any) -> FileForm:
    return FileForm(*data, kind=kind, auto_id="file_%s")


def _name_page(
    request: HttpRequest, kind: Kind[Any], names_form: NamesForm, file_form: FileForm, *, status: int = 200
) -> HttpResponse:
    heading: Sequence[str] = HEADINGS[kind.unit]
    context = {
        "kind": kind,
        "names_form": names_form,
        "file_form": file_form,
        "heading": heading[0],
        "columns": columns_of(kind),
        "environment": next(iter(kind.environments)).value if len(kind.environments) == 1 else "",
    }
    return render(request, "changes/name_targets.html", context, status=status)


@requires("changes:view")
@require_GET
def csv_template(request: HttpRequest, kind_name: str) -> HttpResponse:
    """The header of a kind's CSV file, to be filled in below."""
    kind = kind_or_404(kind_name)
    demand(request, kind.capability)
    headers = {"Content-Disposition": f'attachment; filename="{kind.name}.csv"'}
    return HttpResponse(template(kind), content_type="text/csv; charset=utf-8", headers=headers)
